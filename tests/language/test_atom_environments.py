"""Hashes of atom environments, and the composition of a prefix."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import selfies
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import Descriptors

from molvae.language.atom_environments import HASHES, NUMBERS
from molvae.language.prefix_features import GROUPS
from molvae.language.vocabulary import Vocabulary

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("strings_of_ids.py"))))
ALPHABETS, MOLECULES, strings = shared.ALPHABETS, shared.MOLECULES, shared.strings
decoded, described, ids_of = shared.decoded, shared.described, shared.ids_of

WITHIN = slice(0, 4)
CHAINS = slice(4, 7)


def hashes(text: str) -> np.ndarray:  # type: ignore[type-arg]
    """The hashes of a whole prefix."""
    letters = ALPHABETS["plain"]
    return described(ids_of(text, letters), letters, "surroundings")[-1]  # type: ignore[no-any-return]


@pytest.mark.parametrize("bonds", range(9))
def test_surroundings_reach_as_far_as_they_say(bonds: int) -> None:
    chain = ["[C]"] * 9
    plain = hashes("".join(chain))
    chain[-1 - bonds] = "[O]"
    changed = hashes("".join(chain)) != plain
    assert changed[WITHIN].tolist() == [bonds <= radius for radius in (1, 2, 3, 4)]
    assert changed[CHAINS].tolist() == [bonds < length for length in (4, 7, 12)]


def test_the_order_in_which_neighbours_were_written_is_nothing() -> None:
    one = hashes("[C][C][Branch1][C][F][Branch1][C][Cl][N]")
    other = hashes("[C][C][Branch1][C][Cl][Branch1][C][F][N]")
    np.testing.assert_array_equal(one[WITHIN], other[WITHIN])


def test_hashes_hold_what_is_pending_and_the_outer_atom() -> None:
    in_branch, in_chain = hashes("[N][C][Branch1][Ring1][C]"), hashes("[N][C][C]")
    np.testing.assert_array_equal(in_branch[WITHIN], in_chain[WITHIN])
    assert (in_branch[7:9] != in_chain[7:9]).all()
    assert in_chain[9] == 0
    assert in_branch[9] > 0
    assert hashes("[O][C][Branch1][Ring1][C]")[9] != in_branch[9]


@settings(max_examples=100, deadline=None)
@given(strings())
def test_there_are_surroundings_where_there_is_an_atom(case: tuple[list[int], Vocabulary]) -> None:
    ids, letters = case
    found = described(ids, letters, "surroundings")
    there = described(ids, letters, "valence")[:, 1] > 0
    assert found.shape[1] == HASHES
    assert (found < NUMBERS).all()
    np.testing.assert_array_equal((found[:, : HASHES - 1] > 0).all(1), there)


MASSES = {
    "C": 12,
    "N": 14,
    "O": 16,
    "S": 32,
    "P": 31,
    "F": 19,
    "Cl": 35,
    "Br": 80,
    "I": 127,
    "B": 11,
    "Si": 28,
    "H": 1,
}


def composition(mol: Chem.Mol) -> list[int]:
    """The features of a molecule, by RDKit."""
    atoms = list(mol.GetAtoms())
    counts = [sum(atom.GetSymbol() == element for atom in atoms) for element in ("N", "O", "S")]
    halogens = sum(atom.GetSymbol() in ("F", "Cl", "Br", "I") for atom in atoms)
    turned = sum(
        bond.GetBondTypeAsDouble() == 1
        and not bond.IsInRing()
        and min(bond.GetBeginAtom().GetDegree(), bond.GetEndAtom().GetDegree()) > 1
        for bond in mol.GetBonds()
    )
    mass = sum(MASSES[atom.GetSymbol()] for atom in atoms)
    mass += sum(atom.GetNumImplicitHs() for atom in atoms if atom.GetSymbol() in ("C", "N", "O"))
    return np.minimum(
        [*counts, halogens, turned, mass // 2], np.array(GROUPS["composition"]) - 1
    ).tolist()  # type: ignore[no-any-return]


# Atoms in brackets, as in [NH1], keep what they have free as unpaired electrons.
BARE = [
    number
    for number, symbol in enumerate(ALPHABETS["plain"].symbols, start=1)
    if symbol not in ("[NH1]", "[H]")
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(BARE), max_size=60))
def test_the_composition_of_any_string_is_that_of_its_molecule(ids: list[int]) -> None:
    letters = ALPHABETS["plain"]
    mol = Chem.MolFromSmiles(decoded([*ids, 0], letters), sanitize=False)
    assume(mol is not None and mol.GetNumAtoms() > 0)
    mol.UpdatePropertyCache()
    Chem.FastFindRings(mol)
    # Rings are formed when a string ends, and so is a ring whose index is incomplete.
    assert described([*ids, 0], letters, "composition")[-1].tolist() == composition(mol)


def test_the_composition_of_molecules_is_theirs() -> None:
    letters = ALPHABETS["charged"]
    for smiles in MOLECULES:
        if Descriptors.NumRadicalElectrons(Chem.MolFromSmiles(smiles)) or any(
            c in smiles for c in "[."
        ):
            continue
        ids = ids_of(selfies.encoder(smiles), letters)
        mol = Chem.MolFromSmiles(selfies.decoder(selfies.encoder(smiles)), sanitize=False)
        mol.UpdatePropertyCache()
        Chem.FastFindRings(mol)
        assert described(ids, letters, "composition")[-1].tolist() == composition(mol)
