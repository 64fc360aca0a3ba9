"""Parts of a large set of samples as parquet files, and each molecule of them once.

DuckDB finds the first draw of each molecule in bounded memory, and spills to disk. It gives back
draw numbers alone, in order; with them the parts are read a second time, in theirs. So no row is
ever sorted, and memory holds DuckDB's share and some parts. Needs no torch.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..datasets.text_files import cell
from ..errors import InputError, MolvaeError, UsageError
from ..runtime.process_pool import default_workers

NAME = re.compile(r"part-(\d{6,12})\.parquet")
UNFINISHED = re.compile(r"\.tmp-.*")
KEY = b"molvae"
COLUMNS = ("draw", "smiles", "selfies", "log_likelihood")

PER_THREAD = 128 << 20
"""Bytes that a thread of DuckDB needs to work with."""

ROWS = 1 << 18
"""Rows of a row group of parquet."""


@dataclass(frozen=True)
class Settings:
    """Settings that decide which rows a part holds, as they are kept in the part.

    ``model`` is a fingerprint; ``every`` keeps all draws, else ``canonical`` and ``novel`` say
    which are left out; ``scores`` are names of properties; ``draws`` are those of a part."""

    model: str
    seed: int
    temperature: float
    level: float | None
    learned: bool
    precision: str
    every: bool
    canonical: bool
    novel: bool
    scores: tuple[str, ...]
    draws: int
    rdkit: str


class Parts(NamedTuple):
    """The parts of a folder in order, the columns that they share, and the number of their rows."""

    paths: list[Path]
    schema: Any
    rows: int


def differences(stored: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The settings in which a part differs from those wanted, in words; empty if in none."""
    same = json.loads(json.dumps(wanted))
    names = [name for name in same.keys() | stored.keys() if same.get(name) != stored.get(name)]
    return ", ".join(
        "another model" if name == "model" else f"{name} {stored.get(name)}, not {same.get(name)}"
        for name in sorted(names)
    )


def parts_of(folder: Path) -> dict[int, Path]:
    """The parts in a folder by their numbers, ascending; none if there is no such folder."""
    if not folder.is_dir():
        return {}
    found = {int(name[1]): path for path in folder.iterdir() if (name := NAME.fullmatch(path.name))}
    return dict(sorted(found.items()))


def strangers(folder: Path) -> list[str]:
    """Names of other files in a folder than parts and what a killed process left of one."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if not NAME.fullmatch(path.name) and not UNFINISHED.fullmatch(path.name)
    )


def notes_of(path: Path) -> dict[str, Any]:
    """Metadata of a part: settings, first draw, draws, and counts kept and dropped.

    InputError for a file that has none."""
    pa, parquet = arrow()
    try:
        content = (parquet.read_schema(path).metadata or {}).get(KEY, b"{}")
        notes: dict[str, Any] = json.loads(content)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: is not a readable part of samples; remove it, and it is drawn again"
        ) from error
    settings = notes.get("settings") if isinstance(notes, dict) else None
    if not (
        isinstance(settings, dict)
        and all(isinstance(one.get("draws"), int) for one in (settings, notes))
    ):
        raise InputError(f"{path}: is not a part of samples as molvae writes them")
    if "consistent" in settings:  # its name in earlier versions
        settings["canonical"] = settings.pop("consistent")
    return notes


def open_parts(folder: Path) -> Parts:
    """The parts of a folder; InputError if there are none, or not of one series and one table."""
    _, parquet = arrow()
    numbered = parts_of(folder)
    if not numbered:
        raise InputError(
            f"{folder}: holds no parts of samples; molvae sample -o {folder}/ makes them"
        )
    paths = list(numbered.values())
    schema, rows, settings = None, 0, None
    for number, path in numbered.items():
        notes = notes_of(path)
        settings = settings or notes["settings"]
        # The draws of two series would be taken for each other's.
        if other := differences(notes["settings"], settings):
            raise InputError(
                f"{path}: is of another series than {paths[0].name} ({other}); give each a folder "
                "of its own"
            )
        if notes.get("first") != number * settings["draws"]:
            raise InputError(
                f"{path}: begins with draw {notes.get('first')}, part {number} with "
                f"{number * settings['draws']}; give it back its own name, in a folder of its own "
                "series"
            )
        shape = parquet.read_metadata(path)
        columns = shape.schema.to_arrow_schema()
        schema, rows = schema or columns, rows + shape.num_rows
        if not columns.equals(schema) or tuple(columns.names[:2]) != COLUMNS[:2]:
            raise InputError(f"{path}: has other columns than {paths[0].name}")
    return Parts(paths, schema, rows)


def distinct(
    parts: Parts, memory: int, spill: Path, progress: Callable[[int], object] = lambda _: None
) -> Iterator[Any]:
    """The row of the lowest draw of each SMILES, in the order of draws, as pyarrow tables.

    ``memory`` is what DuckDB may use, in bytes; what does not fit goes to the folder ``spill``.
    ``progress`` gets the rows read, each of them twice."""
    pa, parquet = arrow()
    coming = first_draws(parts, memory, spill, progress)
    wanted = np.zeros(0, np.int64)
    for path in parts.paths:
        table = parquet.read_table(path, partitioning=None)
        progress(table.num_rows)
        draws = table.column("draw").to_numpy()
        if not len(draws):
            continue
        # Ascending, as the draws are: pieces are taken until one goes beyond this part.
        while not len(wanted) or wanted[-1] <= draws[-1]:
            piece = next(coming, None)
            if piece is None:
                break
            wanted = np.concatenate([wanted, piece])
        yield table.filter(pa.array(np.isin(draws, wanted, assume_unique=True)))
        wanted = wanted[wanted > draws[-1]]


def first_draws(
    parts: Parts, memory: int, spill: Path, progress: Callable[[int], object]
) -> Iterator[NDArray[np.int64]]:
    """The lowest draw of each SMILES, ascending, in pieces."""
    pa, parquet = arrow()
    try:
        import duckdb
    except ImportError as error:
        raise UsageError(
            "removing repeats needs the extra: pip install 'molvae[duckdb]'"
        ) from error
    schema = pa.schema([("draw", pa.int64()), ("smiles", pa.string())])
    stopped: list[Exception] = []

    def batches() -> Iterator[Any]:
        try:
            for path in parts.paths:
                table = parquet.read_table(
                    path, columns=list(schema.names), partitioning=None
                ).cast(schema)
                progress(table.num_rows)
                yield from table.to_batches()
        except Exception as error:
            stopped.append(error)
            raise

    settings: dict[str, Any] = {
        "memory_limit": f"{memory >> 10}KiB",
        "threads": max(1, min(default_workers(), memory // PER_THREAD)),
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
    }
    try:
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET enable_progress_bar = false")
            connection.register("rows", pa.RecordBatchReader.from_batches(schema, batches()))
            yield from in_a_thread(
                connection, "SELECT min(draw) AS draw FROM rows GROUP BY smiles ORDER BY draw"
            )
    except (duckdb.Error, pa.ArrowException) as error:
        if stopped:  # DuckDB wraps what was raised in reading for it
            raise stopped[0] from None
        raise MolvaeError(
            f"DuckDB could not find the repeats in {memory >> 20:,} MB: "
            + str(error).strip().partition("\n")[0]  # below it is advice
        ) from error


def in_a_thread(connection: Any, query: str) -> Iterator[NDArray[np.int64]]:
    """The one column that a query gives, in pieces.

    The query runs in a thread of its own: where it runs, DuckDB answers signals, and forgets which
    one it was."""
    with ThreadPoolExecutor(1) as pool:
        try:
            reader = pool.submit(lambda: connection.sql(query).to_arrow_reader(ROWS)).result()
            while (batch := pool.submit(next, reader, None).result()) is not None:
                yield batch.column(0).to_numpy()
        except BaseException:
            connection.interrupt()
            raise


def write_tables(handle: BinaryIO, tables: Iterable[Any], schema: Any, format: str) -> int:
    """Write tables one after the other as one file, parquet or csv; returns the number of rows."""
    if format == "csv":
        return _write_csv(handle, tables, schema)
    pa, parquet = arrow()
    rows, waiting = 0, list[Any]()
    with parquet.ParquetWriter(handle, schema, compression="zstd", use_dictionary=False) as writer:
        for table in tables:
            waiting.append(table.replace_schema_metadata(schema.metadata))
            if sum(one.num_rows for one in waiting) >= ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
            rows += table.num_rows
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
    return rows


def _write_csv(handle: BinaryIO, tables: Iterable[Any], schema: Any) -> int:
    text = io.TextIOWrapper(handle, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(schema.names)
    rows = 0
    for table in tables:
        columns = (map(cell, column.to_pylist()) for column in table.columns)
        writer.writerows(zip(*columns, strict=True))
        rows += table.num_rows
    text.flush()
    text.detach()
    return rows


def format_of(path: str) -> str:
    """The format of a file of molecules by its extension, parquet or csv; csv for stdout.

    >>> format_of("molecules.parquet"), format_of("molecules.csv.gz"), format_of("-")
    ('parquet', 'csv', 'csv')
    """
    plain = path.lower()
    if path == "-" or plain.endswith((".csv", ".csv.gz")):
        return "csv"
    if plain.endswith(".parquet"):
        return "parquet"
    raise UsageError(
        f"{path}: molecules are written to .parquet or .csv files, .csv also as .csv.gz"
    )


def arrow() -> tuple[Any, Any]:
    """pyarrow and its parquet."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("parquet needs the extra: pip install 'molvae[parquet]'") from error
    return pyarrow, parquet
