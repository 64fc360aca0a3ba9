"""`molvae score`: the rows of a file of molecules, with a column for each score."""

from __future__ import annotations

from collections.abc import Sequence

import click

from .options import (
    column_option,
    excel_safe_option,
    force_option,
    output_option,
    report_option,
    scorer_options,
    workers_option,
)

EXAMPLES = """
\b
Examples:
  molvae score molecules.csv -o scored.csv
  molvae score molecules.smi.gz --scores qed,sa,logp -o scored.tsv.gz
  molvae sample -n 100 | molvae score - | head
  molvae score molecules.sdf --scorer my_models.py:solubility -o scored.csv
"""


def print_list(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print what there is, a line each, and end."""
    if not wanted or context.resilient_parsing:
        return
    from molvae.chem.properties import PROPERTIES

    for name, entry in PROPERTIES.items():
        aside = "" if entry.by_default else " (only when asked for)"
        click.echo(f"{name:<20} {entry.name:<19} {entry.description}{aside}")
    context.exit()


@click.command(epilog=EXAMPLES, short_help="Add scores to the rows of a file of molecules.")
@click.argument("molecules")
@output_option
@click.option(
    "--scores", metavar="NAMES", help="Scores to compute, separated by commas.  [default: all]"
)
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_list,
    help="Show the scores.",
)
@scorer_options("May be given several times; its column has the function's name.")
@click.option(
    "--parent",
    is_flag=True,
    help="Score the parent, without salts and solvents and neutralised, in place of the molecule "
    "as it is written; a column `parent` says what that is.",
)
@excel_safe_option
@column_option
@report_option
@workers_option
@force_option
def score(
    molecules: str,
    output: str,
    scores: str | None,
    scorers: tuple[str, ...],
    parent: bool,
    scorer_timeout: float,
    excel_safe: bool,
    column: str | None,
    page: str | None,
    workers: int | None,
    force: bool,
) -> int:
    """Add scores to the rows of MOLECULES, a file of SMILES or structures, or - for standard input.

    Every row is kept, in its order and with all its columns; a column per score is added, and a
    column `status`: "ok", or why a score is missing. Reads CSV, TSV, SMI and SDF, writes CSV or, to
    a file named .tsv, TSV; each also .gz."""
    from molvae.chem.scoring import OK, Counts, free_names, plan_scores, stream
    from molvae.datasets.table_reader import open_table
    from molvae.datasets.text_files import cell

    from .output import check_table, note, note_terminal, open_rows, progress
    from .pages import Kept, check_page, facts_of, write_table_page
    from .reading import note_column

    plan = plan_scores(scores, scorers, parent, scorer_timeout)
    check_table(output, force, inputs=[molecules])
    check_page(page, force, [molecules, output])
    note_terminal(molecules)
    counts = Counts()
    with (
        open_table(molecules, column, whole=True) as table,
        open_rows(output, force, excel_safe) as plain,
    ):
        note_column(table)
        write = Kept(plain, page)
        write([*table.columns, *free_names([*plan.columns, "status"], taken=table.columns)])
        rows = stream(((record.smiles, record) for record in table), plan, workers)
        properties = len(plan.columns) - len(plan.scorers)
        with progress(label="scoring", total=None) as advance:
            for record, row in rows:
                if record.problem:
                    also = f"{row.status}; " if record.smiles and row.status != OK else ""
                    row = row._replace(
                        status=also + record.problem, reason=record.problem.partition(":")[0]
                    )
                counts.add(row)
                own = ["" if value is None else str(value) for value in row.values[properties:]]
                scored = [*map(cell, row.values[:properties]), *own, row.status]
                write([*fitted(record.fields, len(table.columns)), *scored])
                advance(1)
    note(str(counts))
    if page and write.rows:
        title = f"Scores of {table.name}"
        write_table_page(page, write, title, facts_of(), smiles_at=table.smiles_at)
    if counts.not_scored.total() < counts.rows or not counts.rows:
        return 0
    note(
        f"Error: no row could be scored: does {table.smiles_column!r} hold SMILES? --column names "
        "another column"
    )
    return 1


def fitted(fields: Sequence[str], width: int) -> list[str]:
    """The fields of a row in as many columns as the header has, so that scores follow these.

    Columns that a row lacks are empty; what it has too much of stays in its last column.

    >>> fitted(["CCO"], 2), fitted(["CCO", "a", "b"], 2)
    (['CCO', ''], ['CCO', 'a,b'])
    """
    return [*fields[: width - 1], ",".join(fields[width - 1 :]), *[""] * (width - len(fields) - 1)][
        :width
    ]
