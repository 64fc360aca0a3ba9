"""Morgan fingerprints as counts, and the similarity of such counts between whole sets.

N molecules, D features
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from .fingerprints import LEAD_BITS, morgan_generator

LEVELS = 4
"""Counts above this are taken as this."""

Features = NDArray[np.float32]


def count_features(smiles: Sequence[str]) -> Features:
    """Features of molecules, ``(N, D)``: 1 where a substructure is there at least once, at least
    twice, and so on up to :data:`LEVELS` times, so that the least of two counts is a product."""
    if not smiles:
        return np.zeros((0, LEVELS * LEAD_BITS), np.float32)
    with BlockLogs():
        counts = np.stack([_counts(text) for text in smiles])
    steps = [counts >= level for level in range(1, LEVELS + 1)]
    return np.concatenate(steps, axis=1).astype(np.float32)


@lru_cache(maxsize=10_000)  # 20 MB; a search asks for the molecules that it has scored every round
def _counts(smiles: str) -> NDArray[np.uint8]:
    """Counts of one molecule, ``(LEAD_BITS,)``, none above :data:`LEVELS`."""
    mol = Chem.MolFromSmiles(smiles)
    counts = morgan_generator(LEAD_BITS).GetCountFingerprintAsNumPy(mol)
    capped: NDArray[np.uint8] = np.minimum(counts, LEVELS).astype(np.uint8)
    return capped


def count_similarity(first: Features, second: Features) -> NDArray[np.float64]:
    """Tanimoto similarity of counts, sum of minima over sum of maxima, ``(N, M)``; 1 for two
    molecules without any (Ralaivola et al., Neural Networks 18 (2005) 1093)."""
    both = first.any(0) & second.any(0)  # most substructures are in one set only
    common = (first[:, both] @ second[:, both].T).astype(np.float64)
    sums = first.sum(1)[:, None] + second.sum(1)[None] - common
    similarity: NDArray[np.float64] = np.where(sums > 0, common / np.maximum(sums, 1.0), 1.0)
    return similarity
