"""Latent vectors keep their ids through a file; what is no vector is refused with its row and
column.
"""

from __future__ import annotations

import gzip
import io
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from molvae.errors import InputError, UsageError
from molvae.generation import latent_files as latents_module
from molvae.generation.latent_files import FORMATS, Latents, format_of, latent_parts, latent_writer


def skip_without(format: str) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")


def table(z: Any) -> Latents:
    rows = len(z)
    return Latents([f"mol,\r{i}" for i in range(rows)], ["C" * (i + 1) for i in range(rows)], z)


def read(ending: str, content: bytes) -> Latents:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"latents.{ending}"
        path.write_bytes(content)
        (whole,) = latent_parts(str(path), 1 << 30)
        return whole


def write_latents(handle: io.BytesIO, latents: Latents, format: str) -> None:
    with latent_writer(handle, latents.z.shape[1], format) as write:
        write(latents)


def through(format: str, latents: Latents) -> Latents:
    handle = io.BytesIO()
    write_latents(handle, latents, format)
    return read(format, handle.getvalue())


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
    return read("csv", text.encode())


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
    assert read("npz", handle.getvalue()).ids == ["1", "2"]


def test_what_is_missing_in_parquet_is_an_empty_cell() -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    def latents(z: list[float | None]) -> Latents:
        handle = io.BytesIO()
        parquet.write_table(
            pa.table({"id": ["a", None, "b"], "number": [1, None, 3], "z1": z}), handle
        )
        return read("parquet", handle.getvalue())

    assert latents([1.0, 2.0, 0.1]) == (
        ["a", "", "b"],
        ["", "", ""],
        pytest.approx(np.array([[1], [2], [0.1]])),
    )
    with pytest.raises(InputError, match="row 2, z1: '' is not a number"):
        latents([1.0, None, 3.0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("id,smiles\n1,CCO\n", "has no columns z1, z2"),
        ("z1,z2\n1,two\n", "row 1, z2: 'two' is not a number"),
        ("z1,z2\n1,2\n1\n", "row 2: has 1 fields, its header 2"),
        ("z1,z2\n1,2,3\n", "row 1: has 3 fields, its header 2"),
        ('z1\n"' + "1" * 2_000_000 + '"\n', "line 2: longer than"),
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
    """Object that runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.mkdir, (self.path,)


@pytest.mark.parametrize(
    "kind",
    [
        "pickle",
        "pickled array",
        "text",
        "empty",
        "truncated",
        "no z",
        "ids",
        "one id",
        "numbers",
        "records",
        "bytes",
    ],
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
        "one id": lambda: npz(z=np.ones((1, 5)), id=np.array("a")),
        "records": lambda: npz(z=np.zeros(3, dtype=[("a", "f4"), ("b", "f4")])),
        "numbers": lambda: npz(z=np.array([["a", "b"]])),
        "bytes": lambda: b"PK\x03\x04" + bytes(50),
    }[kind]()
    with pytest.raises(InputError, match=r"latents\.npz"):
        read("npz", content)
    assert not touched.exists()


def bomb(kind: str, rows: int = 60_000) -> bytes:
    """A small file that unpacks to a large one: ``rows`` vectors of 128 zeros."""
    z, handle = np.zeros((rows, 128), np.float32), io.BytesIO()
    if kind.endswith("npz"):
        np.savez_compressed(handle, z=z)
    elif kind == "parquet":
        write_latents(handle, Latents([""] * rows, [""] * rows, z), "parquet")
    else:
        handle.write(",".join(f"z{i}" for i in range(1, 129)).encode() + b"\n")
        handle.write((b"0," * 127 + b"0\n") * rows)
    content = handle.getvalue()
    return gzip.compress(content) if kind.endswith("gz") else content


@pytest.mark.parametrize("kind", ["npz", "parquet"])
def test_a_file_that_unpacks_far_too_large_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "parquet":
        skip_without(kind)
    monkeypatch.setattr(latents_module, "UNPACKED", 1 << 20)
    content = bomb(kind)
    assert len(content) < 200_000
    tracemalloc.start()
    try:
        with pytest.raises(
            InputError, match=r"latents.*: unpacks to more than \d+ MB, over 20 times its size"
        ):
            read(kind, content)
        assert tracemalloc.get_traced_memory()[1] < 6 << 20, (
            "of the 15 MB and more that it unpacks to"
        )
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["npz", "csv.gz"])
def test_a_small_file_may_shrink_as_far_as_it_does(kind: str) -> None:
    assert read(kind, bomb(kind, rows=300)).z.shape == (300, 128)


def test_a_csv_is_read_a_part_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "latents.csv").write_text("z1\n" + "".join(f"{i}\n" for i in range(5)))
    parts = latents_module.latent_parts(str(tmp_path / "latents.csv"), 2)
    assert [(part.ids, part.z[:, 0].tolist()) for part in parts] == [
        (["1", "2"], [0, 1]),
        (["3", "4"], [2, 3]),
        (["5"], [4]),
    ]


def archive(array: bytes) -> bytes:
    """An npz file whose array z is made of some bytes."""
    handle = io.BytesIO()
    with zipfile.ZipFile(handle, "w") as opened:
        opened.writestr("z.npy", array)
    return handle.getvalue()


@pytest.mark.parametrize("rows", [10**9, 10**15, 10**30])
def test_an_array_claimed_larger_than_its_file_is_refused(rows: int) -> None:
    header = (
        f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 128), }}".ljust(117) + "\n"
    )
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(4096)
    with pytest.raises(InputError, match="not a readable npz file"):
        read("npz", archive(array))


def test_an_archive_with_a_password_is_refused_in_words() -> None:
    content = npz(z=np.ones((2, 2)))
    for place in (content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8):
        content = content[:place] + b"\x01" + content[place + 1 :]
    with pytest.raises(InputError, match="encrypted"):
        read("npz", content)


def test_without_pyarrow_parquet_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'molvae\[parquet\]'"):
        write_latents(io.BytesIO(), table(np.ones((1, 1), np.float32)), "parquet")
