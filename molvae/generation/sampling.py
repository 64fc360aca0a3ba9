"""New molecules from the prior: z drawn, decoded, made distinct, counted.

Molecules are drawn in blocks of a fixed size, each with its own random generator, so the same seed
gives the same molecules however many are asked for, on however many threads. Draws that are not
consistent (:mod:`molvae.language.consistency`) are slips of the model; they are left out unless
asked for.

    Z latent
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..chem.molecule import smiles_hash
from ..config import MAX_TEMPERATURE, PRIOR_LEVEL
from ..errors import UsageError
from ..language.consistency import consistent_draws
from ..language.vocabulary import Vocabulary
from ..nn.decoding import Written
from ..nn.posterior import standard_normal
from ..nn.threads import Threads
from ..runtime.compilation import prepare_to_fork
from ..runtime.process_pool import chunked, default_workers, map_chunks
from ..storage.known_molecules import KnownMolecules
from ..training.schedules import generator_of
from .codec import Codec, molecules_of
from .seen import Seen

BLOCK = 1024
"""Molecules drawn together. Part of what a seed means: changing it changes the samples."""

PATIENCE = 50
"""Draws, for every molecule asked for, after which sampling gives up finding more distinct ones."""

LIKELY = 0.8
"""Share of draws that are expected to be kept while hardly any have been drawn."""

EMPTY, INCONSISTENT, REPEATED, KNOWN = (
    "no atoms",
    "inconsistent SELFIES",
    "drawn before",
    "in the training set",
)
"""Why a draw is left out."""


class Law(NamedTuple):
    """What decides a draw besides its number. ``level`` is for models with noise levels; z comes
    from N(0, I), or from the prior learned in training (:class:`molvae.nn.posterior.Aggregate`)."""

    seed: int = 0
    temperature: float = 1.0
    level: float | None = None
    learned: bool = False


class Sample(NamedTuple):
    """One molecule: canonical SMILES, the SELFIES as drawn, log p(x|z) of the draw in nats, and
    whether that SELFIES is the one that the molecule is written in."""

    smiles: str
    selfies: str
    log_likelihood: float
    consistent: bool = True


class Filters(NamedTuple):
    """What is left out besides draws without atoms: inconsistent ones, and ``known`` molecules."""

    consistent: bool = True
    known: KnownMolecules | None = None


@dataclass
class Tally:
    """How many molecules were drawn, kept, and dropped for which reason; drawn = kept + dropped."""

    drawn: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def likely(self, n: int) -> int:
        """How many draws it will likely take until ``n`` are kept, by the share that was kept so
        far.
        """
        share = (self.kept + LIKELY * BLOCK) / (self.drawn + BLOCK)
        return self.drawn + math.ceil((n - self.kept) / share)

    def take(self, one: Sample | str, seen: Seen | None) -> Sample | None:
        """Count a draw, or the reason why it is left out; the draw if its molecule is new to
        ``seen``, if any.
        """
        self.drawn += 1
        if isinstance(one, str) or (seen is not None and not seen.add(smiles_hash(one.smiles))):
            self.dropped[one if isinstance(one, str) else REPEATED] += 1
            return None
        self.kept += 1
        return one


@torch.no_grad()
def draw_block(codec: Codec, law: Law, block: int) -> Written:
    """Block number ``block`` of the molecules of a seed, as symbols."""
    noise = standard_normal((BLOCK, codec.latent), generator_of(law.seed, block)).to(
        codec.model.device
    )
    z = codec.model.posterior.prior(noise, law.learned, law.level)
    return codec.write(z, law.temperature, law.seed, block * BLOCK, law.level)


def drawn_at(codec: Codec, level: float | None) -> float | None:
    """The noise level that a model samples at if told ``level``; UsageError if it has no such
    level.
    """
    codec.check_level(level)
    return (
        min(PRIOR_LEVEL, codec.saved.config.model.max_signal)
        if codec.levels and level is None
        else level
    )


def law_for(codec: Codec, law: Law) -> Law:
    """The law with the level that it means for this model; UsageError if it is none."""
    if not 0.0 <= law.temperature <= MAX_TEMPERATURE:
        raise UsageError(
            f"`temperature` (={law.temperature}) must lie between 0 and {MAX_TEMPERATURE:g}"
        )
    if not 0 <= law.seed < 2**63:
        raise UsageError(f"`seed` (={law.seed}) must lie between 0 and 2^63 - 1")
    return law._replace(level=drawn_at(codec, law.level))


def draw_blocks(
    codec: Codec,
    law: Law,
    numbers: Iterable[int],
    count: int,
    likely: Callable[[], int] | None = None,
) -> Iterator[Written]:
    """The blocks ``numbers``, ``count`` of them, in that order; every core draws one while others
    are consumed.

    No more are begun ahead than the ``likely`` number of blocks that will be asked for: one that is
    being drawn cannot be stopped."""
    law = law_for(codec, law)
    with Threads(codec.model.device, 128 * count) as threads:
        waiting: list[Future[Written]] = []
        for begun, number in enumerate(numbers):
            while waiting and (
                len(waiting) > threads.count or (likely is not None and begun >= likely())
            ):
                yield waiting.pop(0).result()
            waiting.append(threads.submit(draw_block, codec, law, number))
        while waiting:
            yield waiting.pop(0).result()


def to_molecules(
    written: Sequence[tuple[NDArray[np.uint16], float]],
    vocabulary: Vocabulary,
    filters: Filters | None = None,
) -> list[Sample | str]:
    """Decode what was drawn; a reason in place of a molecule that ``filters`` leave out, if there
    are any.

    A sample without atoms has an empty SMILES.
    """
    ids = [one for one, _ in written]
    decoded = molecules_of(ids, vocabulary)
    flags = consistent_draws([one.smiles for one in decoded], ids, vocabulary)
    samples = [
        Sample(*one, likelihood, flag)
        for one, (_, likelihood), flag in zip(decoded, written, flags, strict=True)
    ]
    if filters is None:
        return list(samples)
    return [why or one for why, one in zip(reasons(samples, filters), samples, strict=True)]


def reasons(samples: list[Sample], filters: Filters) -> list[str]:
    """Why each sample is left out, whatever else is drawn; nothing for one that stays."""
    slips = [filters.consistent and not one.consistent for one in samples]
    whys = [
        INCONSISTENT * slip if one.smiles else EMPTY
        for one, slip in zip(samples, slips, strict=True)
    ]
    if filters.known is not None:
        left = [place for place, why in enumerate(whys) if not why]
        hashes = np.array([smiles_hash(samples[place].smiles) for place in left], np.uint64)
        for place, known in zip(left, filters.known.contains(hashes), strict=True):
            whys[place] = KNOWN * bool(known)
    return whys


def molecules(
    codec: Codec,
    law: Law,
    numbers: Iterable[int],
    count: int,
    filters: Filters | None,
    workers: int,
    likely: Callable[[], int] | None = None,
) -> Iterator[Sample | str]:
    """Every draw of the blocks ``numbers``, ``count`` of them, in order: as a molecule, or as the
    reason why ``filters`` leave it out; threads draw ahead as :func:`draw_blocks` says.

    Of ``workers`` processes on a CPU each draws blocks of its own and makes molecules of them, on
    one thread: processes share no interpreter and no cache, and threads that draw for them were
    measured to cost a third more (benchmarks/LOG.md). A GPU draws for all of them."""
    if workers > 1 and codec.model.device.type == "cpu":
        prepare_to_fork()
        work = partial(draw_molecules, codec, law_for(codec, law), filters)
        blocks = map_chunks(work, ([number] for number in numbers), workers)
    else:
        finish = partial(to_molecules, vocabulary=codec.vocabulary, filters=filters)
        drawn = (
            one
            for written in draw_blocks(codec, law, numbers, count, likely)
            for one in pairs(written)
        )
        blocks = map_chunks(finish, chunked(drawn, BLOCK // 4), workers)
    for block in blocks:
        yield from block


def draw_molecules(
    codec: Codec, law: Law, filters: Filters | None, numbers: Iterable[int]
) -> list[Sample | str]:
    """The draws of the blocks ``numbers`` as :func:`to_molecules` gives them; runs in a worker
    process.
    """
    drawn = [pair for number in numbers for pair in pairs(draw_block(codec, law, number))]
    return to_molecules(drawn, codec.vocabulary, filters)


def pairs(written: Written) -> Iterable[tuple[NDArray[np.uint16], float]]:
    """The ids of each molecule and its log-likelihood."""
    return zip(written.molecules(), written.log_likelihood.tolist(), strict=True)


def sample(
    codec: Codec,
    n: int,
    *,
    temperature: float = 1.0,
    level: float | None = None,
    learned: bool = False,
    seed: int = 0,
    keep_all: bool = False,
    consistent: bool = True,
    known: KnownMolecules | None = None,
    workers: int | None = None,
    tally: Tally | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Iterator[Sample]:
    """``n`` distinct valid molecules drawn from the prior, in the order drawn.

    Inconsistent draws are left out unless ``consistent`` is false. With ``keep_all`` the first
    ``n`` draws are given as they are: inconsistent, repeated and empty ones included. ``known``
    molecules are left out. Fewer than ``n`` come when :data:`PATIENCE` draws for each have not
    found them; ``tally`` tells what was drawn and dropped, and why. ``temperature``, ``level``,
    ``learned`` and ``seed`` are those of :class:`Law`."""
    if n < 0:
        raise UsageError(f"`n` (={n}) must be at least 0")
    tally = Tally() if tally is None else tally
    seen = None if keep_all else Seen()
    blocks = -(-n // BLOCK) * (1 if keep_all else PATIENCE)
    workers = (default_workers() if n > 4 * BLOCK else 1) if workers is None else workers
    filters = None if keep_all else Filters(consistent, known)
    law = Law(seed, temperature, level, learned)
    for one in molecules(
        codec, law, range(blocks), blocks, filters, workers, lambda: -(-tally.likely(n) // BLOCK)
    ):
        found = tally.take(one, seen)
        if found is None:
            continue
        progress(1)
        yield found
        if tally.kept == n:
            return
