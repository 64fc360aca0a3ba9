"""Neighbourhoods in latent space: locality, smoothness, and re-encoding errors of draws.

Similarities are Tanimoto of Morgan fingerprints (radius 2, 1,024 bits), 0 for a latent that decodes
to no atoms. Everything here decodes greedily.

    N molecules, Z latent
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..chem.fingerprints import Fingerprints, fingerprint_of_text, similarity
from ..generation.codec import Codec, Latents, slerp
from ..generation.reader import Reading, read_all
from .estimates import Figure, Figures, absent, mean

RADII = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Lengths of the perturbation, in standard deviations of the prior in every dimension."""

SEEDS = 500
"""Molecules, at most, that are perturbed."""

PATHS = 100
STEPS = 11
"""Paths, at most, and molecules on each, the ends included."""

ROUND_TRIPS = 1000
"""Latents, at most, that are decoded and encoded again."""


def fingerprints_of(smiles: Sequence[str]) -> Fingerprints:
    """Packed fingerprints ``(N, words)``; none of the bits is set for an empty SMILES."""
    return np.stack([fingerprint_of_text(text) for text in smiles])


def locality(
    codec: Codec, readings: Sequence[Reading], means: Latents, rng: np.random.Generator
) -> tuple[list[tuple[float, Figures]], Figure]:
    """Similarity of a molecule to its perturbed neighbours and the share of these that are the
    molecule itself, by radius; and the similarity of random pairs.

    A neighbour is decoded from the posterior mean plus ``radius`` times a draw from N(0, I).
    """
    readings, means = readings[:SEEDS], means[:SEEDS]
    texts = [reading.smiles for reading in readings]
    seeds = fingerprints_of(texts)
    found_by_radius = []
    for radius in RADII:
        noise = rng.standard_normal(means.shape, dtype=np.float32)
        found = codec.decode(means + np.float32(radius) * noise)
        same = np.array(found) == np.array(texts)
        alike = similarity(seeds, fingerprints_of(found))
        figures = {"similarity": mean(alike, rng), "unchanged": mean(same.astype(float), rng)}
        found_by_radius.append((radius, figures))
    return found_by_radius, mean(
        similarity(seeds, np.roll(seeds, 1, axis=0)), rng, "pairs of different molecules of the set"
    )


def smoothness(codec: Codec, means: Latents, rng: np.random.Generator) -> Figures:
    """Evenness of change along arcs between the posterior means of random pairs.

    All points are as decoded, the ends included. The similarity between neighbours, the largest
    jump of each path (1 - similarity), and the share of different molecules on a path."""
    order = rng.permutation(len(means))
    paths = min(PATHS, len(means) // 2)
    ends = zip(order[:paths], order[paths : 2 * paths], strict=True)
    points = [
        slerp(means[a], means[b], step / (STEPS - 1)) for a, b in ends for step in range(STEPS)
    ]
    found = codec.decode(np.stack(points))
    bits = fingerprints_of(found).reshape(paths, STEPS, -1)
    texts = np.array(found).reshape(paths, STEPS)
    alike = np.array([similarity(path[:-1], path[1:]) for path in bits])
    # A point without atoms is not like its neighbour even where that has no atoms either.
    distinct = np.array([len(set(path) - {""}) / STEPS for path in texts])
    return {
        "neighbour similarity": mean(alike.mean(1), rng, f"n counts paths, of {STEPS} points each"),
        "largest jump": mean(
            1 - alike.min(1), rng, "1 - similarity, of the worst step of each path"
        ),
        "distinct on a path": mean(distinct, rng, f"share of the {STEPS} points"),
    }


def re_encoding_errors(
    codec: Codec,
    draws: Latents,
    prior: Latents,
    rng: np.random.Generator,
    workers: int | None = None,
) -> Figures:
    """Distance from a latent to where its molecule encodes to, for posterior and prior draws.

    Root mean square over the dimensions of mean(x) - z, with x decoded from z. Where no molecule
    was ever encoded the decoder answers with one that belongs elsewhere, so a prior mismatch shows
    as a larger error."""
    posterior, of_prior = (_re_encoding_error(codec, z, rng, workers) for z in (draws, prior))
    if of_prior.value is None or posterior.value is None or posterior.value < 1e-9:
        ratio = absent(0, "one of the two is missing")
    else:
        n = min(posterior.n, of_prior.n)
        note = "1 where prior and posteriors match"
        ratio = Figure(of_prior.value / posterior.value, n, note=note)
    return {
        "re-encoding error of posterior draws": posterior,
        "re-encoding error of prior draws": of_prior,
        "prior / posterior re-encoding error": ratio,
    }


def _re_encoding_error(
    codec: Codec, z: Latents, rng: np.random.Generator, workers: int | None
) -> Figure:
    z = z[:ROUND_TRIPS]
    found = read_all(codec.reader, codec.decode(z), workers)
    read = {row: one for row, one in enumerate(found) if isinstance(one, Reading)}
    lost = len(z) - len(read)
    note = f"{lost:,} decoded to nothing the model can read" if lost else ""
    if not read:
        return absent(0, note)
    means = codec.encode_readings(list(read.values()))
    errors = np.sqrt(((means - z[list(read)]).astype(np.float64) ** 2).mean(1))
    return mean(errors, rng, note)
