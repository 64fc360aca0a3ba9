"""Laws of `molvae encode` and `molvae decode`: SMILES to vectors and back, each row known by its
id.
"""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FILES = ("latents.csv", "latents.csv.gz", "latents.npz", "latents.parquet")


@pytest.fixture
def table(few: list[str], tmp_path: Path) -> Path:
    """The twelve molecules that the memorised model knows, each with a name, two rows that are none
    between them.
    """
    path = tmp_path / "few.csv"
    rows = [f"molecule {i},{smiles}" for i, smiles in enumerate(few)]
    path.write_text(
        "\n".join(["Name,smiles", *rows[:5], "torn,C1CC", "strange,CCI", *rows[5:]]) + "\n"
    )
    return path


@pytest.mark.parametrize("name", FILES)
def test_molecules_known_by_heart_come_back_under_their_ids(
    molvae: Any, memorised_run: Path, table: Path, few: list[str], tmp_path: Path, name: str
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    code, out, err = molvae("encode", "-m", memorised_run, table, "-o", tmp_path / name)
    assert (code, out) == (0, "")
    assert f"{table}, line 7: does not parse" in err
    assert f"{table}, line 8: symbol unknown to the model: [I]" in err
    assert (
        "12 encoded, 1 left out (does not parse), 1 left out (symbol unknown to the model)" in err
    )
    outcome = molvae("decode", "-m", memorised_run, tmp_path / name)
    assert outcome.code == 0
    assert "12 decoded" in outcome.err
    header, *rows = outcome.rows
    assert header == ["id", "smiles", "selfies", "encodes_back", "canonical"]
    assert [row[:2] for row in rows] == [[f"molecule {i}", smiles] for i, smiles in enumerate(few)]


def test_every_format_holds_the_same_vectors(
    molvae: Any, tiny_run: Path, molecules_csv: Path, tmp_path: Path
) -> None:
    from molvae.generation.latent_files import latent_parts

    tables = []
    for name in FILES:
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow")
        assert molvae("encode", "-m", tiny_run, molecules_csv, "-o", tmp_path / name).code == 0
        tables += latent_parts(str(tmp_path / name), 1000)
    for one in tables:
        assert one.ids == tables[0].ids == [str(line) for line in range(2, 302)]
        assert one.smiles == tables[0].smiles
        np.testing.assert_array_equal(one.z, tables[0].z)
    assert (tmp_path / "latents.csv.gz").read_bytes().startswith(b"\x1f\x8b")
    assert (
        gzip.decompress((tmp_path / "latents.csv.gz").read_bytes())
        == (tmp_path / "latents.csv").read_bytes()
    )


@pytest.mark.parametrize("packed", [False, True])
def test_one_goes_into_the_other_through_a_pipe(
    molvae: Any, memorised_run: Path, table: Path, few: list[str], packed: bool
) -> None:
    encoded = molvae("encode", "-m", memorised_run, "-", stdin=table.read_bytes()).out.encode()
    piped = molvae(
        "decode", "-m", memorised_run, "-", stdin=gzip.compress(encoded) if packed else encoded
    )
    assert piped.code == 0
    assert [row[1] for row in piped.rows[1:]] == few


@pytest.mark.parametrize(
    ("name", "content", "args", "ids"),
    [
        ("a.csv", "ID,smiles\nx,CCO\ny,CCN\n", [], ["x", "y"]),
        ("a.csv", "smiles,name,id\nCCO,a,1\nCCN,b,2\n", [], ["1", "2"]),
        ("a.csv", "smiles,name,id\nCCO,a,1\nCCN,b,2\n", ["--id-column", "NAME"], ["a", "b"]),
        ("a.csv", "smiles,weight\nCCO,a\nCCN,b\n", [], ["2", "3"]),
        ("a.csv", "smiles,id\nCCO\nCCO,a,b\nCCN,b\n", [], ["line 2", "b"]),
        ("a.smi", "CCO 2\nCCN\n", [], ["2", "line 2"]),
    ],
)
def test_an_id_is_that_of_its_column_or_the_line(
    molvae: Any,
    tiny_run: Path,
    tmp_path: Path,
    name: str,
    content: str,
    args: list[str],
    ids: list[str],
) -> None:
    (tmp_path / name).write_text(content)
    outcome = molvae("encode", "-m", tiny_run, tmp_path / name, *args)
    assert outcome.code == 0
    assert [row[0] for row in outcome.rows[1:]] == ids


def test_one_endless_id_is_refused_with_its_line(
    molvae: Any, tiny_run: Path, tmp_path: Path
) -> None:
    """As an array of texts, it would be given to every row."""
    for length, expected in ((1000, 0), (1001, 1)):
        (tmp_path / "in.csv").write_text(f"id,smiles\na,CCO\n{'x' * length},CCN\n")
        code, _, err = molvae(
            "encode", "-m", tiny_run, tmp_path / "in.csv", "-o", tmp_path / f"{length}.npz"
        )
        assert code == expected
        assert (tmp_path / f"{length}.npz").exists() == (not expected)
    assert "in.csv, line 3: an id has at most 1,000 characters, not 1,001" in err


def test_a_file_in_which_no_row_can_be_encoded_is_an_error(molvae: Any, tiny_run: Path) -> None:
    code, out, err = molvae(
        "encode", "-m", tiny_run, "-", "--column", "1", stdin=b"smiles\nC1CC\nCCI\n"
    )
    assert code == 1
    assert out.count("\n") == 1
    assert "0 encoded, 1 left out (does not parse), 1 left out (symbol unknown to the model)" in err


def test_refining_changes_the_vectors_and_not_the_rows(molvae: Any, tiny_run: Path) -> None:
    content = b"smiles\nCCO\nCCN\n"
    plain = molvae("encode", "-m", tiny_run, "-", stdin=content).rows
    refined = molvae("encode", "-m", tiny_run, "-", "--refine", 3, stdin=content).rows
    assert [row[:2] for row in refined] == [row[:2] for row in plain]
    assert all(row[2:] != other[2:] for row, other in zip(refined[1:], plain[1:], strict=True))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ["-o", "latents.txt"],
            "latents.txt: latent vectors are kept in .npz, .csv or .parquet files, .csv also as",
        ),
        (["-o", "latents"], "latents: latent vectors are kept in"),
        (["-o", "latents.npz.gz"], ".npz files are compressed already"),
        (["-o", "latents.parquet.gz"], ".parquet files are compressed already"),
        (["--id-column", "number"], "no column 'number', but Name, smiles"),
        (["--column", "number"], "has no column 'number'"),
        (["--refine", "-1"], "--refine"),
        (["--refine", "1e9"], "--refine"),
    ],
)
def test_wrong_usage_of_encode_exits_2_and_writes_nothing(
    molvae: Any,
    tiny_run: Path,
    table: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(table.parent)
    code, out, err = molvae("encode", "-m", tiny_run, table, *args)
    assert (code, out) == (2, "")
    assert said in err
    assert list(table.parent.iterdir()) == [table]


HEADER = "id,z1,z2,z3,z4,z5,z6,z7,z8\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("smiles\nCCO\n", "has no columns z1, z2, …, but smiles"),
        (HEADER + "a,0,0,0,0,0,0,0\n", "row 1: has 8 fields, its header 9"),
        (HEADER + "a,0,0,0,0,0,0,0,0\nb,0,0,zero,0,0,0,0,0\n", "row 2, z3: 'zero' is not a number"),
        (
            HEADER + "a,0,0,0,0,0,0,0,0\nb,0,nan,0,0,0,0,0,0\n",
            "latent vector 2 holds a number that is not finite",
        ),
        (HEADER + "a,0,0,0,0,0,0,0,1e40\n", "latent vector 1 holds a number that is not finite"),
        ("z1,z2\n0,0\n", "must have shape (rows, 8), not (1, 2)"),
        ("\x00\x01\x02", "standard input"),
        ("\ufeff" + HEADER + 'a,"0', "standard input, line 2"),
    ],
)
def test_what_holds_no_vectors_is_refused_with_its_row(
    molvae: Any, tiny_run: Path, content: str, said: str
) -> None:
    code, out, err = molvae("decode", "-m", tiny_run, "-", stdin=content.encode())
    assert (code, out) == (1, "")
    assert said in err


@pytest.mark.parametrize("name", ["bad.npz", "bad.csv.gz", "bad.parquet", "bad.csv"])
@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 torn", b"\x1f\x8b\x08\0\0 torn", b"\x80\x04K\x01.", b"\xff\xfeA"]
)
def test_a_damaged_or_foreign_file_is_refused_by_name(
    molvae: Any, tiny_run: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    code, out, err = molvae("decode", "-m", tiny_run, tmp_path / name)
    assert (code, out) == (1, "")
    assert name in err


def test_nothing_is_unpickled(molvae: Any, tiny_run: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", z=np.array([{"a": 1}], dtype=object))
    code, _, err = molvae("decode", "-m", tiny_run, tmp_path / "objects.npz")
    assert code == 1
    assert "objects.npz" in err


def test_excel_safe_leaves_no_formula_among_the_ids(molvae: Any, tiny_run: Path) -> None:
    content = (HEADER + "=1+1,0,0,0,0,0,0,0,1\n-2,0,0,0,0,0,0,0,1\n").encode()
    for options, ids in (([], ["=1+1", "-2"]), (["--excel-safe"], ["'=1+1", "-2"])):
        rows = molvae("decode", "-m", tiny_run, "-", *options, stdin=content).rows
        assert [row[0] for row in rows[1:]] == ids


def test_vectors_without_ids_are_numbered(molvae: Any, tiny_run: Path) -> None:
    rows = "z1,z2,z3,z4,z5,z6,z7,z8\n" + "0,0,0,0,0,0,0,1\n" * 2
    assert [row[0] for row in molvae("decode", "-m", tiny_run, "-", stdin=rows.encode()).rows] == [
        "id",
        "1",
        "2",
    ]
    code, out, _ = molvae("decode", "-m", tiny_run, "-", stdin=HEADER.encode())
    assert (code, out) == (0, "id,smiles,selfies,encodes_back,canonical\n")


@pytest.mark.parametrize("name", ["nowhere.npz", "folder.csv", "latents.txt", "latents.npz.gz"])
def test_a_file_that_cannot_be_read_is_named(
    molvae: Any, tiny_run: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "latents.txt").write_text(HEADER)
    code, out, err = molvae("decode", "-m", tiny_run, tmp_path / name)
    assert code in (1, 2)
    assert out == ""
    assert name in err


def test_decoded_molecules_may_be_compressed_too(
    molvae: Any, tiny_run: Path, tmp_path: Path
) -> None:
    content = (HEADER + "a,0,0,0,0,0,0,0,1\n").encode()
    plain = molvae("decode", "-m", tiny_run, "-", stdin=content).out
    assert (
        molvae("decode", "-m", tiny_run, "-", "-o", tmp_path / "m.csv.gz", stdin=content).code == 0
    )
    text = gzip.decompress((tmp_path / "m.csv.gz").read_bytes()).decode()
    assert text == plain
    header = ["id", "smiles", "selfies", "encodes_back", "canonical"]
    assert next(csv.reader(io.StringIO(text))) == header
