"""Analogs of a lead: distinct molecules inside a window of similarity, drawn around its latent.
Latent arithmetic: molecules near a sum of latents.

The noise level is the radius: draws at a high level are the lead and its nearest neighbours, draws
at a low one are any molecules. Which levels reach the window differs from lead to lead, so a first
round tries all of them, and later rounds draw most where most was found. Some draws begin as the
lead does: of a large lead, which one slip makes another molecule, hardly any others are near.

    B draws of a round, N molecules, Z latent
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from ..chem.fingerprints import LEAD_BITS, fingerprint_of_text, similarity
from ..chem.properties import scaffold
from ..errors import UsageError
from ..storage.known_molecules import KnownMolecules
from .beam_search import beam_search
from .codec import Codec
from .reader import Reading, read_all
from .rebuilding import WIDE
from .sampling import Filters, Sample, begun_as, draw_around, highest_level, shares

ROUND = 1024
"""Draws of a round. Part of what a seed means: changing it changes the analogs."""

DRAWS = 10 * ROUND
"""Draws after which the search for more analogs of a lead ends."""

SUM = 512
"""Draws around a sum of latents."""

LEVELS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Noise levels tried, as shares of the model's highest."""

ARMS = (
    *((level, 0.0) for level in LEVELS),
    *((level, share) for level in (0.6, 0.8) for share in (0.4, 0.6, 0.8)),
)
"""Levels, and the share of the lead's own symbols that a draw begins with: a second radius."""


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
        if self.keep and Chem.MolFromSmarts(self.keep) is None:
            raise UsageError(f"{self.keep}: is no SMARTS pattern")

    def test_for(self, lead: str) -> Callable[[str], float | None]:
        """The function that gives the similarity of a molecule to ``lead``, both canonical SMILES;
        None if it is none of those wanted. UsageError for the scaffold of a lead without a ring."""
        bits = fingerprint_of_text(lead, LEAD_BITS)[None]
        kept = scaffold(Chem.MolFromSmiles(lead)) if self.keep_scaffold else ""
        if self.keep_scaffold and not kept:
            raise UsageError(f"{lead}: has no ring, and so no scaffold to keep")
        pattern = Chem.MolFromSmarts(self.keep) if self.keep else None

        def test(smiles: str) -> float | None:
            alike = float(similarity(fingerprint_of_text(smiles, LEAD_BITS)[None], bits)[0])
            if not self.low <= alike <= self.high:
                return None
            if pattern is None and not kept:
                return alike
            with BlockLogs():
                mol = Chem.MolFromSmiles(smiles)
            if pattern is not None and not mol.HasSubstructMatch(pattern):
                return None
            return None if kept and scaffold(mol) != kept else alike

        return test


def analogs(
    codec: Codec,
    lead: Reading,
    n: int = 50,
    wanted: Wanted | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> tuple[list[Analog], int]:
    """At most ``n`` analogs of a lead, the most similar first, and the draws that it took."""
    if n < 1 or draws < 1:
        raise UsageError(f"`n` (={n}) and `draws` (={draws}) must be at least 1")
    wanted = Wanted() if wanted is None else wanted
    test, filters = wanted.test_for(lead.smiles), Filters(True, wanted.known)
    mean = codec.encode_readings([lead])  # (1, Z)
    levels = highest_level(codec) * np.array([level for level, _ in ARMS])
    beginnings = np.stack([begun_as(lead, share) for _, share in ARMS])
    hits, tried = np.zeros(len(ARMS)), np.zeros(len(ARMS))
    found: dict[str, Analog] = {}
    count, seen = 0, {lead.smiles}
    while count < draws and len(found) < n:
        choice = shares(hits, tried, min(ROUND, draws - count))
        around = mean.repeat(len(choice), axis=0)
        given = beginnings[choice]
        drawn = draw_around(codec, around, levels[choice], seed, count, filters, given)
        count += len(drawn)
        tried += np.bincount(choice, minlength=len(ARMS))
        for one, place in zip(drawn, choice, strict=True):
            if isinstance(one, str) or one.smiles in seen:
                continue
            seen.add(one.smiles)
            alike = test(one.smiles)
            if alike is None:
                continue
            hits[place] += 1
            if len(found) < n:
                level = float(levels[place])
                found[one.smiles] = Analog(one.smiles, alike, level, one.log_likelihood)
    order = sorted(found.values(), key=lambda one: (-one.tanimoto, one.smiles))
    return order, count


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

    The sum is brought to the length of one latent, as all posterior means have it. Molecules come
    from a beam at the sum and from draws around it; UsageError where latents cancel."""
    if n < 1 or not plus:
        raise UsageError("give one molecule to add at least, and an `n` of at least 1")
    means = codec.encode_readings([*plus, *minus])  # (N, Z)
    total = means[: len(plus)].sum(0) - means[len(plus) :].sum(0)
    length, wanted = float(np.linalg.norm(total)), float(np.linalg.norm(means, axis=1).mean())
    if length < 1e-3 * wanted:
        raise UsageError("the latents cancel: what is added is what is taken away")
    target = (total * (wanted / length))[None].astype(np.float32)
    beam = next(iter(beam_search(codec, codec.check_latents(target), WIDE)))
    found = dict.fromkeys(one.smiles for one in beam if one.canonical)
    levels = highest_level(codec) * np.resize(LEVELS[2:], SUM)
    drawn = draw_around(codec, target.repeat(SUM, axis=0), levels, seed)
    found |= dict.fromkeys(one.smiles for one in drawn if isinstance(one, Sample))
    read = [one for one in read_all(codec.reader, list(found), 1) if isinstance(one, Reading)]
    apart = np.linalg.norm(codec.encode_readings(read) - target, axis=1) / wanted
    first = fingerprint_of_text(plus[0].smiles, LEAD_BITS)[None]
    rows = []
    for place in np.argsort(apart, kind="stable")[:n]:
        bits = fingerprint_of_text(read[place].smiles, LEAD_BITS)[None]
        alike = float(similarity(bits, first)[0])
        rows.append(Combined(read[place].smiles, float(apart[place]), alike))
    return rows
