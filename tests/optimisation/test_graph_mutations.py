"""Offspring of graphs are canonical, distinct, and the same for the same seed."""

from __future__ import annotations

import sys

import pytest

from molvae.chem.molecule import canonical, parse
from molvae.errors import UsageError
from molvae.optimisation.graph_mutations import check_extra, offspring

PARENTS = ["CC(=O)Nc1ccc(O)cc1", "CC(C)Cc1ccc(C(C)C(=O)O)cc1", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C"]


def test_offspring_are_distinct_canonical_molecules() -> None:
    found = list(offspring(PARENTS, 40, 3))
    assert len(found) > 10
    assert [canonical(parse(one)) for one in found] == found
    assert not {"."} & set("".join(found))


def test_offspring_follow_from_parents_and_seed() -> None:
    assert offspring(PARENTS, 40, 3) == offspring(PARENTS, 40, 3)
    assert offspring(PARENTS, 40, 3) != offspring(PARENTS, 40, 4)


def test_offspring_have_one_or_two_of_the_parents() -> None:
    found = offspring(PARENTS, 60, 3)
    assert {len(own) for own in found.values()} == {1, 2}
    assert set().union(*found.values()) == set(PARENTS)
    assert set(offspring(PARENTS[:1], 20, 0).values()) == {(PARENTS[0],)}


def test_without_the_extra_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mol_ga.graph_ga.gen_candidates", None)
    with pytest.raises(UsageError, match=r"molvae\[ga\]"):
        check_extra()
