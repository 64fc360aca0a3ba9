"""Neighbours, paths and candidates of a latent are judged by the molecules that they decode to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from molvae.chem.fingerprints import similarity
from molvae.evaluation.latent_neighbourhoods import fingerprints_of, smoothness


def test_similarity_is_one_to_oneself_and_none_to_nothing() -> None:
    bits = fingerprints_of(["CCO", "c1ccccc1O", ""])
    assert similarity(bits, bits).tolist() == [1.0, 1.0, 0.0]
    assert similarity(bits, bits[[2, 2, 0]]).tolist() == [0.0, 0.0, 0.0]


def test_a_path_between_equal_latents_does_not_move(memorised: Any, few: list[str]) -> None:
    means = np.repeat(memorised.encode(few[:1]), 6, axis=0)
    figures = smoothness(memorised, means, np.random.default_rng(0))
    assert figures["neighbour similarity"].value == 1.0
    assert figures["largest jump"].value == 0.0
    assert figures["distinct on a path"].value == pytest.approx(1 / 11)
