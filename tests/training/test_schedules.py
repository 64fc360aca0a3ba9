"""Schedules and noise are functions of progress, seed and step alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from molvae.config import Config
from molvae.training.schedules import (
    generator_of,
    kl_weight,
    learning_rate,
    levels_of_step,
    spellings_of_step,
)


def test_the_noise_of_a_step_depends_on_seed_and_step_alone() -> None:
    noises = {
        torch.randn(6, generator=generator_of(seed, step)).numpy().tobytes()
        for seed in range(3)
        for step in range(4)
    }
    assert len(noises) == 12
    once, again = (torch.randn(6, generator=generator_of(1, 2)) for _ in range(2))
    assert torch.equal(once, again)


@pytest.mark.parametrize("total", [0, 7, 1000])
def test_the_learning_rate_peaks_and_falls_to_a_fiftieth(make_config: Any, total: int) -> None:
    config = make_config(warmup=50, learning_rate=0.01).training
    rates = [learning_rate(step, total, config) for step in range(total or 200)]
    assert all(0 < rate <= 0.01 + 1e-12 for rate in rates)
    peak = int(np.argmax(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    if total:
        assert learning_rate(total, total, config) == pytest.approx(0.01 / 50)


def test_a_cyclical_beta_rises_in_every_cycle() -> None:
    weights = [kl_weight(place / 100, 2.0, "cyclical", 0.5, 4) for place in range(100)]
    assert weights[0] == weights[25] == weights[50] == weights[75] == 0.0
    assert max(weights) == 2.0
    assert kl_weight(0.0, 2.0, "constant", 0.5, 4) == 2.0


def test_other_spellings_are_learned_at_the_highest_level() -> None:
    config = Config()
    level = levels_of_step(config, 3, 5000)
    assert level is not None
    found = spellings_of_step(config, 3, level, 4)
    sharp = level[:, 0] == level.max()
    assert not found[~sharp].any()
    assert torch.bincount(found[sharp]).div(sharp.sum()).tolist() == pytest.approx(
        [0.2] * 5, abs=0.03
    )
    assert (spellings_of_step(config, 3, level, 4) == found).all()
    assert (spellings_of_step(config, 4, level, 4) != found).any()
