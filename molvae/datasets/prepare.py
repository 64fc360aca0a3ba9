"""Files of molecules to a prepared data set, in parallel, with every row accounted for.

    files → rows (table_reader) → symbols (encode_rows, in workers) → vocabulary, split → Dataset

A molecule is standardised, written in SELFIES, and checked to decode to itself. Every row is in the
data set or among the rejected, with its reason.
"""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from ..chem.molecule import Limits, smiles_hash, standard_smiles
from ..config import DataConfig
from ..errors import InputError, MoleculeError
from ..language.ids_to_smiles import decode_smiles
from ..language.selfies_codec import check_return, constraints_for
from ..language.smiles_to_ids import SelfiesEncoder
from ..language.vocabulary import Ids, Vocabulary, learn_merges, merge
from ..runtime.compilation import prepare_to_fork
from ..runtime.process_pool import chunked, default_workers, map_chunks
from .dataset import VALIDATED, Dataset
from .table_reader import open_table
from .text_files import row_writer

CHUNK = 1000
MERGE_SAMPLE = 100_000
"""Molecules, at most, from which merges are learned."""

DUPLICATE = "seen before"
CRASHED = "crashed the chemistry library"
MAX_SEED = 2**31 - 1
NO_IDS: Ids = np.zeros(0, np.uint16)


class Row(NamedTuple):
    """A row of an input file on its way to a worker."""

    source: int
    line: int
    smiles: str
    problem: str


@dataclass
class Chunk:
    """The molecules of some rows as a worker returns them: ``symbols`` are its own list, ``ids``
    indices into it, one molecule after the other.

    The other spellings of a molecule, as many for each, follow one another in ``spelled_ids``.
    """

    symbols: list[str] = field(default_factory=list)
    ids: Ids = field(default_factory=lambda: NO_IDS)
    lengths: list[int] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    spelled_ids: Ids = field(default_factory=lambda: NO_IDS)
    spelled_lengths: list[int] = field(default_factory=list)
    rejected: list[tuple[Row, str, str]] = field(default_factory=list)


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
    """Read molecules from files into a data set; every row is in it or among the rejected.

    With ``base`` the molecules are written in that vocabulary, extended by the symbols it lacks;
    without, in one made for them. ``said`` is called with a line on the column that was read of
    each file, ``progress`` with the number of rows of each finished chunk. Raises InputError when a
    file cannot be read or no molecule is left.
    """
    config = DataConfig() if config is None else config
    sources: list[dict[str, Any]] = []
    rows = read_files(paths, column, sources, said)
    if config.rows:
        rows = sample_rows(rows, config.rows, config.split_seed)
    work = partial(encode_rows, config=config)
    gathered = Gathered()
    prepare_to_fork()
    for chunk in map_chunks(
        work, chunked(rows, CHUNK), workers or default_workers(), on_crash=crashed_row
    ):
        gathered.add(chunk)
        progress(len(chunk.lengths) + len(chunk.rejected))
    return gathered.finish(sources, config, base)


def read_files(
    paths: Sequence[str | Path],
    column: str | None,
    sources: list[dict[str, Any]],
    said: Callable[[str], object],
) -> Iterator[Row]:
    """The rows of all files, one after the other; ``sources`` gets a description of each."""
    for number, path in enumerate(paths):
        with open_table(path, column) as table:
            column_name = f"SMILES in column {table.smiles_column!r} ({table.chosen_by})"
            said(f"{table.name}: {table.format}, {column_name}")
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


def sample_rows(rows: Iterable[Row], count: int, seed: int) -> Iterator[Row]:
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


class Standard(NamedTuple):
    """A row with its standard SMILES and, once encoded, the ids of its SELFIES symbols."""

    row: Row
    smiles: str
    ids: Ids = NO_IDS


def encode_rows(rows: list[Row], config: DataConfig) -> Chunk:
    """Standardise some rows and write them in SELFIES symbols; runs in a worker process.

    All rows go through RDKit before any is written in SELFIES, for the two drive each other out of
    the processor's caches."""
    chunk = Chunk()
    standard = _standardised(rows, config, chunk)
    encoder = SelfiesEncoder(one.smiles for one in standard)
    molecules = _round_trips(_encoded(standard, encoder, chunk), encoder, chunk)
    chunk.hashes = [smiles_hash(one.smiles) for one in molecules]
    chunk.places = [(one.row.source, one.row.line) for one in molecules]
    spellings = _respelled(molecules, encoder, chunk.hashes, config.spellings)
    chunk.lengths, chunk.spelled_lengths = (
        [len(one.ids) for one in molecules],
        [len(ids) for ids in spellings],
    )
    ids = np.concatenate([NO_IDS, *(one.ids for one in molecules), *spellings])
    used, numbers = np.unique(ids, return_inverse=True)
    chunk.symbols = [encoder.alphabet.symbols[number - 1] for number in used.tolist()]
    chunk.ids, chunk.spelled_ids = np.split(numbers.astype(np.uint16), [sum(chunk.lengths)])
    return chunk


def _respelled(
    molecules: list[Standard], encoder: SelfiesEncoder, hashes: list[int], count: int
) -> list[Ids]:
    """``count`` random spellings of each molecule in SELFIES symbols; the canonical one where
    SELFIES fails.
    """
    if not count:
        return []
    texts = [
        random_smiles(one.smiles, count, seed & MAX_SEED)
        for one, seed in zip(molecules, hashes, strict=True)
    ]
    found = encoder.write([text for spellings in texts for text in spellings])
    usual = [one.ids for one in molecules for _ in range(count)]
    return [
        one if isinstance(ids, MoleculeError) else ids
        for one, ids in zip(usual, found, strict=True)
    ]


def random_smiles(smiles: str, count: int, seed: int) -> list[str]:
    """``count`` SMILES of the same molecule, each from a random atom and in random order; ``seed``
    is 31 bits.

    >>> random_smiles("CCO", 3, 1) == random_smiles("CCO", 3, 1)
    True
    """
    return list(Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(smiles), count, randomSeed=seed))


def _standardised(rows: list[Row], config: DataConfig, chunk: Chunk) -> list[Standard]:
    """The rows that are molecules; the others are rejected in ``chunk``."""
    limits, found = Limits(max_heavy_atoms=config.max_heavy_atoms), list[Standard]()
    for row in rows:
        if row.problem:
            chunk.rejected.append((row, row.problem, ""))
            continue
        try:
            found.append(Standard(row, standard_smiles(row.smiles, limits, config.neutralise)))
        except MoleculeError as error:
            chunk.rejected.append((row, error.reason, error.detail))
    return found


def _encoded(molecules: list[Standard], encoder: SelfiesEncoder, chunk: Chunk) -> list[Standard]:
    """The molecules that SELFIES can express, in symbols; the others are rejected in ``chunk``."""
    found = list[Standard]()
    for one, ids in zip(molecules, encoder.write([one.smiles for one in molecules]), strict=True):
        if isinstance(ids, MoleculeError):
            chunk.rejected.append((one.row, ids.reason, ids.detail))
        else:
            found.append(Standard(one.row, one.smiles, ids))
    return found


def _round_trips(
    molecules: list[Standard], encoder: SelfiesEncoder, chunk: Chunk
) -> list[Standard]:
    """The molecules that SELFIES decodes to themselves; the others are rejected in ``chunk``."""
    doubtful = [one for one in molecules if _may_change(one.smiles)]
    if not doubtful:
        return molecules
    lengths = np.array([len(one.ids) for one in doubtful])
    decoded = decode_smiles(
        np.concatenate([one.ids for one in doubtful]), lengths, encoder.alphabet
    )
    changed: set[Row] = set()
    for one, text in zip(doubtful, decoded, strict=True):
        try:
            check_return(one.smiles, text)
        except MoleculeError as error:
            chunk.rejected.append((one.row, error.reason, error.detail))
            changed.add(one.row)
    return [one for one in molecules if one.row not in changed]


def _may_change(smiles: str) -> bool:
    """True for molecules of a kind that SELFIES was seen to change.

    Such have stereo marks, charges, isotopes, odd atoms.

    Plain ones decode to themselves without exception, and decoding every molecule doubles the work.

    >>> _may_change("c1cc[nH]c1"), _may_change("C[C@H](N)O")
    (False, True)
    """
    return any(mark in smiles.replace("[nH]", "n") for mark in "[/\\")


def crashed_row(row: Row) -> Chunk:
    """The result of a row that ended its worker process: a rejection."""
    return Chunk(rejected=[(row, CRASHED, "")])


class Gathered:
    """Chunks of all workers on their way into one data set."""

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
    """Mask of the validation molecules: the configured share, at most 5,000, none of under ten."""
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
