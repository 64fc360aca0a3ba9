"""The molecule that a latent stands for: of what the decoder offers, the one that encodes back.

Greedy decoding takes the likeliest symbol at every step, and one slip makes another molecule of
it. Whether it slipped can be told from the latent alone: a molecule that was encoded to it encodes
to it again. So where the greedy molecule does not, a beam offers others, and the one whose
posterior mean lies nearest is taken; where that is near and not there, a wide beam is tried.

    B latents, Z latent
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from .beam_search import beam_search
from .codec import Codec
from .reader import Reading, Sample, read_all

WIDTH = 20
"""Prefixes of the beam, and so molecules that it offers at most."""

WIDE = 100
"""Prefixes of the second beam. Of 4,768 held-out molecules a beam of 20 finds 92 %, one of 80 94 %
(benchmarks/LOG.md)."""

REACH = 0.8
"""Distance, as a share of the latent's length, within which the wide beam is tried. Latents that no
molecule was encoded to are further from all molecules: those of the prior by 1.05 and more."""

NEAR = 0.02
"""Distance at which a molecule encodes back to a latent, as a share of the latent's length: above
the rounding of bf16 and of latents written as text, below the distance of different molecules."""

BATCH = 512


class Rebuilt(NamedTuple):
    """A molecule written for a latent: canonical SMILES (empty without atoms), SELFIES as written.

    ``encodes_back``: its posterior mean is that latent. ``canonical``: the SELFIES is the one that
    the molecule encodes to; one that is not is often a slip. ``distance``: that of its posterior
    mean to the latent, as a share of the latent's length; infinite for what the model cannot
    read."""

    smiles: str
    selfies: str
    encodes_back: bool
    canonical: bool
    distance: float = np.inf


def rebuild(
    codec: Codec, z: ArrayLike, width: int = WIDTH, workers: int | None = None
) -> list[Rebuilt]:
    """Write a molecule for every latent ``(B, Z)``; with a ``width`` of 1 the greedy one."""
    parts = torch.split(codec.check_latents(z), BATCH)
    return [one for part in parts for one in _rebuild(codec, part, width, workers)]


def _rebuild(codec: Codec, z: Tensor, width: int, workers: int | None) -> list[Rebuilt]:
    greedy = [[one] if one.smiles else [] for one in codec.greedy(z)]
    chosen = encoding_nearest(codec, z, greedy, workers)
    beams = ((width, np.inf), (max(width, WIDE), REACH)) if width > 1 else ()
    for prefixes, reach in beams:
        lost = [
            row for row, one in enumerate(chosen) if not one.encodes_back and one.distance <= reach
        ]
        if not lost:
            continue
        some = z[torch.tensor(lost, device=z.device)]
        wider = encoding_nearest(codec, some, beam_search(codec, some, prefixes), workers)
        for row, one in zip(lost, wider, strict=True):
            nearer = one.distance < chosen[row].distance or not chosen[row].smiles
            chosen[row] = one if nearer else chosen[row]
    return chosen


def encoding_nearest(
    codec: Codec, z: Tensor, candidates: Sequence[Sequence[Sample]], workers: int | None = None
) -> list[Rebuilt]:
    """The candidate of every latent ``(B, Z)`` whose posterior mean lies nearest to it.

    Euclidean distance. Where no candidate can be read by the model, the likeliest is taken.
    """
    likeliest = [some[0] if some else Sample("", "", 0.0, False) for some in candidates]
    chosen = [Rebuilt(one.smiles, one.selfies, False, one.canonical) for one in likeliest]
    pairs = [(owner, one) for owner, some in enumerate(candidates) for one in some]
    found = read_all(codec.reader, [one.smiles for _, one in pairs], workers)
    known = [
        (owner, one, reading)
        for (owner, one), reading in zip(pairs, found, strict=True)
        if isinstance(reading, Reading)
    ]
    if not known:
        return chosen
    wanted = z[torch.tensor([owner for owner, _, _ in known], device=z.device)]
    apart = codec.posterior([reading for _, _, reading in known]).mean - wanted
    lengths, distances = (torch.linalg.vector_norm(one, dim=1).tolist() for one in (wanted, apart))
    for (owner, one, _), distance, length in zip(known, distances, lengths, strict=True):
        share = distance / max(length, 1e-9)
        if share < chosen[owner].distance:
            chosen[owner] = Rebuilt(one.smiles, one.selfies, share <= NEAR, one.canonical, share)
    return chosen
