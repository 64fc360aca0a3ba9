"""Figures of many posteriors together are true where the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from molvae.evaluation.aggregate_posterior import Posteriors, capacity, information, mismatch, mmd

Floats = NDArray[np.float64]


def gaussians(means: Floats, variance: float, seed: int = 0) -> Posteriors:
    """Posteriors of one variance around the means given."""
    rng = np.random.default_rng(seed)
    draws = means + math.sqrt(variance) * rng.standard_normal(means.shape)
    return Posteriors(
        means, np.full(means.shape, math.log(variance)), draws, rng.standard_normal(means.shape)
    )


def test_a_gaussian_channel_carries_what_the_textbook_says() -> None:
    noise, latent = 0.36, 4
    signal = math.sqrt(1 - noise) * np.random.default_rng(1).standard_normal((3000, latent))
    posteriors = gaussians(signal, noise)
    figures = information(posteriors) | mismatch(posteriors)
    assert figures["mutual information, nats"].value == pytest.approx(
        -0.5 * latent * math.log(noise), rel=0.05
    )
    assert figures["KL of aggregate to prior, nats, at most"].value == pytest.approx(0.0, abs=0.1)
    assert figures["KL of aggregate to prior, nats, at least"].value == pytest.approx(0.0, abs=0.05)
    assert figures["MMD²"].value == pytest.approx(0.0, abs=0.01)


def test_collapsed_posteriors_carry_nothing_and_fit_the_prior() -> None:
    figures = capacity(gaussians(np.zeros((300, 6)), 1.0))
    assert figures["mutual information, nats"].value == pytest.approx(0.0, abs=1e-9)
    assert figures["active units"].value == 0
    assert figures["KL of a dimension, largest"].value == 0.0


def test_distant_posteriors_identify_every_molecule() -> None:
    posteriors = gaussians(30 * np.random.default_rng(2).standard_normal((50, 6)), 0.01)
    figures = capacity(posteriors)
    assert figures["mutual information, nats"].value == pytest.approx(math.log(50))
    assert "no two molecules are confused" in figures["mutual information, nats"].note
    assert figures["active units"].value == 6


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_two_bounds_of_the_mismatch_are_in_their_order(shift: float) -> None:
    posteriors = gaussians(shift + 0.2 * np.random.default_rng(3).standard_normal((2000, 5)), 0.2)
    figures = information(posteriors) | mismatch(posteriors)
    low, high = (
        figures[f"KL of aggregate to prior, nats, at {side}"].value for side in ("least", "most")
    )
    assert low is not None
    assert high is not None
    assert 0.45 * 5 * shift**2 < low <= high + 0.05


def test_mmd_is_what_its_definition_says() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((7, 3)), 1 + rng.standard_normal((9, 3))

    def kernel(x: Floats, y: Floats) -> float:
        return math.exp(-float(((x - y) ** 2).sum()) / 6)

    within = [
        sum(kernel(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j)
        / (len(s) * (len(s) - 1))
        for s in (a, b)
    ]
    assert mmd(a, b) == pytest.approx(
        sum(within) - 2 * sum(kernel(x, y) for x in a for y in b) / 63
    )
