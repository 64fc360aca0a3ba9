"""Rows of a file become symbols: standardised, written in SELFIES, and found to come back as what they were.

Runs in worker processes, a chunk of rows at a time; every row is in what comes out, or told why not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .alphabet import Alphabet
from .chemistry import Limits, other_spellings, standard_smiles
from .config import DataConfig
from .errors import MoleculeError
from .known import smiles_hash
from .notation import check_return, default_constraints, split, to_selfies
from .smiles import decode_smiles

CRASHED = "crashed the chemistry library"
MAX_SEED = 2**31 - 1


class Row(NamedTuple):
    """A row of an input file on its way to a worker."""

    source: int
    line: int
    smiles: str
    problem: str


@dataclass
class Chunk:
    """What a worker makes of some rows: symbols as numbers of its own list, one molecule after the other.

    The other spellings of a molecule, as many for each, stand together.
    """

    symbols: list[str] = field(default_factory=list)
    ids: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(0, np.uint16))
    lengths: list[int] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    spelled_ids: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(0, np.uint16))
    spelled_lengths: list[int] = field(default_factory=list)
    rejected: list[tuple[Row, str, str]] = field(default_factory=list)


class Read(NamedTuple):
    """A row whose molecule is standard, and the SELFIES symbols it is written in."""

    row: Row
    smiles: str
    symbols: Sequence[str] = ()


def read_rows(rows: list[Row], config: DataConfig) -> Chunk:
    """Standardise some rows and write them in SELFIES symbols; runs in a worker process.

    All rows go through RDKit before any goes through selfies, for the two drive each other out of the processor's
    caches.
    """
    chunk, index = Chunk(), dict[str, int]()
    molecules = unchanged(written(standardised(rows, config, chunk), chunk), chunk)
    chunk.hashes = [smiles_hash(one.smiles) for one in molecules]
    chunk.places = [(one.row.source, one.row.line) for one in molecules]
    chunk.ids, chunk.lengths = numbered((one.symbols for one in molecules), index)
    spellings = respelled(molecules, chunk.hashes, config.spellings)
    chunk.spelled_ids, chunk.spelled_lengths = numbered(spellings, index)
    chunk.symbols = list(index)
    return chunk


def numbered(texts: Iterable[Sequence[str]], index: dict[str, int]) -> tuple[NDArray[np.uint16], list[int]]:
    """The symbols of all texts as their numbers in ``index``, which takes in new ones, and the length of each text."""
    ids, lengths = list[int](), list[int]()
    for symbols in texts:
        ids += [index.setdefault(symbol, len(index)) for symbol in symbols]
        lengths.append(len(symbols))
    return np.array(ids, dtype=np.uint16), lengths


def respelled(molecules: list[Read], hashes: list[int], count: int) -> Iterator[Sequence[str]]:
    """``count`` random spellings of each molecule in SELFIES symbols; the canonical one where SELFIES fails."""
    if not count:
        return
    constraints = default_constraints()
    texts = [other_spellings(one.smiles, count, seed & MAX_SEED) for one, seed in zip(molecules, hashes, strict=True)]
    for one, spellings in zip(molecules, texts, strict=True):
        for text in spellings:
            try:
                yield split(to_selfies(text, constraints))
            except MoleculeError:
                yield one.symbols


def standardised(rows: list[Row], config: DataConfig, chunk: Chunk) -> list[Read]:
    """The rows that are molecules; ``chunk`` is told of the others."""
    limits, found = Limits(max_heavy_atoms=config.max_heavy_atoms), list[Read]()
    for row in rows:
        if row.problem:
            chunk.rejected.append((row, row.problem, ""))
            continue
        try:
            found.append(Read(row, standard_smiles(row.smiles, limits, config.neutralise)))
        except MoleculeError as error:
            chunk.rejected.append((row, error.reason, error.detail))
    return found


def written(molecules: list[Read], chunk: Chunk) -> list[Read]:
    """The molecules that SELFIES has words for, in its symbols; ``chunk`` is told of the others."""
    constraints, found = default_constraints(), list[Read]()
    for one in molecules:
        try:
            found.append(one._replace(symbols=split(to_selfies(one.smiles, constraints))))
        except MoleculeError as error:
            chunk.rejected.append((one.row, error.reason, error.detail))
    return found


def unchanged(molecules: list[Read], chunk: Chunk) -> list[Read]:
    """The molecules that come back from SELFIES as what they were; ``chunk`` is told of the others."""
    doubtful = [one for one in molecules if at_risk(one.smiles)]
    if not doubtful:
        return molecules
    every = dict.fromkeys(symbol for one in doubtful for symbol in one.symbols)
    numbers = {symbol: number for number, symbol in enumerate(every, start=1)}
    ids = np.array([numbers[symbol] for one in doubtful for symbol in one.symbols], dtype=np.uint16)
    lengths = np.array([len(one.symbols) for one in doubtful])
    decoded = decode_smiles(ids, lengths, Alphabet(tuple(numbers), (), default_constraints()))
    changed: set[Row] = set()
    for one, text in zip(doubtful, decoded, strict=True):
        try:
            check_return(one.smiles, text)
        except MoleculeError as error:
            chunk.rejected.append((one.row, error.reason, error.detail))
            changed.add(one.row)
    return [one for one in molecules if one.row not in changed]


def at_risk(smiles: str) -> bool:
    """Whether SELFIES has been seen to change such molecules: with stereo marks, charges, isotopes, odd atoms.

    Plain ones come back unchanged without exception, and reading every molecule back doubles the work.

    >>> at_risk("c1cc[nH]c1"), at_risk("C[C@H](N)O")
    (False, True)
    """
    return any(mark in smiles.replace("[nH]", "n") for mark in "[/\\")


def crashed(row: Row) -> Chunk:
    """What stands in for a row that ended its worker."""
    return Chunk(rejected=[(row, CRASHED, "")])
