"""Features of a prefix follow from it alone, in bulk as step by step."""

from __future__ import annotations

import itertools
import random
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import selfies
from hypothesis import given, settings
from hypothesis import strategies as st

from molvae.errors import InputError
from molvae.language.prefix_features import (
    GROUPS,
    SIZES,
    STARTS,
    TIERS,
    Prefixes,
    features,
)
from molvae.language.ring_closures import LARGEST
from molvae.language.vocabulary import Vocabulary

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("strings_of_ids.py"))))
ALPHABETS, MOLECULES = shared.ALPHABETS, shared.MOLECULES
described, ids_of, strings = shared.described, shared.ids_of, shared.strings
ALL = "environments"


@settings(max_examples=150, deadline=None)
@given(strings(), st.integers(0, 2**32))
def test_steps_and_bulk_agree(case: tuple[list[int], Vocabulary], seed: int) -> None:
    ids, letters = case
    rng = random.Random(seed)
    batch = [
        ids,
        ids[::-1],
        ids[: len(ids) // 2],
        [rng.randrange(1, len(letters)) for _ in range(20)],
    ]
    lengths = np.array([len(one) for one in batch])
    whole = features(
        np.array(list(itertools.chain.from_iterable(batch)), np.uint16), lengths, letters, ALL
    )
    starts = np.cumsum(lengths + 1) - lengths - 1
    prefixes, place = Prefixes(letters, 9, ALL), rng.sample(range(9), len(batch))
    for step in range(lengths.max() + 1):
        for chosen in np.array_split(
            rng.sample(list(np.flatnonzero(lengths >= step)), sum(lengths >= step)), 2
        ):
            chosen = chosen.astype(int)
            now = prefixes.features(np.array(place, int)[chosen])
            np.testing.assert_array_equal(now, whole[starts[chosen] + step])
        going = np.flatnonzero(lengths > step)
        tokens = np.array([batch[one][step] for one in going], np.uint16)
        prefixes.advance(np.array(place)[going], tokens)


@settings(max_examples=150, deadline=None)
@given(strings(), st.integers(0, 60))
def test_features_follow_from_the_prefix_alone(
    case: tuple[list[int], Vocabulary], cut: int
) -> None:
    ids, letters = case
    whole = features(np.array(ids, np.uint16), np.array([len(ids)]), letters, ALL)
    prefix = features(np.array(ids[:cut], np.uint16), np.array([len(ids[:cut])]), letters, ALL)
    np.testing.assert_array_equal(prefix, whole[: len(prefix)])


@settings(max_examples=150, deadline=None)
@given(strings())
def test_merging_symbols_changes_no_feature(case: tuple[list[int], Vocabulary]) -> None:
    ids, letters = case
    runs = letters.tables.runs_start
    singles = [
        int(one) for token in ids for one in letters.tables.runs[runs[token] : runs[token + 1]]
    ]
    ends = np.cumsum([0, *(runs[token + 1] - runs[token] for token in ids)])
    merged = features(np.array(ids, np.uint16), np.array([len(ids)]), letters, ALL)
    single = features(np.array(singles, np.uint16), np.array([len(singles)]), letters, ALL)
    np.testing.assert_array_equal(merged, single[ends])


@settings(max_examples=150, deadline=None)
@given(strings(longest=200))
def test_features_stay_below_their_sizes(case: tuple[list[int], Vocabulary]) -> None:
    ids, letters = case
    found = features(np.array(ids, np.uint16), np.array([len(ids)]), letters, ALL)
    assert found.shape == (len(ids) + 1, len(SIZES))
    assert (found < np.array(SIZES)).all()


@pytest.mark.compiled
def test_a_molecule_of_any_length_has_features() -> None:
    letters = ALPHABETS["plain"]
    carbons = ids_of("[C]" * 3000, letters)
    branches = ids_of("[C]" + "[C][Branch2][P][P]" * 700, letters)
    for ids in (carbons, branches):
        assert (described(ids, letters, "ring_sizes") < LARGEST).all()


def test_tiers_are_the_first_columns_of_the_whole() -> None:
    letters = ALPHABETS["charged"]
    ids = ids_of(selfies.encoder(MOLECULES[8]), letters)
    whole = features(ids, np.array([len(ids)]), letters, ALL)
    for tier, width in TIERS.items():
        part = features(ids, np.array([len(ids)]), letters, tier)
        np.testing.assert_array_equal(part, whole[:, :width])
    assert set(TIERS.values()) <= {0, *STARTS.values(), len(SIZES)}
    assert sum(map(len, GROUPS.values())) == whole.shape[1]


def test_branches_count_down_and_return() -> None:
    letters = ALPHABETS["plain"]
    ids = ids_of("[N][C][=Branch1][Ring2][=O][C][F][S]", letters)
    branch, valence = described(ids, letters, "branch"), described(ids, letters, "valence")
    pending, outer = described(ids, letters, "pending"), described(ids, letters, "outer")
    assert branch[:, 0].tolist() == [0, 0, 0, 0, 4, 3, 2, 0, 0]  # 1 + symbols left
    assert branch[:, 1].tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0]
    assert pending[:, 0].tolist() == [0, 0, 0, 4, 0, 0, 0, 0, 0]
    # no atom; NH2; CH3; less the branch; in the branch; =O, exhausted to its end; CH again; S
    assert valence[:, 0].tolist() == [1, 4, 4, 2, 3, 0, 0, 2, 6]
    assert valence[:, 1].tolist() == [0, 5, 2, 2, 2, 8, 8, 2, 11]
    assert outer[4:7, 0].tolist() == [2, 2, 2]
    assert outer[4:7, 1].tolist() == [2, 2, 2]


def test_what_cannot_be_is_refused() -> None:
    letters = ALPHABETS["plain"]
    with pytest.raises(InputError, match="3 ids cannot be molecules of 4 ids"):
        features(np.array([1, 2, 3]), np.array([2, 2]), letters, ALL)
    with pytest.raises(InputError, match="id 27 is not of a vocabulary of 27 ids"):
        Prefixes(letters, 2, ALL).advance(np.array([1]), np.array([27]))


def test_prefixes_are_picked_dropped_and_reordered() -> None:
    letters = ALPHABETS["plain"]
    carbon, oxygen = ids_of("[C][O]", letters)
    prefixes = Prefixes(letters, 3, ALL)
    assert prefixes.without_atoms(np.array([2, 1])).tolist() == [0, 1]
    prefixes.advance(np.array([0, 2]), np.array([carbon, oxygen]))
    prefixes.keep(np.array([2, 0, 0, 1]))
    prefixes.advance(np.array([1]), np.array([oxygen]))
    wanted = [described([one], letters, "valence")[-1] for one in (oxygen, carbon)]
    now = prefixes.features(np.array([0, 2]))
    first = STARTS["valence"]
    np.testing.assert_array_equal(now[:, first : first + len(wanted[0])], wanted)
    assert prefixes.without_atoms(np.arange(4)).tolist() == [3]
    assert [cursor.atoms for cursor in prefixes.states.cursors] == [1, 2, 1, 0]
