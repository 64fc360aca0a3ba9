"""Pages in headless Chromium: quiet, alone, usable in both themes and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molvae.generation.interpolation import Point
from molvae.optimisation.search import Call
from molvae.pages.page import save_page
from molvae.pages.path_report import path_report
from molvae.pages.search_report import Scoring, search_report
from molvae.pages.table_report import DRAWN, Rows, table_report
from molvae.pages.training_report import training_report
from molvae.training.run_folder import COLUMNS

DESK, PHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 844}
HOSTILE = (
    "<script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "</script><script>document.title='taken'</script>",
    "]]>--><svg onload=document.title='taken'>",
    "a\u2028b\u2029c",
    "javascript:alert(1)",
)


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """The function that opens a page from a file; at the end nothing may have gone wrong in it."""
    path, contexts, troubles = tmp_path / "page.html", [], []

    def note(request: Any) -> None:
        if not request.url.startswith(("data:", path.as_uri())):
            troubles.append(request.url)

    def open_page(text: str, size: dict[str, int] = DESK, **options: Any) -> Any:
        save_page(text, path)
        context = browser.new_context(viewport=size, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", note)
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def table(count: int = 6, name: str = "QED") -> str:
    """A report: carbon chains of 1, 2, ... atoms, with numbers that fall and names."""
    cells = [
        ["C" * (1 + place % 20), str(1 - place / 1000), ("odd", "even")[place % 2], f"m{place}"]
        for place in range(count)
    ]
    cells[1][1] = ""
    return table_report(Rows(["smiles", name, "kind", "name"], cells, 0), "Chains", {"seed": "0"})


def shown(page: Any) -> list[str]:
    """The SMILES of the cards, in order: of all, for cards out of sight have no inner text."""
    return page.locator("#cards article .smiles").all_text_contents()  # type: ignore[no-any-return]


def test_cards_are_sorted_with_missing_values_last(opened: Any) -> None:
    page = opened(table())
    assert shown(page) == ["C", "CC", "CCC", "CCCC", "CCCCC", "CCCCCC"]
    page.select_option("#sort", label="QED")
    assert shown(page) == ["CCCCCC", "CCCCC", "CCCC", "CCC", "C", "CC"]
    page.click("#direction")
    assert shown(page) == ["C", "CCC", "CCCC", "CCCCC", "CCCCCC", "CC"]
    page.select_option("#sort", label="name")
    assert shown(page)[0] == "CCCCCC"


def test_cards_are_filtered_by_every_kind_of_column(opened: Any) -> None:
    page = opened(table())
    page.fill("[aria-label='QED from']", "0.997")
    assert shown(page) == ["C", "CCC", "CCCC"]
    assert page.inner_text("#count") == "3 of 6 molecules"
    page.select_option("[aria-label='kind']", label="odd (3)")
    assert shown(page) == ["C", "CCC"]
    page.fill("[aria-label='name contains']", "M2")
    assert shown(page) == ["CCC"]
    page.fill("[aria-label='QED to']", "nonsense")
    assert shown(page) == ["CCC"]
    page.fill("[aria-label='QED to']", "0")
    assert page.is_visible("#nothing")
    page.click("#reset")
    assert len(shown(page)) == 6


def brightness(page: Any) -> int:
    """Of the page's paper, up to 765."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(one) for one in colour[4:-1].split(","))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_system_s_until_it_is_changed(opened: Any, scheme: str) -> None:
    page = opened(table(), color_scheme=scheme)
    assert (brightness(page) > 380) == (scheme == "light")
    page.click("#theme")
    other = "dark" if scheme == "light" else "light"
    assert (brightness(page) > 380) == (other == "light")
    assert page.evaluate("localStorage.getItem('molvae-theme')") == other
    line = page.evaluate("getComputedStyle(document.querySelector('.mol path')).color")
    assert line == page.evaluate("getComputedStyle(document.body).color")


def test_the_theme_that_was_chosen_is_there_again(opened: Any) -> None:
    page = opened(table(), color_scheme="light")
    page.add_init_script("localStorage.setItem('molvae-theme', 'dark')")
    page.reload()
    assert brightness(page) < 380


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("count", [6, DRAWN + 1])
def test_hostile_text_is_text_in_a_browser(opened: Any, text: str, count: int) -> None:
    cells = [[text, "1", text], *(["C", str(place), f"m{place}"] for place in range(count))]
    rows = Rows(["smiles", text, "name"], cells, 0)
    page = opened(table_report(rows, text, {text: text}))
    page.fill("[aria-label='name contains']", text[:8])
    assert page.locator("#cards article").count() == 1
    for place in ("h1", "#cards .smiles", "footer dd", ".tile legend"):
        assert page.locator(place).first.text_content().strip() == text
    assert page.title().split() == text.split()
    assert page.locator("body img, body svg[onload]").count() == 0


def test_large_sets_are_drawn_as_they_come_into_sight(opened: Any) -> None:
    page = opened(table(DRAWN + 1))
    page.wait_for_selector("#cards article:first-child svg.drawn path, svg.drawn line")
    assert page.locator("svg.drawn").count() < 200
    page.keyboard.press("End")
    page.wait_for_selector("#cards article:last-child svg.drawn")
    page.select_option("#sort", label="QED")
    page.wait_for_selector("#cards article:first-child svg.drawn")


def test_without_script_everything_is_there(opened: Any) -> None:
    for count in (6, DRAWN + 1):
        page = opened(table(count), java_script_enabled=False)
        assert page.locator("#cards article").count() == count
        assert page.locator("#cards dd").count() > 2 * count
        assert not page.is_visible("#sort")
        assert page.is_visible(".tile .chart")


def test_ancestors_are_seen_without_script(opened: Any) -> None:
    page = opened(PAGES["search"](), java_script_enabled=False)
    line = page.locator(".chain").first
    assert line.locator("li").count() == 2
    assert line.locator("li svg path").first.is_visible()
    assert line.inner_text().count(HOSTILE[1]) == 2
    assert page.locator("main img").count() == 0


PATH = [
    Point(0, 0.0, "CC(=O)Nc1ccc(O)cc1", 1, 0.2, 1, "yes"),
    Point(1, 1.0, "CC(=O)Nc1ccc(Br)cc1", 0.6, 1, 1, "no"),
]
TRAINING = [dict.fromkeys(COLUMNS, "1.5") | {"step": "3", "best": "1"}]
ROWS = Rows(["smiles", HOSTILE[1]], [["CCO", "0.4"]], 0)
CALLS = [Call(0, "CCO", (0.4,), "prior", "ok"), Call(1, "CCN", (0.5,), "near", "ok", ("CCO",))]
SCORING = Scoring(CALLS, [HOSTILE[1]], np.array([0.4, 0.5]), np.array([False, True]))
PAGES = {
    "table": lambda: table(name="AVeryLongNameOfAColumnWithoutASpace"),
    "large": lambda: table(DRAWN + 1),
    "path": lambda: path_report({"1": PATH}, f"From {'C' * 90} to N", {"command": "C" * 300}),
    "search": lambda: search_report(ROWS, SCORING, "Search", {}),
    "training": lambda: training_report(TRAINING, "Training", {}),
}


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_pages_fit_the_width(opened: Any, kind: str, size: dict[str, int]) -> None:
    page = opened(PAGES[kind](), size)
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    if page.locator(".columns").count():
        assert page.evaluate("document.querySelector('.columns').open") == (
            size is DESK and kind != "path"
        )
