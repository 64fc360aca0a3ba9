"""MOSES's filters: every rule refuses what it is meant to refuse, and the screening loses
nothing.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from rdkit import Chem, RDConfig

from molvae.errors import MolvaeError
from molvae.evaluation import moses_filters
from molvae.evaluation.moses_filters import (
    MCF,
    PAINS_OF_MOSES,
    moses_objection,
)

REFUSED = {
    "C=C(C)C#N": "MCF: vinyl nitrile",
    "C=CS(=O)(=O)C": "MCF: vinyl sulfone",
    "CC=CC(=O)NC": "MCF: acrylamide",
    "CCCl": "MCF: alkyl halide",
    "CC1CO1": "MCF: epoxide",
    "CN=C=O": "MCF: isocyanate",
    "CCC=O": "MCF: aldehyde",
    "CC(=N)C": "MCF: imine",
    "CC1CN1": "MCF: aziridine",
    "CNNC": "MCF: hydrazine",
    "CN=N": "MCF: azo",
    "Clc1ccccn1": "MCF: halogen beside an aromatic heteroatom",
    "CSSC": "MCF: disulfide",
    "CNCNC": "MCF: aminal",
    "COCOC": "MCF: acetal",
    "Brc1cc(Br)cc(Br)c1": "MCF: three bromines",
    "Clc1c(Cl)c(Cl)cc(Cl)c1": "MCF: four chlorines",
    "FC(F)(F)C(F)(F)C(F)(F)c1ccccc1": "MCF: seven fluorines",
    "CN(C)Cc1ccccc1O": "PAINS: mannich_A(296)",
    "CCC(C)[NH3+]": "a charge",
    "CCCP": "element P",
    "C1CCCCCCC1": "a ring of more than 7 atoms",
}


@pytest.mark.parametrize(("smiles", "reason"), REFUSED.items())
def test_every_rule_refuses_what_it_names(smiles: str, reason: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    assert moses_objection(mol) == reason
    assert moses_objection(mol)


@pytest.mark.parametrize("smiles", ["CCO", "c1ccc2[nH]ccc2c1", "C1CCCCCC1", "CC(=O)Nc1ccc(O)cc1"])
def test_plain_molecules_pass(smiles: str) -> None:
    assert not moses_objection(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("smiles", ["Cc1ccco1", "Cc1cccs1", "Nc1ccccc1"])
def test_kekule_patterns_find_no_aromatic_ring_as_in_moses(
    smiles: str,
) -> None:
    assert not moses_objection(Chem.MolFromSmiles(smiles))


def test_the_tables_have_the_published_sizes() -> None:
    assert len(MCF) == 22
    assert len(moses_filters._mcf()) == 22
    assert len(moses_filters._pains()) == 480
    assert all(query is not None for _, query, _ in moses_filters._pains())


def test_each_pattern_put_back_replaces_one_of_rdkit() -> None:
    with open(Path(RDConfig.RDDataDir, "Pains", "wehi_pains.csv"), newline="") as handle:
        theirs = {label[7:-1]: smarts for smarts, label in csv.reader(handle)}
    assert set(PAINS_OF_MOSES) <= set(theirs)
    assert all(theirs[name] != smarts for name, smarts in PAINS_OF_MOSES.items())


def test_screening_loses_no_match(zinc_like: list[str]) -> None:
    found = 0
    for text in [*zinc_like, *REFUSED]:
        mol = Chem.MolFromSmiles(text)
        target = Chem.AddHs(mol)
        for patterns, held in ((moses_filters._mcf(), target), (moses_filters._pains(), mol)):
            unscreened = any(held.HasSubstructMatch(query) for _, query, _ in patterns)
            assert bool(moses_filters._first_match(patterns, held)) == unscreened, text
            found += unscreened
    assert found > 20


def test_patterns_of_moses_find_what_the_corrected_ones_do_not() -> None:
    mol = Chem.MolFromSmiles("CN(Cc1cccc(Cl)c1)C(=O)NCc1ccc(N(C)C)c(F)c1")
    assert moses_objection(mol) == "PAINS: anil_di_alk_D(198)"


def test_a_build_of_rdkit_without_its_table_is_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(RDConfig, "RDDataDir", str(tmp_path))
    moses_filters._pains.cache_clear()
    try:
        with pytest.raises(MolvaeError, match="PAINS table"):
            moses_objection(Chem.MolFromSmiles("CCO"))
    finally:
        moses_filters._pains.cache_clear()


@pytest.fixture
def zinc_like() -> list[str]:
    """Molecules that PAINS patterns were drawn from or come near to."""
    return [
        "O=C1C=CC(=O)C=C1",
        "O=C1NC(=S)SC1=Cc1ccccc1",
        "CN(C)c1ccc(C=NNc2ccccc2)cc1",
        "Oc1ccccc1O",
        "Oc1ccc(O)c(O)c1",
        "N#CC(C#N)=Cc1ccccc1",
        "Cc1[nH]n(-c2ccccc2)c(=O)c1N=Nc1ccccc1",
        "CN(C)c1ccc(C(O)c2ccccc2)cc1",
        "O=C(Nc1nccs1)c1ccccc1",
        "Cc1[nH]c2ccccc2c1CCN",
        "c1ccc2c(c1)[nH]c1ccccc12",
        "CCOC(=O)c1c(N)sc(C)c1C",
    ]
