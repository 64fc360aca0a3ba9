"""The Fréchet distance between Gaussians, and ChemNet's activations where the package fcd is
there.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molvae.errors import InputError
from molvae.evaluation.fcd import (
    FEATURES,
    Moments,
    chemnet_moments,
    fcd_installed,
    frechet_distance,
)

needs_fcd = pytest.mark.skipif(not fcd_installed(), reason="the package fcd is not installed")


def moments(seed: int, n: int, features: int = 8, shift: float = 0.0) -> Moments:
    values = np.random.default_rng(seed).normal(shift, 1.0, (n, features))
    return Moments(n, values.mean(0), np.cov(values.T))


def test_a_set_is_at_no_distance_from_itself() -> None:
    same = moments(0, 50)
    assert frechet_distance(same, same) == pytest.approx(0, abs=1e-12)


def test_one_dimension_has_the_textbook_distance() -> None:
    first = Moments(9, np.array([1.0]), np.array([[4.0]]))
    second = Moments(9, np.array([3.0]), np.array([[9.0]]))
    assert frechet_distance(first, second) == pytest.approx((3 - 1) ** 2 + (3 - 2) ** 2)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), first=st.integers(2, 30), second=st.integers(2, 30))
def test_the_distance_is_symmetric_finite_and_never_negative(
    seed: int, first: int, second: int
) -> None:
    one, other = moments(seed, first), moments(seed + 1, second)
    distance = frechet_distance(one, other)
    assert distance >= 0
    assert distance == pytest.approx(frechet_distance(other, one), abs=1e-9)


def test_the_distance_is_that_of_the_general_square_root() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    one, other = moments(1, 40), moments(2, 40, shift=0.3)
    root = linalg.sqrtm(one.covariance @ other.covariance).real
    expected = ((one.mean - other.mean) ** 2).sum() + np.trace(
        one.covariance + other.covariance - 2 * root
    )
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-9)


def test_few_molecules_have_no_covariance_of_full_rank() -> None:
    with pytest.raises(InputError, match="not enough molecules: 1 valid ones, at least 513"):
        chemnet_moments(["CCO", "C" * 400])


@pytest.fixture
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments of two molecules, whatever their rank."""
    monkeypatch.setattr("molvae.evaluation.fcd.MINIMUM", 2)


@needs_fcd
@pytest.mark.usefixtures("few_are_enough")
def test_the_fixture_of_moses_has_its_published_distance() -> None:
    test = ["Oc1ccccc1-c1cccc2cnccc12", "COc1cccc(NC(=O)Cc2coc3ccc(OC)cc23)c1"]
    valid = ["CNC", "Oc1ccccc1-c1cccc2cnccc12", "CCCP", "Cc1noc(C)c1CN(C)C(=O)Nc1cc(F)cc(F)c1"]
    assert frechet_distance(chemnet_moments(test), chemnet_moments(valid)) == pytest.approx(
        52.58371754, rel=1e-5
    )


@needs_fcd
@pytest.mark.usefixtures("few_are_enough")
def test_moments_do_not_depend_on_parts_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    smiles = ["C" * length + "O" for length in range(1, 12)]
    whole = chemnet_moments(smiles)
    monkeypatch.setattr("molvae.evaluation.fcd._PART", 3)
    parts = chemnet_moments(smiles, threads=2)
    assert whole.count == parts.count == 11
    assert whole.covariance.shape == (FEATURES, FEATURES)
    np.testing.assert_allclose(parts.mean, whole.mean, atol=1e-6)
    np.testing.assert_allclose(parts.covariance, whole.covariance, atol=1e-6)


@needs_fcd
@pytest.mark.usefixtures("few_are_enough")
def test_a_smiles_too_long_for_chemnet_is_left_out_of_the_count() -> None:
    assert chemnet_moments(["CCO", "CCN", "C" * 350]).count == 2
