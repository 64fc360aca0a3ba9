"""Offspring of graphs are canonical, distinct, and the same for the same seed."""

from __future__ import annotations

import random

import pytest
from rdkit import Chem

from molvae.chem.molecule import canonical, parse
from molvae.optimisation import graph_mutations as graphs
from molvae.optimisation.graph_mutations import LARGEST_RING, MUTATIONS, ODD, offspring

PARENTS = ["CC(=O)Nc1ccc(O)cc1", "CC(C)Cc1ccc(C(C)C(=O)O)cc1", "Cn1c(=O)c2c(ncn2C)n(C)c1=O"]


def test_offspring_are_distinct_canonical_molecules() -> None:
    found = list(offspring(PARENTS, 100, 3))
    assert len(set(found)) == len(found) == 100
    assert [canonical(parse(one)) for one in found] == found
    assert not {"."} & set("".join(found))
    assert not set(found) & set(PARENTS)


def test_offspring_follow_from_parents_and_seed() -> None:
    assert offspring(PARENTS, 40, 3) == offspring(PARENTS, 40, 3)
    assert offspring(PARENTS, 40, 3) != offspring(PARENTS, 40, 4)


def test_offspring_know_their_parents() -> None:
    found = offspring(PARENTS, 100, 3)
    assert {len(own) for own in found.values()} == {1, 2}
    assert {one for own in found.values() for one in own} == set(PARENTS)


def test_offspring_have_no_rings_that_no_one_can_make() -> None:
    for smiles in offspring(PARENTS, 200, 0):
        mol = parse(smiles)
        assert max(map(len, mol.GetRingInfo().AtomRings()), default=0) <= LARGEST_RING
        assert not any(mol.HasSubstructMatch(pattern) for pattern in ODD)


def test_molecules_without_bonds_or_alone_have_what_they_can() -> None:
    assert offspring([], 10, 0) == {}
    assert "CC" in offspring(["C"], 50, 0)


@pytest.mark.parametrize("mutation", list(MUTATIONS), ids=lambda one: one.__name__)
def test_every_mutation_makes_another_molecule(
    mutation: graphs.Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "MUTATED", 1.0)
    monkeypatch.setattr(graphs, "MUTATIONS", {mutation: 1})
    assert len(offspring(PARENTS, 30, 5)) >= 3


@pytest.mark.parametrize("crossing", [graphs.cross_chains, graphs.cross_rings])
def test_a_crossing_has_atoms_of_both_parents(crossing: graphs.Crossing) -> None:
    first, second = "N" * 4 + "C1NNNNN1", "OSOC1OSOSO1"
    made, rng = set(), random.Random(0)
    for _ in range(40):
        mol = Chem.RWMol(graphs.graph_of(first))
        made.add(crossing(mol, graphs.graph_of(second), rng))
    assert any("N" in one and ("S" in one or "O" in one) for one in made)
