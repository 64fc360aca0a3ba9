"""The report of a table: everything is on the page, as text, without any script."""

from __future__ import annotations

import html
import json
import re

import pytest

from molvae.pages.page import asset
from molvae.pages.table_report import (
    DRAWN,
    MOST,
    Reference,
    Rows,
    numbers_of,
    table_report,
)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script>",
    "]]>",
    "a\u2028b",
    "</noscript><svg onload=alert(1)>",
)


def rows_of(cells: list[list[str]], *columns: str, lead_at: int | None = None) -> Rows:
    """A table whose first column is SMILES."""
    return Rows(columns, cells, 0, lead_at)


def text_of(page: str) -> str:
    """The text that is seen of a page without script."""
    return html.unescape(re.sub(r"<(script|style).*?</\1>|<[^>]*>", "", page, flags=re.DOTALL))


def embedded(page: str, name: str) -> object:
    """The data of a page."""
    (found,) = re.findall(rf'id="{name}">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def test_without_script_every_cell_is_there() -> None:
    cells = [["CCO", "0.5", "one"], ["c1ccccc1", "", "two"], ["C1CC", "2", "three"]]
    page = table_report(rows_of(cells, "smiles", "QED", "name"), "Mine", {"command": "as typed"})
    text = text_of(page)
    for word in ("Mine", "3", "CCO", "c1ccccc1", "C1CC", "0.5", "one", "two", "as typed"):
        assert word in text
    assert page.count('<svg class="mol"') == 2
    assert text.count("cannot be drawn") == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_cells_columns_and_titles_are_text(text: str) -> None:
    cells = [[text, text, "1"], ["CCO", "plain", "2"]]
    page = table_report(rows_of(cells, "smiles", text, "n"), text, {"command": text})
    harmless = rows_of([["x", "x", "1"], cells[1]], "smiles", "y", "n")
    plain = table_report(harmless, "z", {"command": ""})
    tags = [re.findall(r"<(/?\w+)", re.sub(r"<!--.*?-->", "", one)) for one in (page, plain)]
    assert sorted(tags[0]) == sorted(tags[1])
    assert text_of(page).count(text) >= 4
    data = embedded(page, "rows")
    assert isinstance(data, dict)
    assert data["columns"][0] == [text, "plain"]


def test_large_sets_are_drawn_on_scroll_by_a_licensed_script() -> None:
    cells = [["C" * (1 + place % 30), str(place)] for place in range(DRAWN + 1)]
    page = table_report(rows_of(cells, "smiles", "n"), "many", {})
    assert '<svg class="mol"' not in page
    assert asset("vendor/smiles-drawer.min.js") in page
    assert embedded(page, "licence") == asset("vendor/smiles-drawer.LICENSE.md")
    data = embedded(page, "rows")
    assert isinstance(data, dict)
    assert data["smiles"] == [row[0] for row in cells]
    assert text_of(page).count("CCCCCCCCCC\n") >= 16
    assert len(page) < 1_000_000
    few = table_report(rows_of(cells[:DRAWN], "smiles", "n"), "few", {})
    assert asset("vendor/smiles-drawer.min.js") not in few


def test_a_page_says_how_many_rows_it_leaves_out() -> None:
    cells = [["C", str(place)] for place in range(MOST + 1)]
    text = " ".join(text_of(table_report(rows_of(cells, "smiles", "n"), "a", {})).split())
    assert "5,000 first molecules of 5,001" in text


def test_what_all_rows_have_is_said_once() -> None:
    cells = [["CCO", "ok", "0"], ["CCN", "ok", "0"]]
    text = text_of(table_report(rows_of(cells, "smiles", "status", "PAINS"), "a", {}))
    assert text.count("status") == 2  # above the cards, and among the columns to sort by
    assert text.count("ok") == 1


def test_numbers_and_texts_are_told_apart() -> None:
    assert numbers_of(["1", " ", "-2e3", "inf"]) == [1.0, None, -2000.0, None]
    assert numbers_of(["1_0"]) is None
    assert numbers_of(["", ""]) is None


def test_a_reference_is_drawn_over_its_column_alone() -> None:
    cells = [["CCO", "1.5", "2"], ["CCN", "2.5", "3"]]
    rows = rows_of(cells, "smiles", "QED", "other")
    page = table_report(rows, "a", {}, reference=Reference("theirs", {"QED": [1.0, 2.0]}))
    assert page.count('<path class="outline"') == 1
    assert "outline: theirs" in text_of(page)


def test_leads_are_compared_with_their_rows() -> None:
    cells = [["CC(=O)Nc1ccc(Br)cc1", "CC(=O)Nc1ccc(O)cc1"]]
    assert 'class="mark"' in table_report(rows_of(cells, "smiles", "lead", lead_at=1), "a", {})
    assert 'class="mark"' not in table_report(rows_of(cells, "smiles", "lead"), "a", {})
