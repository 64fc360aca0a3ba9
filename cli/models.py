"""``molvae models``: the trained models that come with molvae."""

from __future__ import annotations

import json

import click

from .output import note


@click.command(
    epilog="""\b
Examples:
  molvae models
  molvae models --json"""
)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def models(as_json: bool) -> None:
    """List the trained models that come with molvae: every -m takes their names.

    Exact is the share of validation molecules that are rebuilt exactly; molvae info NAME has the
    rest."""
    from molvae.storage import pretrained
    from molvae.storage.model_folder import summarise

    found = {name: summarise(pretrained.folder_of(name)) for name in pretrained.names()}
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    if not found:
        note("No trained model comes with this molvae; molvae train makes one.")
        return
    rows = [["name", "molecules", "weights", "size", "exact", "licence", "trained on"]]
    for name, one in found.items():
        exact = "-" if one["exact"] is None else f"{one['exact']:.1%}"
        size = f"{one['bytes'] / 1e6:.1f} MB"
        rows.append(
            [
                name,
                count(one["molecules"]),
                count(one["weights"]),
                size,
                exact,
                one["licence"] or "-",
                one["data"],
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def count(number: int | None) -> str:
    """A number with its thousands apart, or a dash."""
    return "-" if number is None else f"{number:,}"
