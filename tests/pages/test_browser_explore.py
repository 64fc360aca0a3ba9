"""The explore page and a map in a real browser: no error, nothing fetched from elsewhere."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molvae.explore.latent_map import Projection, map_page
from molvae.explore.server import Server
from molvae.explore.workbench import Workbench, explore_page

PATIENCE = 120_000  # ms: molecules are drawn, and machines are busy
HOSTILE = ("<script>document.title='hit'</script>", '"><img src=x onerror=document.title="hit">')
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def server(tiny_model: Any, served: Any) -> Iterator[Server]:
    """The explore page of the tiny model, its directions fitted."""
    bench = Workbench(tiny_model, 256)
    with closing(bench), served(Server(explore_page("tiny"), bench.actions)) as made:
        bench.start()
        yield made


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """The page, opened; at the end nothing was wrong on it, and nothing asked of others."""
    context = browser.new_context(accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    made, wrong, asked = context.new_page(), [], []
    made.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("dialog", lambda dialog: wrong.append(dialog.message))
    made.on("request", lambda request: asked.append(request.url))
    made.goto(server.address)
    yield made
    refused = [one for one in wrong if "422" not in one]  # answers in words are not errors here
    assert not refused
    assert all(url.startswith((server.address, "data:", "blob:")) for url in asked), asked
    context.close()


def read_lead(page: Any, smiles: str) -> None:
    """Type a lead and wait for its analogs."""
    page.fill("#lead-smiles", smiles)
    page.press("#lead-smiles", "Enter")
    page.wait_for_selector("#around .molecule")


def smiles_in(page: Any, place: str) -> list[str]:
    """The molecules of a part of the page."""
    found = page.locator(f"{place} .molecule")
    return [one.get_attribute("data-smiles") for one in found.all()]


def slide(page: Any, slider: str, key: str, times: int = 1) -> None:
    """Press a key on a slider."""
    page.focus(slider)
    for _ in range(times):
        page.keyboard.press(key)


def test_from_a_lead_to_a_ranked_list(page: Any, molecules: list[str]) -> None:
    read_lead(page, molecules[150])
    shown = smiles_in(page, "#around")
    assert len(set(shown)) == len(shown) > 3
    slide(page, "#similarity", "Home")
    page.wait_for_function(
        "before => document.querySelector('#around .molecule').dataset.smiles !== before",
        arg=shown[0],
    )
    far = smiles_in(page, "#around")
    for place in range(3):
        page.locator("#around .molecule").nth(place).get_by_role("button", name="Keep").click()
    page.locator("#lead .molecule").get_by_role("button", name="Keep").click()
    assert page.locator("#basket tbody tr").count() == 4
    page.get_by_role("button", name="MolWt").click()
    page.locator("#basket .remove").last.click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    weights = [float(row["MolWt"]) for row in rows]
    assert weights == sorted(weights)
    assert {row["smiles"] for row in rows} <= {*far[:3], molecules[150]}
    page.reload()
    assert page.locator("#basket tbody tr").count() == 3, "the basket outlives a reload"


def test_a_path_changes_without_asking(page: Any, molecules: list[str]) -> None:
    read_lead(page, molecules[150])
    page.fill("#end-smiles", molecules[40])
    page.press("#end-smiles", "Enter")
    page.wait_for_selector("#point .molecule")
    start = smiles_in(page, "#point")
    paths: list[str] = []
    page.on("request", lambda request: paths.append(request.url))
    slide(page, "#step", "End")
    assert smiles_in(page, "#point") != start
    assert not [url for url in paths if url.endswith("/path")]


def test_directions_draw_other_molecules(page: Any, molecules: list[str]) -> None:
    read_lead(page, molecules[150])
    page.wait_for_selector("#change-molwt")
    slide(page, "#change-molwt", "ArrowRight", 8)
    page.wait_for_selector("#moved .molecule")
    assert page.locator("label[for=change-molwt] output").inner_text().startswith("+")
    assert molecules[150] not in smiles_in(page, "#moved")
    page.get_by_role("button", name="Back to the lead").click()
    assert page.locator("#moved .molecule").count() == 0
    assert page.locator("label[for=change-molwt] output").inner_text() == "as the lead"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_lead_is_said_as_text(page: Any, text: str) -> None:
    page.fill("#lead-smiles", text)
    page.press("#lead-smiles", "Enter")
    page.wait_for_selector("#lead-words.bad")
    assert text[:20] in page.locator("#lead-words").inner_text()
    assert page.title() == "molvae explore"
    assert page.locator("main img").count() == 0


def test_cells_that_a_spreadsheet_runs_are_text(page: Any, molecules: list[str]) -> None:
    card = {"smiles": "=1+1", "lead": '@a,"b"', "svg": "", "qed": -0.5, "tanimoto": 0.1}
    page.evaluate("kept => sessionStorage.setItem('molvae-basket', JSON.stringify([kept]))", card)
    page.reload()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["smiles"], row["lead"]) == ("'=1+1", '\'@a,"b"')
    assert (row["QED"], row["SA"]) == ("-0.5", "")


def fits(page: Any) -> bool:
    """True for a page that is no wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def backgrounds(page: Any) -> set[str]:
    """The colours of the page by day and by night."""
    found = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    return found


def test_it_fits_a_phone_by_day_and_night(page: Any, molecules: list[str]) -> None:
    read_lead(page, molecules[150])
    page.locator("#lead .molecule").get_by_role("button", name="Keep").click()
    for size in (PHONE, {"width": 1280, "height": 800}):
        page.set_viewport_size(size)
        assert fits(page)
    assert len(backgrounds(page)) == 2


@pytest.fixture
def map_file(tmp_path: Path, molecules: list[str]) -> Path:
    """A map of some molecules with hostile names."""
    rows = [[one, HOSTILE[n % 2], str(n)] for n, one in enumerate(molecules[:60])]
    places = np.random.default_rng(0).standard_normal((60, 2))
    text = map_page(
        ["smiles", "name", HOSTILE[1]],
        rows,
        0,
        Projection(places, (0.2, 0.1)),
        title=HOSTILE[0],
        facts={"command": HOSTILE[1]},
    )
    path = tmp_path / "map.html"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def map_view(browser: Any, map_file: Path) -> Iterator[Any]:
    """A map, opened from disk; at the end nothing was wrong and nothing was fetched."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    made, wrong, asked = context.new_page(), [], []
    made.on("console", lambda said: wrong.append(said.text))
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("request", lambda request: asked.append(request.url))
    made.goto(map_file.as_uri())
    yield made
    assert not wrong
    assert not [url for url in asked if not url.startswith(("data:", map_file.as_uri()))]
    context.close()


def point_of(page: Any, row: int) -> tuple[float, float]:
    """The place in the window of a point of a map that has not been zoomed."""
    box = page.locator("#canvas").bounding_box()
    text = page.locator("#points").text_content()
    x, y = (
        re.findall(r"\d+", re.search(rf'"{axis}":\[([\d,]+)\]', text)[1])[row]  # type: ignore[index]
        for axis in "xy"
    )
    return box["x"] + int(x) * box["width"] / 1000, box["y"] + int(y) * box["height"] / 1000


def test_a_map_shows_the_molecule_under_the_pointer(map_view: Any, molecules: list[str]) -> None:
    map_view.mouse.move(*point_of(map_view, 7))
    assert map_view.locator("#molecule .smiles").inner_text() == molecules[7]
    assert map_view.locator("#molecule svg path").count() > 0
    assert HOSTILE[1] in map_view.locator("#molecule dl").inner_text()
    assert map_view.locator("img").count() == 0
    assert map_view.title() == HOSTILE[0]


def test_a_map_is_coloured_zoomed_and_walked(map_view: Any) -> None:
    assert map_view.locator("#legend .ramp").count() == 1
    map_view.select_option("#colour", label="name")
    assert map_view.locator("#legend .key").count() == 2
    map_view.get_by_role("button", name="Zoom in").click()
    map_view.mouse.move(*point_of(map_view, 7))
    map_view.mouse.wheel(0, -300)
    map_view.focus("#canvas")
    map_view.keyboard.press("ArrowRight")
    first = map_view.locator("#molecule .smiles").inner_text()
    for key in ("0", "ArrowLeft"):
        map_view.keyboard.press(key)
    assert map_view.locator("#molecule .smiles").inner_text() != first


def test_a_map_fits_a_phone_by_day_and_night(map_view: Any) -> None:
    map_view.set_viewport_size(PHONE)
    assert fits(map_view)
    assert len(backgrounds(map_view)) == 2


def test_a_map_without_script_is_a_picture(browser: Any, map_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    seen = context.new_page()
    seen.goto(map_file.as_uri())
    assert seen.locator("#picture").is_visible()
    assert not seen.locator("#canvas").is_visible()
    assert not seen.locator("#zooms").is_visible()
    context.close()
