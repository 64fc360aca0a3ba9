"""New molecules from the prior: z ~ N(0, I), decoded, made distinct, counted.

Molecules are drawn in blocks of a fixed size, each with its own random generator, so the same seed gives the same
molecules however many are asked for, on however many threads.

    Z latent
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .codec import Codec, molecules_of
from .dataset import smiles_hash
from .decoding import Written
from .noise import generator_of
from .parallel import chunked, default_workers, map_chunks
from .posterior import standard_normal
from .threads import Threads
from .vocabulary import Vocabulary

BLOCK = 1024
"""Molecules drawn together. Part of what a seed means: changing it changes the samples."""

PATIENCE = 20
"""Draws, for every molecule asked for, after which sampling gives up finding more distinct ones."""


class Sample(NamedTuple):
    """One molecule: canonical SMILES, the SELFIES as drawn, and log p(x|z) of the draw in nats."""

    smiles: str
    selfies: str
    log_likelihood: float


@dataclass
class Tally:
    """How many molecules were drawn, kept, and dropped for which reason; drawn = kept + dropped."""

    drawn: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


PRIOR_LEVEL = 0.0
"""Where a model with noise levels samples unless told otherwise: there the prior is exact."""


def draw_block(codec: Codec, temperature: float, seed: int, block: int, level: float | None) -> Written:
    """Block number ``block`` of the molecules of a seed, as symbols."""
    z = standard_normal((BLOCK, codec.latent), generator_of(seed, block))
    return codec.write(z.to(codec.model.device), temperature, seed, block * BLOCK, level)


def draw(codec: Codec, temperature: float, seed: int, blocks: int, level: float | None = None) -> Iterator[Written]:
    """The first ``blocks`` blocks of a seed, in order; every core draws one while others are consumed."""
    codec.check_level(level)
    level = PRIOR_LEVEL if codec.levels and level is None else level
    with Threads(codec.model.device, 128 * blocks) as threads:
        waiting: list[Future[Written]] = []
        for block in range(blocks):
            waiting.append(threads.submit(draw_block, codec, temperature, seed, block, level))
            if len(waiting) > threads.count:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def to_molecules(written: list[tuple[NDArray[np.uint16], float]], vocabulary: Vocabulary) -> list[Sample]:
    """Decode what was drawn; a sample without atoms has an empty SMILES."""
    decoded = molecules_of([ids for ids, _ in written], vocabulary)
    return [Sample(*one, likelihood) for one, (_, likelihood) in zip(decoded, written, strict=True)]


def sample(
    codec: Codec,
    n: int,
    *,
    temperature: float = 1.0,
    level: float | None = None,
    seed: int = 0,
    keep_all: bool = False,
    known: NDArray[np.uint64] | None = None,
    workers: int | None = None,
    tally: Tally | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Iterator[Sample]:
    """``n`` distinct valid molecules drawn from the prior, in the order drawn.

    With ``keep_all`` the first ``n`` draws are given as they are, repeats and empty ones included. ``known`` are
    sorted hashes of molecules to leave out. Fewer than ``n`` come when :data:`PATIENCE` draws for each have not
    found them; ``tally`` tells what was drawn and dropped, and why. ``level`` is for models with noise levels.
    """
    tally = Tally() if tally is None else tally
    seen: set[str] = set()
    blocks = -(-n // BLOCK) * (1 if keep_all else PATIENCE)
    drawn = draw(codec, temperature, seed, blocks, level)
    flat = ((ids, float(value)) for w in drawn for ids, value in zip(w.molecules(), w.log_likelihood, strict=True))
    function = partial(to_molecules, vocabulary=codec.vocabulary)
    workers = (default_workers() if n > 4 * BLOCK else 1) if workers is None else workers
    for chunk in map_chunks(function, chunked(flat, BLOCK // 4), workers):
        for one in chunk:
            tally.drawn += 1
            reason = "" if keep_all else why_drop(one, seen, known)
            if reason:
                tally.dropped[reason] += 1
                continue
            seen.add(one.smiles)
            tally.kept += 1
            progress(1)
            yield one
            if tally.kept == n:
                return


def why_drop(one: Sample, seen: set[str], known: NDArray[np.uint64] | None) -> str:
    """Why a sample is not kept, or nothing."""
    if not one.smiles:
        return "no atoms"
    if one.smiles in seen:
        return "drawn before"
    if known is not None and len(known):
        number = smiles_hash(one.smiles)
        place = int(np.searchsorted(known, np.uint64(number)))
        if place < len(known) and int(known[place]) == number:
            return "in the training set"
    return ""
