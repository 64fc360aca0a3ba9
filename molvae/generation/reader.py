"""SMILES to the symbols of a model, or why it cannot read them; and symbols to SMILES."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rdkit.rdBase import BlockLogs

from ..chem.molecule import CRASHED, canonical_or_empty
from ..chem.standardise import standard_smiles
from ..config import DataConfig
from ..errors import MoleculeError
from ..language import selfies_codec
from ..language.branches import symbols_with_ends
from ..language.ids_to_smiles import decode_smiles
from ..language.smiles_to_ids import canonical_draws, ids_of
from ..language.vocabulary import Ids, Vocabulary
from ..runtime.compilation import compile_beside
from ..runtime.process_pool import chunked, default_workers, map_chunks
from ..storage import model_folder

if TYPE_CHECKING:
    from ..nn.decoding import Written

UNKNOWN = "symbol unknown to the model"
TOO_LONG = "too long for the model"

MANY = 500
"""Molecules from which it pays to start worker processes."""


READERS = tuple(
    f"molvae.language.{name}"
    for name in ("branches", "ids_to_smiles", "smiles_parser", "smiles_to_ids")
)
"""Modules whose compiled code reads and writes molecules."""


def compile_readers() -> None:
    """Have what reads and writes molecules compiled beside what draws them, the first time."""
    if default_workers() > 1:
        compile_beside(READERS, f"from {__name__} import write_and_read; write_and_read()")


def write_and_read() -> None:
    """Write a molecule and read it, which compiles all that does so."""
    vocabulary = Vocabulary(
        tuple(symbols_with_ends(["[C]", "[O]"])), (), selfies_codec.default_constraints()
    )
    molecules_of([(np.arange(1, 1 + len(vocabulary.symbols), dtype=np.uint16), 0.0)], vocabulary)


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
                others = model_folder.who_reads(symbols)
                remedy = (
                    f"the shipped model {others[0]} knows all of this molecule (-m {others[0]})"
                    if others
                    else "molvae train --from, on molecules that have it, adds it to the model"
                )
                detail = f"{', '.join(unknown)} never occurred in training {self.name}; {remedy}"
                raise MoleculeError(UNKNOWN, smiles, detail)
            ids = self.vocabulary.encode(symbols)
        if len(ids) > self.max_symbols:
            raise MoleculeError(
                TOO_LONG,
                smiles,
                f"{len(ids)} symbols; {self.name} writes {self.max_symbols} at most",
            )
        return Reading(standard, ids)


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


class Sample(NamedTuple):
    """A molecule that the model wrote: canonical SMILES (empty without atoms), the SELFIES s as
    written, log p(x|z) of it in nats.

    ``canonical`` says that encode(canonical(decode(s))) = s."""

    smiles: str
    selfies: str
    log_likelihood: float
    canonical: bool = True


def pairs_of(written: Written) -> list[tuple[Ids, float]]:
    """The ids of each molecule, without the end, and its log-likelihood."""
    return list(zip(written.molecules(), written.log_likelihood.tolist(), strict=True))


def molecules_of(written: Sequence[tuple[Ids, float]], vocabulary: Vocabulary) -> list[Sample]:
    """Molecules from their ids, without the end, and log-likelihoods."""
    if not written:
        return []
    every = [ids for ids, _ in written]
    counts = np.array([len(ids) for ids in every], np.int32)
    flat, lengths = vocabulary.to_plain(np.concatenate(every), counts)
    texts = decode_smiles(flat, lengths, vocabulary.plain)
    with BlockLogs():  # around a latent many draws are the same text
        canonical = {text: canonical_or_empty(text) for text in dict.fromkeys(texts)}
    smiles = [canonical[text] for text in texts]
    flags = canonical_draws(smiles, every, vocabulary)
    parts = np.split(flat, np.cumsum(lengths)[:-1])
    return [
        Sample(text, vocabulary.plain.decode(ids), likelihood, flag)
        for text, ids, (_, likelihood), flag in zip(smiles, parts, written, flags, strict=True)
    ]
