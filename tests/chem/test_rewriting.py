"""The short way to a canonical SMILES is RDKit's own, for whatever the decoder may write."""

from __future__ import annotations

import selfies
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molvae.chem.rewriting import canonical_or_empty, read_plain

SYMBOLS = (
    *(
        "[C]",
        "[=C]",
        "[#C]",
        "[N]",
        "[=N]",
        "[NH1]",
        "[O]",
        "[=O]",
        "[S]",
        "[=S]",
        "[F]",
        "[Cl]",
        "[Br]",
        "[I]",
        "[B]",
    ),
    *(
        "[Branch1]",
        "[=Branch1]",
        "[#Branch1]",
        "[Branch2]",
        "[Ring1]",
        "[=Ring1]",
        "[Ring2]",
        "[P]",
        "[N+1]",
        "[O-1]",
    ),
    *("[C@@H1]", "[/C]", "[H]"),
)
RINGS = (
    "C1=CC=CC=C1",
    "C1=CNC=C1",
    "C1=C[NH1]C=N1",
    "C1=NC(=O)NC1=O",
    "C1=C[NH1]C2=CC=CC=C12",
    "C1=CSC=C1",
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=40))
def test_it_is_what_rdkit_says_of_any_string_of_symbols(symbols: list[str]) -> None:
    text = selfies.decoder("".join(symbols))
    with BlockLogs():
        mol = Chem.MolFromSmiles(text)
        expected = Chem.MolToSmiles(mol) if mol is not None else ""
        found = canonical_or_empty(text)
    if not any(mark in text for mark in "@/\\P"):  # these are written until they stay the same
        assert found == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(RINGS), min_size=1, max_size=4),
    st.sampled_from(["", "C", "O", "N", "C(=O)"]),
)
def test_rings_become_aromatic_by_the_short_way_too(rings: list[str], between: str) -> None:
    text = between.join(f"C({ring})" for ring in rings)
    mol = read_plain(text)
    assert mol is not None
    assert Chem.MolToSmiles(mol) == Chem.MolToSmiles(Chem.MolFromSmiles(text))


def test_a_valence_that_cannot_be_is_refused() -> None:
    with BlockLogs():
        assert read_plain("C(C)(C)(C)(C)C") is None
        assert canonical_or_empty("C(C)(C)(C)(C)C") == ""
