"""``molvae export``: a trained model as a folder to give away."""

from __future__ import annotations

import click

from molvae.config import MAX_TEMPERATURE

from .options import named_model, number_in
from .output import check_new_folder, note


@click.command(
    epilog="""\b
Examples:
  molvae export model/ -o mine/
  molvae export model/ -o mine/ --licence MIT --card words.md"""
)
@click.argument("model", metavar="RUN", callback=named_model)
@click.option("-o", "--output", required=True, metavar="FOLDER", help="New folder to make.")
@click.option(
    "--licence", default="", metavar="TEXT", help="What others may do with the model, such as MIT."
)
@click.option("--card", metavar="FILE", help="Text in Markdown to include in the model's card.")
@click.option(
    "--temperature",
    type=number_in(0.0, MAX_TEMPERATURE),
    metavar="X",
    help="Temperature that the model is drawn at unless another is named. [default: its own]",
)
def export(
    model: str, output: str, licence: str, card: str | None, temperature: float | None
) -> None:
    """Make a trained model ready to give away: a folder of about a tenth of a training's size.

    Weights go to half precision, the training molecules to a Bloom filter (sample --novel then
    drops one novel molecule in a hundred by mistake), and what only resuming needs stays behind.
    README.md says what the model is. The folder is also a repository of the Hugging Face Hub as it
    is: for a model uploaded there, -m takes hf:owner/name."""
    from molvae.storage.export import export_model
    from molvae.storage.model_card import read_words

    check_new_folder(output)
    text = "" if card is None else read_words(card)
    made = export_model(model, output, licence=licence, text=text, temperature=temperature)
    size = sum(one.stat().st_size for one in made.iterdir()) / 1e6
    # With a slash, so that it is never taken for the name of a shipped model.
    note(f"Done: {output}, {size:.1f} MB (molvae info {output.rstrip('/')}/)")
