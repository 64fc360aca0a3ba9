"""The way through latent space from one molecule to another.

The first and the last molecule of a path are always the two that were given, with a note on whether
the model reproduces them. Along most of the path the decoder is sure of one of the two, and within
a tenth of it changes to the other, so that the likeliest molecules alone are three or four. A beam
finds what else is likely at each point.

    Z latent
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import NamedTuple

from rdkit import Chem

from ..chem.fingerprints import Fingerprints, packed_fingerprint, similarity
from ..errors import UsageError
from .beam_search import Candidate, beam_search
from .codec import Codec, lerp, slerp

WIDTH = 20
"""Candidates of every point: about twice the points of a path, as neighbours share most of theirs.
"""

BITS = 2048
"""Bits of the fingerprints that similarities on a path are taken of."""


class Point(NamedTuple):
    """One molecule of a path.

    ``t`` runs from 0 to 1; similarities are Tanimoto of Morgan fingerprints (radius 2, 2048 bits),
    the last to the molecule before (1 for the first). ``reproduced`` is for the ends: "yes" by the
    posterior's mean, "refined" by a latent found by gradient, "no" where the model cannot write the
    molecule given."""

    step: int
    t: float
    smiles: str
    tanimoto_start: float
    tanimoto_end: float
    tanimoto_previous: float
    reproduced: str


PATHS = {"slerp": slerp, "lerp": lerp}


def interpolate(
    codec: Codec, start: str, end: str, *, steps: int = 11, path: str = "slerp"
) -> list[Point]:
    """The molecules from ``start`` to ``end``: ``steps`` points, the two given first and last.

    Those between are chosen by :func:`distinct_path` from beams of :data:`WIDTH`. Raises
    MoleculeError for an end that the model cannot read."""
    if steps < 2:
        raise UsageError(f"`steps` (={steps}) must be at least 2, the two ends")
    if path not in PATHS:
        raise UsageError(f"`path` (={path!r}) must be {' or '.join(PATHS)}")
    first, last = codec.read([start, end])
    ends = codec.invert(first), codec.invert(last)
    places = [step / (steps - 1) for step in range(steps)]
    if first.smiles == last.smiles:
        molecules = [first.smiles] * steps
    else:
        latents = [PATHS[path](ends[0].z, ends[1].z, t) for t in places]
        candidates = beam_search(codec, codec.check_latents(latents)[1:-1], WIDTH)
        molecules = distinct_path(first.smiles, candidates, last.smiles)
    reproduced = [ends[0].reproduced, *[""] * (steps - 2), ends[1].reproduced]
    points: list[Point] = []
    previous = first.smiles
    for step, (t, smiles, said) in enumerate(zip(places, molecules, reproduced, strict=True)):
        to_start, to_end, to_previous = (
            tanimoto(smiles, other) for other in (first.smiles, last.smiles, previous)
        )
        points.append(Point(step, t, smiles, to_start, to_end, to_previous, said))
        previous = smiles
    return points


def distinct_path(start: str, candidates: Sequence[Sequence[Candidate]], end: str) -> list[str]:
    """``start``, a molecule for each point between from its ``candidates``, and ``end``.

    Candidates come likeliest first. Of those with canonical SELFIES that are not on the path yet,
    the one most similar to the molecule before is taken: so the path holds different molecules and
    changes little at a time. Where all are on it, the likeliest canonical one comes again; where
    none is canonical, the likeliest; where there is none, an empty text."""
    path, known = [start], {start, end}
    for found in candidates:
        canonical = [one.smiles for one in found if one.canonical]
        new = [smiles for smiles in canonical if smiles not in known]
        again = canonical or [one.smiles for one in found] or [""]
        path.append(max(new, key=partial(tanimoto, path[-1]), default=again[0]))
        known.add(path[-1])
    return [*path, end]


def tanimoto(first: str, second: str) -> float:
    """Similarity of two molecules, between 0 and 1: that of :class:`Point`."""
    return float(similarity(fingerprint(first), fingerprint(second))[0])


@lru_cache(maxsize=4096)
def fingerprint(smiles: str) -> Fingerprints:
    """The fingerprint of a molecule, as a set of one."""
    return packed_fingerprint(Chem.MolFromSmiles(smiles), BITS)[None]
