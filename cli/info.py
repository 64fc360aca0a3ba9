"""``molvae info``: what a model is, from its files alone."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command(
    epilog="""\b
Examples:
  molvae info model/
  molvae info model/ --json"""
)
@click.argument("model", metavar="FOLDER")
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def info(model: str, as_json: bool) -> None:
    """Say what a model is: its data, sizes, vocabulary, training, metrics and versions."""
    from molvae.checkpoint import describe

    description = describe(model)
    if as_json:
        click.echo(json.dumps(description, indent=1))
        return
    for section, values in description.items():
        click.echo(f"{section}")
        for key, value in values.items():
            click.echo(f"  {key:<22} {shown(value)}")


def shown(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return " ".join(map(str, value)) if all(isinstance(v, str) for v in value) else ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
