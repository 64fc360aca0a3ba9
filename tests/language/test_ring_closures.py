"""The ring that the features predict is the ring that closing it makes."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import selfies
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molvae.language.ring_closures import LARGEST, REACH
from molvae.language.vocabulary import Vocabulary

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("strings_of_ids.py"))))
ALPHABETS, MOLECULES, strings = shared.ALPHABETS, shared.MOLECULES, shared.strings
decoded, described = shared.decoded, shared.described
ids_of, symbols_of, text_of = shared.ids_of, shared.symbols_of, shared.text_of

CLOSURES = [
    # the prefix before its ring symbol; atoms back; columns: 5 by single, 5 by double, 6 by single,
    # 6 by double
    ("[C][=C][C][=C][C][=C]", 5, [0, 0, 5, 0]),  # benzene
    ("[C][C][=C][C][=C][C]", 5, [0, 0, 0, 5]),  # benzene, begun elsewhere
    ("[C][=C][C][=C][C]", 4, [0, 0, 0, 0]),  # cyclopentadiene
    ("[C][=C][C][=C][O]", 4, [4, 0, 0, 0]),  # furan
    ("[C][C][=C][NH1][C]", 4, [0, 4, 0, 0]),  # pyrrole, begun elsewhere
    ("[C][C][C][C][C][C]", 5, [0, 0, 0, 0]),  # cyclohexane
    ("[C][C][=Branch1][C][=O][N][C][=C][C]", 6, [0, 0, 0, 6]),  # pyridone, its carbonyl in a branch
]


@pytest.mark.parametrize(("prefix", "back", "columns"), CLOSURES)
def test_closures_that_complete_an_aromatic_ring_are_known(
    prefix: str, back: int, columns: list[int]
) -> None:
    letters = ALPHABETS["plain"]
    assert described(ids_of(prefix, letters), letters, "aromatic")[-1].tolist() == columns
    index = selfies.constants.INDEX_ALPHABET[back - 1]
    order = "=" if columns[1] or columns[3] else ""
    smiles = decoded(ids_of(f"{prefix}[{order}Ring1]{index}", letters), letters)
    assert any(atom.GetIsAromatic() for atom in Chem.MolFromSmiles(smiles).GetAtoms()) == any(
        columns
    )


def test_closures_foretold_aromatic_are_so_in_molecules() -> None:
    letters, foretold = ALPHABETS["charged"], 0
    for molecule in MOLECULES:
        symbols = symbols_of(molecule)
        known = described(ids_of("".join(symbols), letters), letters, "aromatic")
        whole = Chem.MolFromSmiles(selfies.decoder("".join(symbols)))
        for place, symbol in enumerate(symbols[:-1]):
            if symbol not in ("[Ring1]", "[=Ring1]"):
                continue
            back = 1 + selfies.constants.INDEX_ALPHABET.index(symbols[place + 1])
            if back in known[place][symbol == "[=Ring1]" :: 2]:
                # The first atom after the prefix has this number, and the prefix ends at an atom
                # here.
                here = (
                    int(
                        described(ids_of("".join(symbols[:place]), letters), letters, "position")[
                            -1
                        ][1]
                    )
                    - 1
                )
                bond = whole.GetBondBetweenAtoms(here, here - back)
                if bond is not None:
                    assert bond.GetIsAromatic()
                    foretold += 1
    assert foretold >= 15


def prefix_graph(smiles: str) -> Chem.Mol:
    """The graph of a SMILES as written, atoms in its order."""
    options = Chem.SmilesParserParams()
    options.sanitize, options.removeHs = False, False  # type: ignore[assignment]
    return Chem.MolFromSmiles(smiles, options)


def shortest_paths(mol: Chem.Mol, begin: int, end: int) -> list[list[int]]:
    """All shortest paths between two atoms, by brute force."""
    paths = [[begin]]
    while paths and not any(path[-1] == end for path in paths):
        seen = {atom for path in paths for atom in path}
        steps = [
            (path, near.GetIdx())
            for path in paths
            for near in mol.GetAtomWithIdx(path[-1]).GetNeighbors()
        ]
        paths = [[*path, atom] for path, atom in steps if atom not in seen]
    return [path for path in paths if path[-1] == end]


@settings(max_examples=120, deadline=None)
@given(strings(longest=30), st.integers(0, 40), st.integers(1, REACH))
def test_the_ring_foretold_is_the_ring_that_closing_makes(
    case: tuple[list[int], Vocabulary], cut: int, back: int
) -> None:
    ids, letters = case
    ids = ids[:cut]
    known = {
        group: described(ids, letters, group)[-1]
        for group in ("valence", "ring_sizes", "ring_unsaturation")
    }
    before = prefix_graph(selfies.decoder(text_of(ids, letters)))
    place = [described(ids, letters, group)[-1] for group in ("pending", "branch")]
    begun, exhausted = known["valence"][0] != 1, known["valence"][0] == 0
    if not begun or place[0][0] or (exhausted and place[1][1]):
        return  # what is appended here would be read as something else than a ring
    digits = [selfies.constants.INDEX_ALPHABET[digit] for digit in divmod(back - 1, 16)]
    closed = f"{text_of(ids, letters)}[Ring2]{digits[0]}{digits[1]}"
    after = prefix_graph(selfies.decoder(closed))
    changed = [
        bond
        for bond in after.GetBonds()
        if (old := before.GetBondBetweenAtoms(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) is None
        or old.GetBondType() != bond.GetBondType()
    ]
    size = int(known["ring_sizes"][back - 1])
    if size == 0:
        # Index symbols that reach further than the first atom mean the first atom.
        assert all(0 in (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in changed)
        return
    if not changed:  # a triple bond cannot be raised further
        assert size + 1 == 2
        return
    (bond,) = changed
    ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    paths = shortest_paths(before, *ends)
    assert min(len(paths[0]) if paths else LARGEST, LARGEST) == size + 1
    if size + 1 < LARGEST:
        least = min(sum(lacks_double_bond(before, atom) for atom in path) for path in paths)
        assert known["ring_unsaturation"][back - 1] == 1 + min(least, 6)


def lacks_double_bond(mol: Chem.Mol, atom: int) -> bool:
    """True if all bonds of an atom are single."""
    return all(bond.GetBondTypeAsDouble() == 1 for bond in mol.GetAtomWithIdx(atom).GetBonds())
