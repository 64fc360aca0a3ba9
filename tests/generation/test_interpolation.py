"""A path begins and ends with the molecules given, and moves evenly between their latents."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from molvae.chem.standardise import standard_smiles
from molvae.errors import MoleculeError
from molvae.generation.beam_search import Candidate, beam_search
from molvae.generation.codec import Inversion
from molvae.generation.interpolation import WIDTH, distinct_path, interpolate, lerp, slerp
from molvae.generation.reader import Reading

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
    np.testing.assert_allclose(
        np.linalg.norm(lerp(a, b, t) - a), t * np.linalg.norm(b - a), atol=1e-3
    )


def angle(a: Any, b: Any) -> float:
    cosine = float(np.dot(a.astype(float), b.astype(float)) / np.linalg.norm(a) / np.linalg.norm(b))
    return math.acos(max(-1.0, min(1.0, cosine)))


@given(VECTORS, VECTORS, PLACES)
def test_the_arc_turns_and_lengthens_evenly(a: Any, b: Any, t: float) -> None:
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    assume(min(lengths) > 0.1)
    assume(0.05 < angle(a, b) < math.pi - 0.05)
    z = slerp(a, b, t)
    assert float(np.linalg.norm(z)) == pytest.approx(
        (1 - t) * lengths[0] + t * lengths[1], rel=1e-3
    )
    assert angle(a, z) == pytest.approx(t * angle(a, b), abs=2e-3)


@given(VECTORS, PLACES)
def test_arcs_of_degenerate_vectors_are_straight_lines(a: Any, t: float) -> None:
    for b in (a, -a, 2 * a, 0 * a):
        np.testing.assert_allclose(slerp(a, b, t), lerp(a, b, t), atol=1e-5)


class Plain:
    """A codec without a model: a molecule's latent is its number, decoded to the nearest number's
    molecule.
    """

    KNOWN = ("CCO", "CCCO", "CCCCO", "CCCCCO", "c1ccccc1")

    def __init__(self, reproduced: str = "yes") -> None:
        self.reproduced = reproduced

    def read(self, smiles: list[str]) -> list[Reading]:
        return [Reading(standard_smiles(one), np.zeros(0, np.uint16)) for one in smiles]

    def invert(self, reading: Reading) -> Inversion:
        return Inversion(
            np.array([1.0 + self.KNOWN.index(reading.smiles), 0.0], np.float32), self.reproduced
        )

    def check_latents(self, z: Any) -> Any:
        return np.asarray(z)

    @classmethod
    def beam_search(cls, _: Any, z: Any, width: int) -> list[list[Candidate]]:
        return [candidates(cls.KNOWN[int(round(float(value)) - 1)]) for value in z[:, 0]]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> type[Plain]:
    """The codec without a model, and its beam search."""
    monkeypatch.setattr("molvae.generation.interpolation.beam_search", Plain.beam_search)
    return Plain


@pytest.mark.parametrize("steps", [2, 3, 11])
@pytest.mark.parametrize("path", ["slerp", "lerp"])
def test_the_ends_are_the_molecules_given_and_t_rises_evenly(
    plain: Any, steps: int, path: str
) -> None:
    points = interpolate(plain("no"), "OCC", "C1=CC=CC=C1", steps=steps, path=path)
    assert (points[0].smiles, points[-1].smiles) == ("CCO", "c1ccccc1")
    assert [point.t for point in points] == pytest.approx(np.linspace(0, 1, steps).tolist())
    assert [point.step for point in points] == list(range(steps))
    assert [point.reproduced for point in points] == ["no", *[""] * (steps - 2), "no"]


def test_similarities_are_to_the_ends_and_to_the_neighbour(plain: Any) -> None:
    points = interpolate(plain(), "CCO", "c1ccccc1", steps=5)
    assert [point.smiles for point in points] == list(Plain.KNOWN)
    assert points[0].tanimoto_start == points[-1].tanimoto_end == points[0].tanimoto_previous == 1.0
    assert points[0].tanimoto_end == points[-1].tanimoto_start
    assert points[1].tanimoto_previous == points[1].tanimoto_start < 1.0
    assert all(0.0 <= value <= 1.0 for point in points for value in point[3:6])


def candidates(*smiles: str, canonical: bool = True) -> list[Candidate]:
    return [Candidate(one, -1.0 - place, canonical) for place, one in enumerate(smiles)]


def test_every_point_in_between_is_written_as_its_molecule_is() -> None:
    found = [[*candidates("OC1=CC=CC1", canonical=False), *candidates("Oc1ccccc1")]]
    assert distinct_path("CCO", found, "c1ccccc1") == ["CCO", "Oc1ccccc1", "c1ccccc1"]


def test_no_molecule_stands_twice_while_there_is_another() -> None:
    found = candidates("CCO", "CCCO", "c1ccccc1")
    assert distinct_path("CCO", [found] * 3, "c1ccccc1") == [
        "CCO",
        "CCCO",
        "CCO",
        "CCO",
        "c1ccccc1",
    ]


def test_the_most_similar_new_candidate_is_chosen() -> None:
    found = candidates("Nc1ccccc1", "CCCCCO", "Cc1ccccc1")
    assert distinct_path("CCO", [found] * 3, "CCN") == [
        "CCO",
        "CCCCCO",
        "Cc1ccccc1",
        "Nc1ccccc1",
        "CCN",
    ]
    found = candidates("F", "Cl", "Br")
    assert distinct_path("CCO", [found] * 3, "CCN") == ["CCO", "F", "Cl", "Br", "CCN"]


def test_without_a_canonical_candidate_the_likeliest_stands() -> None:
    found = [candidates("CCC", "CCCO", canonical=False), []]
    assert distinct_path("CCO", found, "CCN") == ["CCO", "CCC", "", "CCN"]


def test_a_path_of_a_real_model_holds_what_its_beams_hold(tiny_model: Any, few: list[str]) -> None:
    points = interpolate(tiny_model, few[1], few[8], steps=7)
    ends = [tiny_model.invert(reading).z for reading in tiny_model.read([few[1], few[8]])]
    z = torch.from_numpy(np.stack([slerp(*ends, point.t) for point in points[1:-1]]))
    for point, found in zip(points[1:-1], beam_search(tiny_model, z, WIDTH), strict=True):
        assert point.smiles in {one.smiles for one in found if one.canonical}
    assert len({point.smiles for point in points}) == 7


def test_a_path_from_a_molecule_to_itself_stays_there(memorised: Any, few: list[str]) -> None:
    points = interpolate(memorised, few[2], few[2], steps=5)
    assert [point.smiles for point in points] == [few[2]] * 5
    assert all(point.tanimoto_previous == 1.0 for point in points)


def test_a_real_path_leads_from_molecule_to_molecule(memorised: Any, few: list[str]) -> None:
    points = interpolate(memorised, few[1], few[8], steps=6)
    assert (points[0].smiles, points[-1].smiles) == (few[1], few[8])
    assert (points[0].reproduced, points[-1].reproduced) == ("yes", "yes")
    again = interpolate(memorised, few[1], few[8], steps=6)
    assert again == points


def test_a_point_without_atoms_has_a_row_too(
    memorised: Any, few: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "molvae.generation.interpolation.beam_search", lambda codec, z, width: [[] for _ in z]
    )
    points = interpolate(memorised, few[1], few[8], steps=4)
    assert points[1].smiles == ""
    assert points[1].tanimoto_start == points[1].tanimoto_end == 0.0


@pytest.mark.parametrize("end", ["C(", "C[Si](C)C", ""])
def test_an_end_that_cannot_be_read_is_refused(memorised: Any, few: list[str], end: str) -> None:
    with pytest.raises(MoleculeError):
        interpolate(memorised, few[0], end)
