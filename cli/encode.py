"""``molvae encode``: molecules to latent vectors."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from .options import (
    column_option,
    count_in,
    device_option,
    force_option,
    load_codec,
    model_option,
    output_option,
)
from .output import check_output, note, note_terminal, open_bytes, progress
from .reading import note_column, read_rows


@click.command(
    epilog="""\b
Examples:
  molvae encode -m model/ molecules.csv -o latents.npz
  molvae encode -m model/ molecules.csv --id-column name -o latents.csv.gz
  molvae encode -m model/ molecules.csv --refine 50 -o latents.parquet"""
)
@click.argument("molecules", metavar="FILE")
@model_option
@click.option(
    "--id-column",
    metavar="NAME",
    help="Column with the id of each row. [default: id or name, else the line]",
)
@click.option(
    "--refine",
    type=count_in(0, 100_000),
    default=0,
    metavar="K",
    help="Gradient steps on each molecule's own posterior, from the encoder's (semi-amortised).",
)
@column_option
@output_option
@force_option
@device_option
def encode(
    molecules: str,
    model: str,
    id_column: str | None,
    refine: int,
    column: str | None,
    output: str,
    force: bool,
    device: str,
) -> int:
    """Encode molecules to latent vectors: the mean of each one's posterior.

    Writes npz, csv, csv.gz or parquet by the extension, with an id for every row. Rows that cannot
    be encoded are named on stderr and left out."""
    from molvae.datasets.table_reader import open_table
    from molvae.errors import UsageError
    from molvae.generation.latent_files import Latents, format_of, latent_writer
    from molvae.runtime.process_pool import chunked

    check_output(output, force, [molecules])
    format = format_of(output)
    note_terminal(molecules)
    codec = load_codec(model, device)
    encoded, dropped = 0, Counter[str]()
    with open_table(molecules, column) as table:
        note_column(table)
        names = [name.strip().lower() for name in table.columns]
        wanted = [id_column.lower()] if id_column else ["id", "name"]
        place = next((names.index(name) for name in wanted if name in names), None)
        if id_column and place is None:
            raise UsageError(
                f"--id-column: {table.name} has no column {id_column!r}, but "
                f"{', '.join(table.columns)}"
            )
        with (
            open_bytes(output, force) as handle,
            latent_writer(handle, codec.latent, format) as write,
            progress("molecules", None) as advance,
        ):
            for rows in chunked(read_rows(codec.reader, table, dropped), 2048):
                ids = [id_of(record, place, table.name) for record, _ in rows]
                readings = [reading for _, reading in rows]
                smiles = [reading.smiles for reading in readings]
                write(Latents(ids, smiles, codec.encode_readings(readings, refine)))
                encoded += len(ids)
                advance(len(ids))
    note(
        f"{encoded:,} encoded"
        + "".join(f", {count:,} left out ({reason})" for reason, count in dropped.most_common())
    )
    return 0 if encoded or not dropped else 1


def id_of(record: Any, place: int | None, table: str) -> str:
    """The id of a row, its cell at ``place`` or else the line; InputError for an absurd length."""
    from molvae.errors import InputError
    from molvae.generation.latent_files import LONGEST_ID

    # A row without an id has none like those of others, which may well be numbers.
    missing = str(record.line) if place is None else f"line {record.line}"
    found = (record.fields[place] if place is not None else "") or missing
    if len(found) > LONGEST_ID:
        rule = f"an id has at most {LONGEST_ID:,} characters, not {len(found):,}"
        raise InputError(f"{table}, line {record.line}: {rule}; --id-column names another column")
    return found
