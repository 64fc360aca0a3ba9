"""``molvae report``, and --report: pages of tables and of what other verbs make."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from molvae.pages.table_report import MOST

Molvae = Callable[..., Any]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three rows, one of them no molecule."""
    path = tmp_path / "a.csv"
    path.write_text("name,smiles,QED\none,CCO,0.41\ntwo,not one,\n<b>,c1ccccc1,0.44\n", "utf-8")
    return path


def read(path: Path) -> str:
    """The text of a page."""
    return path.read_text(encoding="utf-8")


def test_a_table_becomes_a_page(molvae: Molvae, table: Path, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    code, out, err = molvae("report", table, "-o", page, "--title", "Round <3>")
    assert (code, out) == (0, "")
    assert "a.html: 0.0 MB" in err
    text = read(page)
    assert text.count('<svg class="mol"') == 2
    assert "<h1>Round &lt;3&gt;</h1>" in text
    assert "not one" in text
    assert "<b>" not in re.sub("<figcaption><b>", "", text)
    assert f"molvae report {table}" in text
    assert "https://" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_tables_come_from_stdin_too(molvae: Molvae, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    lead, other = "CC(=O)Nc1ccc(O)cc1", "CC(=O)Nc1ccc(Br)cc1"
    stdin = f"lead,smiles\n{lead},{other}\n".encode()
    assert molvae("report", "-", "-o", page, stdin=stdin).code == 0
    assert 'class="mark"' in read(page)


def test_a_reference_lies_over_the_histograms(
    molvae: Molvae, table: Path, tmp_path: Path, molecules_csv: Path
) -> None:
    page = tmp_path / "a.html"
    assert molvae("report", table, "-o", page, "--reference", molecules_csv).code == 0
    text = read(page)
    assert text.count('<path class="outline"') == 1
    assert re.search(rf"outline: \d+ molecules of {molecules_csv}", text.replace(",", ""))


def test_what_cannot_be_a_page_is_said_in_words(
    molvae: Molvae, table: Path, tmp_path: Path
) -> None:
    wrong = molvae("report", table, "-o", tmp_path / "a.pdf")
    assert wrong.code == 2
    assert "end its name so" in wrong.err
    assert molvae("report", table, "-o", tmp_path / "none" / "a.html").code == 2
    (tmp_path / "b.html").write_text("mine", encoding="utf-8")
    assert molvae("report", table, "-o", tmp_path / "b.html").code == 1
    assert read(tmp_path / "b.html") == "mine"
    assert molvae("report", table, "-o", tmp_path / "b.html", "--force").code == 0
    same = molvae("report", tmp_path / "c.html", "-o", tmp_path / "c.html")
    assert same.code == 2
    assert "give two names" in same.err
    parts = molvae("sample", "-o", f"{tmp_path}/parts/", "--report", tmp_path / "d.html")
    assert parts.code == 2
    assert "not with a folder of parts" in parts.err


def test_rows_beyond_what_a_page_holds_are_counted(molvae: Molvae, tmp_path: Path) -> None:
    many, page = tmp_path / "many.smi", tmp_path / "a.html"
    many.write_text("C\n" * (MOST + 1), encoding="utf-8")
    assert "the first 5,000 of 5,001 rows" in molvae("report", many, "-o", page).err


def test_scores_go_into_a_page(molvae: Molvae, table: Path, tmp_path: Path, read_rows: Any) -> None:
    out, page = tmp_path / "s.csv", tmp_path / "s.html"
    assert molvae("score", table, "--scores", "logp", "-o", out, "--report", page).code == 0
    text = read(page)
    assert "Scores of" in text
    assert read_rows(out)[2][-1] in html.unescape(text)
    assert "<dt>logP</dt>" in text
    assert len(out.read_text().splitlines()) == 4


def test_samples_go_into_a_page(molvae: Molvae, memorised_run: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "s.csv", tmp_path / "s.html"
    asked = ("sample", "-m", memorised_run, "-n", 3, "--raw", "--seed", 5)
    plain = molvae(*asked)
    assert molvae(*asked, "-o", out, "--report", page).code == plain.code == 0
    assert out.read_text().splitlines() == plain.out.splitlines()
    text = read(page)
    assert text.count("<article ") == 3
    assert "<dt>seed</dt><dd>5</dd>" in text
    assert f"<dt>model</dt><dd>{memorised_run}</dd>" in text


def test_analogs_go_into_a_page(
    molvae: Molvae, memorised_run: Path, tmp_path: Path, few: list[str]
) -> None:
    page = tmp_path / "a.html"
    asked = ("analogs", "-m", memorised_run, few[0], "-n", 2, "--similarity", "0:1")
    outcome = molvae(*asked, "--draws", 200, "--report", page)
    assert outcome.code == 0
    assert read(page).count("<article ") == len(outcome.rows) - 1 > 0


def test_paths_go_into_a_page(
    molvae: Molvae, memorised_run: Path, tmp_path: Path, few: list[str]
) -> None:
    page = tmp_path / "a.html"
    asked = ("interpolate", "-m", memorised_run, few[1], few[2], "--steps", 3)
    assert molvae(*asked, "--report", page).code == 0
    assert "Tanimoto similarity" in read(page)
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(f"start,end\n{few[1]},{few[2]}\n{few[1]},C1CC\n{few[0]},{few[1]}\n", "utf-8")
    asked = ("interpolate", "-m", memorised_run, "--pairs", pairs, "--steps", 2)
    assert molvae(*asked, "--report", page, "--force").code == 0
    text = read(page)
    assert "2 paths" in text
    assert "Path 3 Tanimoto" in text


def test_searches_go_into_a_page(molvae: Molvae, memorised_run: Path, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    asked = ("optimize", "-m", memorised_run, "--maximize", "qed", "--minimize", "logp")
    outcome = molvae(*asked, "--calls", 12, "-n", 5, "--report", page)
    assert outcome.code == 0
    text = read(page)
    assert "Search for maximize qed, minimize logp" in text
    assert "Pareto front" in text
    assert text.count("<article ") == len(outcome.rows) - 1


def test_evaluations_go_into_a_page(
    molvae: Molvae, tiny_run: Path, molecules_csv: Path, tmp_path: Path
) -> None:
    page = tmp_path / "a.html"
    asked = ("evaluate", "--test", molecules_csv, "-n", 30, "--no-fcd", "--report", page)
    assert molvae(*asked, "--samples", molecules_csv).code == 0
    assert "<h2>Samples</h2>" in read(page)
    few = ("--limit", 6, "--iwae", 2, "--force")
    assert molvae(*asked, "-m", tiny_run, "--train", molecules_csv, *few).code == 0
    text = read(page)
    assert "random training molecules" in text
    assert "<h2>Locality</h2>" in text


def test_a_training_leaves_a_page(train: Any, tmp_path: Path) -> None:
    assert train("run").code == 0
    text = read(tmp_path / "run" / "training.html")
    assert "3 epochs" in text
    assert "molvae train" in text
    assert train("run", "--force").code == 0
