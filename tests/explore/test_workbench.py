"""The workbench: molecules in, plain values out, and words for what cannot be; the page asks its
own server, and nobody else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from molvae.chem.molecule import parse
from molvae.errors import MoleculeError, MolvaeError, UsageError
from molvae.explore.workbench import EXAMPLES, SCORES, Workbench, card, explore_page


@pytest.fixture(scope="module")
def bench(tiny_model: Any) -> Iterator[Workbench]:
    """A workbench of the tiny model, its directions fitted."""
    made = Workbench(tiny_model, 256)
    made.start()
    made._thread.join(120)
    yield made
    made.close()


@pytest.fixture(scope="module")
def lead(molecules: list[str]) -> str:
    """A molecule that the tiny model reads."""
    return molecules[150]


def test_answers_are_json(bench: Workbench, lead: str, molecules: list[str]) -> None:
    asked = {"smiles": lead, "start": lead, "end": molecules[40], "changes": {"logp": 1.0}}
    for name, action in bench.actions.items():
        given = asked | ({"smiles": molecules[:3]} if name == "molecules" else {})
        assert json.loads(json.dumps(action(given), allow_nan=False)), name


def test_a_lead_has_a_structure_and_scores(bench: Workbench) -> None:
    found = bench.lead({"smiles": " OC(=O)c1ccccc1.Cl "})
    assert found["smiles"] == "O=C(O)c1ccccc1"
    assert found["svg"].startswith("<svg")
    assert all(found[name] is not None for name in SCORES)
    assert "Salts" in found["notes"][0]


@pytest.mark.parametrize("smiles", ["C1CC", "<script>alert(1)</script>", "C" * 900, ""])
def test_a_lead_that_cannot_be_read_is_said(bench: Workbench, smiles: str) -> None:
    with pytest.raises(MoleculeError):
        bench.lead({"smiles": smiles})


def test_analogs_differ_from_the_lead_and_by_seed(bench: Workbench, lead: str) -> None:
    one, other = (bench.analogs({"smiles": lead, "seed": seed})["found"] for seed in (0, 1))
    smiles = [row["smiles"] for row in one]
    assert len(set(smiles)) == len(smiles) > 5
    assert lead not in smiles
    assert {row["smiles"] for row in other} != set(smiles)
    alike = [row["tanimoto"] for row in one]
    assert alike == sorted(alike, reverse=True)


def test_a_path_joins_its_ends(bench: Workbench, lead: str, molecules: list[str]) -> None:
    points = bench.path({"start": lead, "end": molecules[40]})["points"]
    read = bench._codec.reader.read
    assert points[0]["smiles"] == read(lead).smiles
    assert points[-1]["smiles"] == read(molecules[40]).smiles
    assert all(one["smiles"] != two["smiles"] for one, two in pairwise(points))
    assert points[0]["start"] == points[-1]["end"] == 1.0


def test_directions_are_fitted_in_the_background(bench: Workbench) -> None:
    found = bench.directions({})
    assert found["ready"], found
    assert [one["name"] for one in found["properties"]] == ["logp", "qed", "molwt", "rings"]


def test_a_move_gives_the_best_and_names_the_others(bench: Workbench, lead: str) -> None:
    found = bench.move({"smiles": lead, "changes": {"molwt": 50.0}})
    assert found["best"]["smiles"] == found["found"][0]
    assert 0.0 <= found["best"]["tanimoto"] <= 1.0
    assert len(set(found["found"])) == len(found["found"]) <= found["drawn"]


def test_a_move_before_the_fit_is_said(tiny_model: Any, lead: str) -> None:
    bench = Workbench(tiny_model)
    assert bench.directions({}) == {"ready": False, "problem": ""}
    with pytest.raises(UsageError, match="still being fitted"):
        bench.move({"smiles": lead, "changes": {"logp": 1.0}})
    bench.close()


def test_a_fit_that_fails_is_said(tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molvae.explore.directions.FEWEST", 10_000)
    bench = Workbench(tiny_model, 128)
    bench.start()
    bench._thread.join(120)
    assert "samples at least" in bench.directions({})["problem"]


@pytest.mark.parametrize(
    ("action", "asked"),
    [
        ("lead", {}),
        ("lead", {"smiles": 3}),
        ("lead", {"smiles": "C" * 1001}),
        ("molecules", {"smiles": "CCO"}),
        ("molecules", {"smiles": []}),
        ("molecules", {"smiles": ["CCO"] * 49}),
        ("molecules", {"smiles": [None]}),
        ("analogs", {"smiles": "CCO", "seed": -1}),
        ("analogs", {"smiles": "CCO", "seed": "1"}),
        ("analogs", {"smiles": "CCO", "seed": float("nan")}),
        ("analogs", {"smiles": "CCO", "keep_scaffold": True}),
        ("path", {"start": "CCO"}),
        ("move", {"smiles": "CCO", "changes": {"colour": 1}}),
        ("move", {"smiles": "CCO", "changes": {"logp": float("inf")}}),
        ("move", {"smiles": "CCO", "changes": []}),
    ],
)
def test_wrong_requests_are_refused_in_words(
    bench: Workbench, action: str, asked: dict[str, Any]
) -> None:
    with pytest.raises(MolvaeError):
        bench.actions[action](asked)


def test_molecules_that_cannot_be_read_have_no_numbers() -> None:
    found = card("C1CC")
    assert found["svg"] == ""
    assert all(found[name] is None for name in SCORES)


def test_the_page_asks_its_own_server_alone() -> None:
    page = explore_page("a model")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert "connect-src &#39;self&#39;" in policy
    assert "default-src &#39;none&#39;" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"(?:src|href|action)=\"(?!data:)", page)


def test_every_field_has_a_label() -> None:
    page = explore_page("m")
    labels = set(re.findall(r'<label for="([^"]+)"', page))
    for field, rest in re.findall(r'<input id="([^"]+)"([^>]*)>', page):
        assert field in labels or 'type="checkbox"' in rest, field


def test_names_of_models_are_text() -> None:
    assert "<script>alert" not in explore_page("<script>alert(1)</script>")


def test_examples_are_molecules() -> None:
    for one in EXAMPLES:
        assert parse(one["smiles"]).GetNumAtoms() > 5
