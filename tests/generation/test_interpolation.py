"""A path begins and ends with the molecules given, and moves evenly between their latents."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from molvae.chem.fingerprints import tanimoto
from molvae.errors import MoleculeError
from molvae.generation.codec import lerp, slerp
from molvae.generation.interpolation import Gathered, best_chain, interpolate, paths_of_each

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


def alike(*rows: tuple[float, ...]) -> Any:
    """Similarities of all pairs, from those above the diagonal."""
    count = len(rows) + 1
    table = np.eye(count)
    for row, values in enumerate(rows):
        table[row, row + 1 :] = table[row + 1 :, row] = values
    return table


def test_the_best_chain_is_the_least_sum_of_all_chains() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        table = alike(*(tuple(rng.random(n)) for n in (6, 5, 4, 3, 2, 1)))
        way = table[1] - table[0]
        chains = [
            chain
            for chain in itertools.permutations(range(2, 7), 2)
            if way[0] < way[chain[0]] < way[chain[1]] < way[1]
        ]
        if not chains:
            continue
        costs = [
            sum((1 - table[a, b]) ** 3 for a, b in itertools.pairwise((0, *chain, 1)))
            for chain in chains
        ]
        assert best_chain(table, 4) == [0, *chains[int(np.argmin(costs))], 1]


def test_a_chain_longer_than_there_are_molecules_repeats_some() -> None:
    table = alike((0.1, 0.5), (0.5,))
    assert best_chain(table, 3) == [0, 2, 1]
    chain = best_chain(table, 6)
    assert (chain[0], chain[-1], len(chain)) == (0, 1, 6)
    assert [one for one, _ in itertools.groupby(chain)] == [0, 2, 1]


def test_ends_that_no_fingerprint_tells_apart_are_still_the_ends() -> None:
    assert best_chain(alike((1.0, 0.3), (0.3,)), 5)[0] == 0
    assert best_chain(alike((1.0, 0.3), (0.3,)), 5)[-1] == 1


def test_gathered_similarities_are_those_of_a_path() -> None:
    molecules = ["CCO", "CCCO", "Oc1ccccc1", "CN1CCC[C@H]1c1cccnc1"]
    gathered = Gathered(molecules[:2])
    gathered.add([molecules[2], molecules[0]])
    gathered.add(molecules)
    gathered.add([])
    assert gathered.smiles == molecules
    for (row, one), (column, other) in itertools.product(enumerate(molecules), repeat=2):
        assert gathered.alike[row, column] == pytest.approx(tanimoto(one, other)), (one, other)


@pytest.mark.parametrize("steps", [2, 3, 11])
@pytest.mark.parametrize("path", ["slerp", "lerp"])
def test_the_ends_are_the_molecules_given_and_t_rises_evenly(
    tiny_model: Any, few: list[str], steps: int, path: str
) -> None:
    points = interpolate(tiny_model, "OCC", few[3], steps=steps, path=path)
    assert (points[0].smiles, points[-1].smiles) == ("CCO", few[3])
    assert [point.t for point in points] == pytest.approx(np.linspace(0, 1, steps).tolist())
    assert [point.step for point in points] == list(range(steps))
    assert {point.reproduced for point in points[1:-1]} <= {""}
    assert points[0].tanimoto_start == points[-1].tanimoto_end == points[0].tanimoto_previous == 1.0
    assert points[0].tanimoto_end == points[-1].tanimoto_start
    assert points[1].tanimoto_previous == points[1].tanimoto_start


def test_a_path_goes_on_from_the_start_to_the_end(tiny_model: Any, few: list[str]) -> None:
    points = interpolate(tiny_model, few[1], few[8], steps=7)
    way = [point.tanimoto_end - point.tanimoto_start for point in points]
    assert all(one < other for one, other in itertools.pairwise(way))
    assert len({point.smiles for point in points}) == 7


def test_a_path_by_way_of_a_molecule_passes_it(memorised: Any, few: list[str]) -> None:
    points = interpolate(memorised, few[1], few[4], few[8], steps=4)
    assert [points[place].smiles for place in (0, 3, 6)] == [few[1], few[4], few[8]]
    assert len(points) == 7
    assert [point.reproduced for point in points] == ["yes", "", "", "yes", "", "", "yes"]


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


@pytest.mark.parametrize("end", ["C(", "C[Si](C)C", ""])
def test_an_end_that_cannot_be_read_is_refused(memorised: Any, few: list[str], end: str) -> None:
    with pytest.raises(MoleculeError):
        interpolate(memorised, few[0], end)


def test_each_path_depends_on_no_number_of_workers(memorised: Any, few: list[str]) -> None:
    wrong = MoleculeError("does not parse", "C1")
    ends = [(few[0], few[1]), wrong, (few[1], "CCI"), tuple(few[:3])]
    alone, shared = (list(paths_of_each(memorised, ends, 4, workers=one)) for one in (1, 2))
    assert [str(one) for one in alone] == [str(one) for one in shared]
    assert isinstance(alone[1], MoleculeError)
    assert isinstance(alone[2], MoleculeError)
    assert alone[3] == interpolate(memorised, *few[:3], steps=4)
