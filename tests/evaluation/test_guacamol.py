"""GuacaMol's scores: their definitions, and what happens where no density can be had."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molvae.evaluation.guacamol import (
    continuous_kl,
    descriptor_profile,
    discrete_kl,
    fcd_score,
    kl_score,
)

SMILES = [
    "CCO",
    "CCN(CC)CC",
    "c1ccccc1O",
    "CC(=O)Nc1ccc(O)cc1",
    "OCC(O)CO",
    "CCc1ccncc1",
    "CC(C)C(=O)NCCO",
]


def test_equal_sets_score_one() -> None:
    profile = descriptor_profile(SMILES)
    assert kl_score(profile, profile) == pytest.approx(1)


def test_stereo_and_repetitions_do_not_count() -> None:
    profile = descriptor_profile(["C[C@H](O)CC", "C[C@@H](O)CC", "CCO", "CCO"])
    assert profile.shape == (2, 10)


def test_other_molecules_score_lower() -> None:
    chains = ["C" * length + "C(=O)O" * (length % 3) for length in range(1, 9)]
    assert kl_score(descriptor_profile(SMILES), descriptor_profile(chains)) < 0.5


@pytest.mark.parametrize("smiles", [[], ["CCO"], ["CCO", "CCO"]])
def test_fewer_than_two_molecules_are_told_of(smiles: list[str]) -> None:
    with pytest.raises(ValueError, match="fewer than two distinct"):
        kl_score(descriptor_profile(SMILES), descriptor_profile(smiles))


def test_a_descriptor_with_one_value_is_named() -> None:
    isomers = descriptor_profile(["CCCCCCO", "CC(C)CCCO"])
    with pytest.raises(ValueError, match=r"(MolWt|TPSA) is the same for all molecules"):
        kl_score(descriptor_profile(SMILES), isomers)


def test_the_density_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, 200), rng.normal(0.5, 2, 300)
    grid = np.linspace(min(first.min(), second.min()), max(first.max(), second.max()), 1000)
    p, q = (stats.gaussian_kde(values)(grid) + 1e-10 for values in (first, second))
    assert continuous_kl(first, second) == pytest.approx(float(stats.entropy(p, q)), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(-5, 30), min_size=1, max_size=40),
    st.lists(st.integers(-5, 30), min_size=1, max_size=40),
)
def test_a_divergence_of_counts_is_finite_and_not_negative(
    first: list[int], second: list[int]
) -> None:
    divergence = discrete_kl(np.array(first, np.float64), np.array(second, np.float64))
    assert math.isfinite(divergence)
    assert divergence >= 0


def test_the_fcd_score_falls_from_one() -> None:
    assert fcd_score(0) == 1
    assert fcd_score(5) == pytest.approx(math.exp(-1))
