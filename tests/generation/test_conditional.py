"""Samples inside windows meet every condition, are distinct, and the same for a seed."""

from __future__ import annotations

from typing import Any

from rdkit import Chem

from molvae.chem.properties import PROPERTIES, Condition, Conditions
from molvae.generation.conditional import Hits, sample_within

RINGS = Conditions((Condition("rings", 1, 3), Condition("molwt", 0, 400)), "[#6]")


def test_samples_meet_all_conditions_and_are_distinct(memorised: Any) -> None:
    hits = Hits()
    found = list(sample_within(memorised, 10, RINGS, hits=hits))
    assert len({one.smiles for one in found}) == len(found) == 10
    for one in found:
        mol = Chem.MolFromSmiles(one.smiles)
        assert 1 <= PROPERTIES["rings"].function(mol) <= 3
        assert PROPERTIES["molwt"].function(mol) <= 400
    assert 0 < hits.yielded[-1] <= hits.tried[-1]


def test_a_seed_gives_the_same_samples_and_more_begin_with_fewer(memorised: Any) -> None:
    many = list(sample_within(memorised, 10, RINGS))
    assert list(sample_within(memorised, 10, RINGS)) == many
    assert list(sample_within(memorised, 5, RINGS)) == many[:5]


def test_what_no_molecule_meets_ends(memorised: Any) -> None:
    hits = Hits()
    assert list(sample_within(memorised, 1, Conditions(keep="[Xe]"), hits=hits)) == []
    assert hits.draws >= 200
