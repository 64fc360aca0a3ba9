"""The sample table is honest: beside its reference row, with its sizes, and in words where there is
no number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molvae.chem.molecule import smiles_hashes
from molvae.evaluation import sample_report
from molvae.evaluation.estimates import Figure, absent, aligned, figure_section
from molvae.evaluation.reference_statistics import reference_set
from molvae.evaluation.sample_report import (
    CANONICAL,
    NO_TRAIN,
    REFERENCE,
    SampleTable,
    Sets,
    as_json,
    canonical_alone,
    judge,
    known_molecules,
    prepare_sets,
    read_smiles,
    reference_cache,
)

TEST = [
    "Oc1ccccc1-c1cccc2cnccc12",
    "COc1cccc(NC(=O)Cc2coc3ccc(OC)cc23)c1",
    "CCOc1ccccc1",
    "Cc1noc(C)c1CN",
]


class Draw(NamedTuple):
    """Draw that a model might make."""

    smiles: str
    canonical: bool = True


@pytest.fixture(scope="module")
def sets() -> Sets:
    """Four test molecules, and no training set."""
    return Sets(reference_set(TEST, fcd=False))


def judged(samples: Sequence[str], sets: Sets) -> SampleTable:
    return judge(samples, sets, workers=1, fcd=False)


def assert_no_number_is_none(table: SampleTable) -> None:
    for figures in table.rows.values():
        for entry in json.loads(json.dumps(as_json(figures), allow_nan=False)).values():
            assert entry["value"] is not None or entry["note"]


# -- the reference row
# --------------------------------------------------------------------------------------------


def test_the_reference_row_has_the_size_of_the_valid_samples(
    sets: Sets, molecules: list[str]
) -> None:
    train = sets._replace(train=molecules, known=smiles_hashes(molecules))
    table = judged([*molecules[:20], "C(", ""], train)
    assert table.sizes["samples"] == 22
    assert table.sizes["valid samples"] == table.sizes[REFERENCE] == 20
    assert table.rows[REFERENCE]["novelty"].value == 0.0
    assert table.rows[REFERENCE]["valid"].n == 20


def test_a_training_set_smaller_than_the_samples_is_said_to_be(
    sets: Sets, molecules: list[str]
) -> None:
    table = judged(molecules[:20], sets._replace(train=molecules[:5]))
    assert table.sizes[REFERENCE] == 5
    assert any("differ in size" in remark for remark in table.remarks)


def test_without_training_molecules_there_is_no_reference(sets: Sets, molecules: list[str]) -> None:
    table = judged(molecules[:5], sets)
    assert list(table.rows) == ["samples"]
    assert table.remarks == [f"no reference row: {NO_TRAIN}"]


def test_the_seed_decides_which_training_molecules_are_drawn(
    sets: Sets, molecules: list[str]
) -> None:
    train = sets._replace(train=molecules)
    first, again, other = (
        judge(molecules[:9], train, workers=1, fcd=False, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert first.rows[REFERENCE] != other.rows[REFERENCE]


# -- degenerate input
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "samples",
    [[], ["CCO"], ["CCO", "CCN"], ["CCO"] * 9, ["C(", "", "*"], TEST],
    ids=["none", "one", "two", "equal", "invalid", "the test set itself"],
)
def test_degenerate_samples_get_words_and_no_number_that_is_none(
    samples: list[str], sets: Sets, molecules: list[str]
) -> None:
    for some in (sets, sets._replace(train=molecules[:30], known=smiles_hashes(molecules[:30]))):
        assert_no_number_is_none(judged(samples, some))


@pytest.mark.parametrize("test", [[], ["C("], ["CCO"]])
def test_a_degenerate_test_set_gets_words_too(test: list[str]) -> None:
    table = judged(TEST, Sets(reference_set(test, fcd=False)))
    assert_no_number_is_none(table)
    assert table.sizes["test"] == test.count("CCO")


@settings(max_examples=15)
@given(
    st.lists(
        st.one_of(st.sampled_from([*TEST, "CCO", "[Na+].[Cl-]"]), st.text(max_size=8)), max_size=6
    )
)
def test_any_text_may_stand_in_place_of_a_sample(sets: Sets, samples: list[str]) -> None:
    table = judged(samples, sets)
    assert table.sizes["samples"] == len(samples)
    assert_no_number_is_none(table)


# -- canonical SELFIES
# --------------------------------------------------------------------------------------------------


def test_the_canonical_share_is_of_all_raw_draws() -> None:
    draws = [Draw("CCO"), Draw("CCN"), Draw("", False), Draw("CCO", False)]
    found, kept = canonical_alone(draws, iter(()))
    assert (found.value, found.n) == (0.5, 4)
    assert kept == ["CCO", "CCN"]


def test_canonical_draws_are_filled_up_to_the_raw_number() -> None:
    draws = [Draw("CCO"), Draw("CCO", False), Draw("", False)]
    slip, other = Draw("CCC", False), Draw("CCN")
    for more, n in (([slip, *[other] * 9], 3), ([other, slip], 2), ([], 1)):
        found, kept = canonical_alone(draws, iter(more))
        assert found.value == pytest.approx(1 / 3)
        assert kept == ["CCO", *["CCN"] * (n - 1)]


def test_no_draws_have_no_canonical_share() -> None:
    assert canonical_alone([], iter(())) == (absent(0, "no samples"), [])


def test_canonical_samples_have_a_row_of_their_own(sets: Sets, molecules: list[str]) -> None:
    train = sets._replace(train=molecules[:30], known=smiles_hashes(molecules[:30]))
    for some, names in (
        (sets, ["samples", CANONICAL]),
        (train, ["samples", CANONICAL, REFERENCE]),
    ):
        table = judge([*TEST, "CCO"], some, kept=TEST, workers=1, fcd=False)
        assert list(table.rows) == names
        assert table.rows["samples"] == judged([*TEST, "CCO"], some).rows["samples"]
        assert table.rows[CANONICAL] == judged(TEST, some).rows["samples"]
        assert table.sizes[CANONICAL] == len(TEST)


# -- sets and files
# -----------------------------------------------------------------------------------------------


def test_a_training_molecule_is_known_however_it_is_spelt(sets: Sets) -> None:
    known, remark = known_molecules(["OCC", "N#C", "C("])
    assert not remark
    table = judged(["CCO", "CCN"], sets._replace(known=known))
    assert table.rows["samples"]["novelty"].value == 0.5


def test_canonical_training_molecules_are_taken_unchanged(
    few: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_report, "LOOKED_AT", 5)
    known, remark = known_molecules(few)
    assert "5 of 5 checked are canonical" in remark
    assert np.array_equal(known, smiles_hashes(few))
    reversed_first, remark = known_molecules(["OCC", *few])
    assert not remark
    assert np.array_equal(reversed_first, smiles_hashes(["CCO", *few]))


def test_statistics_of_the_test_set_are_cached(
    molecules: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, remarks = prepare_sets(molecules[:20], fcd=False, workers=1)
    kept = sorted((tmp_path / "molvae" / "reference").iterdir())
    assert len(kept) == 1
    assert not remarks
    monkeypatch.setattr(
        "molvae.evaluation.reference_statistics.describe_set", None
    )  # whatever is computed anew would fail
    again, _ = prepare_sets(molecules[:20], fcd=False, workers=1)
    assert again.test.statistics.fragments == first.test.statistics.fragments


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert reference_cache() is None
    sets, remarks = prepare_sets(TEST, fcd=False, workers=1)
    assert sets.test.statistics.count == len(TEST)
    assert "no cache folder" in remarks[0]


def test_an_unreadable_row_is_an_invalid_sample(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text("smiles,name\nCCO,a\nCCN,b,too,many\n,c\n")
    assert read_smiles(path) == ["CCO", "", ""]


# -- text
# --------------------------------------------------------------------------------


def test_columns_stand_under_each_other() -> None:
    assert aligned([["", "value"], ["a", "1"], ["long", ""]]) == [
        "      value",
        "a         1",
        "long",
    ]


def test_every_figure_and_every_note_is_in_the_text() -> None:
    figures = {
        "a": Figure(0.5, 10, 0.4, 0.6),
        "b": absent(0, "no sample"),
        "c": absent(0, "no sample"),
    }
    rows = {"samples": as_json(figures), "others": as_json({"a": Figure(1.0, 3)})}
    text = "\n".join(figure_section("Samples", rows, ["in all"]).lines())
    assert text.startswith("Samples\n")
    assert "  in all" in text
    assert "0.4000 to 0.6000" in text
    assert "  b, c: no sample" in text
    assert text.count("no sample") == 1
    assert "1.0000" in text
