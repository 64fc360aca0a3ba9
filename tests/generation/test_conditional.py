"""Samples inside windows meet every condition, are distinct, and the same for a seed."""

from __future__ import annotations

from typing import Any

import pytest
from rdkit import Chem

from molvae.chem.properties import PROPERTIES
from molvae.errors import UsageError
from molvae.generation.conditional import (
    Condition,
    Conditions,
    Hits,
    condition_of,
    conditions_of,
    sample_within,
)

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


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("logp=2:3", Condition("logp", 2.0, 3.0)),
        ("MolWt=:400", Condition("molwt", float("-inf"), 400.0)),
        ("qed=0.7:", Condition("qed", 0.7, float("inf"))),
        ("rings=3", Condition("rings", 3.0, 3.0)),
    ],
)
def test_conditions_are_read(text: str, condition: Condition) -> None:
    assert condition_of(text) == condition


@pytest.mark.parametrize(
    "text",
    ["logp", "logp=", "=2:3", "logp=3:2", "logp=a:b", "logq=1:2", "logp=nan:2", "logp=1:2:3"],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        condition_of(text)


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="is no SMARTS"):
        Conditions(keep="C(")


def test_conditions_are_read_with_their_substructure() -> None:
    found = conditions_of(["keep=C(=O)N", "molwt=:400"])
    assert found == (Conditions((condition_of("molwt=:400"),), "C(=O)N"), 0.0)
    with pytest.raises(UsageError, match="one substructure"):
        conditions_of(["keep=C", "keep=N"])


def test_a_similarity_is_told_from_other_conditions() -> None:
    found = conditions_of(["qed=0.5:", "similarity=0.4"])
    assert found == (Conditions((condition_of("qed=0.5:"),)), 0.4)
    assert conditions_of(["keep=C"]) == (Conditions(keep="C"), 0.0)
    for wrong in (
        *(["similarity=x"], ["similarity=2"], ["similarity=nan"]),
        ["similarity=0.1", "similarity=0.2"],
    ):
        with pytest.raises(UsageError, match=r"similarity=0\.4"):
            conditions_of(wrong)
