"""The report of a search: the best molecules, scoring by calls, and the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from .charts import Floats, Series, curves, grid
from .structures import Strip, strip, strips_of
from .table_report import Rows, shown, table_report

if TYPE_CHECKING:
    from ..optimisation.search import Call

MOST_DOTS = 4000
"""Molecules of a chart; of more, every second or third is drawn, the best in any case."""

BEST = 3
"""Molecules whose ancestors are shown."""

FIRST, LAST = 1, 10
"""Molecules shown of a line of ancestors: the eldest, and those up to the best; those between them
are counted."""


class Scoring(NamedTuple):
    """Calls in order, the names of the goals, the score of each call ``(N,)``, -inf where it has
    none, a mask of the Pareto front, and draws of the prior with their scores, if as many were
    scored for comparison."""

    calls: Sequence[Call]
    names: Sequence[str]
    scores: Floats
    front: NDArray[np.bool_]
    chance: Sequence[Call] = ()
    chance_scores: Floats = np.zeros(0)

    @property
    def values(self) -> Floats:
        """Values of the goals, ``(N, G)``."""
        return np.array([call.values for call in self.calls]).reshape(-1, len(self.names))


def search_report(
    rows: Rows, scoring: Scoring, title: str, facts: Mapping[str, str], of: int | None = None
) -> str:
    """A page of the molecules in ``rows``, the best of ``of``, under charts of the search and the
    ancestors of the best."""
    charts = [_best_so_far(scoring)]
    pairs = combinations(range(len(scoring.names)), 2)
    charts += [_front(scoring, *pair) for pair in islice(pairs, 3)]
    return table_report(rows, title, facts, of=of, above=grid(charts) + _ancestry(scoring))


def ancestors(place: int, calls: Sequence[Call], scores: Floats) -> list[int]:
    """Places among calls of the ancestors of one, the eldest first, and its own; of several parents
    the one with the highest score is followed."""
    places = {call.smiles: number for number, call in enumerate(calls)}
    line = [place]
    while True:
        found = [places[one] for one in calls[line[-1]].parents if one in places]
        # A history that was edited may have a circle in it.
        found = [one for one in found if one not in line]
        if not found:
            return line[::-1]
        line.append(max(found, key=lambda one: float(scores[one])))


def _ancestry(scoring: Scoring) -> Markup:
    """The lines of ancestors of the best molecules, or nothing if no parents are known."""
    calls, scores = scoring.calls, scoring.scores
    best = [one for one in np.argsort(-scores, kind="stable")[:BEST] if np.isfinite(scores[one])]
    lines = [ancestors(int(one), calls, scores) for one in best]
    if max(map(len, lines), default=1) < 2:
        return Markup("")
    return strips_of(
        [Strip(f"Best {rank}", _cells(line, scoring)) for rank, line in enumerate(lines, start=1)],
        "Ancestry of the best",
        "Each molecule was proposed from the one before it, at times by way of others that were "
        "not scored: drawn around it (near), between it and another, or made from its graph. Of "
        "several parents the best is shown; what it lacks is marked.",
        chain=True,
    )


def _cells(line: Sequence[int], scoring: Scoring) -> list[tuple[Markup | None, list[str]]]:
    """Pictures of a line of ancestors, each with its values and the call that scored it."""
    drawn = strip([scoring.calls[place].smiles for place in line])
    cells = []
    for place, picture in zip(line, drawn, strict=True):
        call = scoring.calls[place]
        values = zip(scoring.names, call.values, strict=True)
        text = " · ".join(f"{name} {shown(value)}" for name, value in values)
        others = len(call.parents) - 1
        more = f", {others} other parent{'s' if others > 1 else ''}" if others > 0 else ""
        cells.append((picture, [text, f"call {place + 1:,}: {call.source}{more}"]))
    between = len(cells) - FIRST - LAST
    if between > 1:
        cells[FIRST:-LAST] = [(None, [f"{between:,} molecules between these two"])]
    return cells


def _best_so_far(scoring: Scoring) -> Markup:
    """Scores against calls, with the best so far: of all calls, and of the prior's draws alone."""
    scores = scoring.scores
    one = len(scoring.names) == 1
    shown = np.where(np.isfinite(scores), scoring.values[:, 0] if one else scores, np.nan)
    few = slice(None, None, -(-len(scores) // MOST_DOTS))
    series = [Series("a call", range(1, len(scores) + 1)[few], shown[few], "dots faint")]
    drawn = np.flatnonzero([call.source == "prior" for call in scoring.calls])
    if scoring.chance:
        chance = scoring.chance_scores
        values = np.array([call.values[0] for call in scoring.chance]) if one else chance
        name = "best of as many draws from the prior"
        series.append(Series(name, *_steps(chance, values), "second"))
    elif 0 < len(drawn) < len(scores):
        # Random draws at their own pace: the best of the first n against n.
        name = "best of draws from the prior"
        series.append(Series(name, *_steps(scores[drawn], shown[drawn]), "second"))
    series.append(Series("best so far", *_steps(scores, shown)))
    return curves(series, "calls", scoring.names[0] if one else "score")


def _steps(scores: Floats, shown: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The corners of the curve of the best so far against calls, which count from 1."""
    best = np.maximum.accumulate(scores)
    better = np.flatnonzero(np.diff(best, prepend=-np.inf) > 0)
    # Each holds from its own call to that of the next better one.
    bounds = np.append(better + 1, len(scores)).repeat(2)
    return bounds[1:-1], shown[better].repeat(2)


def _front(scoring: Scoring, first: int, second: int) -> Markup:
    """Values of two goals against each other, the Pareto front of all goals over the others."""
    values, front = scoring.values, scoring.front
    few = slice(None, None, -(-len(values) // MOST_DOTS))
    series = [
        Series("scored", values[few, first], values[few, second], "dots faint"),
        Series("Pareto front", values[front, first], values[front, second], "dots first"),
    ]
    return curves(series, scoring.names[first], scoring.names[second])
