"""Maps: components in order of variance, places inside the picture, colours by value, and text
that stays text."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from molvae.errors import UsageError
from molvae.explore.latent_map import (
    CATEGORIES,
    COLUMNS,
    LONGEST,
    NO_COLOUR,
    SIDE,
    STEPS,
    Projection,
    check_method,
    map_page,
    pca,
    project,
    shade_of,
    whole_places,
)

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</script>", "=1+1")


def page_of(columns: list[str], rows: list[list[str]], **more: Any) -> str:
    """A map of molecules at made-up places."""
    places = np.random.default_rng(0).standard_normal((len(rows), 2))
    more = {"title": "Map", "facts": {}} | more
    return map_page(columns, rows, 0, Projection(places, (0.031, 0.02)), **more)


def points_of(page: str) -> dict[str, Any]:
    """The data of a map."""
    (text,) = re.findall(r'<script type="application/json" id="points">(.*?)</script>', page)
    found: dict[str, Any] = json.loads(text)
    return found


def test_places_fill_the_picture_with_one_scale() -> None:
    places = np.array([[0.0, 0.0], [10.0, 0.0], [5.0, 2.0]])
    found = whole_places(places)
    assert (found > 0).all()
    assert (found < SIDE).all()
    assert np.ptp(found[:, 0]) == 5 * np.ptp(found[:, 1])
    assert found[2, 1] < found[0, 1], "upwards is up"


def test_numbers_get_even_steps() -> None:
    shade = shade_of("x", [str(value) for value in range(160)] + [""])
    assert shade is not None
    assert shade.scale
    assert shade.colours[-1] == NO_COLOUR
    assert (np.diff(shade.colours[:-1]) >= 0).all()
    counts = np.bincount(shade.colours[:-1])
    assert len(counts) == STEPS
    assert counts.max() <= 12


def test_an_outlier_does_not_take_the_scale() -> None:
    shade = shade_of("x", [str(value % 50) for value in range(500)] + ["1e9"])
    assert shade is not None
    assert len(np.unique(shade.colours)) == STEPS


def test_texts_get_colours_by_their_number() -> None:
    cells = ["b"] * 5 + ["a"] * 3 + [f"t{n}" for n in range(CATEGORIES)] + [""]
    shade = shade_of("x", cells)
    assert shade is not None
    assert not shade.scale
    assert [shade.colours[place] for place in (0, 5, -1)] == [0, 1, NO_COLOUR]
    assert shade.legend[0] == "b (5)"
    assert shade.legend[-1] == "2 others (2)"
    assert len(shade.legend) == CATEGORIES + 1


@pytest.mark.parametrize("cells", [["1", "1"], ["a", "a"], ["", ""], ["2", ""]])
def test_columns_that_do_not_vary_have_no_colours(cells: list[str]) -> None:
    assert shade_of("x", cells) is None


def test_hostile_text_is_text() -> None:
    rows = [["CCO", one, str(n)] for n, one in enumerate(HOSTILE)]
    page = page_of(["smiles", HOSTILE[0], "n"], rows, title=HOSTILE[1], color=HOSTILE[0])
    assert "<img" not in page
    assert "<script>alert" not in page
    assert points_of(page)["cells"][0] == list(HOSTILE)


def test_without_script_there_is_a_picture() -> None:
    page = page_of(["smiles", "n"], [["CCO", str(n)] for n in range(30)])
    (picture,) = re.findall(r'<svg id="picture".*?</svg>', page, re.DOTALL)
    assert picture.count("h0") == 30
    assert 'class="s-0"' in picture
    assert "3.1 % and 2.0 % of their variance" in page


def test_the_first_numbers_are_the_colour_unless_one_is_named() -> None:
    rows = [["CCO", "ab"[n % 2], str(n)] for n in range(8)]
    assert points_of(page_of(["smiles", "kind", "n"], rows))["first"] == 1
    assert points_of(page_of(["smiles", "kind", "n"], rows, color="kind"))["first"] == 0


def test_wide_tables_and_long_cells_are_cut_in_words() -> None:
    names = [f"c{n}" for n in range(COLUMNS + 5)]
    rows = [["CCO", *["x" * 999] * len(names)] for _ in range(4)]
    page = page_of(["smiles", *names], rows, color=names[-1])
    found = points_of(page)
    assert found["names"] == [*names[: COLUMNS - 1], names[-1]]
    assert len(found["cells"][0][0]) == LONGEST
    assert f"Of {COLUMNS + 6} columns {COLUMNS} are shown." in page


def test_many_molecules_are_drawn_in_the_browser() -> None:
    few, many = (page_of(["smiles"], [["CCO"]] * count) for count in (500, 501))
    assert "SmilesDrawer" not in few
    assert points_of(few)["drawn"][0].startswith("<svg")
    assert points_of(many)["drawn"] is None
    assert "MIT licence" in many


def latents(count: int = 60, size: int = 6) -> np.ndarray:
    """Vectors whose spread falls from dimension to dimension."""
    noise = np.random.default_rng(0).standard_normal((count, size))
    return (noise * 0.5 ** np.arange(size) + 3.0).astype(np.float32)


def test_components_have_the_most_variance() -> None:
    z = latents()
    found = pca(z)
    variances = np.linalg.eigvalsh(np.cov(z.T.astype(np.float64)))[::-1]
    assert np.allclose(found.places.var(0, ddof=1), variances[:2], rtol=1e-6)
    assert np.allclose(found.explained, variances[:2] / variances.sum(), rtol=1e-6)


def test_components_have_no_choice_of_sign() -> None:
    z = latents()
    mirrored = pca(2.0 * z.mean(0) - z).places
    assert np.allclose(mirrored, -pca(z).places, atol=1e-4)
    assert np.allclose(pca(z[::-1]).places[::-1], pca(z).places, atol=1e-4)


def test_one_latent_dimension_is_a_line() -> None:
    z = np.random.default_rng(0).standard_normal((5, 1)).astype(np.float32)
    found = pca(z)
    assert np.abs(found.places[:, 0]) == pytest.approx(np.abs(z[:, 0] - z.mean()), abs=1e-6)
    assert not found.places[:, 1].any()
    assert found.explained == pytest.approx((1.0, 0.0))


def test_equal_vectors_have_one_place() -> None:
    found = project(np.ones((5, 4), np.float32))
    assert np.isfinite(found.places).all()
    assert found.explained == (0.0, 0.0)


def test_a_missing_umap_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molvae.explore.latent_map.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'molvae\[umap\]'"):
        check_method("umap")


def test_umap_keeps_groups_together() -> None:
    pytest.importorskip("umap", reason="umap-learn is not installed")
    z = latents(40)
    z[20:] += 30.0
    found = project(z, "umap", seed=1)
    assert found.explained is None
    one, other = found.places[:20], found.places[20:]
    within = max(np.ptp(one, axis=0).max(), np.ptp(other, axis=0).max())
    assert np.linalg.norm(one.mean(0) - other.mean(0)) > within / 2
