"""Analogs of a lead: distinct molecules inside a window of similarity, drawn around its latent.
Latent arithmetic: molecules near a sum of latents.

The noise level is the radius: draws at a high level are the lead and its nearest neighbours, draws
at a low one are any molecules. Some draws begin as the lead does, and some have a gap of their own
in its symbols: of a large lead, which one slip makes another molecule, hardly any others are near.
Which ways reach the window differs from lead to lead, so a first round tries all of them, and later
rounds draw most where most was found.

    B draws of a round, N molecules, S symbols, Z latent
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from ..chem.fingerprints import tanimoto
from ..chem.properties import Conditions, scaffold
from ..errors import MoleculeError, UsageError
from ..storage.known_molecules import KnownMolecules
from .beam_search import beam_search
from .codec import Codec
from .reader import Reading, Sample, read_known
from .rebuilding import WIDE
from .sampling import Filters, attempt, draw_around, given_of, one_by_one, shares

ROUND = 512
"""Draws of a round. Part of what a seed means: changing it changes the analogs."""

DRAWS = 20 * ROUND
"""Draws after which the search for more analogs of a lead ends."""

SUM = 512
"""Draws around a sum of latents."""

LEVELS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Noise levels tried, as shares of the model's highest."""

SHARED_LEVEL, SHARES = 0.6, (0.4, 0.6, 0.8)
"""The level of draws that begin as the lead does, and the shares of its symbols that they keep."""

GAP_LEVEL, GAPS = 0.4, (1, 2, 3)
"""The level of draws with a gap, and the number of the lead's symbols that the gap takes out."""

TESTED = 4
"""Molecules whose SELFIES was not canonical that are tested for one that is missing."""


class Arm(NamedTuple):
    """A way of drawing: the noise level, as a share of the highest, the number of the lead's ids
    that are ``kept`` before the model writes, and that of those it writes anew in a ``gap``; it
    writes all that follows where there is no gap."""

    level: float
    kept: int = 0
    gap: int = 0


class Analog(NamedTuple):
    """An analog: its SMILES, similarity to the lead, the level of its draw, and log p(x|z) of that
    draw in nats."""

    smiles: str
    tanimoto: float
    level: float
    log_likelihood: float


@dataclass(frozen=True)
class Wanted:
    """Conditions of an analog: Tanimoto similarity of Morgan fingerprints (radius 2, 2048 bits)
    from ``low`` to ``high``, the lead's own Murcko scaffold if ``keep_scaffold``, the substructure
    ``keep`` (SMARTS) if given, and none of the ``known`` molecules."""

    low: float = 0.4
    high: float = 0.7
    keep_scaffold: bool = False
    keep: str = ""
    known: KnownMolecules | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.high <= 1.0:
            raise UsageError(
                f"the window of similarity must lie between 0 and 1, not {self.low:g}:{self.high:g}"
            )
        Conditions(keep=self.keep)  # a UsageError for what is no pattern

    def test_for(self, lead: str) -> Callable[[str], float | None]:
        """The function that gives the similarity of a molecule to ``lead``, both canonical SMILES;
        None if it is none of those wanted. MoleculeError for the scaffold of a lead without a ring.
        """
        conditions = Conditions(keep=self.keep)
        kept = scaffold(Chem.MolFromSmiles(lead)) if self.keep_scaffold else ""
        if self.keep_scaffold and not kept:
            raise MoleculeError("has no ring, and so no scaffold to keep", lead)

        def test(smiles: str) -> float | None:
            alike = tanimoto(smiles, lead)
            if not self.low <= alike <= self.high or not conditions.hold(smiles):
                return None
            if kept:
                with BlockLogs():
                    mol = Chem.MolFromSmiles(smiles)
                return alike if scaffold(mol) == kept else None
            return alike

        return test


def analogs(
    codec: Codec,
    lead: Reading,
    n: int,
    wanted: Wanted,
    seed: int = 0,
    draws: int = DRAWS,
) -> tuple[list[Analog], int]:
    """At most ``n`` analogs of a lead, the most similar first, and the draws that it took."""
    if n < 1 or draws < 1:
        raise UsageError(f"`n` (={n}) and `draws` (={draws}) must be at least 1")
    test, filters = wanted.test_for(lead.smiles), Filters(False, wanted.known)
    mean = codec.encode_readings([lead])  # (1, Z)
    arms = arms_of(len(lead.ids))
    levels = codec.highest_level * np.array([arm.level for arm in arms])
    hits, tried = np.zeros(len(arms)), np.zeros(len(arms))
    found: dict[str, Analog] = {}
    count, seen = 0, {lead.smiles}
    while count < draws and len(found) < n:
        choice = shares(hits, tried, min(ROUND, draws - count))
        # Of more than are missing those drawn first are taken: let these be of all ways.
        choice = np.random.default_rng([seed, count]).permutation(choice)
        around = mean.repeat(len(choice), axis=0)
        # One symbol less than is left out, as many, or one more.
        given = np.stack(
            [
                given_of(lead, arms[one].kept, arms[one].gap, row % 3 - 1)
                for row, one in enumerate(choice)
            ]
        )
        drawn = draw_around(codec, around, levels[choice], seed, count, filters, given)
        count += len(drawn)
        tried += np.bincount(choice, minlength=len(arms))
        inside: list[tuple[Sample, int, float]] = []
        for one, place in zip(drawn, choice, strict=True):
            if isinstance(one, str) or one.smiles in seen:
                continue
            seen.add(one.smiles)
            alike = test(one.smiles)
            if alike is not None:
                inside.append((one, place, alike))
        odd = [one.smiles for one, _, _ in inside if not one.canonical]
        missing = n - len(found) - (len(inside) - len(odd))
        taken = no_stranger(codec, lead, odd[: max(0, TESTED * missing)])
        for one, place, alike in inside:
            if not one.canonical and one.smiles not in taken:
                continue
            hits[place] += 1
            if len(found) < n:
                level = float(levels[place])
                found[one.smiles] = Analog(one.smiles, alike, level, one.log_likelihood)
    order = sorted(found.values(), key=lambda one: (-one.tanimoto, one.smiles))
    return order, count


class Found(NamedTuple):
    """The analogs of a lead, as the model reads it, and the draws that they took."""

    lead: str
    analogs: list[Analog]
    draws: int


def analogs_of_each(
    codec: Codec,
    leads: Iterable[str | MoleculeError],
    n: int,
    wanted: Wanted,
    seed: int = 0,
    draws: int = DRAWS,
    workers: int | None = None,
) -> Iterator[Found | MoleculeError]:
    """The findings of :func:`analogs` for each lead, in order, or why it cannot be searched, as
    which an error among the leads stays; the same for any number of ``workers``, see
    :func:`~.sampling.one_by_one`."""
    work = partial(attempt, partial(_found, codec, n, wanted, seed, draws))
    return one_by_one(codec, work, leads, workers)


def _found(codec: Codec, n: int, wanted: Wanted, seed: int, draws: int, lead: str) -> Found:
    reading = codec.reader.read(lead)
    return Found(reading.smiles, *analogs(codec, reading, n, wanted, seed, draws))


def arms_of(length: int) -> list[Arm]:
    """The ways of drawing around a lead of so many symbols."""
    return [
        *(Arm(level) for level in LEVELS),
        *(Arm(SHARED_LEVEL, int(share * length)) for share in SHARES),
        *(Arm(GAP_LEVEL, kept, gap) for gap in GAPS for kept in range(length - gap + 1)),
    ]


def no_stranger(codec: Codec, lead: Reading, smiles: Sequence[str]) -> set[str]:
    """Those of some molecules that have at least the lead's log p(x) for every heavy atom; none for
    a model without noise levels, whose log p(x) is an estimate that takes long."""
    if not smiles or not codec.levels:
        return set()
    readings = [lead, *read_known(codec.reader, smiles)]
    atoms = [Chem.MolFromSmiles(one.smiles).GetNumHeavyAtoms() for one in readings]
    values = codec.log_likelihood(readings) / np.array(atoms)
    pairs = zip(readings, values, strict=True)
    return {one.smiles for one, value in pairs if value >= values[0]}


class Combined(NamedTuple):
    """A molecule near a sum of latents: its SMILES, the distance of its posterior mean to the sum
    as a share of the sum's length, and its Tanimoto similarity to the first molecule added."""

    smiles: str
    distance: float
    tanimoto: float


def add_latents(
    codec: Codec, plus: Sequence[Reading], minus: Sequence[Reading], n: int = 10, seed: int = 0
) -> list[Combined]:
    """At most ``n`` molecules near the sum of the latents ``plus`` less those ``minus``, the
    nearest first.

    In a model with noise levels the sum is brought to the length that all posterior means have.
    Molecules come from a beam at the sum and from draws around it; UsageError where latents
    cancel."""
    if n < 1 or not plus:
        raise UsageError("give one molecule to add at least, and an `n` of at least 1")
    means = codec.encode_readings([*plus, *minus])  # (N, Z)
    total = means[: len(plus)].sum(0) - means[len(plus) :].sum(0)
    length, wanted = float(np.linalg.norm(total)), float(np.linalg.norm(means, axis=1).mean())
    if length < 1e-3 * wanted:
        raise UsageError("the latents cancel: what is added is what is taken away")
    scale = wanted / length if codec.levels else 1.0
    target = (total * scale)[None].astype(np.float32)
    (beam,) = beam_search(codec, codec.check_latents(target), WIDE)
    found = dict.fromkeys(one.smiles for one in beam if one.canonical)
    levels = codec.highest_level * np.resize(LEVELS[2:], SUM)
    drawn = draw_around(codec, target.repeat(SUM, axis=0), levels, seed)
    found |= dict.fromkeys(one.smiles for one in drawn if isinstance(one, Sample))
    read = read_known(codec.reader, list(found))
    apart = np.linalg.norm(codec.encode_readings(read) - target, axis=1) / wanted
    nearest = [(read[place].smiles, float(apart[place])) for place in apart.argsort(kind="stable")]
    return [Combined(*one, tanimoto(one[0], plus[0].smiles)) for one in nearest[:n]]
