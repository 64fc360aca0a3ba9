"""Tables of latent vectors as files: npz, csv (also .csv.gz) or parquet, each row with its id.

Nothing is unpickled.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from ..datasets.text_files import row_writer
from ..errors import InputError, UsageError
from .deduplication import arrow

FORMATS = ("npz", "csv", "parquet")

UNPACKED = 256 << 20
"""Bytes that any file may unpack to."""

EXPANSION = 20
"""A larger file may unpack to so many times its size: numbers shrink to a half, SMILES to a tenth.
"""

LONGEST_ID = 1000
"""Characters: an array of texts takes the length of the longest for every one."""

PIECE = 1 << 16

UNREADABLE = (
    *(OSError, TypeError, ValueError, KeyError, EOFError, csv.Error, BadZipFile, zlib.error),
    # Arrays said to be larger than any memory; archives with a password.
    *(MemoryError, OverflowError, RuntimeError),
)
"""Errors of reading a damaged or foreign file."""


class Latents(NamedTuple):
    """Ids and SMILES ``(B,)`` and vectors ``(B, Z)``; a file that names no SMILES gives empty
    ones.
    """

    ids: list[str]
    smiles: list[str]
    z: NDArray[np.float32]


def format_of(path: str) -> str:
    """The format of a file of latents, by its extension; csv for stdin and stdout.

    >>> format_of("latents.npz"), format_of("latents.csv.gz")
    ('npz', 'csv')
    """
    if path == "-":
        return "csv"
    plain = path.lower().removesuffix(".gz")
    ending = Path(plain).suffix.lstrip(".")
    if ending not in FORMATS:
        raise UsageError(
            f"{path}: latent vectors are kept in .npz, .csv or .parquet files, .csv also as .csv.gz"
        )
    if ending != "csv" and plain != path.lower():
        raise UsageError(f"{path}: .{ending} files are compressed already; leave the .gz away")
    return ending


def write_latents(handle: BinaryIO, table: Latents, format: str) -> None:
    """Write latent vectors as arrays id, smiles and z (npz) or columns id, smiles, z1, z2, …"""
    if format == "npz":
        np.savez(
            handle,
            id=np.array(table.ids, dtype=np.str_),
            smiles=np.array(table.smiles, dtype=np.str_),
            z=table.z,
        )
        return
    names = [f"z{i}" for i in range(1, 1 + table.z.shape[1])]
    if format == "parquet":
        arrow()
        import pandas

        columns = {"id": table.ids, "smiles": table.smiles} | dict(
            zip(names, table.z.T, strict=True)
        )
        pandas.DataFrame(columns).to_parquet(handle, index=False)
        return
    text = io.TextIOWrapper(handle, encoding="utf-8", newline="")
    write = row_writer(text)
    write(["id", "smiles", *names])
    for number, smiles, vector in zip(table.ids, table.smiles, table.z, strict=True):
        write([number, smiles, *(f"{value:.9g}" for value in vector)])
    text.flush()
    text.detach()


@np.errstate(over="ignore")  # what float32 cannot hold becomes infinite, and is refused as such
def read_latents(path: str, handle: BinaryIO) -> Latents:
    """Latent vectors from a file of :func:`write_latents`, or any table whose columns z1, z2, …
    hold them.

    gzip is recognised by its first bytes, not by name. Raises InputError naming the row and column
    of what is not a number, and for a file that would unpack to far more than its size."""
    format = format_of(path)
    path = "standard input" if path == "-" else path
    try:
        content = handle.read()
        limit = max(UNPACKED, EXPANSION * len(content))
        if content.startswith(b"\x1f\x8b"):
            content = unzipped(path, content, limit)
        if format == "npz":
            return from_arrays(path, content, limit)
        if format == "parquet":
            return from_parquet(path, content, limit)
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except UNREADABLE as error:
        why = str(error) or type(error).__name__
        raise InputError(
            f"{path}: not a readable {format} file of latent vectors ({why})"
        ) from error
    if not rows:
        raise InputError(f"{path}: is empty")
    return from_rows(path, rows[0], rows[1:])


def unzipped(path: str, content: bytes, limit: int) -> bytes:
    """Unpack gzip a piece at a time; InputError as soon as it is more than ``limit`` bytes."""
    unpacked = bytearray()
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
        while piece := packed.read(PIECE):
            unpacked += piece
            check_size(path, len(unpacked), limit)
    return bytes(unpacked)


def check_size(path: str, size: int, limit: int) -> None:
    """InputError if a file unpacks to ``size`` bytes, more than ``limit``: it would fill memory."""
    if size > limit:
        raise InputError(
            f"{path}: unpacks to more than {limit >> 20:,} MB, over {EXPANSION} times its size; "
            "if that is meant, give it unpacked, or in parts"
        )


def from_arrays(path: str, content: bytes, limit: int) -> Latents:
    """Latents from an npz file; without ids the rows are numbered from 1."""
    with ZipFile(io.BytesIO(content)) as archive:
        check_size(path, sum(member.file_size for member in archive.infolist()), limit)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        if "z" not in arrays:
            raise InputError(
                f"{path}: holds no array called z, but {', '.join(arrays) or 'nothing'}"
            )
        z = np.atleast_2d(np.asarray(arrays["z"], dtype=np.float32))
        ids = list(map(str, arrays.get("id", range(1, len(z) + 1))))
        smiles = list(map(str, arrays.get("smiles", [""] * len(z))))
    if not len(ids) == len(smiles) == len(z):
        raise InputError(f"{path}: {len(ids)} ids and {len(smiles)} SMILES for {len(z)} vectors")
    return Latents(ids, smiles, z)


def from_parquet(path: str, content: bytes, limit: int) -> Latents:
    """Latents from a parquet file; a value that is missing is an empty cell."""
    _, parquet = arrow()
    file = parquet.ParquetFile(io.BytesIO(content))
    check_size(path, 4 * file.metadata.num_rows * file.metadata.num_columns, limit)
    table = file.read()
    columns = (
        ["" if value is None else str(value) for value in column.to_pylist()]
        for column in table.columns
    )
    return from_rows(path, table.column_names, list(zip(*columns, strict=True)))


def from_rows(path: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Latents:
    """Latents from the cells of a table with columns z1, z2, … and perhaps id and smiles."""
    index = {name.strip().lower(): place for place, name in enumerate(header)}
    wanted: list[int] = []
    while f"z{len(wanted) + 1}" in index:
        wanted.append(index[f"z{len(wanted) + 1}"])
    if not wanted:
        raise InputError(f"{path}: has no columns z1, z2, …, but {', '.join(header[:8])}")
    z = np.empty((len(rows), len(wanted)), dtype=np.float32)
    ids, smiles = [], []
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise InputError(
                f"{path}, row {number + 1}: has {len(row)} fields, its header {len(header)}"
            )
        ids.append(row[index["id"]] if "id" in index else str(number + 1))
        smiles.append(row[index["smiles"]] if "smiles" in index else "")
        for place, column in enumerate(wanted):
            try:
                z[number, place] = float(row[column])
            except ValueError as error:
                raise InputError(
                    f"{path}, row {number + 1}, z{place + 1}: {row[column]!r} is not a number"
                ) from error
    return Latents(ids, smiles, z)
