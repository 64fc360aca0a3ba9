"""SMILES of ids: any string of ids gives what selfies.decoder writes, under the
constraints stated.
"""

from __future__ import annotations

import itertools
import random
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import selfies
from hypothesis import given, settings
from rdkit import Chem

from molvae.errors import InputError
from molvae.language.ids_to_smiles import decode_smiles
from molvae.language.vocabulary import Vocabulary

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("strings_of_ids.py"))))
ALPHABETS, MOLECULES = shared.ALPHABETS, shared.MOLECULES
PLAIN, CHARGED, CONSTRAINTS = shared.PLAIN, shared.CHARGED, shared.CONSTRAINTS
decoded, ids_of, strings, text_of = shared.decoded, shared.ids_of, shared.strings, shared.text_of


@settings(max_examples=400, deadline=None)
@given(strings())
def test_any_string_gives_the_smiles_of_the_selfies_decoder(
    case: tuple[list[int], Vocabulary],
) -> None:
    ids, letters = case
    assert decoded(ids, letters) == selfies.decoder(text_of(ids, letters))


def test_random_strings_give_the_smiles_of_the_selfies_decoder() -> None:
    rng = random.Random(0)
    for letters in ALPHABETS.values():
        batch = [
            [rng.randrange(1, len(letters)) for _ in range(rng.randrange(40))] for _ in range(600)
        ]
        flat = np.array(list(itertools.chain.from_iterable(batch)), np.uint16)
        found = decode_smiles(flat, np.array([len(ids) for ids in batch]), letters)
        assert found == [selfies.decoder(text_of(ids, letters)) for ids in batch]


def test_the_smiles_is_the_same_molecule_with_its_stereo() -> None:
    letters = ALPHABETS["charged"]
    for molecule in MOLECULES:
        found = decoded(ids_of(selfies.encoder(molecule), letters), letters)
        assert Chem.MolToSmiles(Chem.MolFromSmiles(found)) == Chem.MolToSmiles(
            Chem.MolFromSmiles(molecule)
        )


@pytest.mark.parametrize(("preset"), ["octet_rule", "hypervalent"])
def test_the_stated_constraints_hold_and_not_the_default_ones(preset: str) -> None:
    constraints, rng = selfies.get_preset_constraints(preset), random.Random(1)
    letters = Vocabulary(CHARGED, (), constraints)
    selfies.set_semantic_constraints(constraints)
    try:
        for _ in range(300):
            ids = [rng.randrange(1, len(letters)) for _ in range(30)]
            assert decoded(ids, letters) == selfies.decoder(text_of(ids, letters))
    finally:
        selfies.set_semantic_constraints()


def test_a_hundredth_ring_can_still_be_read() -> None:
    letters = ALPHABETS["plain"]
    found = decoded(ids_of("[C][C][C][Ring1][Ring1]" * 120, letters), letters)
    assert "%99" in found
    assert "%(100)" in found
    assert Chem.MolFromSmiles(found).GetRingInfo().NumRings() == 120


def test_an_end_symbol_ends_a_molecule() -> None:
    letters = ALPHABETS["plain"]
    carbon = 1 + PLAIN.index("[C]")
    assert decode_smiles(np.array([carbon, 0, carbon, carbon]), np.array([3, 1]), letters) == [
        "C",
        "C",
    ]
    assert decode_smiles(np.array([], np.uint16), np.array([0, 0]), letters) == ["", ""]
    assert decode_smiles(np.array([], np.uint16), np.array([], np.int32), letters) == []


def test_what_is_no_molecule_is_refused() -> None:
    with pytest.raises(InputError, match="id 27 is not of a vocabulary of 27 ids"):
        decode_smiles(np.array([27]), np.array([1]), ALPHABETS["plain"])
