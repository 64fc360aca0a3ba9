"""Samples whose properties lie inside windows, by regression of properties on latents.

The first draws are the prior's. Properties are then regressed on the latents of the molecules that
were drawn, at every noise level, and of many latents those are decoded for which the regression
gives the conditions the highest probability. Latents come from the prior and from around molecules
that met the conditions, at levels at which most new ones are found; some draws begin as such a
molecule does, some have a gap of their own in its symbols, and some go on coming from the prior
alone.

    N molecules, C conditions, Z latent
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import torch

from ..chem.properties import Condition, Conditions
from .codec import Codec, Floats, Ints, Latents
from .reader import Sample, read_known
from .sampling import (
    DEFAULT_FILTERS,
    DEFAULT_PARAMS,
    Filters,
    SamplingParams,
    draw_at,
    draw_samples,
    gap_in,
    given_of,
    noised,
    padded,
    shares,
)

ROUND = 256
"""Draws of a round of chosen latents. Part of what a seed means."""

PRIOR_ROUNDS = 32
"""One block of the prior is drawn in every so many rounds, so that new regions are found."""

FIRST = 1024
"""Molecules of the prior that the regression is of."""

LEAST = 32
"""Molecules without which there is no regression."""

MOST_BLOCKS = 8
"""Blocks of the prior, at most, that come before the regression."""

SEEDS = 256
"""Molecules, at most, that a round draws around: those found last."""


class Arm(NamedTuple):
    """A way of drawing: the noise level, as a share of the highest; latents ``around`` molecules
    found, or else of the prior; the share of such a molecule's symbols that the draw begins with;
    or, with a ``gap``, the number of its symbols that are written anew, from any place on."""

    level: float
    around: bool
    share: float = 0.0
    gap: int = 0


ARMS = (
    *(Arm(level, False) for level in (0.5, 0.7, 0.8)),
    *(Arm(level, True) for level in (0.4, 0.5, 0.6, 0.7, 0.8)),
    *(Arm(0.6, True, share) for share in (0.4, 0.6, 0.8)),
    *(Arm(0.4, True, gap=gap) for gap in (1, 2, 3)),
)

CANDIDATES = 64
"""Latents of which one is chosen."""

WIDTHS, PENALTIES = (0.7, 1.0, 1.5), (0.01, 0.1, 0.5)
"""Widths of the kernel, and penalties, that are tried."""

PATIENCE = 200
"""Draws, for every molecule asked for, after which the search ends."""


@dataclass
class Hits:
    """Molecules drawn (canonical SELFIES), and those of them that were new and met the conditions,
    by arm ``(A + 1,)``: those of :data:`ARMS`, and last the prior. ``draws`` are all draws."""

    draws: int = 0
    tried: Ints = field(default_factory=lambda: np.zeros(len(ARMS) + 1, np.int64))
    yielded: Ints = field(default_factory=lambda: np.zeros(len(ARMS) + 1, np.int64))


class Regression(NamedTuple):
    """Kernel ridge regression of C properties on latents of one level, with Gaussian residuals.

    The kernel of two latents is exp(-d² / (2 w² Z)), d their distance."""

    latents: Latents  # (N, Z)
    width: float
    mean: Floats  # (C,)
    weights: Floats  # (N, C)
    deviation: Floats  # (C,)

    def log_probability(self, z: Latents, windows: Sequence[Condition]) -> Floats:
        """Log probability that all properties lie inside their windows, ``(N,)`` from ``(N, Z)``,
        as if independent."""
        expected = self.mean + gaussian_kernel(z, self.latents, self.width) @ self.weights
        total = np.zeros(len(z))
        for place, window in enumerate(windows):
            # A window of one value, such as rings=3, has no width of its own.
            slack = 0.1 * self.deviation[place]
            below, above = (
                torch.from_numpy((bound - expected[:, place]) / self.deviation[place])
                for bound in (window.low - slack, window.high + slack)
            )
            # Both bounds on the left, where the logarithm of the distribution is exact.
            right = below > 0
            below, above = torch.where(right, -above, below), torch.where(right, -below, above)
            lower, upper = torch.special.log_ndtr(below), torch.special.log_ndtr(above)
            total += (upper + torch.log1p(-torch.exp(lower - upper))).numpy()
        return total


def gaussian_kernel(z: Latents, others: Latents, width: float) -> Floats:
    """The kernel of all pairs, ``(N, M)``, see :class:`Regression`."""
    squares = (z**2).sum(1)[:, None] + (others**2).sum(1) - 2.0 * (z @ others.T)
    table: Floats = np.exp(squares / (-2.0 * width**2 * z.shape[1]))
    return table


def regress(z: Latents, values: Floats) -> Regression:
    """The regression of values ``(N, C)`` on latents ``(N, Z)``; nan, which is no value, is taken
    as the mean. Width and penalty are those with the least error when each molecule is left out."""
    there = np.isfinite(values)
    count = np.maximum(there.sum(0), 1)
    mean = np.where(there, values, 0.0).sum(0) / count
    y = np.where(there, values - mean, 0.0)
    scale = np.maximum(np.sqrt((y**2).mean(0)), 1e-9)
    found: list[tuple[float, Regression]] = []
    for width in WIDTHS:
        table = gaussian_kernel(z, z, width)
        for penalty in PENALTIES:
            inverse = np.linalg.inv(table + penalty * np.eye(len(z)))
            weights = np.asarray(inverse @ y, np.float64)
            errors = np.sqrt(((weights / np.diag(inverse)[:, None]) ** 2).mean(0))
            deviation: Floats = np.maximum(errors, 1e-9)
            made = Regression(z, width, mean, weights, deviation)
            found.append((float((errors / scale).sum()), made))
    return min(found, key=itemgetter(0))[1]


@dataclass
class Learned:
    """Posterior means of molecules ``(N, Z)``, and values of the conditions' properties ``(N,
    C)``."""

    means: Latents
    values: Floats
    regressions: dict[float, Regression] = field(default_factory=dict)

    def add(self, codec: Codec, molecules: Sequence[str], conditions: Conditions) -> None:
        """Add molecules that the model reads, up to :data:`FIRST` in all."""
        readings = read_known(codec.reader, molecules)[: FIRST - len(self.means)]
        values = [conditions.values(one.smiles) for one in readings]
        self.means = np.concatenate([self.means, codec.encode_readings(readings)])
        self.values = np.concatenate(
            [self.values, np.array(values).reshape(-1, self.values.shape[1])]
        )
        self.regressions = {}

    def regression(self, codec: Codec, level: float) -> Regression:
        """The regression on latents at a noise level."""
        if level not in self.regressions:
            noise = np.random.default_rng(0).standard_normal(self.means.shape, np.float32)
            z = noised(codec, self.means, np.full(len(self.means), level), noise)
            self.regressions[level] = regress(z, self.values)
        return self.regressions[level]


def sample_within(
    codec: Codec,
    n: int,
    conditions: Conditions,
    params: SamplingParams = DEFAULT_PARAMS,
    filters: Filters = DEFAULT_FILTERS,
    hits: Hits | None = None,
) -> Iterator[Sample]:
    """``n`` distinct molecules that meet the conditions, as they are found; fewer when
    :data:`PATIENCE` draws for each have not found them. ``hits`` counts draws."""
    hits = Hits() if hits is None else hits
    columns = len(conditions.windows)
    learned = Learned(np.zeros((0, codec.latent), np.float32), np.zeros((0, columns)))
    found: dict[str, Sample] = {}
    seen: set[str] = set()
    number = block = 0
    while len(found) < n and hits.draws < PATIENCE * n + ROUND:
        early = columns and len(learned.means) < FIRST and block < MOST_BLOCKS
        regressed = columns and len(learned.means) >= LEAST
        if early or number % PRIOR_ROUNDS == 0 or not (regressed or found):
            drawn: Sequence[Sample | str] = draw_samples(codec, params, filters, block)
            arms, block = np.full(len(drawn), len(ARMS)), block + 1
            if columns and len(learned.means) < FIRST:
                fresh = dict.fromkeys(one.smiles for one in drawn if isinstance(one, Sample))
                learned.add(codec, [one for one in fresh if one not in seen], conditions)
        else:
            arms = arms_of(hits, bool(regressed), bool(found))
            rng = np.random.default_rng([params.seed, number])
            windows = conditions.windows if regressed else ()
            z, given = choose(codec, learned, arms, list(found)[-SEEDS:], windows, rng)
            levels = codec.highest_level * np.array([one.level for one in ARMS])[arms]
            first = number * ROUND
            drawn = draw_at(codec, z, levels, params.seed, first, filters, given)
        number += 1
        hits.draws += len(drawn)
        for one, arm in zip(drawn, arms, strict=True):
            if isinstance(one, str):
                continue
            hit = one.smiles not in seen and conditions.hold(one.smiles)
            seen.add(one.smiles)
            hits.tried[arm] += 1
            hits.yielded[arm] += hit
            if hit and len(found) < n:
                found[one.smiles] = one
                yield one


def arms_of(hits: Hits, from_prior: bool, around: bool) -> Ints:
    """The arm of each draw of a round, ``(ROUND,)``: those that have yielded most, most often."""
    arms = np.array(
        [place for place, arm in enumerate(ARMS) if (around if arm.around else from_prior)]
    )
    picked: Ints = arms[shares(hits.yielded[arms], hits.tried[arms], ROUND)]
    return picked


def choose(
    codec: Codec,
    learned: Learned,
    arms: Ints,
    molecules: Sequence[str],
    windows: Sequence[Condition],
    rng: np.random.Generator,
) -> tuple[Latents, Ints]:
    """A latent for each arm ``(B,)``, ``(B, Z)``: of the prior, or around ``molecules``, those for
    which the regression gives ``windows`` the highest probability; and the ids that each draw
    begins with, ``(B, S)``, -1 from where it goes on by itself."""
    readings = read_known(codec.reader, molecules)
    means = codec.encode_readings(readings)
    z = np.zeros((len(arms), codec.latent), np.float32)
    given: list[Ints] = [np.zeros(0, np.int64)] * len(arms)
    for place in np.unique(arms):
        arm, rows = ARMS[place], np.flatnonzero(arms == place)
        level = codec.highest_level * arm.level
        # What surrounds a gap keeps most of what met the conditions: nothing to choose.
        chosen = bool(windows) and not arm.gap
        size = len(rows) * (CANDIDATES if chosen else 1)
        candidates, owners = rng.standard_normal((size, codec.latent), np.float32), None
        if arm.around and len(means):
            owners = rng.integers(len(means), size=size)
            candidates = noised(codec, means[owners], np.full(size, level), candidates)
        order = np.arange(size)
        if chosen:
            good = learned.regression(codec, level).log_probability(candidates, windows)
            # Gumbel noise makes it a draw without replacement, in proportion to probability.
            order = np.argsort(-(good + rng.gumbel(size=size)), kind="stable")[: len(rows)]
        z[rows] = candidates[order]
        if owners is not None:
            for row, owner in zip(rows, owners[order], strict=True):
                one = readings[owner]
                if arm.gap:
                    given[row] = gap_in(one, arm.gap, rng)
                else:
                    given[row] = given_of(one, int(arm.share * len(one.ids)), 0)
    return z, padded(given)
