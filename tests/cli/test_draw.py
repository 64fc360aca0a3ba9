"""``molvae draw``: pictures of tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Molvae = Callable[..., Any]


def test_a_table_is_drawn_with_its_legend(molvae: Molvae, tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("smiles,QED\nCCO,0.41\nnot one,0.5\nc1ccccc1,0.44\n", encoding="utf-8")
    svg, png = tmp_path / "a.svg", tmp_path / "a.png"
    assert molvae("draw", table, "-o", svg, "--legend", "QED").code == 0
    assert molvae("draw", table, "-o", png, "-n", 1).code == 0
    assert svg.read_text(encoding="utf-8").lstrip().startswith("<?xml") or "<svg" in svg.read_text(
        encoding="utf-8"
    )
    assert png.read_bytes().startswith(b"\x89PNG")


def test_molecules_come_from_stdin_too(molvae: Molvae, tmp_path: Path) -> None:
    outcome = molvae("draw", "-", "-o", tmp_path / "a.svg", stdin=b"smiles\nCCO\nCCN\n")
    assert outcome.code == 0
    assert "2 molecules" in outcome.err


def test_what_cannot_be_drawn_is_said_in_words(molvae: Molvae, tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("smiles\nCCO\n", encoding="utf-8")
    assert molvae("draw", table, "-o", tmp_path / "a.gif").code == 2
    lacking = molvae("draw", table, "-o", tmp_path / "a.svg", "--legend", "QED")
    assert lacking.code == 2
    assert "no column 'QED'" in lacking.err
    (tmp_path / "b.svg").write_text("mine", encoding="utf-8")
    assert molvae("draw", table, "-o", tmp_path / "b.svg").code == 1
    assert (tmp_path / "b.svg").read_text(encoding="utf-8") == "mine"
    header = tmp_path / "none.csv"
    header.write_text("smiles\n", encoding="utf-8")
    assert molvae("draw", header, "-o", tmp_path / "c.svg").code == 1


def test_more_rows_than_a_png_can_hold_are_refused_in_words(molvae: Molvae, tmp_path: Path) -> None:
    table = tmp_path / "many.smi"
    table.write_text("C\n" * 183, encoding="utf-8")
    code, _, err = molvae("draw", table, "-o", tmp_path / "a.png", "-n", 183, "--per-row", 1)
    assert code == 2
    assert "write .svg, or fewer molecules" in err
    assert not (tmp_path / "a.png").exists()
