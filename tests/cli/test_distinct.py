"""Laws of `molvae distinct`: what `molvae sample` left in a folder, each molecule once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from molvae.generation import large_scale, sampling


@pytest.fixture
def folder(
    molvae: Any,
    memorised_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Path:
    """Three parts of a model that knows few molecules, so that they come again in every part."""
    monkeypatch.setattr(sampling, "BLOCK", 128)
    monkeypatch.setattr(large_scale, "BLOCKS", 1)
    path = tmp_path / "shards"
    args = ("--temperature", 0.5, "--raw", "--scores", "qed", "-o", f"{path}/")
    assert molvae("sample", "-m", memorised_run, "-n", 384, *args).code == 0
    return path


def test_every_molecule_is_written_once_with_its_first_draw(
    molvae: Any, folder: Path, tmp_path: Path, read_rows: Any
) -> None:
    every = [
        row for path in sorted(folder.iterdir()) for row in parquet.read_table(path).to_pylist()
    ]
    first = list({row["smiles"]: row for row in reversed(every)}.values())
    expected = sorted(first, key=lambda row: row["draw"])
    assert len(expected) < len(every)
    code, out, err = molvae("distinct", folder, "-o", tmp_path / "molecules.parquet")
    assert (code, out) == (0, "")
    assert (
        f"{len(every):,} rows in 3 parts: {len(expected):,} distinct, "
        f"{len(every) - len(expected):,} repeats left out" in err
    )
    assert parquet.read_table(tmp_path / "molecules.parquet").to_pylist() == expected
    text = molvae("distinct", folder)
    header, *rows = text.rows
    assert header == ["draw", "smiles", "selfies", "log_likelihood", "canonical", "QED"]
    assert [(int(row[0]), row[1], row[4]) for row in rows] == [
        (row["draw"], row["smiles"], str(row["canonical"]).lower()) for row in expected
    ]
    assert molvae("distinct", folder, "-o", tmp_path / "molecules.csv.gz").code == 0
    assert read_rows(tmp_path / "molecules.csv.gz") == text.rows
    assert sorted(os.listdir(tmp_path)) == ["molecules.csv.gz", "molecules.parquet", "shards"]
    assert molvae("distinct", folder, "-o", tmp_path / "molecules.parquet").code == 1
    assert molvae("distinct", folder, "-o", tmp_path / "molecules.parquet", "--force").code == 0


def test_a_part_that_is_missing_is_told_of(molvae: Any, folder: Path) -> None:
    (folder / "part-000001.parquet").unlink()
    code, _, err = molvae("distinct", folder)
    assert code == 0
    assert "Warning: 1 part is missing (1)" in err


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["shards", "-o", "molecules.txt"], 2, ".parquet or .csv"),
        (["shards", "-o", "gone/molecules.csv"], 2, "no folder gone"),
        (["shards", "--memory", "lots"], 2, "500MB or 4GB"),
        (["shards", "--memory", "4"], 2, "500MB or 4GB"),
        (["shards", "--memory", "1MB"], 2, "not between 200MB and 1000TB"),
        (["shards", "--memory", f"{'9' * 400}GB"], 2, "not between 200MB and 1000TB"),
        (["shards", "--temp", "gone"], 2, "gone is not a folder"),
        (["nowhere"], 1, "nowhere: holds no parts of samples"),
        (["."], 1, "holds no parts of samples"),
        ([], 2, "FOLDER"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_refused_in_words(
    molvae: Any,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(folder.parent)
    outcome = molvae("distinct", *args)
    assert (outcome.code, outcome.out) == (code, "")
    assert said in outcome.err
    assert os.listdir() == ["shards"]


def test_neither_torch_nor_rdkit_is_loaded(folder: Path) -> None:
    code = (
        "import sys\nfrom importlib.metadata import entry_points\n"
        "(command,) = entry_points(group='console_scripts', name='molvae')\n"
        f"try:\n    command.load()(['distinct', {str(folder)!r}])\n"
        "except SystemExit as stop:\n    assert not stop.code\n"
        "assert not {'torch', 'rdkit'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
