"""Samples whose properties lie inside windows: draws around those of the prior that do.

A draw of the prior that meets the conditions has neighbours in latent space that often meet them
too. So the first draws are the prior's; later ones are drawn around the molecules found so far, at
noise levels at which most new ones are found, and some go on coming from the prior.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from ..chem.properties import PROPERTIES
from ..errors import MoleculeError, UsageError
from .codec import Codec
from .reader import Reading, read_all
from .sampling import (
    DEFAULT_PARAMS,
    Filters,
    Sample,
    SamplingParams,
    draw_around,
    draw_samples,
    highest_level,
    resolved,
    shares,
)

ROUND = 768
"""Draws of a round around what was found. Part of what a seed means."""

PRIOR_ROUNDS = 4
"""One block of the prior is drawn in every so many rounds, so that new regions are found."""

SEEDS = 256
"""Molecules, at most, that a round draws around: those found last."""

LEVELS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Noise levels of these draws, as shares of the model's highest."""

PATIENCE = 200
"""Draws, for every molecule asked for, after which the search ends."""


class Condition(NamedTuple):
    """A property by its name in ``PROPERTIES``, and the window of its values, bounds included."""

    name: str
    low: float
    high: float

    def holds(self, mol: Chem.Mol) -> bool:
        """True for a molecule whose property has a value inside the window."""
        try:
            value = PROPERTIES[self.name].function(mol)
        except MoleculeError:
            return False
        return not isinstance(value, str) and self.low <= value <= self.high


def condition_of(text: str) -> Condition:
    """The condition in ``logp=2:3``, ``molwt=:400`` or ``rings=3``; UsageError if it is none.

    >>> condition_of("logp=2:3")
    Condition(name='logp', low=2.0, high=3.0)
    """
    name, equals, window = text.partition("=")
    low, colon, high = window.partition(":")
    try:
        bounds = float(low or "-inf"), float(high or ("inf" if colon else low))
    except ValueError:
        bounds = (1.0, 0.0)
    name = name.strip().lower()
    if not equals or not window or not bounds[0] <= bounds[1]:
        raise UsageError(f"{text!r} is no condition; write logp=2:3, molwt=:400 or qed=0.7:")
    if name not in PROPERTIES:
        raise UsageError(f"{name!r} is not a property; `molvae score --list` shows those there are")
    return Condition(name, *bounds)


@dataclass(frozen=True)
class Conditions:
    """Windows of properties, and a substructure (SMARTS) if one is given."""

    windows: tuple[Condition, ...] = ()
    keep: str = ""

    def __post_init__(self) -> None:
        if self.keep and Chem.MolFromSmarts(self.keep) is None:
            raise UsageError(f"{self.keep}: is no SMARTS pattern")

    def hold(self, smiles: str) -> bool:
        """True for a molecule that meets all of them."""
        with BlockLogs():
            mol = Chem.MolFromSmiles(smiles)
        if self.keep and not mol.HasSubstructMatch(Chem.MolFromSmarts(self.keep)):
            return False
        return all(one.holds(mol) for one in self.windows)


@dataclass
class Hits:
    """Draws, and those of them that were new molecules that met the conditions, of the prior and
    around what was found; the latter also by level."""

    prior: int = 0
    prior_hits: int = 0
    around: int = 0
    around_hits: int = 0
    tried: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(LEVELS)))
    yielded: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(LEVELS)))

    @property
    def draws(self) -> int:
        """All draws."""
        return self.prior + self.around


def sample_within(
    codec: Codec,
    n: int,
    conditions: Conditions,
    params: SamplingParams = DEFAULT_PARAMS,
    filters: Filters | None = None,
    hits: Hits | None = None,
) -> Iterator[Sample]:
    """``n`` distinct molecules that meet the conditions, as they are found; fewer when
    :data:`PATIENCE` draws for each have not found them. ``hits`` counts draws."""
    params, filters = resolved(codec, params), Filters() if filters is None else filters
    hits = Hits() if hits is None else hits
    found: dict[str, Sample] = {}
    seen: set[str] = set()
    number = block = 0
    while len(found) < n and hits.draws < PATIENCE * n + ROUND:
        choice = np.full(ROUND, -1)
        if not found or number % PRIOR_ROUNDS == 0:
            drawn: Sequence[Sample | str] = draw_samples(codec, params, filters, [block])
            choice, block = np.full(len(drawn), -1), block + 1
        else:
            choice = np.random.default_rng([params.seed, number]).permutation(
                shares(hits.yielded, hits.tried, ROUND)
            )
            drawn = draw_near(codec, list(found)[-SEEDS:], choice, params.seed, number, filters)
        number += 1
        for one, place in zip(drawn, choice.tolist(), strict=False):
            count(hits, place, 0)
            if isinstance(one, str) or one.smiles in seen:
                continue
            seen.add(one.smiles)
            if not conditions.hold(one.smiles):
                continue
            count(hits, place, 1)
            if len(found) < n:
                found[one.smiles] = one
                yield one


def count(hits: Hits, place: int, hit: int) -> None:
    """Count a draw, or a hit, of the level number ``place``; -1 for the prior."""
    if place < 0:
        hits.prior, hits.prior_hits = hits.prior + 1 - hit, hits.prior_hits + hit
        return
    hits.around, hits.around_hits = hits.around + 1 - hit, hits.around_hits + hit
    hits.tried[place] += 1 - hit
    hits.yielded[place] += hit


def draw_near(
    codec: Codec,
    molecules: Sequence[str],
    choice: NDArray[np.int64],
    seed: int,
    number: int,
    filters: Filters,
) -> Sequence[Sample | str]:
    """A round of draws around molecules, each in turn, at the levels of their numbers ``choice``
    ``(B,)``."""
    readings = [one for one in read_all(codec.reader, molecules, 1) if isinstance(one, Reading)]
    if not readings:
        return []
    means = np.resize(codec.encode_readings(readings), (len(choice), codec.latent))
    levels = highest_level(codec) * np.array(LEVELS)[choice]
    return draw_around(codec, means, levels, seed, number * ROUND, filters.known)
