"""``molvae analogs``: molecules like a lead, inside a window of similarity."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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
    from molvae.generation.analogs import Wanted
    from molvae.generation.analogs import analogs as search
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
    failed = count = 0
    with open_rows(output, force) as plain, progress("leads", None) as advance:
        write = Kept(plain, page)
        write(["lead", "smiles", "tanimoto", "level", "log_likelihood", *plan.columns])
        for where, smiles, problem in every_lead(leads, column):
            count += 1
            try:
                if problem:
                    raise MoleculeError(problem, smiles)
                lead = codec.reader.read(smiles)
            except MoleculeError as error:
                failed += 1
                note(f"{where}{error}")
                continue
            found, drawn = search(codec, lead, number, wanted, seed, draws)
            scored = score_chunk(plan, [one.smiles for one in found])
            for one, row in zip(found, scored, strict=True):
                numbers = (f"{one.tanimoto:.4f}", f"{one.level:.3f}", f"{one.log_likelihood:.4f}")
                write([lead.smiles, one.smiles, *numbers, *map(cell, row.values)])
            note(
                f"{where}{lead.smiles}: {len(found)} of {number} found in {drawn:,} draws"
                + ("" if len(found) == number else "; a wider window or more --draws finds more")
            )
            advance(1)
    if page and write.rows:
        title = f"Analogs of {write.rows[0][0] if count == 1 else f'{count} leads'}"
        write_table_page(page, write, title, facts_of(model, seed), smiles_at=1, lead_at=0)
    if failed:
        note(f"{failed} of {count} leads could not be read")
    return 1 if failed == count else 0


def is_file(lead: str) -> bool:
    """True for what names a file, or standard input, rather than a molecule."""
    return lead == "-" or Path(lead).is_file() or Path(lead).suffix.lower() in TABLES


def every_lead(leads: tuple[str, ...], column: str | None) -> Iterator[tuple[str, str, str]]:
    """Place of each lead, its SMILES, and what is wrong with its row."""
    from molvae.datasets.table_reader import open_table

    for lead in leads:
        if not is_file(lead):
            yield "", lead, ""
            continue
        with open_table(lead, column) as table:
            for record in table:
                yield f"{table.name}, line {record.line}: ", record.smiles, record.problem or ""
