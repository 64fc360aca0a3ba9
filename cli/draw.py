"""``molvae draw``: a picture of the first molecules of a table."""

from __future__ import annotations

from itertools import islice

import click

from .options import column_option, force_option
from .output import check_output, note, note_terminal


@click.command(
    epilog="""\b
Examples:
  molvae draw scored.csv -o picture.svg --legend QED,SA
  molvae sample -m model/ -n 12 | molvae draw - -o new.png --per-row 4"""
)
@click.argument("molecules", metavar="FILE")
@click.option(
    "-o", "--output", required=True, metavar="PATH", help="Picture to write: .svg or .png."
)
@click.option(
    "-n",
    "--number",
    type=click.IntRange(1, 1000),
    default=20,
    metavar="N",
    help="Molecules to draw.",
)
@click.option(
    "--per-row", type=click.IntRange(1, 50), default=5, metavar="N", help="Molecules in a row."
)
@click.option(
    "--legend", metavar="NAMES", help="Columns to write under each molecule, such as QED,SA."
)
@column_option
@force_option
def draw(
    molecules: str,
    output: str,
    number: int,
    per_row: int,
    legend: str | None,
    column: str | None,
    force: bool,
) -> int:
    """Draw the first molecules of a table, side by side.

    FILE is CSV, TSV, SMI or SDF, each also gzipped; - is stdin. A molecule that cannot be drawn
    leaves its place empty."""
    from molvae.chem.drawing import check_picture_path, draw_grid, save_picture
    from molvae.datasets.table_reader import open_table
    from molvae.errors import InputError, UsageError

    check_picture_path(output)
    check_output(output, force, [molecules])
    note_terminal(molecules)
    wanted = [name.strip() for name in legend.split(",")] if legend else []
    with open_table(molecules, column) as table:
        lacking = [name for name in wanted if name not in table.columns]
        if lacking:
            raise UsageError(
                f"--legend: {table.name} has no column {lacking[0]!r}, but "
                f"{', '.join(table.columns)}"
            )
        records = list(islice(table, number))
        places = [table.columns.index(name) for name in wanted]
    if not records:
        raise InputError(f"{molecules}: there are no molecules in it")
    rows = [(*record.fields, *[""] * (1 + max(places, default=0))) for record in records]
    legends = [
        "   ".join(f"{name} {short(fields[at])}" for name, at in zip(wanted, places, strict=True))
        for fields in rows
    ]
    picture = draw_grid([record.smiles for record in records], legends if wanted else (), per_row)
    drawn = 0
    for record, one in zip(records, picture.cells, strict=True):
        drawn += one.mol is not None
        if one.mol is None:
            note(f"{molecules}, line {record.line}: {record.problem or why_not(record.smiles)}")
    if not drawn:
        raise InputError(f"{molecules}: none of its first {len(records):,} rows can be drawn")
    save_picture(picture, output)
    note(f"{drawn:,} molecule{'s' * (drawn != 1)} drawn in {output}")
    return 0


def why_not(smiles: str) -> str:
    """The reason why a molecule cannot be drawn."""
    from molvae.chem.molecule import parse
    from molvae.errors import MoleculeError

    try:
        parse(smiles)
    except MoleculeError as error:
        return str(error)
    return "cannot be laid out"


def short(cell: str) -> str:
    """A cell as it fits under a molecule: a number with two decimals, if it has any.

    >>> short("0.859655"), short("1760.0"), short("mine")
    ('0.86', '1760', 'mine')
    """
    try:
        number = float(cell)
    except ValueError:
        return cell
    return f"{number:.2f}" if number != round(number) else f"{number:.0f}"
