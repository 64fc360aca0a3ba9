"""``molvae optimize``: molecules whose properties become better."""

from __future__ import annotations

import csv
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from molvae.errors import InputError, UsageError

from .options import (
    column_option,
    count_in,
    device_option,
    force_option,
    keep_option,
    load_codec,
    model_option,
    number_in,
    output_option,
    report_option,
    scorer_options,
    seed_option,
    workers_option,
)
from .output import check_output, check_table, note, open_rows, progress
from .pages import Kept, check_page, facts_of, write_page
from .reading import read_rows

PARENTS = "parents"


@click.command(
    epilog="""\b
Examples:
  molvae optimize --maximize qed --calls 2000 -o best.csv
  molvae optimize --maximize qed --minimize sa --with molwt=:450 -o best.csv
  molvae optimize --target logp=2.5:0.5 --start leads.csv --keep 'c1ccncc1' -o best.csv
  molvae optimize --maximize qed --start leads.csv --similarity 0.4 -o best.csv
  molvae optimize --scorer mine.py:activity --mutate --calls 1e4 --history calls.csv -o best.csv"""
)
@model_option
@click.option("--maximize", multiple=True, metavar="NAME", help="A property (molvae score --list).")
@click.option("--minimize", multiple=True, metavar="NAME", help="The same, the smaller the better.")
@click.option(
    "--target", multiple=True, metavar="NAME=VALUE:TOLERANCE", help="A property at a value."
)
@scorer_options("It is maximised, unless --minimize or --target names the function.")
@click.option("--start", metavar="FILE", help="Molecules to begin with, such as leads.")
@click.option(
    "--similarity",
    type=number_in(0.0, 1.0),
    metavar="X",
    help="Only molecules with at least this Tanimoto similarity to one of --start.",
)
@click.option(
    "--with",
    "windows",
    multiple=True,
    metavar="NAME=LOW:HIGH",
    help="Only molecules with this property inside the window.",
)
@keep_option
@click.option(
    "--mutate",
    is_flag=True,
    help="Also try mutations and crossover of graphs, beside draws of the model.",
)
@click.option(
    "--baseline",
    is_flag=True,
    help="Also score as many draws of the prior, and say what the same calls find by chance.",
)
@click.option(
    "--calls", type=count_in(), default=1000, metavar="N", help="Molecules to score in all."
)
@click.option(
    "-n", "--number", type=count_in(), default=100, metavar="N", help="Molecules to write."
)
@click.option(
    "--history",
    metavar="FILE",
    help="CSV of every molecule scored, with those that it was proposed from; with --resume the "
    "search goes on.",
)
@click.option("--resume", is_flag=True, help="Go on with the search in --history.")
@seed_option
@column_option
@output_option
@report_option
@workers_option
@force_option
@device_option
def optimize(
    model: str,
    maximize: tuple[str, ...],
    minimize: tuple[str, ...],
    target: tuple[str, ...],
    scorers: tuple[str, ...],
    scorer_timeout: float,
    start: str | None,
    similarity: float | None,
    windows: tuple[str, ...],
    keep: str,
    mutate: bool,
    baseline: bool,
    calls: int,
    number: int,
    history: str | None,
    resume: bool,
    seed: int,
    column: str | None,
    output: str,
    page: str | None,
    workers: int | None,
    force: bool,
    device: str,
) -> int:
    """Look for molecules with better properties.

    The model proposes draws around the best molecules so far, between them and from the prior; a
    Gaussian process that has learned from what was scored chooses among them; no molecule is scored
    twice. Of several goals the score is the mean of their standard scores, relative to the first
    draws. Writes the best molecules: smiles, the goals, score, pareto (no other molecule is better
    in every goal), source and the round in which each was scored. The same seed gives the same
    molecules, also after --resume."""
    from molvae.chem.properties import Conditions, condition_of
    from molvae.datasets.text_files import cell
    from molvae.optimisation.objectives import objective_of
    from molvae.optimisation.search import Search, chance, optimise

    check_table(output, force, [start, history])
    check_page(page, force, [start, history, output])
    if resume and history is None:
        raise UsageError("--resume goes on with a --history: name its file")
    if similarity is not None and start is None:
        raise UsageError("--similarity is to the molecules of --start: name a file")
    objective = objective_of(maximize, minimize, target, scorers)
    objective = replace(objective, plan=replace(objective.plan, timeout=scorer_timeout))
    conditions = Conditions(tuple(map(condition_of, windows)), keep)
    before = read_history(history, objective) if resume and history else []
    if history and not resume:
        check_output(history, force)
    codec = load_codec(model, device)
    leads = read_start(codec, start, column, conditions) if start else []
    if similarity is not None and not leads:
        raise InputError(f"{start}: no molecule in it can be used, so nothing is similar to one")
    search = Search(
        codec, objective, conditions, seed, workers, mutate, before, leads, similarity or 0.0
    )
    if history:
        write_history(history, objective, before)
    with progress("calls", calls) as advance:
        advance(len(before))
        for made in optimise(search, calls, note):
            if history:
                write_history(history, objective, made, append=True)
            advance(len(made))
    scores = search.scores()
    order = [place for place in (-scores).argsort(kind="stable") if scores[place] > float("-inf")]
    front = objective.front(search.values)
    with open_rows(output, force) as plain:
        write = Kept(plain, page)
        write(["smiles", *objective.columns, "score", "pareto", "source", "round"])
        for place in order[:number]:
            call = search.calls[place]
            own = (float(scores[place]), bool(front[place]), call.source, call.round)
            write([call.smiles, *map(cell, (*call.values, *own))])
    drawn = chance(search, len(search.calls)) if baseline else []
    if page and write.rows:
        write_search_page(page, search, drawn, write, facts_of(model, seed))
    failed = len(search.calls) - len(order)
    note(
        f"{len(search.calls):,} molecules scored"
        + (f", {failed:,} of them without a value" if failed else "")
        + (f"; the best: {search.calls[order[0]].smiles}" if order else "")
    )
    if baseline:
        note(
            f"mean score of the ten best: {mean_of_best(scores)}; of {len(drawn):,} draws of the "
            f"prior: {mean_of_best(search.scores(drawn))}"
        )
    return 0 if order else 1


def mean_of_best(scores: Any) -> str:
    """The mean of the ten best scores, in words where there are none."""
    best = sorted((score for score in scores if score > float("-inf")), reverse=True)[:10]
    return f"{sum(best) / len(best):.4g}" if best else "none that the conditions allow"


def write_search_page(path: str, search: Any, drawn: Any, kept: Any, facts: dict[str, str]) -> None:
    """Write the page of a search with the rows that were written of it, and the draws that were
    scored for comparison."""
    from molvae.pages.search_report import Scoring, search_report
    from molvae.pages.table_report import Rows

    objective, front = search.objective, search.objective.front(search.values)
    own, others = search.scores(), search.scores(drawn)
    scoring = Scoring(search.calls, objective.columns, own, front, drawn, others)
    rows = Rows(kept.columns, kept.rows, 0)
    title = f"Search for {', '.join(f'{goal.way} {goal.name}' for goal in objective.goals)}"
    write_page(path, search_report(rows, scoring, title, facts, kept.count))


def read_start(codec: Any, path: str, column: str | None, conditions: Any) -> list[str]:
    """The molecules of a file that the model reads and the conditions allow, as it reads them."""
    from molvae.datasets.table_reader import open_table

    found: dict[str, None] = {}
    with open_table(path, column) as table:
        for record, (smiles, _) in read_rows(codec.reader, table, Counter()):
            if conditions.hold(smiles):
                found[smiles] = None
            else:
                note(f"{table.name}, line {record.line}: {smiles} does not meet the conditions")
    return list(found)


def write_history(path: str, objective: Any, calls: Any, append: bool = False) -> None:
    """Write calls as CSV, with a header unless they are appended."""
    from molvae.datasets.text_files import row_writer

    with open(path, "a" if append else "w", encoding="utf-8", newline="") as handle:
        write = row_writer(handle)
        if not append:
            write([*history_columns(objective), PARENTS])
        for call in calls:
            row = [str(call.round), call.smiles, *map(repr, call.values), call.source, call.status]
            write([*row, " ".join(call.parents)])


def history_columns(objective: Any) -> list[str]:
    """The columns of a history before that of parents, which older ones do not have."""
    return ["round", "smiles", *objective.columns, "source", "status"]


def read_history(path: str, objective: Any) -> list[Any]:
    """The calls in a history, but for those of its last round, which may not be whole."""
    from molvae.datasets.text_files import Lines
    from molvae.optimisation.search import Call

    if not Path(path).is_file():
        return []
    calls = []
    with closing(Lines(path)) as lines:
        rows = csv.reader(lines)
        columns = history_columns(objective)
        header = next(rows, None)
        if header not in (columns, [*columns, PARENTS]):
            raise InputError(f"{path}: is no history of a search with these goals")
        for line, row in enumerate(rows, start=2):
            try:
                if len(row) != len(header):
                    raise ValueError
                number, smiles, *values, source, status, parents = [*row, ""][: len(columns) + 1]
                numbers = tuple(map(float, values))
                own = tuple(parents.split())
                calls.append(Call(int(number), smiles, numbers, source, status, own))
            except ValueError:
                note(f"{path}, line {line}: is not whole, and made again")
                break
    last = max((call.round for call in calls), default=0)
    return [call for call in calls if call.round < last]
