"""The way through latent space from one molecule to another.

The first and the last molecule of a path are always the two that were given; each knows whether the model
reproduces it by itself. Knows no files.

    Z latent
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from .codec import Codec, Inversion, Latents, Reading

DENSE_BELOW = 0.6
"""With ``dense``, neighbours less similar than this get a point between them."""

DENSE_DEPTH = 4
"""Halvings, at most, of the step between two points."""


class Point(NamedTuple):
    """One molecule of a path.

    ``t`` runs from 0 to 1; similarities are Tanimoto of Morgan fingerprints (radius 2, 2048 bits), the last to
    the molecule before (1 for the first). ``reproduced`` is said of the ends: "yes" by the posterior's mean,
    "refined" by a latent found by gradient, "no" where the model cannot write the molecule given.
    """

    step: int
    t: float
    smiles: str
    tanimoto_start: float
    tanimoto_end: float
    tanimoto_previous: float
    reproduced: str


def lerp(a: Latents, b: Latents, t: float) -> Latents:
    """The point at ``t`` on the straight line from ``a`` to ``b``, each ``(Z,)``."""
    return ((1.0 - t) * a + t * b).astype(np.float32)


def slerp(a: Latents, b: Latents, t: float) -> Latents:
    """The point at ``t`` on the arc from ``a`` to ``b``, each ``(Z,)``: angle and length both grow evenly.

    In many dimensions the prior lies near a sphere, which the straight line leaves and the arc does not
    (Shoemake 1985; White 2016). Parallel and opposite vectors are joined by the straight line.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    length_a, length_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if min(length_a, length_b) < 1e-6:
        return lerp(a, b, t)
    cosine = float(np.clip(np.dot(a, b) / (length_a * length_b), -1.0, 1.0))
    angle = math.acos(cosine)
    if math.sin(angle) < 1e-4:
        return lerp(a, b, t)
    direction = (math.sin((1 - t) * angle) * a / length_a + math.sin(t * angle) * b / length_b) / math.sin(angle)
    return (((1 - t) * length_a + t * length_b) * direction).astype(np.float32)


PATHS = {"slerp": slerp, "lerp": lerp}


class Path:
    """A path between two molecules, decoded where it is asked for."""

    def __init__(self, codec: Codec, start: Reading, end: Reading, kind: str) -> None:
        self.codec, self.curve = codec, PATHS[kind]
        self.ends: tuple[Inversion, Inversion] = (codec.invert(start), codec.invert(end))
        self.molecules: dict[float, str] = {0.0: start.smiles, 1.0: end.smiles}
        self.fingerprints: dict[str, DataStructs.ExplicitBitVect] = {}

    def add(self, places: Sequence[float]) -> None:
        """Decode the molecules at ``places`` in [0, 1]; the ends stay the molecules given."""
        new = [t for t in places if t not in self.molecules]
        if not new:
            return
        latents = np.stack([self.curve(self.ends[0].z, self.ends[1].z, t) for t in new])
        self.molecules |= dict(zip(new, self.codec.decode(latents), strict=True))

    def tanimoto(self, first: str, second: str) -> float:
        """Similarity of two molecules of the path, between 0 and 1."""
        for smiles in (first, second):
            if smiles not in self.fingerprints:
                generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
                self.fingerprints[smiles] = generator.GetFingerprint(Chem.MolFromSmiles(smiles))
        return float(DataStructs.TanimotoSimilarity(self.fingerprints[first], self.fingerprints[second]))

    def jumps(self) -> list[float]:
        """Places halfway between neighbours that are less similar than :data:`DENSE_BELOW`."""
        places = sorted(self.molecules)
        return [
            (a + b) / 2
            for a, b in itertools.pairwise(places)
            if self.tanimoto(self.molecules[a], self.molecules[b]) < DENSE_BELOW
        ]

    def points(self) -> list[Point]:
        """The molecules in order, with their similarities."""
        start, end = self.molecules[0.0], self.molecules[1.0]
        points: list[Point] = []
        previous = start
        for step, t in enumerate(sorted(self.molecules)):
            smiles = self.molecules[t]
            to_start, to_end, to_previous = (self.tanimoto(smiles, other) for other in (start, end, previous))
            said = {0.0: self.ends[0].reproduced, 1.0: self.ends[1].reproduced}.get(t, "")
            points.append(Point(step, t, smiles, to_start, to_end, to_previous, said))
            previous = smiles
        return points


def interpolate(
    codec: Codec, start: str, end: str, *, steps: int = 11, path: str = "slerp", dense: bool = False
) -> list[Point]:
    """The molecules on the way from ``start`` to ``end``: ``steps`` points, the two given first and last.

    ``dense`` adds points where neighbours jump. Raises MoleculeError for an end that the model cannot read.
    """
    first, last = codec.read([start, end])
    way = Path(codec, first, last, path)
    way.add([step / (steps - 1) for step in range(steps)])
    for _ in range(DENSE_DEPTH if dense else 0):
        way.add(way.jumps())
    return way.points()
