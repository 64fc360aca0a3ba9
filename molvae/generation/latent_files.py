"""Tables of latent vectors as files: npz, csv (also .csv.gz) or parquet, each row with its id.

Nothing is unpickled.
"""

from __future__ import annotations

import csv
import io
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from ..datasets.text_files import Lines, row_writer
from ..errors import InputError, UsageError
from ..runtime.process_pool import chunked
from .deduplication import arrow

FORMATS = ("npz", "csv", "parquet")

UNPACKED = 256 << 20
"""Bytes that any file may unpack to."""

EXPANSION = 20
"""A larger file may unpack to so many times its size: numbers shrink to a half, SMILES to a tenth.
"""

LONGEST_ID = 1000
"""Characters: an array of texts takes the length of the longest for every one."""

PART = 4096
"""Rows read together."""

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


@contextmanager
def latent_writer(
    handle: BinaryIO, width: int, format: str
) -> Iterator[Callable[[Latents], object]]:
    """Yield the function that writes some rows of ``width`` dimensions as arrays id, smiles and z
    (npz) or columns id, smiles, z1, z2, …; memory does not grow with their number. The file is
    whole at the end.
    """
    names = ["id", "smiles", *(f"z{i}" for i in range(1, 1 + width))]
    if format == "npz":
        with _npz_writer(handle, width) as write_part:
            yield write_part
    elif format == "parquet":
        pa, parquet = arrow()
        kinds = [pa.string(), pa.string(), *[pa.float32()] * width]
        schema = pa.schema(list(zip(names, kinds, strict=True)))
        with parquet.ParquetWriter(handle, schema) as file:
            yield lambda part: file.write_table(
                pa.table([part.ids, part.smiles, *part.z.T], schema=schema)
            )
    else:
        text = io.TextIOWrapper(handle, encoding="utf-8", newline="")
        write = row_writer(text)
        write(names)

        def write_rows(part: Latents) -> None:
            for number, smiles, vector in zip(*part, strict=True):
                write([number, smiles, *(f"{value:.9g}" for value in vector)])

        try:
            yield write_rows
            text.flush()
        finally:
            text.detach()


@contextmanager
def _npz_writer(handle: BinaryIO, width: int) -> Iterator[Callable[[Latents], object]]:
    """The writer of an npz file: rows are kept in temporary files until their number and longest
    text is known."""
    rows, longest = 0, [1, 1]
    with TemporaryFile() as vectors, TemporaryFile("w+", encoding="utf-8", newline="") as texts:
        spelled = csv.writer(texts, lineterminator="\n", quoting=csv.QUOTE_ALL)

        def keep(part: Latents) -> None:
            nonlocal rows
            vectors.write(np.ascontiguousarray(part.z, dtype=np.float32).tobytes())
            spelled.writerows(zip(part.ids, part.smiles, strict=True))
            rows += len(part.ids)
            for place, column in enumerate((part.ids, part.smiles)):
                longest[place] = max([longest[place], *map(len, column)])

        yield keep
        with ZipFile(handle, "w") as archive:
            for place, name in enumerate(("id", "smiles")):
                kind = np.dtype(f"<U{longest[place]}")
                texts.seek(0)
                column = (row[place] for row in csv.reader(texts))
                with _array(archive, name, kind, (rows,)) as array:
                    for block in chunked(column, PART):
                        array.write(np.array(block, dtype=kind).tobytes())
            vectors.seek(0)
            with _array(archive, "z", np.dtype("<f4"), (rows, width)) as array:
                shutil.copyfileobj(vectors, array)


@contextmanager
def _array(
    archive: ZipFile, name: str, kind: np.dtype[Any], shape: tuple[int, ...]
) -> Iterator[IO[bytes]]:
    """A file in an archive, its header as numpy writes it."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        described = np.lib.format.dtype_to_descr(kind)
        header = {"descr": described, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        yield file


def latent_parts(path: str, size: int) -> Iterator[Latents]:
    """Latent vectors, ``size`` rows at a time and at least one part, from a file of
    :func:`latent_writer` or any table whose columns z1, z2, … hold them; ``-`` is standard input.

    A CSV is read as it comes, and may have no end. gzip is recognised by its first bytes, not by
    name. Raises InputError naming the row and column of what is not a number, and for a file that
    would unpack to far more than its size."""
    format = format_of(path)
    if format == "csv":
        with closing(Lines(path)) as lines:
            try:
                yield from _parts_of_csv(lines, size)
            except csv.Error as error:
                raise InputError(f"{lines.name}, line {lines.number}: {error}") from None
        return
    if not Path(path).is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        whole = from_arrays(path) if format == "npz" else from_parquet(path)
    except UNREADABLE as error:
        why = str(error) or type(error).__name__
        raise InputError(
            f"{path}: not a readable {format} file of latent vectors ({why})"
        ) from error
    for start in range(0, max(1, len(whole.ids)), size):
        rows = slice(start, start + size)
        yield Latents(whole.ids[rows], whole.smiles[rows], whole.z[rows])


def _parts_of_csv(lines: Lines, size: int) -> Iterator[Latents]:
    """Latents from the lines of a CSV file, an empty part where it has no rows."""
    table = csv.reader(lines, strict=True)
    header = next(table, None)
    if header is None:
        raise InputError(f"{lines.name}: is empty")
    done = 0
    for rows in chunked(table, size):
        yield from_rows(lines.name, header, rows, done)
        done += len(rows)
    if not done:
        yield from_rows(lines.name, header, [])


def check_size(path: str, size: int) -> None:
    """InputError if a file unpacks to ``size`` bytes, so many that it would fill memory."""
    limit = max(UNPACKED, EXPANSION * Path(path).stat().st_size)
    if size > limit:
        raise InputError(
            f"{path}: unpacks to more than {limit >> 20:,} MB, over {EXPANSION} times its size; "
            "if that is meant, give it as CSV, or in parts"
        )


def from_arrays(path: str) -> Latents:
    """Latents from an npz file; without ids the rows are numbered from 1."""
    with ZipFile(path) as archive:
        check_size(path, sum(member.file_size for member in archive.infolist()))
    with np.load(path, allow_pickle=False) as arrays:
        if "z" not in arrays:
            raise InputError(
                f"{path}: holds no array called z, but {', '.join(arrays) or 'nothing'}"
            )
        with np.errstate(over="ignore"):
            z = np.atleast_2d(np.asarray(arrays["z"], dtype=np.float32))
        ids = list(map(str, arrays.get("id", range(1, len(z) + 1))))
        smiles = list(map(str, arrays.get("smiles", [""] * len(z))))
    if not len(ids) == len(smiles) == len(z):
        raise InputError(f"{path}: {len(ids)} ids and {len(smiles)} SMILES for {len(z)} vectors")
    return Latents(ids, smiles, z)


def from_parquet(path: str) -> Latents:
    """Latents from a parquet file; a value that is missing is an empty cell."""
    _, parquet = arrow()
    file = parquet.ParquetFile(path)
    check_size(path, 4 * file.metadata.num_rows * file.metadata.num_columns)
    table = parquet.read_table(path)
    columns = (
        ["" if value is None else str(value) for value in column.to_pylist()]
        for column in table.columns
    )
    return from_rows(path, table.column_names, list(zip(*columns, strict=True)))


@np.errstate(over="ignore")  # what float32 cannot hold becomes infinite, and is refused as such
def from_rows(
    path: str, header: Sequence[str], rows: Sequence[Sequence[str]], done: int = 0
) -> Latents:
    """Latents from the cells of a table with columns z1, z2, … and perhaps id and smiles, after
    ``done`` rows of it.
    """
    index = {name.strip().lower(): place for place, name in enumerate(header)}
    wanted: list[int] = []
    while (name := f"z{len(wanted) + 1}") in index:
        wanted.append(index[name])
    if not wanted:
        raise InputError(f"{path}: has no columns z1, z2, …, but {', '.join(header[:8])}")
    z = np.empty((len(rows), len(wanted)), dtype=np.float32)
    ids, smiles = [], []
    for number, (row, vector) in enumerate(zip(rows, z, strict=True), done + 1):
        if len(row) != len(header):
            raise InputError(
                f"{path}, row {number}: has {len(row)} fields, its header {len(header)}"
            )
        ids.append(row[index["id"]] if "id" in index else str(number))
        smiles.append(row[index["smiles"]] if "smiles" in index else "")
        for place, column in enumerate(wanted):
            try:
                vector[place] = float(row[column])
            except ValueError as error:
                raise InputError(
                    f"{path}, row {number}, z{place + 1}: {row[column]!r} is not a number"
                ) from error
    return Latents(ids, smiles, z)
