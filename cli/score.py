"""`molvae score`: the rows of a file of molecules, with a column for each score."""

from __future__ import annotations

import click

from .options import column_option, force_option, output_option, workers_option

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
    from molvae.properties import PROPERTIES

    for name, entry in PROPERTIES.items():
        aside = "" if entry.by_default else " (only when asked for)"
        click.echo(f"{name:<20} {entry.name:<19} {entry.description}{aside}")
    context.exit()


@click.command(epilog=EXAMPLES, short_help="Add scores to the rows of a file of molecules.")
@click.argument("molecules")
@output_option
@click.option("--scores", metavar="NAMES", help="Scores to compute, separated by commas.  [default: all]")
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=print_list, help="Show the scores.")
@click.option(
    "--scorer",
    "scorers",
    multiple=True,
    metavar="FILE.PY:FUNCTION",
    help="A score of your own: a Python function that takes an RDKit molecule and returns a number. "
    "May be given several times; its column has the function's name.",
)
@click.option(
    "--parent",
    is_flag=True,
    help="Score the largest fragment, neutralised, in place of the molecule as it is written.",
)
@column_option
@workers_option
@force_option
def score(
    molecules: str,
    output: str,
    scores: str | None,
    scorers: tuple[str, ...],
    parent: bool,
    column: str | None,
    workers: int | None,
    force: bool,
) -> None:
    """Add scores to the rows of MOLECULES, a file of SMILES or structures, or - for standard input.

    Every row is kept, in its order and with all its columns; a column per score is added, and a column
    `status`: "ok", or why a score is missing. Reads CSV, TSV, SMI and SDF, writes CSV or, to a file named
    .tsv, TSV; each also .gz.
    """
    import csv

    from molvae.errors import InputError
    from molvae.intake import open_table
    from molvae.scoring import Counts, free_names, plan_scores, stream

    from .output import note, open_output, progress

    plan = plan_scores(scores, scorers, parent)
    refuse_same_file(molecules, output)
    counts = Counts()
    with open_table(molecules, column) as table, open_output(output, force) as out:
        note(f"{table.name}: SMILES in column {table.smiles_column!r} (chosen {table.chosen_by})")
        write = csv.writer(out, delimiter=delimiter(output), lineterminator="\n").writerow
        write([*table.columns, *free_names([*plan.columns, "status"], taken=table.columns)])
        rounded = len(plan.names)
        rows = stream(((record.smiles, record.fields) for record in table), plan, workers)
        with progress(label="scoring", total=None) as advance:
            for fields, row in rows:
                counts.add(row)
                own = [repr(value) if value is not None else "" for value in row.values[rounded:]]
                write([*fields, *map(cell, row.values[:rounded]), *own, row.status])
                advance(1)
        if not counts.rows:
            raise InputError(f"{table.name}: there are no molecules in it")
    note(str(counts))
    if counts.not_scored.total() == counts.rows:
        note(f"no row could be scored: does {table.smiles_column!r} hold SMILES? --column names another column")


def refuse_same_file(source: str, output: str) -> None:
    """Raise ``UsageError`` where the rows would be written over the file they are read from."""
    import os

    from molvae.errors import UsageError

    if "-" not in (source, output) and os.path.exists(output) and os.path.samefile(source, output):
        raise UsageError(f"{output!r} is the input; write the scores to another file")


def delimiter(output: str) -> str:
    """Tab for files named .tsv or .tsv.gz, else a comma."""
    return "\t" if output.lower().removesuffix(".gz").endswith(".tsv") else ","


def cell(value: float | int | str | None) -> str:
    """A property as text: six significant figures say all that a descriptor means."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
