"""The parts of a compiled sum of embeddings: which rows a position adds."""

from __future__ import annotations

import numpy as np
import pytest

from molvae.nn.kernels.embedding_sums import folded, list_features, list_hashes

pytestmark = pytest.mark.compiled


def test_hashes_that_share_a_row_share_one_in_a_smaller_table() -> None:
    fine, coarse = 13, 5  # 13 - 1 is a multiple of 5 - 1
    shared = {}
    for number in range(200):
        shared.setdefault(folded(number, fine), set()).add(folded(number, coarse))
    assert all(len(rows) == 1 for rows in shared.values())
    assert folded(0, fine) == 0
    assert {folded(n, fine) for n in range(1, 200)} == set(range(1, fine))


def test_only_features_that_are_not_zero_are_listed() -> None:
    places = np.zeros(4, np.int64)
    count = list_features(np.array([0, 3, 0], np.int16), np.array([0, 4, 9]), places)
    assert places[:count].tolist() == [7]


def test_every_hash_has_a_table_of_its_own() -> None:
    places = np.zeros(4, np.int64)
    count = list_hashes(np.array([1, 0, 2], np.int16), 1, 2 * 9, places)
    assert places[:count].tolist() == [0, 9 + 2]
