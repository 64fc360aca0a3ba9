"""Files of molecules become a prepared data set, in parallel, with every row accounted for.

Knows the way (intake → reading → vocabulary → dataset) and nothing of learning.
"""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..config import DataConfig
from ..errors import InputError
from ..language.selfies_codec import constraints_for
from ..language.vocabulary import Ids, Vocabulary, learn_merges, merge
from ..runtime.compilation import prepare_to_fork
from ..runtime.process_pool import chunked, default_workers, map_chunks
from .dataset import VALIDATED, Dataset
from .reading import Chunk, Row, crashed, read_rows
from .table_reader import open_table
from .text_files import row_writer

CHUNK = 1000
MERGE_SAMPLE = 100_000
"""Molecules, at most, from which merges are learned."""

DUPLICATE = "seen before"


class Rejection(NamedTuple):
    """A row that was not used: its file, line, reason (rows are counted under it), detail and
    SMILES.
    """

    source: str
    line: int
    reason: str
    detail: str
    smiles: str


@dataclass
class Prepared:
    """A data set and the rows that are not in it."""

    dataset: Dataset
    rejected: list[Rejection]

    def rejected_csv(self) -> str:
        """The rejected rows as CSV, safe to open in a spreadsheet."""
        text = io.StringIO()
        write = row_writer(text, excel_safe=True)
        write(Rejection._fields)
        for row in self.rejected:
            write([row.source, str(row.line), row.reason, legible(row.detail), legible(row.smiles)])
        return text.getvalue()


def legible(text: str) -> str:
    """The beginning of somebody's text, without control characters.

    >>> legible("C\\x1b[2J")
    'C?[2J'
    """
    return "".join(one if one.isprintable() else "?" for one in text[:2000])


def prepare(
    paths: Sequence[str | Path],
    config: DataConfig | None = None,
    *,
    column: str | None = None,
    workers: int | None = None,
    base: Vocabulary | None = None,
    said: Callable[[str], object] = lambda _: None,
    progress: Callable[[int], object] = lambda _: None,
) -> Prepared:
    """Read molecules from files into a data set; every row is in it or among the rejected, with its
    reason.

    With ``base`` the molecules are written in that vocabulary, extended by the symbols it lacks;
    without, in one made for them. ``said`` is told which column of each file was read, ``progress``
    how many rows a step has finished. Raises InputError when a file cannot be read or no molecule
    is left."""
    config = DataConfig() if config is None else config
    sources: list[dict[str, Any]] = []
    rows = read_files(paths, column, sources, said)
    if config.rows:
        rows = drawn(rows, config.rows, config.split_seed)
    work = partial(read_rows, config=config)
    pool = Pool()
    prepare_to_fork()
    for chunk in map_chunks(
        work, chunked(rows, CHUNK), workers or default_workers(), on_crash=crashed
    ):
        pool.add(chunk)
        progress(len(chunk.lengths) + len(chunk.rejected))
    return pool.finish(sources, config, base)


def read_files(
    paths: Sequence[str | Path],
    column: str | None,
    sources: list[dict[str, Any]],
    said: Callable[[str], object],
) -> Iterator[Row]:
    """The rows of all files, one after the other; ``sources`` is filled with what each file was."""
    for number, path in enumerate(paths):
        with open_table(path, column) as table:
            said(
                f"{table.name}: {table.format}, SMILES in column {table.smiles_column!r} ({table.chosen_by})"
            )
            source: dict[str, Any] = {
                "name": table.name,
                "format": table.format,
                "column": table.smiles_column,
                "rows": 0,
            }
            sources.append(source)
            for record in table:
                source["rows"] += 1
                yield Row(number, record.line, record.smiles, record.problem)


def drawn(rows: Iterable[Row], count: int, seed: int) -> Iterator[Row]:
    """``count`` of the rows, each as likely as any other, in their order (reservoir sampling,
    Vitter 1985).
    """
    generator = random.Random(seed)
    kept: list[Row] = []
    for number, row in enumerate(rows):
        if number < count:
            kept.append(row)
        elif (place := generator.randrange(number + 1)) < count:
            kept[place] = row
    yield from sorted(kept)


class Pool:
    """Chunks gathered into one data set."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.ids: list[Ids] = []
        self.lengths: list[int] = []
        self.spelled_ids: list[Ids] = []
        self.spelled_lengths: list[int] = []
        self.hashes: list[int] = []
        self.places: list[tuple[int, int]] = []
        self.rejected: list[tuple[Row, str, str]] = []

    def add(self, chunk: Chunk) -> None:
        """Take in a chunk; its symbols get the numbers they have here."""
        numbers = [self.index.setdefault(symbol, len(self.index)) for symbol in chunk.symbols]
        if len(self.index) > 60_000:
            raise InputError(
                "the molecules hold more than 60,000 different symbols: these are not usual SMILES"
            )
        table = np.array(numbers, dtype=np.uint16)
        self.ids.append(table[chunk.ids])
        self.spelled_ids.append(table[chunk.spelled_ids])
        self.lengths += chunk.lengths
        self.spelled_lengths += chunk.spelled_lengths
        self.hashes += chunk.hashes
        self.places += chunk.places
        self.rejected += chunk.rejected

    def finish(
        self, sources: list[dict[str, Any]], config: DataConfig, base: Vocabulary | None = None
    ) -> Prepared:
        """Drop repeats, number the symbols (new ones in alphabetical order), apply merges, split
        off validation.
        """
        rejections = [
            Rejection(sources[row.source]["name"], row.line, reason, detail, row.smiles)
            for row, reason, detail in self.rejected
        ]
        if not self.lengths:
            raise InputError(nothing_left(sources, rejections))
        lengths, hashes = (
            np.array(self.lengths, dtype=np.int32),
            np.array(self.hashes, dtype=np.uint64),
        )
        singles = (
            plain_vocabulary(sorted(self.index))
            if base is None
            else extended(base, sorted(self.index))
        )
        numbers = np.array([singles.index[symbol] for symbol in self.index], dtype=np.uint16)
        ids, spelled = numbers[np.concatenate(self.ids)], numbers[np.concatenate(self.spelled_ids)]
        spelled_lengths = np.array(self.spelled_lengths, dtype=np.int32)
        kept = np.zeros(len(hashes), dtype=bool)
        kept[np.unique(hashes, return_index=True)[1]] = True
        for place in np.flatnonzero(~kept):
            source, line = self.places[place]
            rejections.append(Rejection(sources[source]["name"], line, DUPLICATE, "", ""))
        respelled = np.repeat(kept, config.spellings)
        ids, lengths, hashes = ids[np.repeat(kept, lengths)], lengths[kept], hashes[kept]
        spelled, spelled_lengths = (
            spelled[np.repeat(respelled, spelled_lengths)],
            spelled_lengths[respelled],
        )
        vocabulary = singles if base is not None else with_merges(singles, ids, lengths, config)
        strings, sizes = np.concatenate([ids, spelled]), np.concatenate([lengths, spelled_lengths])
        ids, lengths = merge(strings, sizes, vocabulary.ranks)
        counts = dict(Counter(rejection.reason for rejection in rejections).most_common())
        read = sum(source["rows"] for source in sources)
        rows = min(read, config.rows or read)
        if rows != len(hashes) + sum(counts.values()):
            raise AssertionError(
                f"{rows} rows came in, {len(hashes)} + {sum(counts.values())} went out"
            )
        report = {
            "sources": sources,
            "rows_read": read,
            "rows": rows,
            "molecules": len(hashes),
            "rejected": counts,
        }
        validation = held_out(len(hashes), config)
        rejections.sort(key=lambda rejection: (rejection.source, rejection.line))
        return Prepared(Dataset(vocabulary, ids, lengths, hashes, validation, report), rejections)


def plain_vocabulary(symbols: list[str]) -> Vocabulary:
    """Single symbols alone, under constraints that keep all strings of them valid."""
    return Vocabulary(tuple(symbols), (), constraints_for(symbols))


def extended(base: Vocabulary, symbols: list[str]) -> Vocabulary:
    """A vocabulary and the symbols that it lacks, whose atoms are constrained so that all strings
    stay valid.
    """
    added = base.unknown(symbols)
    return base.extended(added, constraints_for(added)) if added else base


def with_merges(
    singles: Vocabulary, ids: Ids, lengths: NDArray[np.int32], config: DataConfig
) -> Vocabulary:
    """Single symbols and the merges learned on a sample of the molecules."""
    rows = np.random.default_rng(config.split_seed).permutation(len(lengths))[:MERGE_SAMPLE]
    sampled = np.zeros(len(lengths), dtype=bool)
    sampled[rows] = True
    some = ids[np.repeat(sampled, lengths)]
    merges = learn_merges(some, lengths[sampled], len(singles.symbols), config.vocabulary)
    return replace(singles, merges=merges)


def held_out(molecules: int, config: DataConfig) -> NDArray[np.bool_]:
    """Which molecules are kept for validation: the configured share, at most 5,000, none of fewer
    than ten.
    """
    mask = np.zeros(molecules, dtype=bool)
    if molecules >= 10 and config.validation > 0.0:
        count = min(VALIDATED, max(1, round(molecules * config.validation)))
        mask[np.random.default_rng([config.split_seed, 1]).permutation(molecules)[:count]] = True
    return mask


def nothing_left(sources: list[dict[str, Any]], rejections: list[Rejection]) -> str:
    """The sentence that says why there is no molecule."""
    rows = sum(source["rows"] for source in sources)
    names = ", ".join(source["name"] for source in sources)
    if not rows:
        return f"{names}: there are no molecules in it"
    (reason, count), *_ = Counter(rejection.reason for rejection in rejections).most_common(1)
    first = next(one for one in rejections if one.reason == reason)
    shown = legible(first.smiles)[:60]
    return (
        f"{names}: none of {rows} rows is a usable molecule; {count}: {reason} "
        f"(line {first.line}: {shown!r}). Is this the column with SMILES? --column chooses another"
    )
