"""Rows of a file become symbols: standardised, written in SELFIES, and found to come back as what
they were.

Runs in worker processes, a chunk of rows at a time; every row is in what comes out, or told why
not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from ..chem.molecule import Limits, standard_smiles
from ..config import DataConfig
from ..errors import MoleculeError
from ..language.ids_to_smiles import decode_smiles
from ..language.selfies_codec import check_return
from ..language.smiles_to_ids import Scribe
from ..language.vocabulary import Ids
from ..storage.known_molecules import smiles_hash

CRASHED = "crashed the chemistry library"
MAX_SEED = 2**31 - 1
NONE: Ids = np.zeros(0, np.uint16)


class Row(NamedTuple):
    """A row of an input file on its way to a worker."""

    source: int
    line: int
    smiles: str
    problem: str


@dataclass
class Chunk:
    """What a worker makes of some rows: symbols as numbers of its own list, one molecule after the
    other.

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
    """A row whose molecule is standard, and the numbers of the SELFIES symbols it is written in."""

    row: Row
    smiles: str
    ids: Ids = NONE


def read_rows(rows: list[Row], config: DataConfig) -> Chunk:
    """Standardise some rows and write them in SELFIES symbols; runs in a worker process.

    All rows go through RDKit before any is written in SELFIES, for the two drive each other out of
    the processor's caches."""
    chunk = Chunk()
    standard = standardised(rows, config, chunk)
    scribe = Scribe(one.smiles for one in standard)
    molecules = unchanged(written(standard, scribe, chunk), scribe, chunk)
    chunk.hashes = [smiles_hash(one.smiles) for one in molecules]
    chunk.places = [(one.row.source, one.row.line) for one in molecules]
    spellings = respelled(molecules, scribe, chunk.hashes, config.spellings)
    chunk.lengths, chunk.spelled_lengths = (
        [len(one.ids) for one in molecules],
        [len(ids) for ids in spellings],
    )
    ids = np.concatenate([NONE, *(one.ids for one in molecules), *spellings])
    used, numbers = np.unique(ids, return_inverse=True)
    chunk.symbols = [scribe.alphabet.symbols[number - 1] for number in used.tolist()]
    chunk.ids, chunk.spelled_ids = np.split(numbers.astype(np.uint16), [sum(chunk.lengths)])
    return chunk


def respelled(molecules: list[Read], scribe: Scribe, hashes: list[int], count: int) -> list[Ids]:
    """``count`` random spellings of each molecule in SELFIES symbols; the canonical one where
    SELFIES fails.
    """
    if not count:
        return []
    texts = [
        other_spellings(one.smiles, count, seed & MAX_SEED)
        for one, seed in zip(molecules, hashes, strict=True)
    ]
    found = scribe.write([text for spellings in texts for text in spellings])
    usual = [one.ids for one in molecules for _ in range(count)]
    return [
        one if isinstance(ids, MoleculeError) else ids
        for one, ids in zip(usual, found, strict=True)
    ]


def other_spellings(smiles: str, count: int, seed: int) -> list[str]:
    """``count`` SMILES of the same molecule, each from a random atom and in random order; ``seed``
    is 31 bits.

    >>> other_spellings("CCO", 3, 1) == other_spellings("CCO", 3, 1)
    True
    """
    return list(Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(smiles), count, randomSeed=seed))


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


def written(molecules: list[Read], scribe: Scribe, chunk: Chunk) -> list[Read]:
    """The molecules that SELFIES has words for, in its symbols; ``chunk`` is told of the others."""
    found = list[Read]()
    for one, ids in zip(molecules, scribe.write([one.smiles for one in molecules]), strict=True):
        if isinstance(ids, MoleculeError):
            chunk.rejected.append((one.row, ids.reason, ids.detail))
        else:
            found.append(Read(one.row, one.smiles, ids))
    return found


def unchanged(molecules: list[Read], scribe: Scribe, chunk: Chunk) -> list[Read]:
    """The molecules that come back from SELFIES as what they were; ``chunk`` is told of the
    others.
    """
    doubtful = [one for one in molecules if at_risk(one.smiles)]
    if not doubtful:
        return molecules
    lengths = np.array([len(one.ids) for one in doubtful])
    decoded = decode_smiles(np.concatenate([one.ids for one in doubtful]), lengths, scribe.alphabet)
    changed: set[Row] = set()
    for one, text in zip(doubtful, decoded, strict=True):
        try:
            check_return(one.smiles, text)
        except MoleculeError as error:
            chunk.rejected.append((one.row, error.reason, error.detail))
            changed.add(one.row)
    return [one for one in molecules if one.row not in changed]


def at_risk(smiles: str) -> bool:
    """Whether SELFIES has been seen to change such molecules: with stereo marks, charges, isotopes,
    odd atoms.

    Plain ones come back unchanged without exception, and reading every molecule back doubles the
    work.

    >>> at_risk("c1cc[nH]c1"), at_risk("C[C@H](N)O")
    (False, True)
    """
    return any(mark in smiles.replace("[nH]", "n") for mark in "[/\\")


def crashed(row: Row) -> Chunk:
    """What stands in for a row that ended its worker."""
    return Chunk(rejected=[(row, CRASHED, "")])
