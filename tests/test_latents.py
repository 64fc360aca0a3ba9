"""Latent vectors keep their ids through a file; what is no vector is refused with its row and column."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from molvae.errors import InputError, UsageError
from molvae.latents import FORMATS, Latents, format_of, read_latents, write_latents


def skip_without(format: str) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")


def table(z: Any) -> Latents:
    rows = len(z)
    return Latents([f"mol, {i}" for i in range(rows)], ["C" * (i + 1) for i in range(rows)], z)


def through(format: str, latents: Latents) -> Latents:
    handle = io.BytesIO()
    write_latents(handle, latents, format)
    handle.seek(0)
    return read_latents(f"latents.{format}", handle)


@pytest.mark.parametrize("format", FORMATS)
def test_a_table_survives_its_file(format: str) -> None:
    skip_without(format)

    @given(
        arrays.arrays(
            np.float32,
            st.tuples(st.integers(1, 5), st.integers(1, 4)),
            elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
        )
    )
    def survives(z: Any) -> None:
        again = through(format, table(z))
        assert again.ids == table(z).ids
        assert again.smiles == table(z).smiles
        np.testing.assert_array_equal(again.z, z)

    survives()


@pytest.mark.parametrize("format", FORMATS)
def test_no_rows_make_an_empty_table(format: str) -> None:
    skip_without(format)
    again = through(format, table(np.zeros((0, 3), np.float32)))
    assert again.ids == again.smiles == []
    assert again.z.shape == (0, 3)


def test_the_format_is_the_ending() -> None:
    assert format_of("-") == "csv"
    assert format_of("a/b.NPZ") == "npz"
    for path in ("latents", "latents.txt", "latents.npy"):
        with pytest.raises(UsageError, match=r"\.npz, \.csv or \.parquet"):
            format_of(path)


def read_csv(text: str) -> Latents:
    return read_latents("latents.csv", io.BytesIO(text.encode()))


def test_columns_may_stand_in_any_order_among_others() -> None:
    latents = read_csv("\ufeffnote,Z2,smiles,z1,id\nx,2,CCO,1,a\n")
    assert latents.ids == ["a"]
    assert latents.smiles == ["CCO"]
    assert latents.z.tolist() == [[1.0, 2.0]]


def test_rows_without_ids_are_numbered() -> None:
    latents = read_csv("z1,z2\n1,2\n3,4\n")
    assert latents.ids == ["1", "2"]
    assert latents.smiles == ["", ""]
    handle = io.BytesIO()
    np.savez(handle, z=np.ones((2, 3)))
    handle.seek(0)
    assert read_latents("latents.npz", handle).ids == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("id,smiles\n1,CCO\n", "has no columns z1, z2"),
        ("z1,z2\n1,two\n", "row 1, z2: 'two' is not a number"),
        ("z1,z2\n1,2\n1\n", "row 2: has 1 fields, its header 2"),
        ("z1,z2\n1,2,3\n", "row 1: has 3 fields, its header 2"),
        ('z1\n"' + "1" * 200_000 + '"\n', "not a readable csv"),
    ],
)
def test_a_bad_table_is_refused_with_row_and_column(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_csv(text)
    assert "latents.csv" in str(caught.value)
    assert words in str(caught.value)


def npz(**named: Any) -> bytes:
    handle = io.BytesIO()
    np.savez(handle, **named)
    return handle.getvalue()


class Bomb:
    """What runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.mkdir, (self.path,)


@pytest.mark.parametrize(
    "kind", ["pickle", "pickled array", "text", "empty", "truncated", "no z", "ids", "numbers", "bytes"]
)
def test_what_is_no_array_file_is_refused_and_never_run(tmp_path: Path, kind: str) -> None:
    touched = tmp_path / "touched"
    content = {
        "pickle": lambda: pickle.dumps(Bomb(touched)),
        "pickled array": lambda: npz(z=np.array([Bomb(touched)], dtype=object)),
        "text": lambda: b"id,z1\n1,2\n",
        "empty": lambda: b"",
        "truncated": lambda: npz(z=np.ones((5, 5)))[:-30],
        "no z": lambda: npz(x=np.ones((5, 5))),
        "ids": lambda: npz(z=np.ones((5, 5)), id=np.array(["a"])),
        "numbers": lambda: npz(z=np.array([["a", "b"]])),
        "bytes": lambda: b"PK\x03\x04" + bytes(50),
    }[kind]()
    with pytest.raises(InputError, match=r"latents\.npz"):
        read_latents("latents.npz", io.BytesIO(content))
    assert not touched.exists()


def test_without_pyarrow_parquet_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'molvae\[parquet\]'"):
        write_latents(io.BytesIO(), table(np.ones((1, 1), np.float32)), "parquet")
