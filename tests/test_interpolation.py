"""A path begins and ends with the molecules given, and moves evenly between their latents."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from molvae.chemistry import standard_smiles
from molvae.codec import Inversion, Reading
from molvae.errors import MoleculeError
from molvae.interpolation import DENSE_BELOW, DENSE_DEPTH, interpolate, lerp, slerp

VECTORS = arrays.arrays(np.float32, 6, elements=st.floats(-4, 4, width=32))
PLACES = st.floats(0.0, 1.0)


@given(VECTORS, VECTORS)
def test_both_curves_begin_and_end_at_their_ends(a: Any, b: Any) -> None:
    for curve in (lerp, slerp):
        np.testing.assert_allclose(curve(a, b, 0.0), a, atol=1e-4)
        np.testing.assert_allclose(curve(a, b, 1.0), b, atol=1e-4)
        assert curve(a, b, 0.5).dtype == np.float32


@given(VECTORS, VECTORS, PLACES)
def test_both_curves_are_the_same_backwards(a: Any, b: Any, t: float) -> None:
    for curve in (lerp, slerp):
        np.testing.assert_allclose(curve(a, b, t), curve(b, a, 1.0 - t), atol=1e-3)


@given(VECTORS, VECTORS, PLACES)
def test_the_straight_line_moves_evenly(a: Any, b: Any, t: float) -> None:
    np.testing.assert_allclose(np.linalg.norm(lerp(a, b, t) - a), t * np.linalg.norm(b - a), atol=1e-3)


def angle(a: Any, b: Any) -> float:
    cosine = float(np.dot(a.astype(float), b.astype(float)) / np.linalg.norm(a) / np.linalg.norm(b))
    return math.acos(max(-1.0, min(1.0, cosine)))


@given(VECTORS, VECTORS, PLACES)
def test_the_arc_turns_and_lengthens_evenly(a: Any, b: Any, t: float) -> None:
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    assume(min(lengths) > 0.1)
    assume(0.05 < angle(a, b) < math.pi - 0.05)
    z = slerp(a, b, t)
    assert float(np.linalg.norm(z)) == pytest.approx((1 - t) * lengths[0] + t * lengths[1], rel=1e-3)
    assert angle(a, z) == pytest.approx(t * angle(a, b), abs=2e-3)


@given(VECTORS, PLACES)
def test_the_arc_between_parallel_opposite_or_no_vectors_is_the_straight_line(a: Any, t: float) -> None:
    for b in (a, -a, 2 * a, 0 * a):
        np.testing.assert_allclose(slerp(a, b, t), lerp(a, b, t), atol=1e-5)


class Plain:
    """A codec without a model: a molecule's latent is its number, decoded to the nearest number's molecule."""

    KNOWN = ("CCO", "CCCO", "CCCCO", "CCCCCO", "c1ccccc1")

    def __init__(self, reproduced: str = "yes") -> None:
        self.reproduced, self.asked = reproduced, 0

    def read(self, smiles: list[str]) -> list[Reading]:
        return [Reading(standard_smiles(one), np.zeros(0, np.uint16)) for one in smiles]

    def invert(self, reading: Reading) -> Inversion:
        return Inversion(np.array([1.0 + self.KNOWN.index(reading.smiles), 0.0], np.float32), self.reproduced)

    def decode(self, z: Any) -> list[str]:
        self.asked += len(z)
        return [self.KNOWN[int(round(float(value)) - 1)] for value in z[:, 0]]


@pytest.mark.parametrize("steps", [2, 3, 11])
@pytest.mark.parametrize("path", ["slerp", "lerp"])
def test_the_ends_are_the_molecules_given_and_t_rises_evenly(steps: int, path: str) -> None:
    points = interpolate(Plain("no"), "OCC", "C1=CC=CC=C1", steps=steps, path=path)  # type: ignore[arg-type]
    assert (points[0].smiles, points[-1].smiles) == ("CCO", "c1ccccc1")
    assert [point.t for point in points] == pytest.approx(np.linspace(0, 1, steps).tolist())
    assert [point.step for point in points] == list(range(steps))
    assert [point.reproduced for point in points] == ["no", *[""] * (steps - 2), "no"]


def test_similarities_are_to_the_ends_and_to_the_neighbour() -> None:
    points = interpolate(Plain(), "CCO", "c1ccccc1", steps=5)  # type: ignore[arg-type]
    assert [point.smiles for point in points] == list(Plain.KNOWN)
    assert points[0].tanimoto_start == points[-1].tanimoto_end == points[0].tanimoto_previous == 1.0
    assert points[0].tanimoto_end == points[-1].tanimoto_start
    assert points[1].tanimoto_previous == points[1].tanimoto_start < 1.0
    assert all(0.0 <= value <= 1.0 for point in points for value in point[3:6])


def test_dense_adds_points_only_between_neighbours_that_jump() -> None:
    plain = interpolate(Plain(), "CCO", "c1ccccc1", steps=3)  # type: ignore[arg-type]
    dense = interpolate(Plain(), "CCO", "c1ccccc1", steps=3, dense=True)  # type: ignore[arg-type]
    assert {point.t for point in plain} < {point.t for point in dense}
    assert [point.t for point in dense] == sorted({point.t for point in dense})
    assert [point.step for point in dense] == list(range(len(dense)))
    for a, b in pairwise(dense):
        assert b.t - a.t >= 0.5 / 2**DENSE_DEPTH
        jumped = b.tanimoto_previous < DENSE_BELOW
        assert not jumped or b.t - a.t == 0.5 / 2**DENSE_DEPTH, "a jump is halved as often as is allowed"


def test_a_path_from_a_molecule_to_itself_stays_there(memorised: Any, few: list[str]) -> None:
    points = interpolate(memorised, few[2], few[2], steps=5, dense=True)
    assert [point.smiles for point in points] == [few[2]] * 5
    assert all(point.tanimoto_previous == 1.0 for point in points)


def test_a_real_path_leads_from_molecule_to_molecule(memorised: Any, few: list[str]) -> None:
    points = interpolate(memorised, few[1], few[8], steps=6)
    assert (points[0].smiles, points[-1].smiles) == (few[1], few[8])
    assert (points[0].reproduced, points[-1].reproduced) == ("yes", "yes")
    again = interpolate(memorised, few[1], few[8], steps=6)
    assert again == points


def test_a_point_without_atoms_has_a_row_too(memorised: Any, few: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memorised, "decode", lambda z: [""] * len(z))
    monkeypatch.setattr("molvae.codec.REFINE_STEPS", 2)
    points = interpolate(memorised, few[1], few[8], steps=4, dense=True)
    assert points[1].smiles == ""
    assert points[1].tanimoto_start == points[1].tanimoto_end == 0.0


@pytest.mark.parametrize("end", ["C(", "C[Si](C)C", ""])
def test_an_end_that_cannot_be_read_is_refused(memorised: Any, few: list[str], end: str) -> None:
    with pytest.raises(MoleculeError):
        interpolate(memorised, few[0], end)
