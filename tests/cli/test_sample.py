"""Laws of `molvae sample`: as many distinct valid molecules as asked for, every draw accounted
for.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pytest


def tally(err: str) -> tuple[int, int, int]:
    """Counts of drawn, written and dropped on stderr."""
    found = re.search(r"^([\d,]+) drawn, ([\d,]+) written(.*)$", err, re.MULTILINE)
    assert found
    dropped = re.findall(r"([\d,]+) dropped \(", found[3])
    drawn, written, *reasons = (
        int(text.replace(",", "")) for text in (found[1], found[2], *dropped)
    )
    return drawn, written, sum(reasons)


@pytest.mark.parametrize("number", ["1", "40", "3e2"])
def test_exactly_n_distinct_valid_molecules_are_written(
    molvae: Any, tiny_run: Path, number: str
) -> None:
    import selfies

    from molvae.chem.molecule import canonical, parse
    from molvae.generation.codec import Codec

    outcome = molvae("sample", "-m", tiny_run, "-n", number)
    assert outcome.code == 0
    header, *rows = outcome.rows
    assert header == ["smiles", "selfies", "log_likelihood"]
    assert len(rows) == len({row[0] for row in rows}) == int(float(number))
    assert all(canonical(parse(row[0])) == row[0] for row in rows)
    assert all(float(row[2]) < 0 for row in rows)
    selfies.set_semantic_constraints(Codec.load(str(tiny_run)).vocabulary.constraints)
    assert all(canonical(parse(selfies.decoder(row[1]))) == row[0] for row in rows[:20])
    drawn, written, dropped = tally(outcome.err)
    assert written == len(rows)
    assert drawn == written + dropped


def test_a_spreadsheet_finds_no_formula_among_samples(molvae: Any, tiny_run: Path) -> None:
    from molvae.datasets.text_files import spreadsheet_safe

    table = molvae(
        "sample", "-m", tiny_run, "-n", 100, "--all", "--scores", "logp,scaffold,alerts"
    ).rows
    assert [[spreadsheet_safe(cell) for cell in row] for row in table] == table


def test_all_keeps_every_draw_in_order(molvae: Any, tiny_run: Path) -> None:
    every = molvae("sample", "-m", tiny_run, "-n", 400, "--all")
    assert tally(every.err) == (400, 400, 0)
    drawn = [row[0] for row in every.rows[1:]]
    canonical = [row[0] for row in every.rows[1:] if row[3] == "true"]
    assert len(drawn) == 400
    distinct = [row[0] for row in molvae("sample", "-m", tiny_run, "-n", 100).rows[1:]]
    first = list(dict.fromkeys(canonical))
    assert first
    assert distinct[: len(first)] == first[:100]
    raw = [row[0] for row in molvae("sample", "-m", tiny_run, "-n", 100, "--raw").rows[1:]]
    assert raw == [one for one in dict.fromkeys(drawn) if one][:100]


def test_novel_molecules_are_not_in_the_training_set(
    molvae: Any, memorised_run: Path, few: list[str], tmp_path: Path
) -> None:
    # Its prior writes what it knows by heart, and other things.
    args = ("sample", "-m", memorised_run, "-n", 200, "--temperature", 1.3, "--raw")
    plain = molvae(*args)
    assert {row[0] for row in plain.rows[1:]} & set(few)
    novel = molvae(*args, "--novel")
    assert not {row[0] for row in novel.rows[1:]} & set(few)
    assert len(novel.rows) == 201
    drawn, written, dropped = tally(novel.err)
    assert drawn == written + dropped
    assert "dropped (in the training set)" in novel.err


@pytest.mark.parametrize("workers", [1, 2])
def test_scores_are_columns_beside_the_same_molecules(
    molvae: Any, tiny_run: Path, tmp_path: Path, workers: int
) -> None:
    plain = molvae("sample", "-m", tiny_run, "-n", 30).rows
    scored = molvae(
        "sample", "-m", tiny_run, "-n", 30, "--scores", "qed,sa,logp", "--workers", workers
    )
    assert scored.code == 0
    assert scored.rows[0] == [*plain[0], "QED", "SA", "logP"]
    assert [row[:3] for row in scored.rows] == plain
    (tmp_path / "plain.csv").write_text("\n".join(["smiles", *(row[0] for row in plain[1:])]))
    alone = molvae("score", tmp_path / "plain.csv", "--scores", "qed,sa,logp").rows
    assert [row[3:] for row in scored.rows[1:]] == [row[1:4] for row in alone[1:]]


def test_a_seed_gives_the_same_bytes_for_any_number_and_workers(
    molvae: Any, tiny_run: Path
) -> None:
    args = ("sample", "-m", tiny_run, "-n", 50)
    first = molvae(*args, "--seed", 7).out
    assert molvae(*args, "--seed", "7", "--workers", 2).out == first
    assert molvae(*args[:3], "-n", 20, "--seed", 7).out == "".join(first.splitlines(True)[:21])
    assert molvae(*args, "--seed", 0).out == molvae(*args).out != first
    assert molvae(*args, "--seed", 2**63 - 1).out != first


def test_none_asked_for_is_a_header_alone(molvae: Any, tiny_run: Path) -> None:
    code, out, err = molvae("sample", "-m", tiny_run, "-n", 0)
    assert (code, out) == (0, "smiles,selfies,log_likelihood\n")
    assert tally(err) == (0, 0, 0)


def test_too_few_found_is_said_and_what_was_found_is_written(
    molvae: Any, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_rows: Any
) -> None:
    from molvae.generation import sampling

    monkeypatch.setattr(sampling, "PATIENCE", 1)
    code, _, err = molvae("sample", "-m", tiny_run, "-n", 1024, "-o", tmp_path / "new.csv")
    assert code == 1
    drawn, written, dropped = tally(err)
    assert drawn == 1024 == written + dropped
    assert f"Error: only {written:,} of 1,024 found in 1,024 draws" in err
    assert len(read_rows(tmp_path / "new.csv")) == written + 1


def test_a_gz_file_is_compressed_and_overwritten_only_by_force(
    molvae: Any, tiny_run: Path, tmp_path: Path
) -> None:
    args = ("sample", "-m", tiny_run, "-n", 5)
    out = molvae(*args).out
    for name in ("new.csv", "new.csv.gz"):
        assert molvae(*args, "-o", tmp_path / name).code == 0
        assert molvae(*args, "--seed", 1, "-o", tmp_path / name).code == 1
    assert (tmp_path / "new.csv").read_text() == out
    assert gzip.decompress((tmp_path / "new.csv.gz").read_bytes()).decode() == out
    assert molvae(*args, "--seed", 1, "-o", tmp_path / "new.csv", "--force").code == 0
    assert (tmp_path / "new.csv").read_text() != out


@pytest.mark.parametrize("temperature", ["0", "0.5", "100"])
def test_every_temperature_gives_finite_likelihoods(
    molvae: Any, tiny_run: Path, temperature: str
) -> None:
    outcome = molvae("sample", "-m", tiny_run, "-n", 10, "--temperature", temperature, "--all")
    assert outcome.code == 0
    assert all(float("-inf") < float(row[2]) <= 0 for row in outcome.rows[1:])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-n", "-1"], "-1"),
        (["-n", "nan"], "nan"),
        (["-n", "inf"], "inf"),
        (["-n", "1e400"], "1e400"),
        (["-n", "2.5"], "2.5"),
        (["-n", "1_000"], "1_000"),
        (["-n", ""], "''"),
        (["--temperature", "-1"], "--temperature"),
        (["--temperature", "nan"], "--temperature"),
        (["--temperature", "inf"], "--temperature"),
        (["--seed", "-1"], "--seed"),
        (["--seed", "18446744073709551616"], "--seed"),
        (["--workers", "0"], "--workers"),
        (["--scores", "qde"], "'qed'"),
        (["--scores", ""], "not a score"),
        (["--all", "--novel"], "give one of them"),
        (["--all", "--canonical"], "give one of them"),
        (["--consistent"], "--consistent is called --canonical now"),
        (["--precision", "fp16"], "'fp16'"),
        (["extra"], "extra"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_2_and_writes_nothing(
    molvae: Any, tiny_run: Path, tmp_path: Path, args: list[str], said: str
) -> None:
    code, out, err = molvae("sample", "-m", tiny_run, "-o", tmp_path / "new.csv", *args)
    assert (code, out) == (2, "")
    assert said in err
    assert not (tmp_path / "new.csv").exists()


def test_a_missing_level_is_refused_before_writing(molvae: Any, tiny_run: Path) -> None:
    code, out, err = molvae("sample", "-m", tiny_run, "--level", "0.999")
    assert (code, out) == (2, "")
    assert "noise level" in err


def test_windows_are_kept_to_and_their_rates_are_said(molvae: Any, memorised_run: Path) -> None:
    options = ("--with", "molwt=:320", "--with", "logp=1:", "--keep", "[#6]", "--scores", "molwt")
    outcome = molvae("sample", "-m", memorised_run, "-n", 4, *options)
    assert outcome.code == 0
    header, *rows = outcome.rows
    assert header == ["smiles", "selfies", "log_likelihood", "MolWt"]
    assert len(rows) == 4
    assert all(float(row[3]) <= 320 for row in rows)
    assert "4 written; new molecules that meet the conditions: " in outcome.err
    for wrong, said in (
        (("--with", "logp=3:2"), "is no condition"),
        (("--with", "logp=1:", "--raw"), "go with neither"),
        (("--keep", "C("), "is no SMARTS"),
    ):
        code, out, err = molvae("sample", "-m", memorised_run, *wrong)
        assert (code, out) == (2, "")
        assert said in err
