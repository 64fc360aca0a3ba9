"""Merges do what applying them one by one does, and are learned from the commonest pairs."""

from __future__ import annotations

import runpy
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from molvae.language.vocabulary import Vocabulary, learn_merges, merge

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("strings_of_ids.py"))))
SYMBOLS, merge_lists = shared.SYMBOLS, shared.merge_lists
RUNS = st.lists(st.lists(st.integers(1, len(SYMBOLS)), max_size=30), min_size=1, max_size=12)


def one_after_another(run: list[int], merges: tuple[tuple[int, int], ...]) -> list[int]:
    """Every merge over the whole molecule, in turn, from left to right."""
    for number, pair in enumerate(merges, start=1 + len(SYMBOLS)):
        merged, place = [], 0
        while place < len(run):
            if tuple(run[place : place + 2]) == pair:
                merged.append(number)
                place += 2
            else:
                merged.append(run[place])
                place += 1
        run = merged
    return run


def flat(runs: list[list[int]]) -> tuple[Any, Any]:
    """Molecules one after the other, and their lengths."""
    return np.array([i for run in runs for i in run], dtype=np.uint16), np.array(
        [len(run) for run in runs]
    )


@given(RUNS, merge_lists())
def test_merging_is_applying_the_merges_one_after_another(
    runs: list[list[int]], merges: tuple[tuple[int, int], ...]
) -> None:
    ids, lengths = flat(runs)
    merged, shorter = merge(ids, lengths, Vocabulary(SYMBOLS, merges, {}).ranks)
    wanted = [one_after_another(run, merges) for run in runs]
    assert merged.tolist() == [i for run in wanted for i in run]
    assert shorter.tolist() == [len(run) for run in wanted]


@given(RUNS)
def test_merging_changes_nothing_it_was_given(runs: list[list[int]]) -> None:
    ids, lengths = flat(runs)
    before = ids.copy(), lengths.copy()
    merge(ids, lengths, Vocabulary(SYMBOLS, ((1, 2), (3, 3)), {}).ranks)
    learn_merges(ids, lengths, len(SYMBOLS), 9, rare=1)
    assert np.array_equal(ids, before[0])
    assert np.array_equal(lengths, before[1])


@given(RUNS)
def test_the_first_merge_is_the_commonest_pair(
    runs: list[list[int]],
) -> None:
    # Runs of one symbol make counting pairs a matter of definition, so they are shortened to one.
    runs = [[a for a, b in pairwise([*run, 0]) if a != b] for run in runs]
    counts: dict[tuple[int, int], int] = {}
    for run in runs:
        for pair in pairwise(run):
            counts[pair] = counts.get(pair, 0) + 1
    merges = learn_merges(*flat(runs), len(SYMBOLS), 2 + len(SYMBOLS), rare=1)
    best = max(counts.values(), default=0)
    assert merges == ((min(pair for pair in counts if counts[pair] == best),) if counts else ())


@given(RUNS)
def test_learning_is_deterministic_and_stops_at_rare_pairs(runs: list[list[int]]) -> None:
    runs = runs * 3
    first = learn_merges(*flat(runs), len(SYMBOLS), 12, rare=3)
    assert first == learn_merges(*flat(runs), len(SYMBOLS), 12, rare=3)
    assert len(first) <= 12 - 1 - len(SYMBOLS)
    assert learn_merges(*flat(runs), len(SYMBOLS), 12, rare=10**6) == ()
    assert all(
        a < number and b < number for number, (a, b) in enumerate(first, start=1 + len(SYMBOLS))
    )


def test_a_run_of_one_symbol_counts_as_pairs_to_merge() -> None:
    # [C][C][C][C] holds two pairs to merge, not three.
    assert learn_merges(*flat([[3, 3, 3, 3], [1, 2], [1, 2], [1, 2]]), len(SYMBOLS), 7, rare=1) == (
        (1, 2),
    )


def test_merges_never_reach_over_the_end_of_a_molecule() -> None:
    merged, lengths = merge(*flat([[1], [2], [1, 2]]), Vocabulary(SYMBOLS, ((1, 2),), {}).ranks)
    assert merged.tolist() == [1, 2, 6]
    assert lengths.tolist() == [1, 1, 1]
