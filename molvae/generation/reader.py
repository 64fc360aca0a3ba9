"""SMILES to the symbols of a model, or why it cannot read them; and symbols to SMILES."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from rdkit.rdBase import BlockLogs

from ..chem.molecule import CRASHED, canonical_or_empty
from ..chem.standardise import standard_smiles
from ..config import DataConfig
from ..errors import MoleculeError
from ..language import selfies_codec
from ..language.ids_to_smiles import decode_smiles
from ..language.smiles_to_ids import ids_of
from ..language.vocabulary import Ids, Vocabulary
from ..runtime.process_pool import chunked, default_workers, map_chunks
from ..storage import model_folder

UNKNOWN = "symbol unknown to the model"
TOO_LONG = "too long for the model"

MANY = 500
"""Molecules from which it pays to start worker processes."""


class Reading(NamedTuple):
    """A molecule as the model reads it: its standard SMILES and its ids without the end."""

    smiles: str
    ids: Ids


@dataclass(frozen=True)
class Reader:
    """SMILES → ids under a model's vocabulary; light enough to be sent to worker processes."""

    vocabulary: Vocabulary
    config: DataConfig
    max_symbols: int
    name: str

    def read(self, smiles: str) -> Reading:
        """The molecule in ``smiles``; MoleculeError names the reason, such as an unknown symbol."""
        config = self.config
        standard = standard_smiles(smiles, config.max_heavy_atoms, config.neutralise)
        ids = ids_of(standard, self.vocabulary)
        if ids is None:
            selfies = selfies_codec.to_selfies(standard, self.vocabulary.constraints)
            symbols = selfies_codec.split(selfies)
            unknown = self.vocabulary.unknown(symbols)
            if unknown:
                raise MoleculeError(UNKNOWN, smiles, self._remedy(symbols, unknown))
            ids = self.vocabulary.encode(symbols)
        if len(ids) > self.max_symbols:
            raise MoleculeError(
                TOO_LONG,
                smiles,
                f"{len(ids)} symbols; {self.name} writes {self.max_symbols} at most",
            )
        return Reading(standard, ids)

    def _remedy(self, symbols: Sequence[str], unknown: Sequence[str]) -> str:
        """Words on what the model never saw, and what can be done about it."""
        others = model_folder.who_reads(symbols)
        what = (
            f"the shipped model {others[0]} knows all of this molecule (-m {others[0]})"
            if others
            else "molvae train --from, on molecules that have it, adds it to the model"
        )
        return f"{', '.join(unknown)} never occurred in training {self.name}; {what}"


def read_all(
    reader: Reader, smiles: Sequence[str], workers: int | None = None
) -> list[Reading | str]:
    """Each molecule as the model reads it, or the reason why it cannot; many on every core."""
    count = (default_workers() if len(smiles) > MANY else 1) if workers is None else workers
    chunks = map_chunks(partial(_read_chunk, reader), chunked(smiles, 100), count, _crashed)
    return [one for chunk in chunks for one in chunk]


def read_known(reader: Reader, smiles: Sequence[str]) -> list[Reading]:
    """Those of some molecules that the model reads, in this process."""
    return [one for one in read_all(reader, smiles, 1) if isinstance(one, Reading)]


def _read_chunk(reader: Reader, smiles: list[str]) -> list[Reading | str]:
    found: list[Reading | str] = []
    for one in smiles:
        try:
            found.append(reader.read(one))
        except MoleculeError as error:
            found.append(error.reason)
    return found


def _crashed(_: str) -> list[Reading | str]:
    return [CRASHED]


class Decoded(NamedTuple):
    """A molecule the model wrote: canonical SMILES (empty without atoms), SELFIES as written."""

    smiles: str
    selfies: str


def molecules_of(written: Sequence[Ids], vocabulary: Vocabulary) -> list[Decoded]:
    """Canonical SMILES and SELFIES of molecules written as ids without the end."""
    if not written:
        return []
    counts = np.array([len(ids) for ids in written], np.int32)
    flat, lengths = vocabulary.to_plain(np.concatenate(written), counts)
    texts = decode_smiles(flat, lengths, vocabulary.plain)
    with BlockLogs():  # around a latent many draws are the same text
        canonical = {text: canonical_or_empty(text) for text in dict.fromkeys(texts)}
    parts = np.split(flat, np.cumsum(lengths)[:-1])
    return [
        Decoded(canonical[text], vocabulary.plain.decode(ids))
        for text, ids in zip(texts, parts, strict=True)
    ]
