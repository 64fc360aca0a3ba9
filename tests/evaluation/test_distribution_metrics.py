"""The figures against MOSES's own fixture, and plain words for whatever cannot be measured."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molvae.chem.molecule import smiles_hashes
from molvae.evaluation import distribution_metrics
from molvae.evaluation.distribution_metrics import (
    Figures,
    evaluate_samples,
    random_molecules,
    with_fcd_excess,
)
from molvae.evaluation.estimates import Figure, absent
from molvae.evaluation.reference_statistics import ReferenceSet, reference_set
from molvae.evaluation.set_statistics import describe_set

# The fixture of the tests of github.com/molecularsets/moses, with the values stated there.
TEST = ["Oc1ccccc1-c1cccc2cnccc12", "COc1cccc(NC(=O)Cc2coc3ccc(OC)cc23)c1"]
SAMPLES = [
    "CNC",
    "Oc1ccccc1-c1cccc2cnccc12",
    "INVALID",
    "CCCP",
    "Cc1noc(C)c1CN(C)C(=O)Nc1cc(F)cc(F)c1",
    "Cc1nc(NCc2ccccc2)no1-c1ccccc1",
]
PUBLISHED = {
    "valid": 2 / 3,
    "SNN/Test": 0.3152585653588176,
    "Frag/Test": 0.3,
    "Scaf/Test": 0.5,
    "IntDiv": 0.7189187309761661,
    "Filters": 0.75,
    "logP": 1.63229,
    "QED": 0.20370891752648637,
    "MolWt": 106.87,
}


@pytest.fixture(scope="module")
def fixture_figures() -> Figures:
    return evaluate_samples(
        SAMPLES,
        reference_set(TEST),
        test_scaffolds=reference_set(TEST[:1]),
        train=smiles_hashes(["CNC"]),
        workers=1,
    )


@pytest.fixture(scope="module")
def small_reference() -> ReferenceSet:
    return reference_set(TEST, fcd=False)


@pytest.mark.parametrize(("name", "value"), PUBLISHED.items())
def test_figures_agree_with_the_published_fixture(
    fixture_figures: Figures, name: str, value: float
) -> None:
    assert fixture_figures[name].value == pytest.approx(value, rel=1e-6)


def test_sa_agrees_but_for_todays_stereocentre_in_cccp(
    fixture_figures: Figures,
) -> None:
    published, one_centre_more, samples = 0.5238335295121783, math.log10(2) * 9 / 6.5, 4
    assert fixture_figures["SA"].value == pytest.approx(
        published + one_centre_more / samples, rel=1e-6
    )


def test_novelty_counts_distinct_molecules_that_training_has_not(fixture_figures: Figures) -> None:
    assert fixture_figures["novelty"].value == 0.75
    assert fixture_figures["novelty"].n == 4


def test_the_second_test_set_has_figures_of_its_own(fixture_figures: Figures) -> None:
    names = {name.removesuffix("/TestSF") for name in fixture_figures if name.endswith("/TestSF")}
    assert names == {"FCD", "SNN", "Frag", "Scaf"}
    assert fixture_figures["SNN/TestSF"].value != fixture_figures["SNN/Test"].value


def test_too_few_molecules_for_fcd_are_told_of_in_words(fixture_figures: Figures) -> None:
    assert fixture_figures["FCD/Test"].value is None
    assert (
        "at least 513" in fixture_figures["FCD/Test"].note
        or "pip install" in fixture_figures["FCD/Test"].note
    )
    assert fixture_figures["FCD/Test"].value is None


def test_unique_looks_at_the_first_valid_ones_in_their_order(small_reference: ReferenceSet) -> None:
    samples = ["OCC"] + ["CCO", "not one"] * 899 + ["C" * length for length in range(1, 151)]
    figures = evaluate_samples(samples, small_reference, workers=1, fcd=False)
    assert figures["unique@1k"].value == pytest.approx((1 + 100) / 1000)
    assert figures["unique@1k"].note == ""
    assert figures["unique@10k"].n == 900 + 150
    assert "not of 10,000" in figures["unique@10k"].note


@pytest.mark.parametrize(
    "samples",
    [
        [],
        ["not one"],
        ["", " "],
        ["CCO"],
        ["CCO", "OCC"],
        ["CCO"] * 30,
        ["C", "CC"],
        TEST,
        ["[Na+].[Cl-]", "*", "CCP"],
    ],
    ids=[
        "none",
        "invalid",
        "blank",
        "one",
        "same twice",
        "all equal",
        "no ring",
        "the test set",
        "odd",
    ],
)
@pytest.mark.parametrize(
    "test", [[], ["not one"], ["CCO"], TEST], ids=["empty", "invalid", "one", "two"]
)
@pytest.mark.usefixtures("fake_chemnet")
def test_degenerate_input_gives_a_finite_figure_or_a_reason(
    samples: list[str], test: list[str]
) -> None:
    both, train = reference_set(test), smiles_hashes(test)
    figures = evaluate_samples(samples, both, test_scaffolds=both, train=train, workers=1)
    for name, figure in figures.items():
        assert figure.note or figure.value is not None, name
        assert figure.value is None or math.isfinite(figure.value), name
        assert figure.low is None or math.isfinite(figure.low), name


@pytest.mark.usefixtures("fake_chemnet")
def test_the_test_set_itself_is_as_like_it_as_can_be() -> None:
    molecules = [*TEST, "CCO", "Cc1ccccc1Cc1ccccc1", "CC(=O)Nc1ccc(O)cc1", "CCN(CC)CC"]
    figures = evaluate_samples(
        molecules, reference_set(molecules), train=smiles_hashes(molecules), workers=1
    )
    found = {name: figure.value for name, figure in figures.items() if figure.value is not None}
    ideal = {
        "SNN/Test": 1,
        "Frag/Test": 1,
        "Scaf/Test": 1,
        "GuacaMol KL": 1,
        "GuacaMol FCD": 1,
        "valid": 1,
    }
    nothing = {"FCD/Test": 0, "logP": 0, "SA": 0, "QED": 0, "MolWt": 0, "novelty": 0}
    for name, value in (ideal | nothing).items():
        assert found[name] == pytest.approx(value, abs=1e-6), name


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(max_size=12) | st.sampled_from(SAMPLES + TEST), max_size=8))
def test_any_text_is_measured_without_error(
    small_reference: ReferenceSet, samples: list[str]
) -> None:
    figures = evaluate_samples(samples, small_reference, workers=1, fcd=False)
    assert figures["valid"].n == len(samples)


def test_the_number_of_workers_changes_nothing(small_reference: ReferenceSet) -> None:
    one, two = (
        evaluate_samples(SAMPLES * 2, small_reference, workers=workers, fcd=False)
        for workers in (1, 2)
    )
    assert one == two


def test_many_molecules_are_paired_in_a_stated_part(
    small_reference: ReferenceSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distribution_metrics, "MOST_PAIRED", 3)
    figure = evaluate_samples(["C", "CC", "CCC", "CCCC"], small_reference, workers=1, fcd=False)[
        "IntDiv"
    ]
    assert figure.note == "over 3 of 4 molecules, evenly spaced"


def test_the_interval_of_diversity_has_the_spread_of_samples() -> None:
    rng = np.random.default_rng(0)
    pool = ["C" * a + "O" * (b % 2) + "C" * b + "N" for a in range(1, 9) for b in range(9)]
    draws = [[pool[i] for i in rng.integers(len(pool), size=60)] for _ in range(25)]
    figures = [
        distribution_metrics._diversity(describe_set(draw, filters=False), rng)["IntDiv"]
        for draw in draws
    ]
    spread = float(np.std([figure.value for figure in figures]))
    half_width = float(np.mean([(figure.high or 0) - (figure.low or 0) for figure in figures])) / 2
    assert half_width == pytest.approx(1.96 * spread, rel=0.4)


def test_random_molecules_are_distinct_and_of_the_seed() -> None:
    train = [f"C{'C' * at}" for at in range(50)]
    drawn = random_molecules(train, 20, seed=0)
    assert len(set(drawn)) == 20
    assert drawn == random_molecules(train, 20, seed=0)
    assert drawn != random_molecules(train, 20, seed=1)


def test_the_fcd_excess_is_over_the_reference_row() -> None:
    row = {
        "FCD/Test": Figure(0.07, 30_000),
        "FCD/TestSF": absent(3, "not enough molecules"),
        "valid": Figure(1, 3),
    }
    honest = {"FCD/Test": Figure(0.05, 30_000), "FCD/TestSF": Figure(0.5, 30_000)}
    extended = with_fcd_excess(row, honest)
    assert extended["FCD/Test excess"].value == pytest.approx(0.02)
    assert extended["FCD/Test excess"].note == ""
    assert extended["FCD/TestSF excess"].note == "not enough molecules"
    assert "valid excess" not in extended
    uneven = with_fcd_excess(row, honest | {"FCD/Test": Figure(0.14, 10_000)})
    assert "not comparable" in uneven["FCD/Test excess"].note


def test_torch_is_not_loaded_without_fcd() -> None:
    program = (
        "import sys; from molvae.evaluation.distribution_metrics import evaluate_samples;"
        "from molvae.evaluation.reference_statistics import reference_set;"
        "test = reference_set(['CCC', 'CCO'], fcd=False);"
        "evaluate_samples(['CCO', 'CCN'], test, workers=1, fcd=False);"
        "print(sorted({'torch', 'fcd', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
