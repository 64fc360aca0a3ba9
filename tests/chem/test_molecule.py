"""Laws of reading, standardising and writing molecules."""

from __future__ import annotations

import pickle
import string

import pytest
import selfies
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molvae.chem import molecule
from molvae.chem.molecule import MAX_RINGS, canonical, parse
from molvae.chem.standardise import standard_smiles
from molvae.errors import MoleculeError

REFUSED = [
    ("", molecule.EMPTY),
    ("   ", molecule.EMPTY),
    ("\ufeffCCO", molecule.NOT_ASCII),
    ("\u0421C", molecule.NOT_ASCII),
    ("C\U0001f600", molecule.NOT_ASCII),
    ("C\u200bC", molecule.NOT_ASCII),
    ("C\0C", molecule.NOT_ASCII),
    ("CC\nO", molecule.SPACE),
    ("CC\tO", molecule.SPACE),
    ("CCO ethanol", molecule.SPACE),
    ("CC |^1:0|", molecule.EXTENDED),
    ("C" * 100_000, molecule.TOO_LONG),
    ("C" * 201, molecule.TOO_LARGE),
    ("C1" + "C" * 300 + "1", molecule.TOO_LARGE),
    ("C12CC1CC2" * 32, molecule.TOO_LARGE),
    ("C(", molecule.UNREADABLE),
    ("C)C", molecule.UNREADABLE),
    ("C1CC", molecule.UNREADABLE),
    ("C11", molecule.UNREADABLE),
    ("[C", molecule.UNREADABLE),
    ("=C", molecule.UNREADABLE),
    ("-C", molecule.UNREADABLE),
    ("c1ccnc1", molecule.UNREADABLE),
    ("C(C)(C)(C)(C)C", molecule.UNREADABLE),
    ("cc", molecule.UNREADABLE),
    ("not a molecule".replace(" ", "_"), molecule.UNREADABLE),
    ("*", molecule.QUERY),
    ("C*", molecule.QUERY),
    ("[0*]", molecule.QUERY),
    ("[#6]", molecule.QUERY),
    ("C~C", molecule.QUERY),
    ("[Na+].[Cl-]", molecule.IONS),
    ("[Cu+2]", molecule.METAL),
    ("[H][H]", molecule.IONS),
    ("[H+]", molecule.IONS),
    ("[Fe]", molecule.METAL),
]


@pytest.mark.parametrize(("smiles", "reason"), REFUSED)
def test_what_is_not_a_molecule_is_refused_with_its_reason(smiles: str, reason: str) -> None:
    with pytest.raises(MoleculeError) as caught:
        standard_smiles(smiles)
    assert caught.value.reason == reason
    assert reason in molecule.REASONS


@pytest.mark.parametrize(
    ("smiles", "detail"),
    [
        ("CC\u0421", "U+0421 at character 3"),
        ("C(C)(C)(C)(C)C", "valence"),
        ("c1ccnc1", "kekulisation"),
        ("C1CC", "a ring bond is not closed"),
        ("C((C)", "the parentheses do not balance"),
        ("[CH3", "the brackets do not balance"),
    ],
)
def test_the_detail_says_what_was_found(smiles: str, detail: str) -> None:
    with pytest.raises(MoleculeError, match=r"does not parse|not plain ASCII") as caught:
        parse(smiles)
    assert detail in caught.value.detail


def test_smiles_that_rdkit_cannot_read_back_are_rewritten() -> None:
    aromatic_aluminium = Chem.MolFromSmiles("CC1=C[Al]=CC=C1")
    assert Chem.MolFromSmiles(Chem.MolToSmiles(aromatic_aluminium)) is None
    smiles = canonical(aromatic_aluminium)
    assert canonical(parse(smiles)) == smiles


def test_limits_of_size_hold() -> None:
    assert parse("C" * 201, 201).GetNumAtoms() == 201
    with pytest.raises(MoleculeError, match="3 heavy atoms, at most 2"):
        parse("CCO", 2)
    rings = "C1CC1" * MAX_RINGS
    assert parse(rings).GetRingInfo().NumRings() == MAX_RINGS
    with pytest.raises(MoleculeError, match="31 rings, at most 30"):
        parse(rings + "C1CC1")


def test_salts_are_counted_over_all_their_fragments() -> None:
    with pytest.raises(MoleculeError, match="too large"):
        parse(".".join(["C" * 50] * 5))


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=40), st.text("CNOPSFIclnos()[]=#@+-/\\123%.HBr*", max_size=40)))
def test_any_text_gives_a_stable_molecule_or_a_counted_reason(text: str) -> None:
    refusal: MoleculeError | None = None
    try:
        smiles = standard_smiles(text)
    except MoleculeError as error:
        refusal = error
    if refusal is None:
        assert standard_smiles(smiles) == smiles
    else:
        assert refusal.reason in molecule.REASONS
        assert set(str(refusal)) <= set(string.printable)


def test_refusals_are_silent_and_rdkits_own_messages_come_back(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(MoleculeError):
        parse("C1CC")
    standard_smiles("CC(=O)[O-].[Na+]")
    assert capfd.readouterr().err == ""
    Chem.MolFromSmiles("C1CC")
    assert "unclosed ring" in capfd.readouterr().err


def test_a_refusal_crosses_processes_whole() -> None:
    with pytest.raises(MoleculeError) as caught:
        parse("C1CC")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.reason, copy.smiles, copy.detail) == (
        caught.value.reason,
        caught.value.smiles,
        caught.value.detail,
    )


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
def test_plain_rewriting_is_what_rdkit_says_of_any_symbols(symbols: list[str]) -> None:
    text = selfies.decoder("".join(symbols))
    with BlockLogs():
        mol = Chem.MolFromSmiles(text)
        expected = Chem.MolToSmiles(mol) if mol is not None else ""
        found = molecule.canonical_or_empty(text)
    if not any(mark in text for mark in "@/\\P"):  # these are written until they stay the same
        assert found == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(RINGS), min_size=1, max_size=4),
    st.sampled_from(["", "C", "O", "N", "C(=O)"]),
)
def test_rings_become_aromatic_by_the_short_way_too(rings: list[str], between: str) -> None:
    text = between.join(f"C({ring})" for ring in rings)
    mol = molecule.read_plain(text)
    assert mol is not None
    assert Chem.MolToSmiles(mol) == Chem.MolToSmiles(Chem.MolFromSmiles(text))


def test_a_decoded_text_of_impossible_valence_is_refused() -> None:
    with BlockLogs():
        assert molecule.read_plain("C(C)(C)(C)(C)C") is None
        assert molecule.canonical_or_empty("C(C)(C)(C)(C)C") == ""


def test_many_molecules_have_the_hashes_that_each_has_alone() -> None:
    molecules = ["CCO", "CCN", "CCO"]
    assert molecule.smiles_hashes(molecules).tolist() == sorted(
        map(molecule.smiles_hash, molecules)
    )
    assert molecule.smiles_hashes([]).tolist() == []


@pytest.mark.parametrize(
    ("mapped", "plain"),
    [
        ("[cH:1]1[cH:2][cH:3][cH:4][cH:5][c:6]1[CH2:7][NH2:8]", "NCc1ccccc1"),
        ("[CH3:1][C@H:2]([F:3])[CH3:4]", "CC(C)F"),
        ("[CH3:9][CH:8]=[N:7][OH:1]", "CC=NO"),
    ],
)
def test_atom_maps_are_no_part_of_a_molecule(mapped: str, plain: str) -> None:
    assert canonical(parse(mapped)) == canonical(parse(plain)) == plain
    assert standard_smiles(mapped) == plain


def test_a_text_of_more_rings_than_can_be_read_is_empty() -> None:
    assert molecule.canonical_or_empty("C1CC1" * 30) == canonical(parse("C1CC1" * 30))
    assert molecule.canonical_or_empty("C1CC1" * 31) == ""
    brackets = "[C@@H1](F)" * 31  # digits of hydrogens close no rings
    assert molecule.canonical_or_empty(f"C{brackets}C1CC1") != ""
    assert molecule.canonical_or_empty("C%10CC%10" * 31) == ""
