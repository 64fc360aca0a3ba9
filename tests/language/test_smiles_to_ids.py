"""Symbols written by compiled code are those that the selfies package writes, whatever the
molecule.
"""

from __future__ import annotations

import pytest

from molvae.chem.molecule import standard_smiles
from molvae.datasets.prepare import random_smiles
from molvae.errors import MoleculeError
from molvae.language.selfies_codec import default_constraints, to_selfies
from molvae.language.smiles_to_ids import Scribe

MARKED = [
    r"C[C@H]1C=[N+]2C(=N)/C(=C/c3ccc(OC(=O)c4ccc(F)cc4)c(Br)c3)C(=O)N=C2S1",
    r"CC(=O)[C@@]1(O)CC[C@@H]2[C@H]3CCC4=C/C(=N\OCC(=O)NCCc5c[nH]cn5)CC[C@]4(C)[C@H]3CC[C@@]21C",
    r"CC(C)(C)/[N+]([O-])=C/[C@]1([C@@]2(/C=[N+](\[O-])C(C)(C)C)Cc3ccccc3C2=O)Cc2ccccc2C1=O",
    r"C/[S@](=N\S(=O)(=O)c1cccc2nsnc12)c1ncccc1C(F)(F)F",
    r"O=c1[nH]/c(=C(/Br)c2ccccc2)c(=O)[nH]/c1=C(\Br)c1ccccc1",
    r"C1=N\c2ccccc2/N=C\c2cc3ccccc3cc2/1",
    r"COc1ccc(-c2cc(-c3ccccc3)cc(-c3ccc(I)cc3)[o+]2)cc1",
    r"Cc1sc(N2CCCCC2)[s+]c1SCC(=O)[O-]",
    r"C[P@@](=O)(Nc1ccccc1Cl)Oc1cccc(Cl)c1Cl",
    r"C[Si](C)(C)c1cc[se]c1",
    r"OB(O)c1c[n-]c2ccccc12",
    r"[2H]C([2H])([2H])O[13CH2]C#N",
    r"O=C1NC23NC(=O)NC2(N1)c1ccccc1-c1ccccc13",
    r"CCCCCCCCCCCCCCCCCCCC(CCCCCCCCCCCCCCCCCCCCCCCC)(c1ccccc1)C1CCCCCCCCCCCCCCCCCCCCC1",
    r"C[Fe+2]",
    "C",
]
"""Charges, chirality with and without rings at the atom, double-bond stereo in chains and at ring
closures, aromatic atoms in brackets, fused and spiro rings, odd elements, isotopes, branches and
rings of two digits."""

REFUSED = [
    "CC(=O)OI1(OC(C)=O)(OC(C)=O)OC(=O)c2ccccc21",
    "C.C",
    "C$C",
    "C1CC",
    "CN->[Fe]",
    "c1cccc1",
    "C(C)(C)(C)(C)C",
]
ODD = [
    "C%(100)CC%(100)",
    "[CH3:1]C",
    "[013CH4]",
    "[C+1]C",
    "[CH0]",
    "[CH1]C",
    "C1.C1",
    "C-C",
    "C/1=C/CCCCCC1",
]


def by_definition(smiles: str) -> str:
    """The symbols that the package writes, or why it cannot."""
    try:
        return to_selfies(smiles, default_constraints())
    except MoleculeError as error:
        return f"{error.reason}: {error.detail}"


def transcribed(smiles: list[str]) -> list[str]:
    """The same, by compiled code where that understands the text."""
    scribe = Scribe(smiles)
    written = scribe.write(smiles)
    symbols = ("", *scribe.alphabet.symbols)
    return [
        f"{ids.reason}: {ids.detail}"
        if isinstance(ids, MoleculeError)
        else "".join(symbols[number] for number in ids)
        for ids in written
    ]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the package is asked for."""
    found: list[str] = []

    def ask(smiles: str, constraints: dict[str, int]) -> str:
        found.append(smiles)
        return to_selfies(smiles, constraints)

    monkeypatch.setattr("molvae.language.smiles_to_ids.to_selfies", ask)
    return found


def test_canonical_smiles_are_written_as_by_the_package_without_asking_it(
    molecules: list[str], asked: list[str]
) -> None:
    smiles = [standard_smiles(one, neutralise=False) for one in [*molecules, *MARKED]]
    assert transcribed(smiles) == [by_definition(one) for one in smiles]
    assert not asked


def test_other_spellings_are_written_as_by_the_package(
    molecules: list[str], asked: list[str]
) -> None:
    smiles = [
        text
        for one in [*molecules[:100], *MARKED]
        for text in random_smiles(standard_smiles(one), 5, 1)
    ]
    assert transcribed(smiles) == [by_definition(one) for one in smiles]
    assert len(asked) < len(smiles) / 20


def test_what_selfies_cannot_express_is_refused_for_its_reason(asked: list[str]) -> None:
    assert transcribed([*REFUSED, "CC"])[-1] == "[C][C]"
    assert transcribed(REFUSED) == [by_definition(one) for one in REFUSED]
    assert set(asked) == set(REFUSED)


def test_odd_text_is_written_as_by_the_package() -> None:
    assert transcribed(ODD) == [by_definition(one) for one in ODD]


def test_molecules_beside_it_change_nothing() -> None:
    every = [*MARKED, *ODD, *REFUSED]
    assert transcribed(every) == [text for one in every for text in transcribed([one])]
    assert transcribed(every[::-1]) == transcribed(every)[::-1]


def test_more_atoms_than_are_numbered_beforehand_are_written_all_the_same() -> None:
    isotopes = [f"[{mass}CH3]O" for mass in range(1, 700)]
    assert transcribed(isotopes) == [by_definition(one) for one in isotopes]


def test_nothing_is_written_for_nothing() -> None:
    assert Scribe([]).write([]) == []


def test_what_the_package_writes_and_cannot_read_is_refused() -> None:
    assert transcribed(["C[Fe+10]", "CC"]) == [
        "SELFIES cannot express it: [Fe+10] means nothing",
        "[C][C]",
    ]
