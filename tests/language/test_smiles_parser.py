"""SMILES are parsed as the encoder of SELFIES parses them, or left to it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from molvae.language.selfies_codec import constraints_for
from molvae.language.smiles_parser import (
    ParsedGraph,
    alternate,
    new_parsed,
    parse_smiles,
    spellings_of,
)
from molvae.language.vocabulary import Vocabulary

SYMBOLS = ("[C]", "[=C]", "[N]", "[O]", "[NH1]", "[C@H1]", "[C@@H1]", "[O-1]", "[Ring1]")
SPELLINGS = spellings_of(Vocabulary(SYMBOLS, (), constraints_for(SYMBOLS)))


def parsed(smiles: str) -> tuple[bool, ParsedGraph]:
    """The result of parsing, and the graph."""
    graph = new_parsed(len(smiles))
    text = np.frombuffer(smiles.encode(), np.uint8)
    return parse_smiles(SPELLINGS, text, 0, len(smiles), graph), graph


def test_atoms_rings_and_branches_are_found() -> None:
    result, graph = parsed("C1CC(O)C1")
    assert result
    count = graph.counts[0]
    assert (count.atoms, count.rings) == (5, 1)
    assert [atom.parent for atom in graph.atoms[:5]] == [-1, 0, 1, 2, 2]
    ring = graph.rings[0]
    assert (ring.left, ring.right, ring.order) == (0, 4, 2)


def test_aromatic_bonds_alternate() -> None:
    result, graph = parsed("c1cc[nH]c1")
    assert result
    assert {atom.order for atom in graph.atoms[1:5]} == {3}
    assert alternate(SPELLINGS, graph)
    assert [atom.order // 2 for atom in graph.atoms[1:5]] == [1, 2, 1, 1]
    assert graph.rings[0].order // 2 == 2


def test_greedy_pairing_may_leave_an_atom() -> None:
    result, graph = parsed("c1cccc1")
    assert result
    assert not alternate(SPELLINGS, graph)


@pytest.mark.parametrize("smiles", ["C[Fe]", "[13CH4]", "[N+]"])
def test_atoms_that_the_alphabet_lacks_are_left_to_the_encoder(smiles: str) -> None:
    assert not parsed(smiles)[0]


@pytest.mark.parametrize("smiles", ["", "C.C", "C1CC", "C(", "C)", "[CH3:1]C", "C$C", "C=", "C%1"])
def test_odd_text_is_left_to_the_encoder(smiles: str) -> None:
    assert not parsed(smiles)[0]


def test_an_atom_is_spelled_with_its_mirror_image() -> None:
    starts, text = SPELLINGS.start.tolist(), SPELLINGS.text.tobytes().decode()
    names = [text[a:b] for a, b in pairwise(starts)]
    one, other = (SPELLINGS.atoms[names.index(name)] for name in ("[C@H]", "[C@@H]"))
    assert (one.atom, one.mirrored) == (other.mirrored, other.atom)
    assert {"c", "[nH]", "[O-]", "n"} <= set(names)
