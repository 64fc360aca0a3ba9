"""Laws of `molvae prepare`: every row is accounted for, whatever the files and however many the
workers.
"""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Any

import pytest

MIXED = (
    "id,smiles\n1,CCO\n2,OCC\n3,C1CC\n4,=HYPERLINK(1)\n5,CC(=O)Oc1ccccc1C(=O)O\n6\n"
    "7,[Na+].CCC(=O)[O-]\n"
)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_row_is_a_molecule_or_rejected_with_a_reason(
    molvae: Any, tmp_path: Path, read_rows: Any
) -> None:
    (tmp_path / "mixed.csv").write_text(MIXED)
    code, out, err = molvae("prepare", tmp_path / "mixed.csv", "-o", tmp_path / "prepared")
    assert (code, out) == (0, "")
    assert "csv, SMILES in column 'smiles' (by name)" in err
    assert "7 rows: 3 molecules, 4 rejected" in err
    counts = [int(count) for count in re.findall(r"^  (\d+): ", err, re.MULTILINE)]
    assert sum(counts) == 4
    assert "Warning: more than a tenth" in err
    header, *rejected = read_rows(tmp_path / "prepared" / "rejected.csv")
    assert header == ["source", "line", "reason", "detail", "smiles"]
    assert [row[1] for row in rejected] == ["3", "4", "5", "7"]
    assert rejected[0][2] == "seen before"
    assert rejected[2][4] == "'=HYPERLINK(1)", (
        "a cell that a spreadsheet would run is made harmless"
    )


def test_workers_and_compression_change_no_data_set(
    molvae: Any, molecules_csv: Path, tmp_path: Path
) -> None:
    from molvae.datasets.dataset import Dataset

    content = molecules_csv.read_bytes()
    (tmp_path / "molecules.csv.gz").write_bytes(gzip.compress(content))
    ways: dict[str, tuple[list[Any], bytes | None]] = {
        "one": ([molecules_csv, "--workers", 1], None),
        "two": ([molecules_csv, "--workers", 2], None),
        "gz": ([tmp_path / "molecules.csv.gz"], None),
        "stdin": (["-"], content),
        "gz stdin": (["-"], gzip.compress(content)),
    }
    for name, (args, stdin) in ways.items():
        assert (
            molvae("prepare", *args, "-o", tmp_path / name, "--vocabulary", 64, stdin=stdin).code
            == 0
        )
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert len({Dataset.load(tmp_path / name).fingerprint for name in ways}) == 1


def test_several_files_of_any_format_are_one_data_set(molvae: Any, tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_text("CCO ethanol\nCCN amine\n")
    (tmp_path / "b.tsv").write_text("name\tSMILES\nx\tCCC\ny\tCCO\n")
    with gzip.open(tmp_path / "c.csv.gz", "wt") as handle:
        handle.write("structure\nCCCC\n")
    files = [tmp_path / name for name in ("a.smi", "b.tsv", "c.csv.gz")]
    code, _, err = molvae("prepare", *files, "-o", tmp_path / "deep" / "prepared")
    assert code == 0
    assert "5 rows: 4 molecules, 1 rejected\n  1: seen before" in err
    assert all(path.name in err for path in files)
    assert (tmp_path / "deep" / "prepared" / "MANIFEST.json").is_file()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("", "already exists"),
        ("there", "already exists"),
        ("file/x", "is not a folder"),
        ("locked/x", "cannot be"),
    ],
)
def test_an_impossible_folder_is_refused_before_reading(
    molvae: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read_only: Any,
    output: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("locked").mkdir()
    Path("file").write_text("precious")
    read_only(tmp_path / "locked")
    # The input does not exist: to be told of the output is to be told before reading.
    code, _, err = molvae("prepare", "nowhere.csv", "-o", output)
    assert code == 2
    assert said in err
    assert "nowhere.csv" not in err
    assert sorted(os.listdir()) == ["file", "locked", "there"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "Missing option '-o'"),
        (["-o", "x", "--column", "formula"], "'id', 'smiles'"),
        (["-o", "x", "--validation", "1.5"], "--validation"),
        (["-o", "x", "--validation", "nan"], "--validation"),
        (["-o", "x", "--vocabulary", "0"], "--vocabulary"),
        (["-o", "x", "--rows", "-1"], "--rows"),
        (["-o", "x", "--rows", "1_0"], "--rows"),
        (["-o", "x", "--max-heavy-atoms", "1e3"], "--max-heavy-atoms"),
        (["-o", "x", "--split-seed", "9223372036854775808"], "--split-seed"),
        (["-o", "x", "--workers", "0"], "--workers"),
    ],
)
def test_wrong_usage_exits_2_names_the_option_and_makes_nothing(
    molvae: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mixed.csv").write_text(MIXED)
    code, _, err = molvae("prepare", "mixed.csv", *args)
    assert code == 2
    assert said in err
    assert os.listdir() == ["mixed.csv"]


def test_a_file_without_molecules_is_shown_by_its_first_row(
    molvae: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("names.csv").write_text("smiles\nbenzene\naspirin\n")
    code, _, err = molvae("prepare", "names.csv", "-o", "x")
    assert code == 1
    assert "none of 2 rows is a usable molecule" in err
    assert "'benzene'" in err
    assert os.listdir() == ["names.csv"]
