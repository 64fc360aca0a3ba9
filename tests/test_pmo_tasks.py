"""The PMO tasks of ``benchmarks/pmo_tasks.py`` agree with what is published of them."""

from __future__ import annotations

import csv
import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula


@pytest.fixture(scope="module")
def pmo() -> Any:
    """The script as a module."""
    path = Path(__file__).parents[1] / "benchmarks" / "pmo_tasks.py"
    spec = importlib.util.spec_from_file_location("pmo_tasks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def value(pmo: Any, task: str, smiles: str) -> float:
    return float(pmo.TASKS[task](Chem.MolFromSmiles(smiles)))


def test_all_but_the_three_classifiers_are_there(pmo: Any) -> None:
    assert len(pmo.TASKS) == 20
    assert set(pmo.CHANGED) < set(pmo.TASKS)


@pytest.mark.parametrize(
    ("task", "target"),
    [
        ("albuterol_similarity", "ALBUTEROL"),
        ("mestranol_similarity", "MESTRANOL"),
        ("celecoxib_rediscovery", "CELECOXIB"),
        ("troglitazone_rediscovery", "TROGLITAZONE"),
        ("thiothixene_rediscovery", "THIOTHIXENE"),
    ],
)
def test_a_target_itself_is_perfect(pmo: Any, task: str, target: str) -> None:
    assert value(pmo, task, getattr(pmo, target)) == 1.0
    assert value(pmo, task, "CCO") < 0.2


@pytest.mark.parametrize(
    ("task", "formula", "smiles"),
    [
        ("isomers_c7h8n2o2", "C7H8N2O2", "NNC(=O)c1ccccc1O"),
        ("isomers_c9h10n2o2pf2cl", "C9H10ClF2N2O2P", "CCNP(=O)(O)c1cc(F)c(F)c(Cl)c1C=N"),
    ],
)
def test_an_isomer_is_perfect_and_a_carbon_more_is_not(
    pmo: Any, task: str, formula: str, smiles: str
) -> None:
    assert CalcMolFormula(Chem.MolFromSmiles(smiles)) == formula
    assert value(pmo, task, smiles) == 1.0
    # One carbon and two hydrogens more of all elements, and three atoms more in all.
    terms = len(pmo.atoms_of(formula)) + 1
    expected = math.exp(-(0.5 + 2.0 + 9 / 8) / terms)
    assert value(pmo, task, "C" + smiles) == pytest.approx(expected)


def test_properties_of_sitagliptin_are_those_of_guacamol(pmo: Any) -> None:
    assert pmo.of_sitagliptin(pmo.logp) == pytest.approx(2.0165, abs=1e-4)
    assert pmo.of_sitagliptin(pmo.tpsa) == pytest.approx(77.04, abs=1e-2)
    assert pmo.of_sitagliptin(pmo.GraphDescriptors.BertzCT) == pytest.approx(896.38, abs=1e-2)
    assert value(pmo, "sitagliptin_mpo", pmo.SITAGLIPTIN) < 1e-4  # it wants another molecule


def test_hops_count_their_three_and_four_parts(pmo: Any) -> None:
    assert value(pmo, "scaffold_hop", pmo.HOP) == pytest.approx(2 / 3)
    assert value(pmo, "deco_hop", pmo.HOP) == pytest.approx(2 / 4)


def test_geometric_means_are_zero_where_a_part_is(pmo: Any) -> None:
    assert value(pmo, "valsartan_smarts", pmo.SITAGLIPTIN) == 0.0
    assert value(pmo, "median1", pmo.CAMPHOR) == pytest.approx(
        math.sqrt(pmo.alike("ECFP4", pmo.MENTHOL, Chem.MolFromSmiles(pmo.CAMPHOR)))
    )


def test_the_area_begins_at_zero_and_keeps_its_last_value(pmo: Any) -> None:
    assert pmo.auc_top10([1.0] * 200, 200) == pytest.approx((50 + 100) / 200)
    assert pmo.auc_top10([1.0] * 100, 200) == pytest.approx((50 + 100) / 200)
    rising = [0.0] * 100 + [1.0] * 10 + [0.0] * 40
    assert pmo.auc_top10(rising, 150) == pytest.approx(25 / 150)


def test_published_rows_hold_every_task_and_their_sums(pmo: Any) -> None:
    path = Path(__file__).parents[1] / "benchmarks" / "pmo_published.csv"
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["task"] for row in rows] == list(pmo.TASKS)
    for method, total, unchanged in (
        ("Tanimoto GP and mol_ga", 13.740, 11.028),
        ("REINVENT", 11.601, 9.726),
        ("SELFIES-VAE BO", 7.759, 6.942),
    ):
        values = {row["task"]: float(row[method]) for row in rows}
        assert sum(values.values()) == pytest.approx(total, abs=2e-3)
        kept = [values[task] for task in values if task not in pmo.CHANGED]
        assert sum(kept) == pytest.approx(unchanged, abs=2e-3)
