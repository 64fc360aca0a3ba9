"""Describing a list of SMILES: order, repetitions and invalid ones, whatever the number of
processes.
"""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from molvae.evaluation.set_statistics import (
    PROPERTY_NAMES,
    DescribedSet,
    describe_set,
    ring_scaffold,
)

SMILES = [
    "OCC",
    "CCO",
    "not one",
    "",
    "Cc1ccccc1Cc1ccccc1",
    "CCCP",
    "C",
    "[Na+].[Cl-]",
    "*CC",
    "[H][H]",
    "[He]",
]


def same(first: DescribedSet, second: DescribedSet) -> bool:
    ours, theirs = first.statistics, second.statistics
    return (
        first.smiles == second.smiles
        and first.given == second.given
        and first.passing == second.passing
        and np.array_equal(ours.fingerprints, theirs.fingerprints)
        and ours.fragments == theirs.fragments
        and ours.scaffolds == theirs.scaffolds
        and all(
            np.array_equal(ours.properties[name], theirs.properties[name])
            for name in PROPERTY_NAMES
        )
    )


def test_valid_molecules_are_canonical_in_their_order() -> None:
    described = describe_set(SMILES)
    assert described.given == len(SMILES)
    assert described.smiles[:3] == ("CCO", "CCO", "Cc1ccccc1Cc1ccccc1")
    assert described.statistics.count == len(described.smiles) >= described.passing > 0


def test_every_valid_molecule_has_every_property() -> None:
    described = describe_set(SMILES)
    assert all(np.isfinite(described.statistics.properties[name]).all() for name in PROPERTY_NAMES)


def test_the_number_of_processes_and_the_chunks_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = describe_set(SMILES * 3)
    monkeypatch.setattr("molvae.evaluation.set_statistics._CHUNK", 4)
    assert same(describe_set(SMILES * 3, workers=2), whole)


def test_filters_are_only_run_where_asked_for() -> None:
    assert describe_set(["CCO"]).passing == 1
    assert describe_set(["CCO"], filters=False).passing == 0


@pytest.mark.parametrize("smiles", [[], ["not one", ""]])
def test_nothing_valid_leaves_empty_tables_of_the_right_shape(smiles: list[str]) -> None:
    described = describe_set(smiles)
    assert described.smiles == ()
    assert described.statistics.fingerprints.shape == (0, 16)
    assert all(described.statistics.properties[name].shape == (0,) for name in PROPERTY_NAMES)


def test_fragments_of_all_molecules_are_counted() -> None:
    assert describe_set(["CCOC(C)=O", "CCOC(C)=O"]).statistics.fragments["[4*]CC"] == 2


@pytest.mark.parametrize("smiles", ["CCCC", "c1ccccc1CC", "C1CC1CCC"])
def test_a_scaffold_has_two_rings_or_is_none(smiles: str) -> None:
    assert ring_scaffold(Chem.MolFromSmiles(smiles)) == ""
