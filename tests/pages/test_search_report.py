"""The report of a search: progress beside random draws, and the Pareto front."""

from __future__ import annotations

import re

import numpy as np

from molvae.optimisation.search import Call
from molvae.pages.search_report import FIRST, LAST, Scoring, ancestors, search_report
from molvae.pages.table_report import Rows

ROWS = Rows(["smiles", "QED"], [["CCO", "0.4"], ["CCN", "0.3"]], 0)


def scoring(values: list[list[float]], prior: int, line: bool = False) -> Scoring:
    """Calls with values of goals, the first of them draws from the prior; in a ``line`` each is the
    parent of the next."""
    table = np.array(values)
    scores = np.where(np.isfinite(table).all(1), table.mean(1), -np.inf)
    names = ("QED", "other", "third")[: table.shape[1]]
    calls = []
    for place, row in enumerate(values):
        source = "prior" if place < prior else "near"
        parents = (calls[-1].smiles,) if calls and line else ()
        calls.append(Call(place, "C" * (place + 8), tuple(row), source, "ok", parents))
    return Scoring(calls, names, scores, scores == scores.max())


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


def test_the_better_parent_is_followed_and_no_circle() -> None:
    parents = {"C": (), "N": (), "CN": ("C", "N"), "CCN": ("CN", "O"), "O": ("CCN",)}
    calls = [Call(0, one, (0.0,), "near", "ok", own) for one, own in parents.items()]
    assert ancestors(3, calls, np.array([0.1, 0.3, 0.4, 0.9, -np.inf])) == [1, 2, 3]
    assert ancestors(3, calls, np.array([0.3, 0.1, 0.4, 0.9, 0.5])) == [4, 3]
    assert ancestors(0, calls, np.zeros(5)) == [0]


def test_the_ancestors_of_the_best_are_drawn_with_their_values() -> None:
    page = search_report(ROWS, scoring([[0.1], [0.25], [0.9]], 1, line=True), "a", {})
    first = page[page.index("Best 1") : page.index("Best 2")]
    assert re.findall(r"QED [\d.]+|call \d: \w+", first) == [
        *("QED 0.1", "call 1: prior"),
        *("QED 0.25", "call 2: near"),
        *("QED 0.9", "call 3: near"),
    ]
    assert first.count("<svg") == 3
    assert first.count('class="mark"') == 2


def test_without_parents_there_is_no_ancestry() -> None:
    assert "Ancestry" not in search_report(ROWS, scoring([[0.1], [0.5]], 1), "a", {})


def test_a_long_line_of_ancestors_is_cut_in_words() -> None:
    count = FIRST + LAST + 7
    values = [[place / 100] for place in range(count)]
    page = search_report(ROWS, scoring(values, 1, line=True), "a", {})
    first = page[page.index("Best 1") : page.index("Best 2")]
    assert first.count("<svg") == FIRST + LAST
    assert "7 molecules between these two" in first
