"""The report of a search: progress beside random draws, and the Pareto front."""

from __future__ import annotations

import re

import numpy as np

from molvae.pages.search_report import Scoring, search_report
from molvae.pages.table_report import Rows

ROWS = Rows(["smiles", "QED"], [["CCO", "0.4"], ["CCN", "0.3"]], 0)


def scoring(values: list[list[float]], prior: int) -> Scoring:
    """Calls with values of goals, the first of them draws from the prior."""
    table = np.array(values)
    scores = np.where(np.isfinite(table).all(1), table.mean(1), -np.inf)
    first = np.arange(len(table)) < prior
    names = ("QED", "other", "third")[: table.shape[1]]
    return Scoring(table, names, scores, first, scores == scores.max())


def path(page: str, kind: str) -> str:
    """The path of a class."""
    (d,) = re.findall(rf'<path class="{kind}" d="([^"]*)"', page)
    return str(d)


def test_best_so_far_rises_in_steps() -> None:
    calls = [[0.1], [0.5], [float("nan")], [0.3], [0.9], [0.2]]
    page = search_report(ROWS, scoring(calls, 4), "a", {})
    heights = [float(y) for y in re.findall(r",([\d.]+)", path(page, "line first"))]
    assert heights == sorted(heights, reverse=True)  # up the page
    assert len(set(heights)) == 3
    assert len(set(re.findall(r",([\d.]+)", path(page, "line second")))) == 2
    assert path(page, "dots faint").count("M") == 5
    assert "Pareto" not in page


def test_two_goals_have_a_pareto_front() -> None:
    page = search_report(ROWS, scoring([[0.1, 0.2], [0.5, 0.1], [0.4, 0.9]], 3), "a", {})
    assert "Pareto front" in page
    assert path(page, "dots first").count("M") == 1
    assert "best of draws" not in page  # all are draws from the prior


def test_three_goals_are_shown_in_pairs() -> None:
    page = search_report(ROWS, scoring([[0.1, 0.2, 0.3], [0.5, 0.1, 0.2]], 1), "a", {})
    assert page.count("Pareto front") == 3
