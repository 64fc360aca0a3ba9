"""Draws around a latent depend on the seed and their number; the highest level rebuilds."""

from __future__ import annotations

from typing import Any

import numpy as np

from molvae.generation.neighbourhood import draw_around, highest_level
from molvae.generation.sampling import Sample


def test_draws_at_the_highest_level_are_mostly_the_molecule(memorised: Any, few: list[str]) -> None:
    means = memorised.encode(few).repeat(20, axis=0)
    drawn = draw_around(memorised, means, np.full(len(means), highest_level(memorised)), 0)
    same = [
        isinstance(one, Sample) and one.smiles == smiles
        for one, smiles in zip(drawn, np.repeat(few, 20), strict=True)
    ]
    apart = draw_around(memorised, means, np.zeros(len(means)), 0)
    lost = [
        isinstance(one, Sample) and one.smiles == smiles
        for one, smiles in zip(apart, np.repeat(few, 20), strict=True)
    ]
    assert np.mean(same) > 0.5 > np.mean(lost)


def test_a_draw_depends_on_seed_and_number_alone(memorised: Any, few: list[str]) -> None:
    means = memorised.encode(few[:1]).repeat(200, axis=0)
    levels = np.full(200, 0.5)
    drawn = draw_around(memorised, means, levels, 5, 1024)
    assert draw_around(memorised, means, levels, 5, 1024) == drawn
    assert draw_around(memorised, means[:150], levels[:150], 5, 1024) == drawn[:150]
    assert draw_around(memorised, means, levels, 6, 1024) != drawn
