"""Figures are finite or absent with a reason; intervals and distances follow their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molvae.evaluation.estimates import (
    Figure,
    absent,
    cosine_similarity,
    mean,
    share,
    wasserstein,
)

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30).map(
    lambda values: np.array(values)
)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_figure_is_never_nan_or_infinite(value: float) -> None:
    with pytest.raises(ValueError, match="must be finite"):
        Figure(value, 10)


def test_an_absent_figure_says_why() -> None:
    with pytest.raises(ValueError, match="must say why"):
        Figure(None, 0)
    assert absent(0, "no samples").value is None


@given(n=st.integers(1, 10_000), part=st.floats(0, 1))
def test_the_interval_of_a_share_stays_within_0_and_1(n: int, part: float) -> None:
    figure = share(round(part * n), n)
    assert figure.low is not None
    assert figure.high is not None
    assert 0 <= figure.low <= figure.value <= figure.high <= 1


def test_all_of_a_thousand_is_not_certain() -> None:
    assert share(1000, 1000).low == pytest.approx(0.99617, abs=1e-4)


def test_the_bootstrap_interval_has_the_width_of_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(5, 2, 4000)
    figure = mean(values, np.random.default_rng(1))
    assert figure.low is not None
    assert figure.high is not None
    expected = 2 * 1.96 * float(values.std()) / math.sqrt(4000)
    assert figure.high - figure.low == pytest.approx(expected, rel=0.1)


def test_the_same_generator_gives_the_same_interval() -> None:
    values = np.arange(50.0)
    assert mean(values, np.random.default_rng(3)) == mean(values, np.random.default_rng(3))


@settings(deadline=None)
@given(first=numbers, second=numbers)
def test_wasserstein_is_a_distance(first: np.ndarray, second: np.ndarray) -> None:
    distance = wasserstein(first, second)
    assert distance >= 0
    assert distance == pytest.approx(wasserstein(second, first), rel=1e-9, abs=1e-6)
    assert wasserstein(first, first) == 0


@given(shift=st.floats(-100, 100))
def test_a_shifted_sample_is_at_the_distance_of_its_shift(shift: float) -> None:
    values = np.array([0.0, 1.0, 5.0])
    assert wasserstein(values, values + shift) == pytest.approx(abs(shift), abs=1e-9)


def test_wasserstein_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, 100), rng.normal(1, 2, 77)
    assert wasserstein(first, second) == pytest.approx(
        float(stats.wasserstein_distance(first, second))
    )


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 10**9), min_size=1))
def test_counts_are_like_themselves_and_unlike_others(counts: dict[str, int]) -> None:
    assert cosine_similarity(counts, counts) == pytest.approx(1)
    assert cosine_similarity(counts, {"z": 3}) == 0
