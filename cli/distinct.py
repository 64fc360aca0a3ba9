"""``molvae distinct``: each molecule of a folder of samples once."""

from __future__ import annotations

import re
from pathlib import Path

import click

from .options import force_option
from .output import check_output, note, open_bytes, progress

UNITS = {"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
LEAST, MOST = 200 * UNITS["M"], 1000 * UNITS["T"]


def size_of(value: str) -> int:
    """An amount of memory, such as 500MB or 4GB, in bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MGT])i?B", value, re.IGNORECASE)
    if not found:
        raise click.BadParameter(f"{value!r} is not an amount of memory such as 500MB or 4GB.")
    size = float(found[1]) * UNITS[found[2].upper()]
    if not LEAST <= size <= MOST:
        raise click.BadParameter(f"{value!s:.40} is not between 200MB and 1000TB.")
    return int(size)


@click.command(
    epilog="""\b
Examples:
  molvae distinct shards/ -o molecules.parquet
  molvae distinct shards/ --memory 16GB --temp /scratch -o molecules.csv.gz"""
)
@click.argument("folder", metavar="FOLDER")
@click.option(
    "-o",
    "--output",
    default="-",
    metavar="PATH",
    help="File to write, parquet or csv by its extension, csv also as .csv.gz; - is csv to stdout.",
)
@click.option(
    "--memory",
    type=size_of,
    default="4GB",
    metavar="SIZE",
    help="Memory to find repeats in, such as 500MB or 64GB.",
)
@click.option(
    "--temp",
    metavar="FOLDER",
    help="Where to keep what does not fit in memory. [default: beside the output]",
)
@force_option
def distinct(folder: str, output: str, memory: int, temp: str | None, force: bool) -> int:
    """Keep each molecule of the parts in FOLDER once: the row with the lowest draw, in the order
    of draws.

    FOLDER is one that molvae sample -o shards/ has filled, with any number of molecules: what does
    not fit in memory is kept on disk while the command runs, about 100 bytes for each molecule."""
    from tempfile import TemporaryDirectory

    from molvae.errors import UsageError
    from molvae.generation.deduplication import (
        distinct,
        format_of,
        open_parts,
        parts_of,
        write_tables,
    )

    format = format_of(output)
    check_output(output, force)
    parts = open_parts(Path(folder))
    place = temp if temp is not None else None if output == "-" else str(Path(output).parent)
    if place is not None and not Path(place).is_dir():
        raise UsageError(f"--temp: {place} is not a folder")
    numbers = parts_of(Path(folder))
    if gaps := [number for number in range(max(numbers)) if number not in numbers]:
        some = ", ".join(map(str, gaps[:5])) + (", …" if len(gaps) > 5 else "")
        are = "part is" if len(gaps) == 1 else "parts are"
        note(
            f"Warning: {len(gaps):,} {are} missing ({some}); molvae sample, started again, writes "
            "what is missing"
        )
    with (
        TemporaryDirectory(prefix=".molvae-distinct-", dir=place) as spill,
        progress("rows, each read twice", 2 * parts.rows) as advance,
        open_bytes(output, force) as handle,
    ):
        left = write_tables(
            handle, distinct(parts, memory, Path(spill), advance), parts.schema, format
        )
    note(
        f"{parts.rows:,} rows in {len(parts.paths):,} parts: {left:,} distinct, "
        f"{parts.rows - left:,} repeats left out"
    )
    return 0
