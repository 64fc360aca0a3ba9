"""The report of a search: the best molecules, scoring by calls, and the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from .charts import Series, curves, points
from .table_report import Rows, table_report

MOST_DOTS = 4000
"""Molecules of a chart; of more, every second or third is drawn, the best in any case."""


class Scoring(NamedTuple):
    """Calls in order: values of the goals ``(N, G)``, their names, the score of each
    call ``(N,)``, -inf where it has none, masks of the draws from the prior and of the Pareto
    front."""

    values: NDArray[np.float64]
    names: Sequence[str]
    scores: NDArray[np.float64]
    prior: NDArray[np.bool_]
    front: NDArray[np.bool_]


def search_report(
    rows: Rows, scoring: Scoring, title: str, facts: Mapping[str, str], of: int | None = None
) -> str:
    """A page of the molecules in ``rows``, the best of ``of``, under charts of the search."""
    charts = [_best_so_far(scoring)]
    if len(scoring.names) > 1:
        charts += [
            _front(scoring, first, second)
            for first in range(len(scoring.names))
            for second in range(first + 1, len(scoring.names))
        ][:3]
    return table_report(rows, title, facts, of=of, above=charts)


def _best_so_far(scoring: Scoring) -> Markup:
    """Scores against calls, with the best so far: of all calls, and of the prior's draws alone."""
    scores = scoring.scores
    one = len(scoring.names) == 1
    shown = scoring.values[:, 0] if one else scores
    shown = np.where(np.isfinite(scores), shown, np.nan)
    calls = np.arange(1, len(scores) + 1)
    few = slice(None, None, -(-len(scores) // MOST_DOTS))
    series = [Series("a call", calls[few].tolist(), shown[few].tolist(), "dots faint")]
    drawn = np.flatnonzero(scoring.prior)
    if 0 < len(drawn) < len(scores):
        # Random draws at their own pace: the best of the first n against n.
        x, y = _steps(calls[: len(drawn)], scores[drawn], shown[drawn])
        series.append(Series("best of draws from the prior", x, y, "second"))
    series.append(Series("best so far", *_steps(calls, scores, shown), "first"))
    return curves(series, "calls", scoring.names[0] if one else "score")


def _steps(
    calls: NDArray[np.int64], scores: NDArray[np.float64], shown: NDArray[np.float64]
) -> tuple[list[float], list[float]]:
    """The corners of the curve of the best so far."""
    best = np.maximum.accumulate(scores)
    better = np.flatnonzero(np.diff(best, prepend=-np.inf) > 0)
    ends = [*calls[better[1:]].tolist(), int(calls[-1])]
    x: list[float] = []
    y: list[float] = []
    for place, end in zip(better, ends, strict=True):
        x += [float(calls[place]), float(end)]
        y += [float(shown[place])] * 2
    return x, y


def _front(scoring: Scoring, first: int, second: int) -> Markup:
    """Values of two goals against each other, the Pareto front of all goals over the others."""
    values, front = scoring.values, scoring.front
    few = slice(None, None, -(-len(values) // MOST_DOTS))
    series = [
        Series("scored", values[few, first].tolist(), values[few, second].tolist(), "faint"),
        Series("Pareto front", values[front, first].tolist(), values[front, second].tolist()),
    ]
    return points(series, scoring.names[first], scoring.names[second])
