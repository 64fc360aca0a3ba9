"""Laws of the parent: one compound has one standard form, however a file spells it."""

from __future__ import annotations

import pytest
from rdkit import Chem

from molvae.chem.molecule import METAL, canonical, parse
from molvae.chem.standardise import (
    BASES,
    SOLVENTS_AND_ACIDS,
    standard_smiles,
    standardise,
)
from molvae.errors import MoleculeError


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        (" OCC ", "CCO"),
        ("N", "N"),
        ("CC(=O)[O-].[Na+]", "CC(=O)O"),
        ("C[NH3+].[Cl-]", "CN"),
        ("CCCO.CCCN", "CCCN"),  # a solvent beside another molecule
        ("CCF.CCN", "CCF"),  # equal sizes: the heavier
        ("B.C", "C"),  # equal sizes: the one with carbon
        ("CN(=O)=O", "C[N+](=O)[O-]"),
        ("C[N+](C)(C)C.[Br-]", "C[N+](C)(C)C"),
        ("[NH3+]CC(=O)[O-]", "NCC(=O)O"),
        ("[CH3:1][OH:2]", "CO"),
        ("[13CH3]O", "[13CH3]O"),
        ("F/C=C\\F", "F/C=C\\F"),
        ("N[C@@H](C)C(=O)O", "C[C@H](N)C(=O)O"),
        ("C[C@H]([CH3:1])O", "CC(C)O"),  # a centre only by its map number is none
        ("[H]OC", "CO"),
    ],
)
def test_standard_form(smiles: str, expected: str) -> None:
    assert standard_smiles(smiles) == expected


def test_charges_stay_when_asked_to() -> None:
    assert standard_smiles("CC(=O)[O-].[Na+]", neutralise=False) == "CC(=O)[O-]"


def test_a_fragment_that_cannot_be_kekulised_alone_is_refused() -> None:
    with pytest.raises(MoleculeError, match="does not parse") as caught:
        standard_smiles("COC(=O)C1=[c-](C)N(c2cccc(Cl)c2)C(=O)/C1=C\\c1cccc(Cl)c1.[Cl-]")
    assert "kekulisation" in caught.value.detail


def test_a_canonical_form_without_kekule_structure_is_refused() -> None:
    """Its SMILES does not read back, and without aromaticity it cannot be written."""
    with pytest.raises(MoleculeError, match="does not read back"):
        standard_smiles("CC(C)OC(=O)CC1=[cH-]C(=O)C2=C[C@@H](c3ccccc3)SC2=N1", neutralise=False)


def test_the_order_of_fragments_does_not_matter() -> None:
    assert (
        len({standard_smiles(".".join(p)) for p in (("CCO", "NCC", "OO"), ("OO", "NCC", "CCO"))})
        == 1
    )


def test_a_molecule_that_needs_nothing_comes_back_as_it_is() -> None:
    mol = parse("c1ccccc1O")
    assert standardise(mol) is mol


def test_standardising_leaves_its_argument_alone() -> None:
    mol = parse("[CH3:1][NH3+].[Cl-]")
    before = Chem.MolToSmiles(mol)
    standardise(mol)
    assert Chem.MolToSmiles(mol) == before


MOLECULES = [
    "CC1C2CCC(C2)C1CN(CCO)C(=O)c1ccc(Cl)cc1",
    "C[C@@H]1CC(Nc2cncc(-c3nncn3C)c2)C[C@@H](C)C1",
    "O=C([O-])C[NH2+]CC1=CC[C@@H](O)/C1=C/F",
    "C/[S@](=N\\S(=O)(=O)c1cccc2nsnc12)c1ncccc1C(F)(F)F",
    "C[NH+](C)[N-]/C(=N/C(=O)c1ccccc1)N1CCOCC1",
    "O=[P@](O)(Oc1ccccc1)O[C@@H](c1ccccc1)C(F)(F)C(F)(F)F",
]


@pytest.mark.parametrize("smiles", MOLECULES)
def test_the_standard_form_does_not_depend_on_the_input_smiles(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    written = {standard_smiles(s) for s in Chem.MolToRandomSmilesVect(mol, 20, randomSeed=7)}
    assert written == {standard_smiles(smiles)}


@pytest.mark.parametrize("smiles", MOLECULES)
def test_the_standard_form_of_a_standard_form_is_itself(smiles: str) -> None:
    once = standard_smiles(smiles)
    assert standard_smiles(once) == once == canonical(parse(once))


PAIRS = [
    (
        "COc1ccc2[nH]c([S+]([O-])Cc3ncc(C)c(OC)c3C)nc2c1",
        "COc1ccc2[nH]c(S(=O)Cc3ncc(C)c(OC)c3C)nc2c1",
    ),
    ("C[S@+]([O-])Cc1ccccc1", "C[S@](=O)Cc1ccccc1"),
    ("C[S+2]([O-])([O-])CC", "CCS(C)(=O)=O"),
    ("C[P+](C)(C)[O-]", "CP(C)(C)=O"),
    ("CO[P+]([O-])(OC)C", "COP(C)(=O)OC"),
    ("C[N+](C)=C([O-])C", "CC(=O)N(C)C"),
    ("C[S+]([O-])CC[N+](=O)[O-]", "CS(=O)CC[N+](=O)[O-]"),
]


@pytest.mark.parametrize(("apart", "joined"), PAIRS)
@pytest.mark.parametrize("neutralise", [True, False])
def test_a_pair_of_charges_is_the_double_bond_it_replaces(
    apart: str, joined: str, neutralise: bool
) -> None:
    assert standard_smiles(apart, neutralise=neutralise) == canonical(parse(joined))
    assert standard_smiles(joined) == canonical(parse(joined))


@pytest.mark.parametrize(
    "smiles",
    ["C[N+](=O)[O-]", "[O-][n+]1ccccc1", "C[N+](C)(C)[O-]", "CN=[N+]=[N-]", "[C-]#[N+]C"],
)
def test_charges_that_no_double_bond_replaces_stay(smiles: str) -> None:
    assert standard_smiles(smiles) == canonical(parse(smiles))


@pytest.mark.parametrize("cation", ["c1ccc[cH+]cc1", "[CH2+]c1ccccc1", "[BH3-]n1cccc1"])
def test_no_hydride_is_added_to_a_charge(cation: str) -> None:
    assert standard_smiles(cation) == canonical(parse(cation))


COUNTER_IONS = {
    "CCN(CC)CC.F[P-](F)(F)(F)(F)F.[H+]": "CCN(CC)CC",
    "C[NH3+].O=C([O-])C(F)(F)F": "CN",
    "CCn1cc[n+](C)c1.O=S(=O)([N-]S(=O)(=O)C(F)(F)F)C(F)(F)F": "CCn1cc[n+](C)c1",
    "C[NH3+].[O-]Cl(=O)(=O)=O": "CN",
    "CCN.OS(=O)(=O)O": "CCN",
    "CCN.O[N+](=O)[O-]": "CCN",
    "CCC[NH3+].F[B-](F)(F)F": "CCCN",
    "CCCN.OC(=O)CC(O)(CC(=O)O)C(=O)O": "CCCN",
    "CCCN.OC(=O)/C=C\\C(=O)O": "CCCN",
    "CCCN.OC(=O)[C@H](O)[C@@H](O)C(=O)O": "CCCN",
    "CCC(C)C(=O)[O-].C[N+](C)(C)CCO": "CCC(C)C(=O)O",
    "CCC(=O)O[Na]": "CCC(=O)O",
    "CCCC(=O)[O-].CCCC(=O)[O-].[Ca+2]": "CCCC(=O)O",
    "CN([K])C": "CNC",
    "CC(=O)O": "CC(=O)O",  # alone, a counter-ion is the molecule
    "CC(=O)O.O": "CC(=O)O",
    "OC(=O)C(F)(F)F.CCN(CC)CC": "CCN(CC)CC",
}


@pytest.mark.parametrize(("salt", "parent"), COUNTER_IONS.items())
def test_the_parent_of_a_salt_is_its_organic_part(salt: str, parent: str) -> None:
    assert standard_smiles(salt) == parent


@pytest.mark.parametrize("salt", SOLVENTS_AND_ACIDS + BASES)
def test_every_salt_leaves_a_drug_beside_it(salt: str) -> None:
    assert standard_smiles(f"{salt}.CC(N)Cc1cc[nH]c1") == "CC(N)Cc1cc[nH]c1"


def test_no_salt_is_listed_twice() -> None:
    names = [Chem.CanonSmiles(one) for one in SOLVENTS_AND_ACIDS + BASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("smiles", "metal"),
    {
        "CC[Hg]SC1=C(C=CC=C1)C(=O)[O][Na]": "Hg",
        "N[Pt](N)(Cl)Cl": "Pt",
        "[NH3]->[Pt](Cl)(Cl)<-[NH3]": "Pt",
        "[cH-]1cccc1.[cH-]1cccc1.[Fe+2]": "Fe",
        "[Fe]12345678C9C1C2C3C94.C51C6C7C8C1": "Fe",
        "O->[Mg+2]<-O": "Mg",
        "CCO[Zr](OCC)(OCC)OCC": "Zr",
        "c1ccccc1[Mg]Br": "Mg",
        "[CaH2]": "Ca",
        "[Ba+2].[O-]S(=O)(=O)[O-]": "Ba",
        "[Na+].[O-]S(=O)(=O)O": "Na",
        "[Na+].[OH-]": "Na",
        "[Zn+2].CC(=O)[O-].CC(=O)[O-]": "Zn",
    }.items(),
)
def test_other_metals_are_refused_by_name(smiles: str, metal: str) -> None:
    with pytest.raises(MoleculeError) as caught:
        standard_smiles(smiles)
    assert (caught.value.reason, caught.value.detail) == (METAL, metal)


def test_two_spellings_that_become_each_other_are_one_molecule() -> None:
    spellings = (
        "O=C(c1ccccc1C(=O)N1C(=O)c2ccccc2C1=O)N1C(=O)c2ccccc2C1=O",
        "O=C1c2ccccc2C(=O)N1C(=O)c1ccccc1C(=O)N1C(=O)c2ccccc2C1=O",
    )
    assert len({Chem.CanonSmiles(one) for one in spellings}) == 2, "RDKit has mended it"
    assert len({standard_smiles(one) for one in spellings}) == 1
    assert len({canonical(parse(one)) for one in spellings}) == 1


@pytest.mark.parametrize("smiles", ["[H][I+2]", "[H][Br+2]", "[H][Cl+2]", "[IH+2].[Cl-]"])
def test_what_is_a_bare_ion_without_its_proton_is_refused(smiles: str) -> None:
    with pytest.raises(MoleculeError, match="only metals or ions"):
        standard_smiles(smiles)
