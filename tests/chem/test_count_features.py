"""Similarities of counts are sums of minima over sums of maxima."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from molvae.chem.count_features import LEVELS, count_features, count_similarity

MOLECULES = ["CCO", "c1ccccc1CCN", "CCCCO", "OCC(O)CO", "Clc1ccccc1Cl"]


def test_similarities_are_those_of_rdkit_where_counts_are_small() -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    counts = [generator.GetCountFingerprint(Chem.MolFromSmiles(one)) for one in MOLECULES]
    found = count_similarity(count_features(MOLECULES), count_features(MOLECULES))
    for row, one in enumerate(counts):
        for column, other in enumerate(counts):
            pair = (*one.GetNonzeroElements().values(), *other.GetNonzeroElements().values())
            if max(pair) <= LEVELS:
                expected = DataStructs.TanimotoSimilarity(one, other)
                assert found[row, column] == pytest.approx(expected)


def test_nothing_is_like_nothing() -> None:
    nothing = np.zeros((1, 8), np.float32)
    assert count_similarity(nothing, nothing) == 1.0
