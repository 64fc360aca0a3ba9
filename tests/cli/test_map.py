"""``molvae map``: one page of a table, and words for what is not on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def table(put: Any, molecules: list[str]) -> Path:
    """Twelve molecules with a weight and a name, and two rows that cannot be read."""
    rows = [f"{one},{n},n{n % 3}" for n, one in enumerate(molecules[:12])]
    return Path(put("\n".join(["smiles,weight,kind", *rows, "C1CC,1,n", ",2,n"]) + "\n"))


def test_a_table_becomes_a_map(molvae: Any, tiny_run: Path, table: Path, tmp_path: Path) -> None:
    page = tmp_path / "map.html"
    done = molvae("map", table, "-m", tiny_run, "-o", page, "--color", "kind")
    assert (done.code, done.out) == (0, "")
    text = page.read_text(encoding="utf-8")
    words = "12 molecules are on the map; 2 rows could not be read (does not parse 1, empty 1)."
    assert words in done.err
    assert words in text
    assert "n0 (4)" in text
    assert "of their variance" in text


def test_equal_tables_give_equal_maps(
    molvae: Any, tiny_run: Path, table: Path, tmp_path: Path
) -> None:
    pages = [tmp_path / "a.html", tmp_path / "b.html"]
    for page in pages:
        assert molvae("map", table, "-m", tiny_run, "-o", page).code == 0
    one, other = (
        page.read_text(encoding="utf-8").split('id="points"')[1].split("</script>")[0]
        for page in pages
    )
    assert one == other


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--color", "mass"), 2, "has no column 'mass', but smiles, weight, kind"),
        (("-o", "map.png"), 2, "a page is written as .html"),
        (("--method", "tsne"), 2, "'tsne' is not one of"),
    ],
)
def test_wrong_options_are_refused(
    molvae: Any, tiny_run: Path, table: Path, tmp_path: Path, options: Any, code: int, words: str
) -> None:
    done = molvae("map", table, "-m", tiny_run, "-o", tmp_path / "x.html", *options)
    assert done.code == code
    assert words in done.err
    assert not (tmp_path / "x.html").exists()


def test_umap_that_is_missing_is_said(
    molvae: Any, tiny_run: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molvae.explore.latent_map.find_spec", lambda name: None)
    done = molvae("map", table, "-m", tiny_run, "-o", tmp_path / "x.html", "--method", "umap")
    assert done.code == 2
    assert "pip install 'molvae[umap]'" in done.err


def test_too_few_molecules_are_no_map(
    molvae: Any, tiny_run: Path, put: Any, tmp_path: Path
) -> None:
    few = put("smiles\nCCO\nC1CC\n")
    done = molvae("map", few, "-m", tiny_run, "-o", tmp_path / "x.html")
    assert done.code == 1
    assert "1 row could not be read" in done.err
    assert "three at least" in done.err


def test_a_map_is_not_overwritten(molvae: Any, tiny_run: Path, table: Path, tmp_path: Path) -> None:
    page = tmp_path / "map.html"
    page.write_text("mine", encoding="utf-8")
    assert molvae("map", table, "-m", tiny_run, "-o", page).code == 1
    assert page.read_text(encoding="utf-8") == "mine"
    assert molvae("map", table, "-m", tiny_run, "-o", page, "--force").code == 0
