"""``molvae decode``: latent vectors to molecules."""

from __future__ import annotations

from itertools import chain

import click

from .options import (
    device_option,
    excel_safe_option,
    force_option,
    load_codec,
    model_option,
    output_option,
)
from .output import check_table, note, note_terminal, open_rows, progress


@click.command(
    epilog="""\b
Examples:
  molvae decode -m model/ latents.npz -o molecules.csv
  molvae encode -m model/ molecules.csv | molvae decode -m model/ -"""
)
@click.argument("latents", metavar="FILE")
@model_option
@click.option(
    "--greedy",
    is_flag=True,
    help="Take the likeliest symbol at every step, however it encodes: some times as fast, and "
    "fewer molecules come back.",
)
@output_option
@excel_safe_option
@force_option
@device_option
def decode(
    latents: str, model: str, greedy: bool, output: str, excel_safe: bool, force: bool, device: str
) -> int:
    """Decode latent vectors, from npz, csv, csv.gz or parquet, to the molecule of each.

    Where the likeliest symbols spell a molecule that does not encode to the vector again, a beam
    offers others, and the one that encodes nearest is written. Writes CSV or, to a file named .tsv,
    TSV: a row for every vector, with its id. Column `encodes_back` says whether the molecule
    encodes to this very vector: it is then the one that was encoded. Column `canonical` says
    whether its SELFIES is the one that the molecule is written in; one that is not is often a slip.
    A vector that decodes to no atoms has an empty SMILES."""
    from molvae.datasets.text_files import cell
    from molvae.generation.codec import BATCH
    from molvae.generation.latent_files import latent_parts
    from molvae.generation.rebuilding import WIDTH, rebuild

    check_table(output, force, [latents])
    note_terminal(latents)
    parts = latent_parts(latents, BATCH)
    first = next(parts)  # what is wrong with the file is said before a model is loaded
    codec = load_codec(model, device)
    codec.check_latents(first.z)
    rows = empty = back = 0
    with open_rows(output, force, excel_safe) as write, progress("vectors", None) as advance:
        write(["id", "smiles", "selfies", "encodes_back", "canonical"])
        for part in chain([first], parts):
            codec.check_latents(part.z, rows)
            rebuilt = rebuild(codec, part.z, 1 if greedy else WIDTH)
            for number, one in zip(part.ids, rebuilt, strict=True):
                empty += not one.smiles
                back += one.encodes_back
                write([number, one.smiles, one.selfies, *map(cell, one[2:4])])
                advance(1)
            rows += len(part.ids)
    note(
        f"{rows:,} decoded, {back:,} of which encode to their vector again"
        + (f", {empty:,} without atoms" if empty else "")
    )
    return 0
