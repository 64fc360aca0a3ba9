"""``molvae map``: molecules as a map of latent space, in one HTML file."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import click

from .options import (
    column_option,
    device_option,
    force_option,
    load_codec,
    model_option,
    page_option,
    seed_option,
)
from .output import note, note_terminal, progress
from .pages import check_page, facts_of, write_page
from .reading import read_rows


@click.command(
    "map",
    epilog="""\b
Examples:
  molvae map scored.csv -o map.html --color QED
  molvae sample -n 5000 | molvae score - | molvae map - -o map.html --color logP
  molvae map molecules.csv -o map.html --method umap""",
)
@click.argument("molecules", metavar="FILE")
@page_option
@click.option(
    "--color", metavar="NAME", help="Column that colours the points. [default: one of numbers]"
)
@click.option(
    "--method",
    type=click.Choice(["pca", "umap"]),
    default="pca",
    help="Principal components, or UMAP, which needs pip install 'molvae[umap]'.",
)
@model_option
@seed_option
@column_option
@force_option
@device_option
def map(
    molecules: str,
    output: str,
    color: str | None,
    method: str,
    model: str,
    seed: int,
    column: str | None,
    force: bool,
    device: str,
) -> int:
    """Show the molecules of FILE where a model has them: their posterior means in two dimensions.

    FILE is CSV, TSV, SMI or SDF, each also gzipped; - is stdin. The page is one file that needs no
    network; it zooms, shows the structure of the point under the pointer, and can be coloured by
    every column. Rows that cannot be read are counted on it. The seed is that of UMAP."""
    import numpy as np

    from molvae.datasets.table_reader import open_table
    from molvae.errors import InputError, UsageError
    from molvae.explore.latent_map import POINTS, check_method, map_page, project
    from molvae.runtime.process_pool import chunked

    from .score import fitted

    check_method(method)
    check_page(output, force, [molecules])
    note_terminal(molecules)
    codec = load_codec(model, device)
    rows: list[list[str]] = []
    parts, dropped = [np.zeros((0, codec.latent), np.float32)], Counter[str]()
    with open_table(molecules, column) as table, progress("molecules", None) as advance:
        if color is not None and color not in table.columns:
            raise UsageError(
                f"--color: {table.name} has no column {color!r}, but {', '.join(table.columns)}"
            )
        shown = islice(read_rows(codec.reader, table, dropped), POINTS)
        for part in chunked(shown, 1024):
            rows += [fitted(record.fields, len(table.columns)) for record, _ in part]
            parts.append(codec.encode_readings([reading for _, reading in part]))
            advance(len(part))
        beyond = sum(1 for _ in table)
        columns, smiles_at, name = table.columns, table.smiles_at, table.name
    words = in_words(len(rows), dropped, beyond)
    if len(rows) < 3:
        raise InputError(f"{name}: {words[0].lower()}{words[1:]} A map needs three at least.")
    page = map_page(
        columns,
        rows,
        smiles_at,
        project(np.concatenate(parts), method, seed),
        title=f"Map of {'molecules' if molecules == '-' else Path(name).name}",
        facts=facts_of(model, seed if method == "umap" else None),
        words=words,
        color=color,
    )
    note(words)
    write_page(output, page)
    return 0


def in_words(shown: int, dropped: Counter[str], beyond: int) -> str:
    """The rows that are on a map, and those that are not, and why.

    >>> in_words(12, Counter({"does not parse": 1}), 0)
    '12 molecules are on the map; 1 row could not be read (does not parse 1).'
    """
    text = f"{shown:,} molecule{'s are' if shown != 1 else ' is'} on the map"
    if count := dropped.total():
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in dropped.most_common())
        text += f"; {count:,} row{'s' * (count != 1)} could not be read ({reasons})"
    if beyond:
        text += f"; {beyond:,} more rows were left out, as a map holds {shown:,}"
    return f"{text}."
