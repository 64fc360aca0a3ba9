"""``molvae decode``: latent vectors to molecules."""

from __future__ import annotations

import sys

import click

from .options import (
    chosen_device,
    device_option,
    excel_safe_option,
    force_option,
    model_option,
    output_option,
)
from .output import check_table, delimiter_of, note, note_terminal, open_output, progress


@click.command(
    epilog="""\b
Examples:
  molvae decode -m model/ latents.npz -o molecules.csv
  molvae encode -m model/ molecules.csv | molvae decode -m model/ -"""
)
@click.argument("latents", metavar="FILE")
@model_option
@output_option
@excel_safe_option
@force_option
@device_option
def decode(
    latents: str, model: str, output: str, excel_safe: bool, force: bool, device: str
) -> int:
    """Decode latent vectors, from npz, csv, csv.gz or parquet, to the likeliest molecule of each.

    Writes CSV or, to a file named .tsv, TSV: a row for every vector, with its id; a vector that
    decodes to no atoms has an empty SMILES."""
    from molvae.datasets.text_files import row_writer
    from molvae.errors import InputError
    from molvae.generation.codec import BATCH, Codec
    from molvae.generation.latent_files import read_latents

    check_table(output, force, [latents])
    note_terminal(latents)
    if latents == "-":
        if sys.stdin is None:
            raise InputError("standard input is closed; nothing can be read from -")
        table = read_latents(latents, sys.stdin.buffer)
    else:
        try:
            with open(latents, "rb") as handle:
                table = read_latents(latents, handle)
        except OSError as error:
            raise InputError(f"{latents}: cannot be read ({error.strerror})") from error
    codec = Codec.load(model, chosen_device(device))
    codec.check_latents(table.z)
    empty = 0
    with open_output(output, force) as out, progress("vectors", len(table.ids)) as advance:
        write = row_writer(out, delimiter_of(output), excel_safe)
        write(["id", "smiles", "selfies"])
        for start in range(0, len(table.ids), BATCH):
            part = slice(start, start + BATCH)
            for number, decoded in zip(
                table.ids[part], codec.molecules(table.z[part]), strict=True
            ):
                empty += not decoded.smiles
                write([number, *decoded])
                advance(1)
    note(f"{len(table.ids):,} decoded" + (f", {empty:,} without atoms" if empty else ""))
    return 0
