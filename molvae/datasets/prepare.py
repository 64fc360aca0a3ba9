"""Files of molecules to a prepared data set, in parallel, with every row accounted for.

    files → rows (table_reader) → symbols (encode_rows, in workers) → vocabulary, split → Dataset

A molecule is standardised, written in SELFIES, and checked to decode to itself. Every row is in the
data set or among the rejected, with its reason.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from ..chem.molecule import CRASHED, canonical_or_empty, smiles_hash
from ..chem.standardise import standard_smiles
from ..config import DataConfig
from ..errors import InputError, MoleculeError
from ..language.branches import symbols_with_ends
from ..language.ids_to_smiles import decode_smiles
from ..language.selfies_codec import check_return, constraints_for
from ..language.smiles_to_ids import SelfiesEncoder
from ..language.vocabulary import Ids, Vocabulary, learn_merges, merge
from ..runtime.compilation import prepare_to_fork
from ..runtime.process_pool import chunked, default_workers, map_chunks
from .dataset import VALIDATED, Dataset
from .table_reader import open_table, sample_rows
from .text_files import row_writer

CHUNK = 1000
MERGE_SAMPLE = 100_000
"""Molecules, at most, from which merges are learned."""

DUPLICATE = "seen before"
MAX_SEED = 2**31 - 1
NO_IDS: Ids = np.zeros(0, np.uint16)


class Row(NamedTuple):
    """A row of an input file on its way to a worker."""

    source: str
    line: int
    smiles: str
    problem: str


class Rejection(NamedTuple):
    """A row that was not used: its file, line, reason (rows are counted under it), detail and
    SMILES.
    """

    source: str
    line: int
    reason: str
    detail: str
    smiles: str


class Chunk(NamedTuple):
    """The molecules of some rows as a worker returns them.

    ``ids`` are indices into ``symbols``, a list of its own. Each molecule has one string of them
    for its canonical SMILES, and then as many as were asked for of its other spellings."""

    symbols: list[str]
    ids: Ids
    lengths: list[int]
    hashes: list[int]
    places: list[tuple[str, int]]
    rejected: list[Rejection]


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
    index: dict[str, int] = {}
    chunks: list[Chunk] = []
    prepare_to_fork()
    for chunk in map_chunks(
        work,
        chunked(rows, CHUNK),
        workers or default_workers(),
        on_crash=lambda row: work([row._replace(problem=CRASHED)]),
    ):
        numbers = [index.setdefault(symbol, len(index)) for symbol in chunk.symbols]
        if len(index) > 60_000:
            raise InputError(
                "the molecules hold more than 60,000 different symbols: these are not usual SMILES"
            )
        chunks.append(chunk._replace(ids=np.array(numbers, np.uint16)[chunk.ids]))
        progress(len(chunk.hashes) + len(chunk.rejected))
    return assemble(chunks, index, sources, config, base)


def read_files(
    paths: Sequence[str | Path],
    column: str | None,
    sources: list[dict[str, Any]],
    said: Callable[[str], object],
) -> Iterator[Row]:
    """The rows of all files, one after the other; ``sources`` gets a description of each."""
    for path in paths:
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
                yield Row(table.name, record.line, record.smiles, record.problem)


def encode_rows(rows: list[Row], config: DataConfig) -> Chunk:
    """Standardise some rows and write them in SELFIES symbols; runs in a worker process.

    All rows go through RDKit before any is written in SELFIES, for the two drive each other out of
    the processor's caches."""
    standard: list[tuple[Row, str]] = []
    rejected: list[Rejection] = []

    def reject(row: Row, error: MoleculeError) -> None:
        rejected.append(Rejection(row.source, row.line, error.reason, error.detail, row.smiles))

    for row in rows:
        try:
            if row.problem:
                raise MoleculeError(row.problem, row.smiles)
            smiles = standard_smiles(row.smiles, config.max_heavy_atoms, config.neutralise)
            standard.append((row, smiles))
        except MoleculeError as error:
            reject(row, error)
    texts = [smiles for _, smiles in standard]
    encoder = SelfiesEncoder(texts)
    outcomes = check_returns(texts, encoder.write(texts), encoder)
    molecules: list[tuple[Row, str, Ids]] = []
    for (row, smiles), outcome in zip(standard, outcomes, strict=True):
        if isinstance(outcome, MoleculeError):
            reject(row, outcome)
        else:
            molecules.append((row, smiles, outcome))
    hashes = [smiles_hash(smiles) for _, smiles, _ in molecules]
    texts = [
        text
        for (_, smiles, _), number in zip(molecules, hashes, strict=True)
        if config.spellings
        for text in random_smiles(smiles, config.spellings, number & MAX_SEED)
    ]
    spelled = iter(encoder.write(texts))
    strings: list[Ids] = []
    for _, _, ids in molecules:
        others = islice(spelled, config.spellings)
        # The canonical one again where SELFIES fails.
        strings += [ids, *(ids if isinstance(one, MoleculeError) else one for one in others)]
    used, numbers = np.unique(np.concatenate([NO_IDS, *strings]), return_inverse=True)
    return Chunk(
        symbols=[encoder.vocabulary.symbols[number - 1] for number in used.tolist()],
        ids=numbers.astype(np.uint16),
        lengths=[len(ids) for ids in strings],
        hashes=hashes,
        places=[(row.source, row.line) for row, _, _ in molecules],
        rejected=rejected,
    )


def check_returns(
    smiles: list[str], outcomes: list[Ids | MoleculeError], encoder: SelfiesEncoder
) -> list[Ids | MoleculeError]:
    """The symbols of each molecule; a reason in place of those that do not decode to itself.

    Only molecules with stereo marks, charges, isotopes or odd atoms are looked at, the kinds that
    SELFIES was seen to change: plain ones decode to themselves without exception, and decoding
    every molecule doubles the work."""
    doubtful = {
        at: ids
        for at, (text, ids) in enumerate(zip(smiles, outcomes, strict=True))
        if not isinstance(ids, MoleculeError) and re.search(r"[\[/\\]", text.replace("[nH]", "n"))
    }
    if not doubtful:
        return outcomes
    lengths = np.array([len(ids) for ids in doubtful.values()])
    texts = decode_smiles(np.concatenate([*doubtful.values()]), lengths, encoder.vocabulary)
    checked = list(outcomes)
    for at, decoded in zip(doubtful, texts, strict=True):
        try:
            check_return(smiles[at], decoded)
        except MoleculeError as error:
            checked[at] = error
    return checked


def random_smiles(smiles: str, count: int, seed: int) -> list[str]:
    """``count`` SMILES of the same molecule, each from a random atom and in random order; ``seed``
    is 31 bits.

    >>> random_smiles("CCO", 3, 1) == random_smiles("CCO", 3, 1)
    True
    """
    return list(Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(smiles), count, randomSeed=seed))


def assemble(
    chunks: list[Chunk],
    index: dict[str, int],
    sources: list[dict[str, Any]],
    config: DataConfig,
    base: Vocabulary | None,
) -> Prepared:
    """One data set of the chunks, whose ids are numbered by ``index``.

    Repeats are dropped, symbols numbered (new ones in alphabetical order), merges applied, and
    validation is split off."""
    rejections = [one for chunk in chunks for one in chunk.rejected]
    hashes = np.array([one for chunk in chunks for one in chunk.hashes], np.uint64)
    if not len(hashes):
        raise InputError(nothing_left(sources, rejections))
    if base is None:
        symbols = symbols_with_ends(index) if config.branch_ends else sorted(index)
        singles = Vocabulary(tuple(symbols), (), constraints_for(symbols))
    else:
        added = base.unknown(sorted(index))
        # Atoms are constrained so that all strings stay valid.
        singles = base.extended(added, constraints_for(added)) if added else base
    plain = singles.plain
    numbers = np.array([plain.index[symbol] for symbol in index], np.uint16)
    ids = numbers[np.concatenate([chunk.ids for chunk in chunks])]
    lengths = np.array([one for chunk in chunks for one in chunk.lengths], np.int32)
    _, firsts, same = np.unique(hashes, return_index=True, return_inverse=True)
    kept = np.zeros(len(hashes), dtype=bool)
    kept[firsts] = True
    again = np.flatnonzero(~kept)
    hashes = hashes[kept]
    strings = 1 + config.spellings
    kept = np.repeat(kept, strings)
    canonical = np.arange(len(kept)) % strings == 0
    mask = canonical & ~kept
    texts = decode_smiles(ids[np.repeat(mask, lengths)], lengths[mask], plain)
    with BlockLogs():
        texts = list(map(canonical_or_empty, texts))
    places = [place for chunk in chunks for place in chunk.places]
    for row, first, text in zip(again, firsts[same[again]], texts, strict=True):
        (source, line), (earlier, before) = places[row], places[first]
        where = f"line {before}" + ("" if source == earlier else f" of {earlier}")
        rejections.append(Rejection(source, line, DUPLICATE, where, text))
    parts = [
        singles.from_plain(ids[np.repeat(mask, lengths)], lengths[mask])
        for mask in (kept & canonical, kept & ~canonical)
    ]
    vocabulary = singles
    if base is None:
        learned, sizes = parts[0]
        sampled = random_mask(MERGE_SAMPLE, len(sizes), config.split_seed)
        learned = learned[np.repeat(sampled, sizes)]
        merges = learn_merges(learned, sizes[sampled], len(singles.symbols), config.vocabulary)
        vocabulary = replace(singles, merges=merges)
    ids, lengths = map(np.concatenate, zip(*parts, strict=True))
    ids, lengths = merge(ids, lengths, vocabulary.ranks)
    counts = dict(Counter(rejection.reason for rejection in rejections).most_common())
    read = sum(source["rows"] for source in sources)
    rows = min(read, config.rows or read)
    if rows != len(hashes) + len(rejections):
        raise AssertionError(f"{rows} rows came in, {len(hashes)} + {len(rejections)} went out")
    report = {
        "sources": sources,
        "rows_read": read,
        "rows": rows,
        "molecules": len(hashes),
        "rejected": counts,
    }
    rejections.sort(key=lambda rejection: (rejection.source, rejection.line))
    validation = held_out(len(hashes), config)
    return Prepared(Dataset(vocabulary, ids, lengths, hashes, validation, report), rejections)


def held_out(molecules: int, config: DataConfig) -> NDArray[np.bool_]:
    """Mask of the validation molecules: the configured share, at most 5,000, none of under ten."""
    count = 0
    if molecules >= 10 and config.validation > 0.0:
        count = min(VALIDATED, max(1, round(molecules * config.validation)))
    return random_mask(count, molecules, [config.split_seed, 1])


def random_mask(count: int, size: int, seed: int | list[int]) -> NDArray[np.bool_]:
    """Mask ``(size,)`` of ``count`` places at random, or all of them if there are fewer."""
    mask = np.zeros(size, dtype=bool)
    mask[np.random.default_rng(seed).permutation(size)[:count]] = True
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
