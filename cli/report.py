"""``molvae report``: a table of molecules as one HTML page."""

from __future__ import annotations

from itertools import islice

import click

from .options import column_option, force_option, page_option
from .output import note, note_terminal
from .pages import Kept, check_page, facts_of, reference_of, write_table_page


@click.command(
    epilog="""\b
Examples:
  molvae report scored.csv -o scored.html
  molvae report scored.csv -o scored.html --reference training.csv --title 'Round 3'
  molvae analogs 'CC(=O)Nc1ccc(O)cc1' | molvae report - -o analogs.html"""
)
@click.argument("molecules", metavar="FILE")
@page_option
@click.option("--title", metavar="TEXT", help="Heading of the page. [default: name of the file]")
@click.option(
    "--reference",
    metavar="FILE",
    help="Molecules, such as those of the training, whose histograms are drawn over those of FILE: "
    "2,000 of them, at random.",
)
@column_option
@force_option
def report(
    molecules: str,
    output: str,
    title: str | None,
    reference: str | None,
    column: str | None,
    force: bool,
) -> int:
    """Make a page of a table: structures in cards, to sort and filter by every column.

    FILE is CSV, TSV, SMI or SDF, each also gzipped; - is stdin. The page is one file that needs no
    network, on a desk, a phone or paper. Columns of numbers get a histogram. Where there is a
    column `lead`, as molvae analogs writes it, changes against the lead are marked."""
    from molvae.datasets.table_reader import open_table
    from molvae.errors import InputError
    from molvae.pages.table_report import MOST

    from .score import fitted

    check_page(output, force, [molecules, reference])
    note_terminal(molecules)
    with open_table(molecules, column) as table:
        kept = Kept(ignore, output)
        kept(table.columns)
        for record in table:
            if record.problem:
                note(f"{table.name}, line {record.line}: {record.problem}")
            kept(fitted(record.fields, len(table.columns)))
        smiles_at, name = table.smiles_at, table.name
    if not kept.rows:
        raise InputError(f"{molecules}: there are no molecules in it")
    if kept.count > MOST:
        note(f"the page holds the first {MOST:,} of {kept.count:,} rows")
    write_table_page(
        output,
        kept,
        title or ("Molecules" if molecules == "-" else name),
        facts_of(),
        smiles_at=smiles_at,
        lead_at=lead_column(kept),
        reference=reference_of(reference, kept.columns) if reference else None,
    )
    return 0


def lead_column(kept: Kept) -> int | None:
    """The place of the column of leads, if there is one that holds molecules."""
    from molvae.chem.drawing import laid_out

    for at, name in enumerate(kept.columns):
        if name.lower() == "lead":
            few = [row[at] for row in islice(kept.rows, 10)]
            return at if all(laid_out(one) is not None for one in few) else None
    return None


def ignore(_: object) -> None:
    """Write nothing: the rows are there already."""
