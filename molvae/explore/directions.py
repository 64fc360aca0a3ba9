"""Directions of properties in latent space, and molecules drawn from a lead along them.

A property of the model's own samples is fitted as a linear function of their posterior means. The
step from a lead that changes one property as asked, and leaves the others, is the shortest that the
fits predict to do so. Decoded greedily the lead's neighbourhood is the lead: its molecules lie far
apart, and a step that the fits find long enough is short beside that. So molecules are drawn at
lower noise levels around points of several multiples of the step, and the best are chosen by what
they turned out to be.

    N samples, P properties, Z latent
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..chem.fingerprints import Fingerprints, Floats, packed_fingerprint, similarity
from ..chem.molecule import parse
from ..chem.scoring import measure, plan_scores
from ..errors import InputError
from ..generation.codec import Codec, Latents
from ..generation.reader import Reading, Sample
from ..generation.sampling import draw_around

PROPERTIES = ("logp", "qed", "molwt", "rings")

PENALTY = 0.01
"""Ridge of the fit, as a share of the variance of a latent dimension."""

FEWEST = 32
"""Samples that a fit needs."""

STRETCHES = (3.0, 6.0, 12.0)
"""Multiples of the predicted step, around which molecules are drawn."""

LEVELS = (0.5, 0.65)
"""Noise levels of these draws, as shares of the model's highest."""

EACH = 14
"""Draws at each multiple and level."""

ASKED, KEPT, LIKENESS = 2.0, 0.5, 1.0
"""Weights of a miss by one standard deviation, of a property that is to change and of one that is
to stay, and of the whole of the similarity."""

BITS = 2048

RANKED = 12
"""Molecules that are ranked of those drawn, as many as the page shows."""


class Directions(NamedTuple):
    """Linear fits of properties: the step ``(Z, P)`` for one standard deviation of each, these
    ``spreads`` ``(P,)``, and R² of each on samples left out of the fit."""

    steps: Floats
    spreads: Floats
    explained: Floats


def property_values(smiles: Sequence[str]) -> Floats:
    """The properties of molecules, ``(N, P)``; NaN where one has no value."""
    return np.array([_described(one)[0] for one in smiles]).reshape(-1, len(PROPERTIES))


# A slider comes by the same molecules at most of its steps.
@lru_cache(maxsize=8192)
def _described(smiles: str) -> tuple[Floats, Fingerprints]:
    """The properties of a molecule ``(P,)``, and its fingerprint."""
    mol = parse(smiles)
    values = measure(plan_scores(PROPERTIES), mol).values
    return np.array(values, np.float64), packed_fingerprint(mol, BITS)


def fit_directions(latents: Latents, values: Floats) -> Directions:
    """The directions of properties ``(N, P)`` in latents ``(N, Z)``, by ridge regression.

    A fifth of the samples measures R², then all are fitted. A property that does not vary gets no
    direction. InputError for fewer than :data:`FEWEST` samples with all values."""
    whole = np.isfinite(values).all(1)
    z, y = latents[whole].astype(np.float64), values[whole]
    if len(z) < FEWEST:
        raise InputError(f"directions need {FEWEST} samples at least, and there are {len(z)}")
    spreads = y.std(0)
    y = (y - y.mean(0)) / np.maximum(spreads, 1e-9)
    left_out = np.arange(len(z)) % 5 == 0
    weights, centre = _ridge(z[~left_out], y[~left_out])
    missed = y[left_out] - (z[left_out] - z[~left_out].mean(0)) @ weights - centre
    explained = 1.0 - (missed**2).sum(0) / np.maximum((y[left_out] ** 2).sum(0), 1e-9)
    weights, _ = _ridge(z, y)
    moves = np.linalg.pinv(weights.T, rcond=1e-6).astype(np.float64)
    return Directions(moves, spreads, explained)


def _ridge(z: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Weights ``(Z, P)`` of a ridge regression, and the mean of ``y``."""
    centred, centre = z - z.mean(0), y.mean(0)
    penalty = PENALTY * len(z) * max(float(centred.var()), 1e-9)
    gram = centred.T @ centred + penalty * np.eye(z.shape[1])
    weights: Floats = np.linalg.solve(gram, centred.T @ (y - centre))
    return weights, centre


def move(
    codec: Codec, directions: Directions, lead: Reading, changes: Mapping[str, float], seed: int = 0
) -> tuple[list[str], int]:
    """SMILES of the best of the molecules drawn from a lead towards ``changes`` of properties, in
    their own units, the best first, and the number of those drawn. A property that is not named is
    to stay."""
    units = np.maximum(directions.spreads, 1e-9)
    asked = np.array([changes.get(name, 0.0) for name in PROPERTIES]) / units
    found = draws_along(codec, codec.encode_readings([lead])[0], directions.steps @ asked, seed)
    smiles = [one for one in dict.fromkeys(found) if one != lead.smiles]
    return _best(lead.smiles, smiles, asked, units), len(smiles)


def _best(lead: str, smiles: Sequence[str], asked: Floats, units: Floats) -> list[str]:
    """The :data:`RANKED` molecules that are nearest to the changes ``asked`` for, ``(P,)`` in
    ``units``."""
    weights = np.where(asked == 0.0, KEPT, ASKED)
    rows, prints = zip(*map(_described, (lead, *smiles)), strict=True)
    values, bits = np.stack(rows), np.stack(prints)
    # Where QED is not defined, the other properties decide.
    off = np.nan_to_num(np.abs((values[1:] - values[0]) / units - asked))
    misses = off @ weights + LIKENESS * (1.0 - similarity(bits[1:], bits[:1]))
    return [one for _, one in sorted(zip(misses.tolist(), smiles, strict=True))[:RANKED]]


def draws_along(codec: Codec, z: Latents, step: Floats, seed: int) -> list[str]:
    """Molecules drawn around multiples of a ``step`` from the latent ``z``, each ``(Z,)``, in the
    order drawn; the length of ``z`` is kept, as posterior means of a model with levels have one."""
    points = z + np.array(STRETCHES)[:, None] * step
    points *= np.linalg.norm(z) / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    levels = codec.highest_level * np.tile(LEVELS, EACH)
    means = points.astype(np.float32).repeat(len(levels), axis=0)
    drawn = draw_around(codec, means, np.tile(levels, len(points)), seed)
    return [one.smiles for one in drawn if isinstance(one, Sample)]
