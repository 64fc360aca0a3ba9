"""Laws of the properties: known values, no made-up values, and a molecule that is left as it
was.
"""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import QED, Descriptors, Lipinski
from rdkit.Chem.Scaffolds import MurckoScaffold
from rdkit.Contrib.SA_Score import sascorer

from molvae.chem.properties import (
    DEFAULT_SCORES,
    PROPERTIES,
    Condition,
    Conditions,
    alert_names,
    condition_of,
    conditions_of,
    lipinski_violations,
    scaffold,
)
from molvae.errors import MoleculeError, UsageError

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
IMATINIB = "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1"
CHIRAL = "O[C@H](CN[C@@H](Cc1cccc(F)c1)c1cccc(F)c1)c1ccncc1"
RHODANINE = "O=C1NC(=S)SC1=Cc1ccccc1"
MOLECULES = (
    ASPIRIN,
    IMATINIB,
    CHIRAL,
    RHODANINE,
    "CCCCCC",
    "C1CC1",
    "OS(=O)(=O)O",
    "CC(=O)[O-].[Na+]",
    "[U]",
    "C",
)


def value(name: str, smiles: str) -> float | int | str:
    return PROPERTIES[name].function(Chem.MolFromSmiles(smiles))


def test_aspirin_has_its_textbook_values() -> None:
    expected = {
        "molwt": 180.16,
        "tpsa": 63.6,
        "hbd": 1,
        "hba": 3,
        "rings": 1,
        "heavy_atoms": 13,
        "fsp3": 1 / 9,
    }
    for name, number in expected.items():
        assert value(name, ASPIRIN) == pytest.approx(number, abs=0.005), name
    assert value("qed", ASPIRIN) == pytest.approx(0.55, abs=0.005)
    assert value("sa", ASPIRIN) == pytest.approx(1.58, abs=0.01)


@pytest.mark.parametrize("smiles", [ASPIRIN, IMATINIB, CHIRAL, RHODANINE])
def test_values_are_those_of_rdkit(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    assert value("qed", smiles) == QED.qed(mol)
    assert value("logp", smiles) == pytest.approx(Descriptors.MolLogP(mol), abs=1e-12)
    assert value("molwt", smiles) == pytest.approx(Descriptors.MolWt(mol), abs=1e-12)
    assert value("rotatable_bonds", smiles) == Lipinski.NumRotatableBonds(mol)
    assert value("scaffold", smiles) == MurckoScaffold.MurckoScaffoldSmiles(mol=mol)


def test_sa_is_lower_for_a_drug_than_for_a_stereo_cage() -> None:
    easy, hard = (
        value("sa", ASPIRIN),
        value("sa", "C[C@@H]1CC[C@H]2[C@@H](C)C(=O)O[C@@H]3O[C@@]4(C)CC[C@@H]1[C@@]23OO4"),
    )
    assert isinstance(easy, float)
    assert isinstance(hard, float)
    assert 1 <= easy < 3 < hard <= 10


def test_a_harder_molecule_never_has_a_smaller_sa() -> None:
    """RDKit smooths a raw score r above 8 to 8 + log(r - 8), which falls below 8 until 9."""
    raw_of_8_and_a_little = "C#C[Si]12C[Si]3(CC(=O)C1C3)C1CCCC2S1(=O)=O"
    assert value("sa", raw_of_8_and_a_little) == 8.0
    assert sascorer.calculateScore(Chem.MolFromSmiles(raw_of_8_and_a_little)) < 3, "RDKit's own"
    for smiles in MOLECULES[:4]:
        assert value("sa", smiles) == sascorer.calculateScore(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("label", ["[2H]C([2H])([2H])Oc1ccccc1", "[13CH3]Oc1cccc[14cH]1"])
def test_isotopes_make_no_molecule_harder_to_make(label: str) -> None:
    assert value("sa", label) == value("sa", "COc1ccccc1") == 1.0


@pytest.mark.parametrize("name", ["qed", "sa"])
@pytest.mark.parametrize(
    ("smiles", "why"),
    [
        ("C", "1 heavy atom,"),
        ("CCO", "3 heavy atoms"),
        ("[U]", "U"),
        ("[Na+].[Cl-]", "Na"),
        ("OS(=O)(=O)O", "carbon"),
    ],
)
def test_a_score_outside_its_domain_is_refused_with_a_reason(
    name: str, smiles: str, why: str
) -> None:
    with pytest.raises(MoleculeError, match="not defined") as caught:
        value(name, smiles)
    assert why in caught.value.detail


def test_an_empty_molecule_has_no_qed_and_no_sa() -> None:
    for name in ("qed", "sa"):
        with pytest.raises(MoleculeError):
            PROPERTIES[name].function(Chem.Mol())


def test_lipinski_counts_each_broken_rule_once() -> None:
    assert lipinski_violations(Chem.MolFromSmiles(ASPIRIN)) == 0
    assert lipinski_violations(Chem.MolFromSmiles("C" * 30)) == 1  # too greasy, not too heavy
    assert lipinski_violations(Chem.MolFromSmiles("C" * 40)) == 2
    assert lipinski_violations(Chem.MolFromSmiles("OCC(O)C(O)C(O)C(O)CO")) == 1  # six donors
    assert (
        lipinski_violations(Chem.MolFromSmiles("O=C(O)CN(CC(=O)O)CCN(CC(=O)O)CCN(CC(=O)O)CC(=O)O"))
        == 1
    )


def test_alerts_are_counted_and_their_names_add_up() -> None:
    names = alert_names(Chem.MolFromSmiles(RHODANINE)).split("; ")
    for heading in ("PAINS", "Brenk", "NIH"):
        assert value(heading.lower(), RHODANINE) == sum(
            name.startswith(f"{heading}:") for name in names
        )
    assert value("pains", RHODANINE) == 1
    assert [value(name, "CCOC") for name in ("pains", "alerts")] == [0, ""]


def test_a_scaffold_is_flat_idempotent_and_empty_without_rings() -> None:
    once = scaffold(Chem.MolFromSmiles(CHIRAL))
    assert "@" not in once
    assert scaffold(Chem.MolFromSmiles(once)) == once
    assert scaffold(Chem.MolFromSmiles("CC(C)O")) == ""


@pytest.mark.parametrize("smiles", MOLECULES)
def test_no_property_changes_the_molecule_or_the_others(smiles: str) -> None:
    def all_of(names: tuple[str, ...], mol: Chem.Mol) -> dict[str, object]:
        values: dict[str, object] = {}
        for name in names:
            try:
                values[name] = PROPERTIES[name].function(mol)
            except MoleculeError as error:
                values[name] = error.detail
        return values

    mol = Chem.MolFromSmiles(smiles)
    before = mol.ToBinary()
    forwards = all_of(tuple(PROPERTIES), mol)
    assert forwards == all_of(tuple(reversed(PROPERTIES)), Chem.MolFromSmiles(smiles))
    assert mol.ToBinary() == before


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(
        st.sampled_from(
            ["C", "N", "O", "c1ccccc1", "S", "F", "[Na+]", "[Cl-]", "C(=O)", "[O-]", "."]
        ),
        min_size=1,
    )
)
def test_any_molecule_gives_a_finite_value_or_a_reason(parts: list[str]) -> None:
    mol = Chem.MolFromSmiles("".join(parts).strip("."))
    if mol is None or mol.GetNumAtoms() > 60:
        return
    for entry in PROPERTIES.values():
        try:
            found = entry.function(mol)
        except MoleculeError:
            continue  # a reason; any other error fails
        assert isinstance(found, float | int | str)
        assert isinstance(found, str) or math.isfinite(found)


def test_every_property_has_its_own_name_and_description() -> None:
    assert len({entry.name for entry in PROPERTIES.values()}) == len(PROPERTIES)
    for key, entry in PROPERTIES.items():
        assert key == key.lower()
        assert entry.description
        assert "\n" not in entry.description
    assert set(DEFAULT_SCORES) == set(PROPERTIES) - {"alerts"}


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("logp=2:3", Condition("logp", 2.0, 3.0)),
        ("MolWt=:400", Condition("molwt", float("-inf"), 400.0)),
        ("qed=0.7:", Condition("qed", 0.7, float("inf"))),
        ("rings=3", Condition("rings", 3.0, 3.0)),
    ],
)
def test_conditions_are_read(text: str, condition: Condition) -> None:
    assert condition_of(text) == condition


@pytest.mark.parametrize(
    "text",
    ["logp", "logp=", "=2:3", "logp=3:2", "logp=a:b", "logq=1:2", "logp=nan:2", "logp=1:2:3"],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        condition_of(text)


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="is no SMARTS"):
        Conditions(keep="C(")


def test_conditions_are_read_with_their_substructure() -> None:
    found = conditions_of(["keep=C(=O)N", "molwt=:400"])
    assert found == (Conditions((condition_of("molwt=:400"),), "C(=O)N"), 0.0)
    with pytest.raises(UsageError, match="one substructure"):
        conditions_of(["keep=C", "keep=N"])


def test_a_similarity_is_told_from_other_conditions() -> None:
    found = conditions_of(["qed=0.5:", "similarity=0.4"])
    assert found == (Conditions((condition_of("qed=0.5:"),)), 0.4)
    assert conditions_of(["keep=C"]) == (Conditions(keep="C"), 0.0)
    for wrong in (
        *(["similarity=x"], ["similarity=2"], ["similarity=nan"]),
        ["similarity=0.1", "similarity=0.2"],
    ):
        with pytest.raises(UsageError, match=r"similarity=0\.4"):
            conditions_of(wrong)
