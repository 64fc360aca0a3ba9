"""``molvae info``: a description of a model, from its files alone."""

from __future__ import annotations

import json
from typing import Any

import click

from .options import chosen_model


@click.command(
    epilog="""\b
Examples:
  molvae info model/
  molvae info druglike
  molvae info model/ --json"""
)
@click.argument("model", required=False, callback=chosen_model)
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def info(model: str, as_json: bool) -> None:
    """Describe a model: its data, sizes, vocabulary, training, metrics and versions.

    MODEL is the folder of a trained model or the name of a shipped one. A card, if the model has
    one, comes last."""
    from molvae.storage.model_folder import describe, load_card

    description, card = describe(model), load_card(model)
    if as_json:
        click.echo(json.dumps(description | ({"card": card} if card else {}), indent=1))
        return
    for section, values in description.items():
        click.echo(f"{section}")
        for key, value in values.items():
            click.echo(printable(f"  {key:<22} {shown(value)}"))
    if card:
        click.echo(f"\n{printable(card)}", nl=False)


def shown(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        between = " " if all(isinstance(one, str) for one in value) else ", "
        return between.join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def printable(text: str) -> str:
    """Text of unknown origin made safe for a terminal: control characters are spelt out.

    >>> printable("a card\\n\\x1b[2J")
    'a card\\n\\\\x1b[2J'
    """
    kept = (
        one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode()
        for one in text
    )
    return "".join(kept)
