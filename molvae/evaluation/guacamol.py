"""GuacaMol's two distribution scores: how alike descriptors are, and FCD mapped to 0-1.

Brown et al., J. Chem. Inf. Model. 59 (2019) 1096. Its protocol takes at most 10,000 distinct
molecules of each set, without stereo, and its reference is the training set."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from rdkit import Chem

from ..chem.fingerprints import Fingerprints, nearest_other_similarity, packed_fingerprint
from ..runtime.process_pool import chunked, map_chunks
from .estimates import Floats

SAMPLE_SIZE = 10_000
BITS = 4096
DESCRIPTORS = (
    "BertzCT",
    "MolLogP",
    "MolWt",
    "TPSA",
    "NumHAcceptors",
    "NumHDonors",
    "NumRotatableBonds",
    "NumAliphaticRings",
    "NumAromaticRings",
)
COUNTED = DESCRIPTORS[4:]  # compared as histograms, the others as densities
COLUMNS = (*DESCRIPTORS, "similarity to the nearest other molecule")
_GRID = 1000
_BINS = 10
_FLOOR = 1e-10
_CHUNK = 250


def descriptor_profile(smiles: Sequence[str], workers: int = 1) -> Floats:
    """Columns of :data:`COLUMNS`, ``(n, 10)``, of the n distinct molecules without stereo among
    valid canonical SMILES."""
    distinct: dict[str, tuple[list[float], Fingerprints]] = {}
    for part in map_chunks(_profile_chunk, chunked(dict.fromkeys(smiles), _CHUNK), workers):
        distinct.update(part)
    values = np.array([row for row, _ in distinct.values()]).reshape(-1, len(DESCRIPTORS))
    bits = np.array([row for _, row in distinct.values()], np.uint64).reshape(-1, BITS // 64)
    return np.column_stack([values, nearest_other_similarity(bits)])


def _profile_chunk(smiles: list[str]) -> list[tuple[str, tuple[list[float], Fingerprints]]]:
    from rdkit.Chem import Descriptors

    rows = []
    for text in smiles:
        mol = Chem.MolFromSmiles(text)
        Chem.RemoveStereochemistry(mol)
        values = [float(getattr(Descriptors, name)(mol)) for name in DESCRIPTORS]
        rows.append((Chem.MolToSmiles(mol), (values, packed_fingerprint(mol, BITS))))
    return rows


def kl_score(reference: Floats, sample: Floats) -> float:
    """Mean over the columns of two profiles of exp(-KL(reference || sample)): 1 for equal ones.

    Raises ValueError, in words, where a density cannot be estimated: fewer than two distinct
    molecules, or a descriptor with one value for all."""
    if min(len(reference), len(sample)) < 2:
        raise ValueError("fewer than two distinct molecules")
    scores = []
    for name, *pair in zip(COLUMNS, reference.T, sample.T, strict=True):
        compare = discrete_kl if name in COUNTED else continuous_kl
        try:
            scores.append(math.exp(-compare(*pair)))
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    return sum(scores) / len(scores)


def fcd_score(distance: float) -> float:
    """GuacaMol's mapping of the Fréchet ChemNet distance to 0-1.

    >>> fcd_score(0.0)
    1.0
    """
    return math.exp(-0.2 * distance)


def continuous_kl(reference: Floats, sample: Floats) -> float:
    """KL divergence, nats, of Gaussian kernel densities (Scott's bandwidth) on 1,000 points.

    Raises ValueError where all values of one set are the same.
    """
    grid = np.linspace(
        min(reference.min(), sample.min()), max(reference.max(), sample.max()), _GRID
    )
    return _kl(_density(reference, grid), _density(sample, grid))


def discrete_kl(reference: Floats, sample: Floats) -> float:
    """KL divergence, nats, between histograms over ten equal bins of the reference's range."""
    counts, edges = np.histogram(reference, _BINS)
    sampled, _ = np.histogram(sample, edges)
    widths = np.diff(edges)
    # Samples outside the reference's range are in no bin; with all of them outside nothing is left.
    return _kl(counts / counts.sum() / widths, sampled / max(int(sampled.sum()), 1) / widths)


def _density(values: Floats, grid: Floats) -> Floats:
    width = float(values.std(ddof=1)) * len(values) ** -0.2
    if not width > 1e-12 * max(1.0, float(np.abs(values).max())):
        raise ValueError("is the same for all molecules")
    density = np.empty(len(grid))
    for start in range(0, len(grid), 50):  # 50 x 10,000 distances at a time
        distances = (grid[start : start + 50, None] - values[None, :]) / width
        density[start : start + 50] = np.exp(-0.5 * distances**2).mean(1)
    density /= width * math.sqrt(2 * math.pi)
    return density


def _kl(first: Floats, second: Floats) -> float:
    p, q = first + _FLOOR, second + _FLOOR
    p, q = p / p.sum(), q / q.sum()
    return max(0.0, float((p * np.log(p / q)).sum()))
