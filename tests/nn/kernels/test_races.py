"""The parts of a compiled draw: order, noise, and the smallest of logits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from molvae.nn.kernels.races import (
    decay,
    draw_rows,
    exponential_draw,
    ordinal,
    row_maximum,
    row_sum,
    scramble,
)

pytestmark = pytest.mark.compiled


def test_ordinals_are_in_the_order_of_the_numbers() -> None:
    numbers = np.sort(np.random.default_rng(0).normal(size=1000).astype(np.float32))
    numbers = np.concatenate([[-np.inf], numbers, [np.inf]]).astype(np.float32)
    ordinals = [ordinal(bits) for bits in numbers.view(np.int32)]
    assert ordinals == sorted(ordinals)
    assert [ordinal(np.int32(one)) for one in ordinals] == numbers.view(np.int32).tolist()


def test_maximum_and_sum_of_a_row_are_numpys() -> None:
    row = np.random.default_rng(1).normal(size=777).astype(np.float32)
    assert row_maximum(row) == row.max()
    assert row_maximum(-np.abs(row)) == (-np.abs(row)).max()
    assert row_sum(row) == pytest.approx(float(row.sum(dtype=np.float64)), rel=1e-4)


def test_scrambling_is_one_to_one_and_spreads() -> None:
    words = [scramble(np.uint32(n)) for n in range(5000)]
    assert len(set(words)) == 5000
    assert abs(np.mean(words) / 2**32 - 0.5) < 0.02


@pytest.mark.parametrize("word", [0, 1, 2**16, 2**31, 2**32 - 2, 2**32 - 1])
def test_exponential_draws_keep_their_digits_at_both_ends(word: int) -> None:
    expected = -math.log1p(-(word + 0.5) * 2.0**-32)
    assert exponential_draw(np.uint32(word)) == pytest.approx(expected, rel=1e-5)


def test_what_is_ruled_out_has_no_share() -> None:
    assert decay(np.float32(-np.inf)) == 0
    assert decay(np.float32(-1)) == pytest.approx(math.exp(-1), rel=1e-6)


def test_a_row_with_one_symbol_draws_it() -> None:
    logits = np.full((3, 4), -np.inf, np.float32)
    logits[[0, 1, 2], [2, 0, 3]] = 1.0
    ids, chosen = np.empty(3, np.int64), np.empty(3, np.float32)
    draw_rows(logits, 1.0, 5, np.arange(3), 0, ids, chosen)
    assert ids.tolist() == [2, 0, 3]
    assert np.allclose(chosen, 0, atol=1e-6)
