"""``molvae analogs``: molecules like a lead, inside a window of similarity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import (
    column_option,
    count_in,
    device_option,
    force_option,
    keep_option,
    load_codec,
    model_option,
    output_option,
    report_option,
    seed_option,
)
from .output import check_table, note, note_terminal, open_rows, progress
from .pages import Kept, check_page, facts_of, write_table_page

if TYPE_CHECKING:
    from molvae.errors import MoleculeError

TABLES = {".csv", ".tsv", ".smi", ".sdf", ".txt", ".gz"}
"""Ends of names that no SMILES has."""


def window_of(value: str) -> tuple[float, float]:
    """Two numbers between 0 and 1, written LOW:HIGH; either may be left out."""
    low, colon, high = value.partition(":")
    try:
        numbers = float(low or 0.0), float(high or 1.0)
    except ValueError:
        numbers = (1.0, 0.0)
    if not colon or not 0.0 <= numbers[0] <= numbers[1] <= 1.0:
        raise click.BadParameter(f"{value!r} is not LOW:HIGH between 0 and 1, such as 0.4:0.7.")
    return numbers


@click.command(
    epilog="""\b
Examples:
  molvae analogs 'CC(=O)Nc1ccc(O)cc1' -n 20
  molvae analogs 'Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1' --similarity 0.5:0.8
  molvae analogs leads.csv -n 50 --keep-scaffold --scores qed,sa -o analogs.csv
  molvae analogs 'O=C(Nc1ccccc1)c1ccccc1' --keep 'C(=O)N' --novel | molvae draw - -o analogs.svg"""
)
@click.argument("leads", nargs=-1, required=True, metavar="LEAD...")
@model_option
@click.option(
    "-n", "--number", type=count_in(), default=50, metavar="N", help="Analogs of each lead."
)
@click.option(
    "--similarity",
    "window",
    type=window_of,
    default="0.4:0.7",
    metavar="LOW:HIGH",
    help="Tanimoto similarity to the lead, of Morgan fingerprints, radius 2.",
)
@click.option(
    "--keep-scaffold", is_flag=True, help="Only molecules with the lead's own Murcko scaffold."
)
@keep_option
@click.option("--novel", is_flag=True, help="Leave out the molecules that the model learned from.")
@click.option("--scores", metavar="NAMES", help="Properties to add, such as qed,sa,logp.")
@click.option(
    "--draws",
    type=count_in(),
    default=10_240,
    metavar="N",
    help="Draws after which the search around a lead ends, however many it has found.",
)
@seed_option
@column_option
@output_option
@report_option
@force_option
@device_option
def analogs(
    leads: tuple[str, ...],
    model: str,
    number: int,
    window: tuple[float, float],
    keep_scaffold: bool,
    keep: str,
    novel: bool,
    scores: str | None,
    draws: int,
    seed: int,
    column: str | None,
    output: str,
    page: str | None,
    force: bool,
    device: str,
) -> int:
    """Draw distinct molecules around each LEAD, a SMILES, or a file of them.

    A row for every analog, the most similar first: lead, its SMILES, similarity, the noise level
    and the log p(x|z) in nats of its draw. Some draws begin as the lead does, or have a gap of
    their own in its symbols, so that large leads have analogs too. A draw whose SELFIES is not
    canonical is left out, as by molvae sample, unless its molecule is as likely to the model as the
    lead is. The same seed gives the same analogs. What was found, and in how many draws, is said on
    stderr."""
    from molvae.chem.scoring import Plan, plan_scores, score_chunk
    from molvae.datasets.text_files import cell
    from molvae.errors import MoleculeError, UsageError
    from molvae.generation.analogs import Wanted, analogs_of_each
    from molvae.storage import model_folder

    files = [lead for lead in leads if is_file(lead)]
    check_table(output, force, files)
    check_page(page, force, [*files, output])
    for path in files:
        if path != "-" and not Path(path).is_file():
            raise UsageError(f"{path}: there is no such file")
    note_terminal(*leads)
    plan = plan_scores(scores) if scores else Plan(())
    known = model_folder.load_known(model) if novel else None
    wanted = Wanted(*window, keep_scaffold, keep, known)
    codec = load_codec(model, device)
    # Leads are read ahead of their analogs, and their places kept until these are found.
    places, rows = tee(every_lead(leads, column))
    workers = None if files or len(leads) > 1 else 1
    searched = analogs_of_each(
        codec, (lead for _, lead in rows), number, wanted, seed, draws, workers
    )
    failed = count = 0
    with (
        open_rows(output, force) as plain,
        progress("leads", None) as advance,
        closing(searched) as results,  # type: ignore[type-var]
    ):
        write = Kept(plain, page)
        write(["lead", "smiles", "tanimoto", "level", "log_likelihood", *plan.columns])
        for found in results:
            where, _ = next(places)
            count += 1
            if isinstance(found, MoleculeError):
                failed += 1
                note(f"{where}{found}")
                continue
            scored = score_chunk(plan, [one.smiles for one in found.analogs])
            for one, row in zip(found.analogs, scored, strict=True):
                numbers = (f"{one.tanimoto:.4f}", f"{one.level:.3f}", f"{one.log_likelihood:.4f}")
                write([found.lead, one.smiles, *numbers, *map(cell, row.values)])
            count_found = f"{len(found.analogs)} of {number} found in {found.draws:,} draws"
            enough = len(found.analogs) == number
            more = "" if enough else "; a wider window or more --draws finds more"
            note(f"{where}{found.lead}: {count_found}{more}")
            advance(1)
    if page and write.rows:
        title = f"Analogs of {write.rows[0][0] if count == 1 else f'{count} leads'}"
        write_table_page(page, write, title, facts_of(model, seed), smiles_at=1, lead_at=0)
    if failed:
        note(f"{failed} of {count} leads could not be searched")
    return 1 if failed == count else 0


def is_file(lead: str) -> bool:
    """True for what names a file, or standard input, rather than a molecule."""
    return lead == "-" or Path(lead).is_file() or Path(lead).suffix.lower() in TABLES


def every_lead(
    leads: tuple[str, ...], column: str | None
) -> Iterator[tuple[str, str | MoleculeError]]:
    """Place of each lead, and its SMILES or what is wrong with its row."""
    from molvae.datasets.table_reader import open_table
    from molvae.errors import MoleculeError

    for lead in leads:
        if not is_file(lead):
            yield "", lead
            continue
        with open_table(lead, column) as table:
            for record in table:
                wrong = MoleculeError(record.problem, record.smiles) if record.problem else None
                yield f"{table.name}, line {record.line}: ", wrong or record.smiles
