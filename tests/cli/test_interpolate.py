"""Laws of `molvae interpolate`: a path begins and ends with the molecules given, whatever the model
makes of them.
"""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path
from typing import Any

import pytest

A, B = "OCC", "c1ccccc1C"
STANDARD = {"OCC": "CCO", "c1ccccc1C": "Cc1ccccc1"}
COLUMNS = [
    "step",
    "t",
    "smiles",
    "tanimoto_start",
    "tanimoto_end",
    "tanimoto_previous",
    "reproduced",
]


@pytest.mark.parametrize("steps", [2, 7])
@pytest.mark.parametrize("kind", ["slerp", "lerp"])
def test_the_first_and_the_last_row_are_the_molecules_given(
    molvae: Any, tiny_run: Path, steps: int, kind: str
) -> None:
    outcome = molvae("interpolate", "-m", tiny_run, A, B, "--steps", steps, "--path", kind)
    assert outcome.code == 0
    header, *rows = outcome.rows
    assert header == COLUMNS
    assert len(rows) == steps
    assert (rows[0][2], rows[-1][2]) == (STANDARD[A], STANDARD[B])
    assert (rows[0][3], rows[-1][4]) == ("1.0000", "1.0000")
    assert [float(row[1]) for row in rows] == pytest.approx(
        [step / (steps - 1) for step in range(steps)], abs=1e-4
    )
    assert [row[0] for row in rows] == [str(step) for step in range(steps)]
    assert {rows[0][6], rows[-1][6]} <= {"yes", "no"}
    assert {row[6] for row in rows[1:-1]} <= {""}
    for row in (rows[0], rows[-1]):
        assert (f"{row[2]}: the model does not reproduce it" in outcome.err) == (row[6] != "yes")


def test_ends_known_by_heart_are_said_to_be_reproduced(
    molvae: Any, memorised_run: Path, few: list[str]
) -> None:
    outcome = molvae("interpolate", "-m", memorised_run, few[1], few[2], "--steps", 3)
    assert [outcome.rows[1][6], outcome.rows[-1][6]] == ["yes", "yes"]
    assert outcome.err == ""


def test_a_path_from_a_molecule_to_itself_stays_there(
    molvae: Any, memorised_run: Path, few: list[str]
) -> None:
    rows = molvae("interpolate", "-m", memorised_run, few[0], few[0], "--steps", 4).rows[1:]
    assert [row[2] for row in rows] == [few[0]] * 4
    assert {cell for row in rows for cell in row[3:6]} == {"1.0000"}


def test_pairs_are_walked_one_by_one_and_bad_rows_are_named(
    molvae: Any, tiny_run: Path, tmp_path: Path
) -> None:
    table = f"end,note,start\n{B},fine,{A}\nC1CC,bad,CCO\nCCN\nCCO,fine,CCN\nCCI,strange,CCO\n"
    (tmp_path / "pairs.csv").write_text(table)
    outcome = molvae("interpolate", "-m", tiny_run, "--pairs", tmp_path / "pairs.csv", "--steps", 3)
    assert outcome.code == 0
    header, *rows = outcome.rows
    assert header == ["pair", *COLUMNS]
    assert [row[0] for row in rows] == ["1"] * 3 + ["4"] * 3
    assert [rows[0][3], rows[2][3], rows[3][3], rows[5][3]] == ["CCO", "Cc1ccccc1", "CCN", "CCO"]
    assert [f"line {line}: " in outcome.err for line in (2, 3, 4, 5, 6)] == [
        False,
        True,
        True,
        False,
        True,
    ]
    assert "[I] never occurred in training" in outcome.err
    assert "line 4: empty" in outcome.err
    assert "3 of 5 pairs could not be walked" in outcome.err
    content = gzip.compress(table.replace("\nCCN\n", "\nCCN,,\n").encode())
    piped = molvae("interpolate", "-m", tiny_run, "--pairs", "-", "--steps", 3, stdin=content)
    assert piped.out == outcome.out
    assert "standard input, line 3: does not parse" in piped.err


def test_a_row_of_another_width_is_not_walked(molvae: Any, tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("a,b\nCCO,CCN,CCC\nCCO,CCN\n")
    outcome = molvae("interpolate", "-m", tiny_run, "--pairs", tmp_path / "pairs.csv", "--steps", 2)
    assert outcome.code == 0
    assert [row[0] for row in outcome.rows] == ["pair", "2", "2"]
    assert "line 2: wrong number of fields\n    CCO,CCN,CCC\n" in outcome.err


def test_pairs_none_of_which_can_be_walked_are_an_error(
    molvae: Any, tiny_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "pairs.csv").write_text("a,b\nCCO,C1CC\nnonsense,CCO\n")
    code, _, err = molvae("interpolate", "-m", tiny_run, "--pairs", tmp_path / "pairs.csv")
    assert code == 1
    assert "2 of 2 pairs could not be walked" in err


@pytest.mark.parametrize(("name", "magic"), [("path.svg", b"<svg"), ("path.PNG", b"\x89PNG")])
def test_the_picture_has_the_format_of_its_name(
    molvae: Any, tiny_run: Path, tmp_path: Path, name: str, magic: bytes
) -> None:
    args = (
        "interpolate",
        "-m",
        tiny_run,
        A,
        B,
        "--steps",
        3,
        "-o",
        tmp_path / "path.csv.gz",
        "--image",
    )
    assert molvae(*args, tmp_path / name).code == 0
    assert (tmp_path / name).read_bytes().startswith(magic)
    assert gzip.decompress((tmp_path / "path.csv.gz").read_bytes()).decode().count("\n") == 4
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("CCO", "CCI", "[I] never occurred in training"),
        ("CCO", "C1CC", "does not parse"),
        ("", "CCO", "empty"),
        ("CCO", "*", "\n    *"),
        ("CCO", "CC O", "\n    CC O"),
        ("CCO", "\u0421", "\n    \\u0421"),
        ("CCO", "C" * 2000, "CCC..."),
        ("[Na+].[Cl-]", "CCO", "[Na+].[Cl-]"),
        ("CCO", "\x1b[2J", "\\x1b"),
    ],
)
def test_an_unreadable_end_writes_nothing(
    molvae: Any, tiny_run: Path, tmp_path: Path, start: str, end: str, said: str
) -> None:
    image = tmp_path / "path.svg"
    code, out, err = molvae(
        "interpolate", "-m", tiny_run, start, end, "-o", tmp_path / "path.csv", "--image", image
    )
    assert (code, out) == (1, "")
    assert said in err
    assert "\x1b" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "give two SMILES"),
        (["CCO"], "give two SMILES"),
        (["CCO", "CCN", "--pairs", "pairs.csv"], "give two SMILES"),
        (["CCO", "--pairs", "pairs.csv"], "give two SMILES"),
        (["CCO", "CCN", "--steps", "1"], "--steps"),
        (["CCO", "CCN", "--steps", "1e9"], "--steps"),
        (["CCO", "CCN", "--path", "arc"], "--path"),
        (["CCO", "CCN", "--image", "path.pdf"], ".svg or .png"),
        (["CCO", "CCN", "--image", "path.svg.gz"], ".svg or .png"),
        (["CCO", "CCN", "--image", "-"], ".svg or .png"),
        (["CCO", "CCN", "--image", "gone/path.svg"], "no folder gone"),
        (["CCO", "CCN", "--image", "one.svg", "-o", "one.svg"], "one.svg"),
        (["--pairs", "pairs.csv", "-o", "pairs.csv", "--force"], "is the input"),
        (["--pairs", "single.csv"], "needs two columns"),
    ],
)
def test_wrong_usage_exits_2_and_writes_nothing(
    molvae: Any,
    tiny_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pairs.csv").write_text("a,b\nCCO,CCN\n")
    Path("single.csv").write_text("smiles\nCCO\n")
    code, out, err = molvae("interpolate", "-m", tiny_run, *args)
    assert (code, out) == (2, "")
    assert said in err
    assert Path("pairs.csv").read_text() == "a,b\nCCO,CCN\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.csv", "single.csv"]


def test_an_early_reader_still_has_the_picture(
    command: Any, tiny_run: Path, tmp_path: Path
) -> None:
    image = tmp_path / "path.svg"
    line = command("interpolate", "-m", tiny_run, A, B, "--steps", 5, "--image", image)
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout is not None
        run.stdout.readline()
        run.stdout.close()
    assert run.returncode == 0
    assert image.read_text().startswith("<svg")


def test_a_picture_that_is_there_is_kept_unless_forced(
    molvae: Any, tiny_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "path.svg").write_text("precious")
    args = ("interpolate", "-m", tiny_run, A, B, "--steps", 2, "--image", tmp_path / "path.svg")
    code, out, err = molvae(*args)
    assert (code, out) == (1, "")
    assert "--force overwrites it" in err
    assert (tmp_path / "path.svg").read_text() == "precious"
    assert molvae(*args, "--force").code == 0
    assert (tmp_path / "path.svg").read_text().startswith("<svg")
