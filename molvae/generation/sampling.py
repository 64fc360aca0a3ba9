"""New molecules from the prior, or around a latent: z drawn, decoded, made distinct, counted.

Molecules are drawn in blocks of a fixed size, each with its own random generator, so the same seed
gives the same molecules however many are asked for, on any number of threads. Draws whose SELFIES
is not canonical (:mod:`molvae.language.smiles_to_ids`) are left out unless asked for.

    Z latent
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, compress
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ..chem.molecule import smiles_hash
from ..config import MAX_TEMPERATURE, prior_level
from ..errors import MoleculeError, UsageError
from ..language.vocabulary import Ids, Vocabulary
from ..nn import decoding
from ..nn.decoding import Written
from ..nn.posterior import standard_normal
from ..nn.threads import Threads
from ..runtime.compilation import prepare_to_fork
from ..runtime.process_pool import chunked, default_workers, map_chunks
from ..storage.known_molecules import KnownMolecules
from ..training.schedules import generator_of
from .codec import Codec, Floats, Ints, Latents
from .reader import Reading, Sample, molecules_of, pairs_of

Item = TypeVar("Item")
Result = TypeVar("Result")

BLOCK = 1024
"""Molecules drawn together. Part of what a seed means: changing it changes the samples."""

PATIENCE = 50
"""Draws, for every molecule asked for, after which sampling gives up finding more distinct ones."""

PART = 256
"""Draws around latents that a thread takes at a time."""

LIKELY = 0.8
"""Share of draws that are expected to be kept while hardly any have been drawn."""

EMPTY, NOT_CANONICAL, REPEATED, KNOWN = (
    "no atoms",
    "SELFIES not canonical",
    "drawn before",
    "in the training set",
)
"""Reasons why a draw is left out."""


class SamplingParams(NamedTuple):
    """Everything that decides a draw besides its number.

    None stands for the model's own ``temperature`` and ``level``, the latter of models with noise
    levels; z comes from N(0, I), or, if
    ``learned``, from the Gaussian fitted to the posteriors in training
    (:class:`molvae.nn.posterior.Aggregate`)."""

    seed: int = 0
    temperature: float | None = None
    level: float | None = None
    learned: bool = False


class Filters(NamedTuple):
    """Draws left out besides those without atoms: ``known`` molecules, and all whose SELFIES is
    not canonical."""

    canonical: bool = True
    known: KnownMolecules | None = None


DEFAULT_PARAMS, DEFAULT_FILTERS = SamplingParams(), Filters()


@dataclass
class Tally:
    """Counts of molecules drawn, kept, and dropped by reason; drawn = kept + dropped."""

    drawn: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def likely(self, n: int) -> int:
        """The expected number of draws until ``n`` are kept, by the share kept so far."""
        share = (self.kept + LIKELY * BLOCK) / (self.drawn + BLOCK)
        return self.drawn + math.ceil((n - self.kept) / share)

    def take(self, one: Sample | str, seen: set[int] | None) -> Sample | None:
        """Count a draw, or the reason why it is left out.

        Returns the draw if its molecule is new to ``seen``, hashes of molecules, or that is None.
        """
        self.drawn += 1
        if seen is not None and not isinstance(one, str):
            number = smiles_hash(one.smiles)
            one = REPEATED if number in seen else one
            seen.add(number)
        if isinstance(one, str):
            self.dropped[one] += 1
            return None
        self.kept += 1
        return one


def resolve_level(codec: Codec, level: float | None) -> float | None:
    """The noise level that a model samples at; UsageError if it has no such level.

    None stands for the default of a model with levels, and for the one level of any other."""
    codec.check_level(level)
    if not codec.levels or level is not None:
        return level
    return min(prior_level(codec.latent), codec.highest_level)


def resolved(codec: Codec, params: SamplingParams) -> SamplingParams:
    """The parameters with this model's temperature and noise level; UsageError if one is out of
    bounds."""
    temperature = params.temperature
    if temperature is None:
        temperature = codec.saved.config.model.temperature
    if not 0.0 <= temperature <= MAX_TEMPERATURE:
        raise UsageError(
            f"`temperature` (={temperature}) must lie between 0 and {MAX_TEMPERATURE:g}"
        )
    if not 0 <= params.seed < 2**63:
        raise UsageError(f"`seed` (={params.seed}) must lie between 0 and 2^63 - 1")
    level = resolve_level(codec, params.level)
    return params._replace(temperature=temperature, level=level)


@torch.no_grad()
def draw_block(codec: Codec, params: SamplingParams, block: int) -> Written:
    """Block number ``block`` of the molecules of a seed, as symbols."""
    model, seed = codec.model, params.seed
    assert params.temperature is not None, "parameters are those of `resolved`"
    noise = standard_normal((BLOCK, codec.latent), generator_of(seed, block)).to(model.device)
    z = model.posterior.prior(noise, params.learned, params.level)
    return decoding.write(
        model,
        codec.vocabulary,
        z,
        params.temperature,
        seed,
        block * BLOCK,
        params.level,
    )


def draw_blocks(
    codec: Codec,
    params: SamplingParams,
    numbers: Iterable[int],
    count: int,
    likely: Callable[[], int] | None = None,
) -> Iterator[Written]:
    """The blocks ``numbers``, ``count`` of them, in order; threads draw some while others are used.

    No more are begun ahead than the ``likely`` number of blocks that will be asked for: one that is
    being drawn cannot be stopped."""
    with Threads(codec.model.device, 128 * count) as threads:
        waiting: list[Future[Written]] = []
        for begun, number in enumerate(numbers):
            while waiting and (
                len(waiting) > threads.count or (likely is not None and begun >= likely())
            ):
                yield waiting.pop(0).result()
            waiting.append(threads.submit(draw_block, codec, params, number))
        while waiting:
            yield waiting.pop(0).result()


def to_samples(
    written: Sequence[tuple[Ids, float]],
    vocabulary: Vocabulary,
    filters: Filters | None,
) -> list[Sample | str]:
    """Draws as molecules; a reason in place of one that ``filters`` leave out, if there are any."""
    samples = molecules_of(written, vocabulary)
    found = list[Sample | str](samples)
    if filters is None:
        return found
    left = []
    for place, one in enumerate(samples):
        if not one.smiles:
            found[place] = EMPTY
        elif filters.canonical and not one.canonical:
            found[place] = NOT_CANONICAL
        else:
            left.append(place)
    if filters.known is not None:
        hashes = np.array([smiles_hash(samples[place].smiles) for place in left], np.uint64)
        for place in compress(left, filters.known.contains(hashes)):
            found[place] = KNOWN
    return found


def draws(
    codec: Codec,
    params: SamplingParams,
    numbers: Iterable[int],
    count: int,
    filters: Filters | None,
    workers: int,
    likely: Callable[[], int] | None = None,
) -> Iterator[Sample | str]:
    """Every draw of the blocks ``numbers``, ``count`` of them, in order, as :func:`to_samples`
    gives it; threads draw ahead as in :func:`draw_blocks`.

    Of ``workers`` processes on a CPU each draws blocks of its own and makes molecules of them, on
    one thread: processes share no interpreter and no cache, and threads that draw for them were
    measured to cost a third more (benchmarks/LOG.md). A GPU draws for all of them."""
    params = resolved(codec, params)
    if workers > 1 and codec.model.device.type == "cpu":
        work = partial(draw_samples, codec, params, filters)
        return chain.from_iterable(one_by_one(codec, work, numbers, workers))
    written = draw_blocks(codec, params, numbers, count, likely)
    pairs = chain.from_iterable(map(pairs_of, written))
    finish = partial(to_samples, vocabulary=codec.vocabulary, filters=filters)
    return chain.from_iterable(map_chunks(finish, chunked(pairs, BLOCK // 4), workers))


def one_by_one(
    codec: Codec,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int | None = None,
) -> Iterator[Result]:
    """``function`` of each item, in order. On a CPU each of ``workers`` processes works at an item
    of its own: threads of one wait for the interpreter at every step of a small batch, so that two
    cores do the work of one and a third."""
    workers = default_workers() if workers is None else workers
    if codec.model.device.type != "cpu":
        workers = 1
    if workers > 1:
        prepare_to_fork()
    return map_chunks(partial(_of_the_only, function), ([item] for item in items), workers)


def _of_the_only(function: Callable[[Item], Result], items: list[Item]) -> Result:
    (item,) = items
    return function(item)


def attempt(
    function: Callable[[Item], Result], item: Item | MoleculeError
) -> Result | MoleculeError:
    """``function`` of an item, or the MoleculeError that it raises or that the item is."""
    if isinstance(item, MoleculeError):
        return item
    try:
        return function(item)
    except MoleculeError as error:
        return error


def draw_samples(
    codec: Codec, params: SamplingParams, filters: Filters | None, number: int
) -> list[Sample | str]:
    """The draws of block ``number``; runs in a worker process."""
    written = draw_block(codec, resolved(codec, params), number)
    return to_samples(pairs_of(written), codec.vocabulary, filters)


def sample(
    codec: Codec,
    n: int,
    params: SamplingParams = DEFAULT_PARAMS,
    filters: Filters | None = DEFAULT_FILTERS,
    *,
    workers: int | None = None,
    tally: Tally | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Iterator[Sample]:
    """``n`` distinct valid molecules drawn from the prior, in the order drawn.

    With ``filters`` None the first ``n`` draws are given as they are, repeated and empty ones
    included. Fewer than ``n`` come when :data:`PATIENCE` draws for each have not found them;
    ``tally`` counts draws, and drops by reason."""
    if n < 0:
        raise UsageError(f"`n` (={n}) must be at least 0")
    tally = Tally() if tally is None else tally
    seen = None if filters is None else set[int]()
    blocks = -(-n // BLOCK) * (1 if filters is None else PATIENCE)
    workers = (default_workers() if n > 4 * BLOCK else 1) if workers is None else workers

    def likely() -> int:
        return -(-tally.likely(n) // BLOCK)

    for one in draws(codec, params, range(blocks), blocks, filters, workers, likely):
        found = tally.take(one, seen)
        if found is None:
            continue
        progress(1)
        yield found
        if tally.kept == n:
            return


def draw_around(
    codec: Codec,
    means: Latents,
    levels: Floats,
    seed: int,
    first: int = 0,
    filters: Filters = DEFAULT_FILTERS,
    given: Ints | None = None,
) -> Sequence[Sample | str]:
    """Draw a molecule around each posterior mean ``(B, Z)``, at its noise level ``(B,)``; see
    :func:`draw_at`.

    Means are as :meth:`Codec.encode` gives them, at the highest level; z = a mu + sqrt(1 - a²)
    noise at level a, from N(0, I) at 0 to the posterior at the highest."""
    noise = standard_normal((len(means), codec.latent), generator_of(seed, first)).numpy()
    return draw_at(codec, noised(codec, means, levels, noise), levels, seed, first, filters, given)


def noised(codec: Codec, means: Latents, levels: Floats, noise: Latents) -> Latents:
    """Latents at noise levels ``(B,)`` from posterior means and standard normal noise ``(B, Z)``,
    the former those of the highest level."""
    directions = codec.check_latents(means).cpu().numpy() / codec.highest_level
    level = levels.astype(np.float32)[:, None]
    z: Latents = level * directions + np.sqrt(1.0 - level**2) * noise
    return z


@torch.no_grad()
def draw_at(
    codec: Codec,
    latents: Latents,
    levels: Floats,
    seed: int,
    first: int = 0,
    filters: Filters = DEFAULT_FILTERS,
    given: Ints | None = None,
) -> Sequence[Sample | str]:
    """Draw a molecule from each latent ``(B, Z)``, at its noise level ``(B,)``.

    Each is a sample, or the reason why ``filters`` leave it out; it begins with its ids in
    ``given``, see :func:`molvae.nn.decoding.write`. A draw depends on the seed and on its number
    alone, from ``first`` on."""
    z = codec.check_latents(latents)
    level = torch.from_numpy(levels).to(z)[:, None]

    def draw(start: int) -> list[Sample | str]:
        part = slice(start, start + PART)
        begun = None if given is None else torch.from_numpy(given[part]).to(z.device)
        model, number = codec.model, first + start
        written = decoding.write(
            model, codec.vocabulary, z[part], 1.0, seed, number, level[part], begun
        )
        return to_samples(pairs_of(written), codec.vocabulary, filters)

    with Threads(codec.model.device, len(z)) as threads:
        parts = threads.map(draw, range(0, len(z), PART))
    return [one for part in parts for one in part]


def given_of(reading: Reading, kept: int, gap: int, more: int = 0) -> Ints:
    """The ids of a molecule that a draw is given, ``(S + 1,)``, -1 where the model writes: after
    the first ``kept`` it writes ``more`` than the ``gap`` ids that are left out, one at least, or
    all that follows where there is no gap."""
    given = np.full(len(reading.ids) + 1, -1)
    given[:kept] = reading.ids[:kept]
    if gap:
        rest = reading.ids[kept + gap :]
        start = kept + max(1, gap + more)
        given[start : start + len(rest)] = rest
    return given


def gap_in(reading: Reading, gap: int, rng: np.random.Generator) -> Ints:
    """The ids of a molecule but for a ``gap`` of so many, anywhere, as :func:`given_of` has them;
    one less is written there, as many, or one more."""
    gap = min(gap, len(reading.ids))
    kept = int(rng.integers(len(reading.ids) - gap + 1))
    return given_of(reading, kept, gap, int(rng.integers(-1, 2)))


def padded(given: Sequence[Ints]) -> Ints:
    """The ids given to each of some draws as one table, ``(B, S)``, -1 after their end."""
    table = np.full((len(given), max(map(len, given), default=0)), -1)
    for row, ids in zip(table, given, strict=True):
        row[: len(ids)] = ids
    return table


def shares(hits: NDArray[Any], tried: NDArray[Any], count: int) -> Ints:
    """The level of each of ``count`` draws, ``(B,)``: in proportion to the square of what each
    level has yielded, so that most go where most was found and none is given up.

    >>> shares(np.zeros(4), np.zeros(4), 4).tolist()
    [0, 1, 2, 3]
    """
    rate = (hits + 0.5) / (tried + 1.0)
    weight = np.cumsum(rate**2 / (rate**2).sum())
    places: Ints = np.searchsorted(weight, (np.arange(count) + 0.5) / count)
    return np.minimum(places, len(hits) - 1)
