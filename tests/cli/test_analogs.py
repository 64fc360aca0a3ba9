"""Laws of `molvae analogs`: distinct molecules inside the window asked for, and what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

COLUMNS = ["lead", "smiles", "tanimoto", "level", "log_likelihood"]


def test_analogs_are_inside_the_window_most_similar_first(
    molvae: Any, memorised_run: Path, few: list[str]
) -> None:
    outcome = molvae(
        *("analogs", "-m", memorised_run, few[1], "-n", 4, "--similarity", "0.1:0.8"),
        *("--scores", "logp"),
    )
    assert outcome.code == 0
    header, *rows = outcome.rows
    assert header == [*COLUMNS, "logP"]
    assert {row[0] for row in rows} == {few[1]}
    alike = [float(row[2]) for row in rows]
    assert alike == sorted(alike, reverse=True)
    assert all(0.1 <= one <= 0.8 for one in alike)
    assert len({row[1] for row in rows}) == len(rows) > 0
    assert all(row[5] for row in rows)
    assert f"{few[1]}: {len(rows)} of 4 found in " in outcome.err


def test_leads_come_from_a_file_too_and_bad_rows_are_named(
    molvae: Any, memorised_run: Path, few: list[str], tmp_path: Path
) -> None:
    table = tmp_path / "leads.csv"
    table.write_text(f"name,smiles\none,{few[1]}\nbad,C1CC\nodd,CCI\n")
    options = ("-m", memorised_run, "-n", 2, "--similarity", ":1", "--draws", 512)
    outcome = molvae("analogs", few[2], table, *options)
    assert outcome.code == 0
    assert {row[0] for row in outcome.rows[1:]} == {few[2], few[1]}
    assert f"{table}, line 3: does not parse" in outcome.err
    assert f"{table}, line 4: symbol unknown to the model" in outcome.err
    assert "2 of 4 leads could not be searched" in outcome.err
    piped = molvae("analogs", few[2], "-", *options, stdin=table.read_bytes())
    assert piped.out == outcome.out
    again = molvae("analogs", few[2], table, *options, "-o", tmp_path / "analogs.tsv")
    assert again.code == 0
    text = (tmp_path / "analogs.tsv").read_text()
    assert text.replace("\t", ",") == outcome.out


def test_a_lead_without_a_scaffold_stops_no_other(
    molvae: Any, memorised_run: Path, few: list[str]
) -> None:
    options = ("-m", memorised_run, "-n", 2, "--similarity", ":1", "--draws", 512)
    outcome = molvae("analogs", "CCCO", few[8], "--keep-scaffold", *options)
    assert outcome.code == 0
    assert "has no ring, and so no scaffold to keep" in outcome.err
    assert f"{few[8]}: " in outcome.err
    assert "1 of 2 leads could not be searched" in outcome.err
    assert molvae("analogs", "CCCO", "--keep-scaffold", *options).code == 1


def test_too_few_analogs_are_said_to_be_too_few(
    molvae: Any, memorised_run: Path, few: list[str]
) -> None:
    options = ("-m", memorised_run, "--similarity", "0.99:1", "-n", 50, "--draws", 512)
    outcome = molvae("analogs", few[1], *options)
    assert outcome.code == 0
    assert "of 50 found in 512 draws; a wider window or more --draws finds more" in outcome.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "LEAD"),
        (["CCO", "--similarity", "0.7:0.4"], "is not LOW:HIGH"),
        (["CCO", "--similarity", "half"], "is not LOW:HIGH"),
        (["CCO", "--keep", "C("], "is no SMARTS pattern"),
        (["gone.csv"], "gone.csv"),
        (["CCO", "-n", "0"], "-n"),
        (["CCO", "--scores", "qde"], "did you mean 'qed'"),
    ],
)
def test_wrong_usage_exits_2_and_writes_nothing(
    molvae: Any, memorised_run: Path, args: list[str], said: str
) -> None:
    code, out, err = molvae("analogs", "-m", memorised_run, *args)
    assert code == 2
    assert out.count("\n") <= 1  # at most the header
    assert said in err


def test_a_lead_that_cannot_be_read_is_an_error(molvae: Any, memorised_run: Path) -> None:
    code, _, err = molvae("analogs", "-m", memorised_run, "C1CC")
    assert code == 1
    assert "does not parse" in err
