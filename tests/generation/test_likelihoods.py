"""Likelihoods are those of the codec, in the order of the molecules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from molvae.generation.likelihoods import likelihoods


def test_each_molecule_has_its_own_numbers(memorised: Any, few: list[str]) -> None:
    readings = memorised.read(few)
    found = likelihoods(memorised, readings)
    assert [one.smiles for one in found] == few
    assert all(one.rebuilt for one in found)
    expected = memorised.log_likelihood(memorised.read(few))
    np.testing.assert_allclose([one.log_p for one in found], expected, rtol=1e-6)
    assert all(one.log_p < one.reconstruction < 0 for one in found)
    backwards = likelihoods(memorised, readings[::-1])[::-1]
    for one, other in zip(found, backwards, strict=True):
        assert one.reconstruction == pytest.approx(other.reconstruction, abs=1e-3)
    assert likelihoods(memorised, []) == []


def test_what_is_strange_is_unlikely(memorised: Any, few: list[str]) -> None:
    known, strange = likelihoods(memorised, memorised.read([few[0], "C" * 12]))
    assert known.log_p > strange.log_p
