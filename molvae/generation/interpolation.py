"""The way through latent space from one molecule to another.

The first and the last molecule of a path are those that were given. Along most of the line between
their latents the decoder is sure of one of the two, and within a tenth of it changes to the other.
So many molecules are gathered along the line, by beams at the highest noise level and by draws at
lower ones, and the path is the best chain through them: small steps, always on from the start
towards the end. Where a step is large, more are drawn between its two molecules, half of them as
one of the two but for a gap.

    N molecules gathered, Z latent
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..chem.drawing import Picture, draw_strip
from ..chem.fingerprints import LEAD_BITS, all_similarities, fingerprint_of_text, tanimoto
from ..chem.molecule_list import MoleculeList
from ..errors import MoleculeError, UsageError
from .beam_search import beam_search
from .codec import Codec, Ints, Latents, lerp, slerp
from .reader import Sample, read_known
from .rebuilding import rebuild
from .sampling import attempt, draw_around, gap_in, one_by_one, padded

WIDTH = 20
"""Prefixes of the beam at each point of the line."""

POINTS = 101
"""Points of the line, at most, at which molecules are gathered."""

LEVELS = (0.95, 0.85, 0.75)
"""Noise levels of the draws, as shares of the model's highest."""

DRAWS = 2
"""Draws at each point and level."""

GAPS = 3
"""Largest steps that more molecules are drawn for, in each of :data:`ROUNDS` rounds."""

ROUNDS = 4
BETWEEN = (0.25, 0.5, 0.75)
"""Places between the two molecules of such a step, at which they are drawn."""

POWER = 4.5
"""Power of a step's length in the cost of a path: a higher one makes the worst step of a path
shorter and the mean step longer (benchmarks/LOG.md)."""

GAP_LEVELS = tuple(np.linspace(0.6, 0.95, 28).tolist())

LONGEST_GAP = 4
"""Symbols, at most, that every second of these draws leaves out of one of the two molecules."""


class Point(NamedTuple):
    """One molecule of a path.

    ``t`` runs from 0 to 1; similarities are Tanimoto of Morgan fingerprints (radius 2, 2048 bits),
    the last to the molecule before (1 for the first). ``reproduced`` is for the molecules given:
    "yes" if the model decodes their latent to them, else "no"."""

    step: int
    t: float
    smiles: str
    tanimoto_start: float
    tanimoto_end: float
    tanimoto_previous: float
    reproduced: str


class Points(MoleculeList[Point]):
    """The molecules of a path, from its start to its end."""

    def picture(self) -> Picture:
        """The path as a strip, with its similarities; runs of one molecule are drawn once."""
        runs = [next(run) for _, run in groupby(self, key=lambda point: point.smiles)]
        shown = [self[0], *runs[1:-1], self[-1]]
        legends = [
            f"{point.step}: to start {point.tanimoto_start:.2f}, to end {point.tanimoto_end:.2f}"
            for point in shown
        ]
        curves = (
            ("Tanimoto similarity to the start", [point.tanimoto_start for point in self]),
            ("to the end", [point.tanimoto_end for point in self]),
        )
        return draw_strip([point.smiles for point in shown], legends, curves=curves)


PATHS = {"slerp": slerp, "lerp": lerp}


def interpolate(codec: Codec, *molecules: str, steps: int = 11, path: str = "slerp") -> Points:
    """The molecules from the first to the last of those given, by way of the others: ``steps`` of
    them from each to the next, both included. MoleculeError for one that the model cannot read."""
    if len(molecules) < 2:
        raise UsageError("a path needs two molecules at least, its start and its end")
    if steps < 2:
        raise UsageError(f"`steps` (={steps}) must be at least 2, the two ends")
    if path not in PATHS:
        raise UsageError(f"`path` (={path!r}) must be {' or '.join(PATHS)}")
    readings = codec.read(molecules)
    latents = codec.encode_readings(readings)
    written = zip(readings, rebuild(codec, latents, workers=1), strict=True)
    words = ["yes" if reading.smiles == own.smiles else "no" for reading, own in written]
    chain, said = [readings[0].smiles], words[:1]
    for number, (one, other) in enumerate(pairwise(readings)):
        ends = latents[number], latents[number + 1]
        curve = np.array([PATHS[path](*ends, t) for t in np.linspace(0, 1, min(steps, POINTS))])
        chain += walk(codec, one.smiles, other.smiles, curve, steps)[1:]
        said += [*[""] * (steps - 2), words[number + 1]]
    last = len(chain) - 1
    points = [
        Point(
            step,
            step / last,
            smiles,
            tanimoto(smiles, chain[0]),
            tanimoto(smiles, chain[-1]),
            tanimoto(smiles, chain[max(0, step - 1)]),
            word,
        )
        for step, (smiles, word) in enumerate(zip(chain, said, strict=True))
    ]
    return Points(points, Point._fields)


def paths_of_each(
    codec: Codec,
    ends: Iterable[tuple[str, ...] | MoleculeError],
    steps: int = 11,
    path: str = "slerp",
    workers: int | None = None,
) -> Iterator[Points | MoleculeError]:
    """The path of :func:`interpolate` through each tuple of molecules, in order, or why there is
    none, as which an error among them stays; the same for any number of ``workers``, see
    :func:`~.sampling.one_by_one`."""
    return one_by_one(codec, partial(attempt, partial(_path, codec, steps, path)), ends, workers)


def _path(codec: Codec, steps: int, path: str, ends: tuple[str, ...]) -> Points:
    return interpolate(codec, *ends, steps=steps, path=path)


def walk(codec: Codec, start: str, end: str, curve: Latents, steps: int) -> list[str]:
    """``steps`` molecules from ``start`` to ``end``, gathered along the latents ``curve`` ``(P,
    Z)`` between them."""
    if start == end:
        return [start] * steps
    if steps == 2:
        return [start, end]
    gathered = Gathered([start, end])
    for beam in beam_search(codec, codec.check_latents(curve[1:-1]), WIDTH):
        gathered.add(one.smiles for one in beam if one.canonical)
    gathered.add(around(codec, curve, LEVELS * DRAWS, 0))
    chain = best_chain(gathered.alike, steps)
    for number in range(ROUNDS):
        gathered.add(between(codec, gathered, chain, number + 1))
        chain = best_chain(gathered.alike, steps)
    return [gathered.smiles[place] for place in chain]


class Gathered:
    """Molecules gathered for a path, each once, and the similarities ``alike`` ``(N, N)`` of all
    pairs."""

    def __init__(self, molecules: Iterable[str]) -> None:
        self.smiles: list[str] = []
        self.bits = np.zeros((0, LEAD_BITS // 64), np.uint64)
        self.alike = np.zeros((0, 0), np.float32)
        self.add(molecules)

    def add(self, molecules: Iterable[str]) -> None:
        """Add those, as RDKit writes them, that are not there."""
        before, there = len(self.smiles), set(self.smiles)
        new = [one for one in dict.fromkeys(molecules) if one not in there]
        if not new:
            return
        bits = np.stack([fingerprint_of_text(one, LEAD_BITS) for one in new])
        self.smiles += new
        self.bits = np.concatenate([self.bits, bits])
        sides = all_similarities(bits, self.bits)  # (new, N)
        table = np.empty((len(self.smiles), len(self.smiles)), np.float32)
        table[:before, :before] = self.alike
        table[before:], table[:, before:] = sides, sides.T
        self.alike = table


def between(codec: Codec, gathered: Gathered, chain: Sequence[int], seed: int) -> list[str]:
    """Molecules drawn between those of the largest steps of a chain."""
    steps = [gathered.alike[one, other] for one, other in pairwise(chain)]
    largest = np.argsort(steps, kind="stable")[:GAPS]
    sides = [gathered.smiles[chain[place + side]] for place in largest for side in (0, 1)]
    readings = read_known(codec.reader, sides)
    if len(readings) < len(sides):
        return []  # it writes larger molecules than it reads
    z = codec.encode_readings(readings)
    curve, given, rng = [], [], np.random.default_rng(seed)
    for side in range(0, len(sides), 2):
        for t in BETWEEN:
            curve.append(slerp(z[side], z[side + 1], t))
            for number in range(len(GAP_LEVELS)):
                reading = readings[side + int(rng.random() < t)]
                gap = gap_in(reading, int(rng.integers(1, LONGEST_GAP + 1)), rng)
                given.append(gap if number % 2 else gap[:0])
    return around(codec, np.array(curve), GAP_LEVELS, seed, padded(given))


def around(
    codec: Codec,
    means: Latents,
    levels: Sequence[float],
    seed: int,
    given: Ints | None = None,
) -> list[str]:
    """Molecules drawn around each of ``means`` ``(P, Z)``, one at each of ``levels``; ``given`` as
    :func:`draw_around` takes it."""
    every = codec.highest_level * np.tile(np.array(levels), len(means))
    drawn = draw_around(codec, means.repeat(len(levels), axis=0), every, seed, given=given)
    return [one.smiles for one in drawn if isinstance(one, Sample)]


def best_chain(alike: NDArray[np.floating[Any]], steps: int) -> list[int]:
    """The best chain of ``steps`` molecules from the first to the second, by the similarities
    ``alike`` ``(N, N)``.

    Each molecule must be further on the way than the one before: more similar to the end, less to
    the start, or more the one than less the other. So none comes twice. The sum of (1 -
    similarity) to the :data:`POWER` is the least possible, by dynamic programming: the power makes
    one large step dearer than several small ones. Where too few molecules are on the way, some
    stand twice."""
    count = len(alike)
    way = alike[1] - alike[0]
    cost = np.where(way[:, None] < way, (1.0 - alike) ** POWER, np.inf)
    cost[:, 0] = cost[1] = np.inf  # nothing before the start, nothing after the end
    cost[0, 1] = (1.0 - alike[0, 1]) ** POWER  # also where both have the same fingerprint
    total = np.full(count, np.inf, cost.dtype)
    total[0] = 0.0
    before: list[Ints] = []
    reached = 0
    for length in range(1, min(steps, count)):
        sums = total[:, None] + cost
        before.append(sums.argmin(0))
        total = sums[before[-1], np.arange(count)]
        reached = length if np.isfinite(total[1]) else reached
    chain = [1]
    for back in reversed(before[:reached]):
        chain.append(int(back[chain[-1]]))
    chain.reverse()
    return [chain[round(step * reached / (steps - 1))] for step in range(steps)]
