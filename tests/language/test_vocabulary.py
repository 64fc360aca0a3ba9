"""Symbols become ids and come back; merges do what applying them one by one does; bad files are
refused.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molvae.errors import ModelError
from molvae.language.vocabulary import Vocabulary, learn_merges, merge, rank_table

SYMBOLS = ("[=O]", "[Branch1]", "[C]", "[N]", "[Ring1]")
CONSTRAINTS = {"C": 4, "N": 3, "O": 2, "?": 8}
RUNS = st.lists(st.lists(st.integers(1, len(SYMBOLS)), max_size=30), min_size=1, max_size=12)


@st.composite
def merge_lists(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    """Distinct pairs, each of earlier ids, as learning gives them."""
    merges: list[tuple[int, int]] = []
    for _ in range(draw(st.integers(0, 8))):
        ids = st.integers(1, len(SYMBOLS) + len(merges))
        pair = draw(st.tuples(ids, ids))
        if pair not in merges:
            merges.append(pair)
    return tuple(merges)


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


@given(st.lists(st.sampled_from(SYMBOLS), max_size=40), merge_lists())
def test_symbols_survive_encoding(symbols: list[str], merges: tuple[tuple[int, int], ...]) -> None:
    vocabulary = Vocabulary(SYMBOLS, merges, CONSTRAINTS)
    ids = vocabulary.encode(symbols)
    assert vocabulary.decode(ids) == "".join(symbols)
    assert len(ids) <= len(symbols)
    assert vocabulary.decode([*ids, 0, 1, 2]) == "".join(symbols), "nothing after the end counts"


@given(RUNS, merge_lists())
def test_merging_many_molecules_is_applying_the_merges_one_after_another(
    runs: list[list[int]], merges: tuple[tuple[int, int], ...]
) -> None:
    ids, lengths = flat(runs)
    merged, shorter = merge(ids, lengths, rank_table(merges, 1 + len(SYMBOLS) + len(merges)))
    wanted = [one_after_another(run, merges) for run in runs]
    assert merged.tolist() == [i for run in wanted for i in run]
    assert shorter.tolist() == [len(run) for run in wanted]


@given(RUNS)
def test_merging_changes_nothing_it_was_given(runs: list[list[int]]) -> None:
    ids, lengths = flat(runs)
    before = ids.copy(), lengths.copy()
    merge(ids, lengths, rank_table(((1, 2), (3, 3)), 8))
    learn_merges(ids, lengths, len(SYMBOLS), 9, rare=1)
    assert np.array_equal(ids, before[0])
    assert np.array_equal(lengths, before[1])


@given(RUNS)
def test_the_first_merge_is_the_commonest_pair_and_ties_go_to_the_smaller(
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


def test_a_run_of_one_symbol_counts_as_the_pairs_a_merge_can_take() -> None:
    # [C][C][C][C] holds two pairs to merge, not three.
    assert learn_merges(*flat([[3, 3, 3, 3], [1, 2], [1, 2], [1, 2]]), len(SYMBOLS), 7, rare=1) == (
        (1, 2),
    )


def test_merges_never_reach_over_the_end_of_a_molecule() -> None:
    merged, lengths = merge(*flat([[1], [2], [1, 2]]), rank_table(((1, 2),), 7))
    assert merged.tolist() == [1, 2, 6]
    assert lengths.tolist() == [1, 1, 1]


def test_unknown_symbols_are_named_once_in_order() -> None:
    vocabulary = Vocabulary(SYMBOLS, (), CONSTRAINTS)
    assert vocabulary.unknown(["[C]", "[Si]", "[P]", "[Si]"]) == ["[Si]", "[P]"]
    with pytest.raises(KeyError, match="Si"):
        vocabulary.encode(["[C]", "[Si]"])


@given(
    st.lists(st.sampled_from(SYMBOLS), max_size=40),
    merge_lists(),
    st.lists(st.sampled_from(["[P]", "[C]", "[S]"])),
)
def test_an_extended_vocabulary_writes_the_old_symbols_as_before(
    symbols: list[str], merges: tuple[tuple[int, int], ...], added: list[str]
) -> None:
    old = Vocabulary(SYMBOLS, merges, CONSTRAINTS)
    new = old.extended(added, {"C": 1, "P": 5})
    assert new.symbols[: len(SYMBOLS)] == SYMBOLS
    assert set(new.symbols) == {*SYMBOLS, *added}
    assert new.constraints == CONSTRAINTS | {"P": 5}, "what has a capacity keeps it"
    assert Vocabulary.from_json(new.to_json()) == new
    places = old.places(new)
    assert places is not None
    assert places[old.encode(symbols)].tolist() == new.encode(symbols).tolist()
    assert new.decode(new.encode([*symbols, *added])) == "".join([*symbols, *added])
    assert old.extended([]).extended(SYMBOLS) == old


def test_a_vocabulary_has_places_only_in_those_that_begin_with_it() -> None:
    old = Vocabulary(SYMBOLS, ((3, 3), (6, 4)), CONSTRAINTS)
    assert old.places(old) is not None
    more = Vocabulary((*SYMBOLS, "[P]"), ((3, 3), (7, 4), (8, 6)), CONSTRAINTS | {"P": 5})
    found = old.places(more)
    assert found is not None
    assert found.tolist() == [0, 1, 2, 3, 4, 5, 7, 8]
    for other in (
        Vocabulary(SYMBOLS[:-1], (), CONSTRAINTS),
        Vocabulary(("[P]", *SYMBOLS), ((4, 4), (7, 5)), CONSTRAINTS),
        Vocabulary(SYMBOLS, ((3, 3),), CONSTRAINTS),
        Vocabulary(SYMBOLS, ((3, 3), (6, 3)), CONSTRAINTS),
        Vocabulary(SYMBOLS, old.merges, CONSTRAINTS | {"C": 5}),
    ):
        assert old.places(other) is None


def test_a_vocabulary_survives_its_json() -> None:
    vocabulary = Vocabulary(SYMBOLS, ((3, 3), (6, 4)), CONSTRAINTS)
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again == vocabulary
    assert len(again) == 8
    assert again.decode([7]) == "[C][C][N]"


GOOD: dict[str, Any] = Vocabulary(SYMBOLS, ((3, 3),), CONSTRAINTS).to_json()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "exactly symbols, merges and constraints"),
        ([], "exactly symbols, merges and constraints"),
        (GOOD | {"more": 1}, "exactly symbols, merges and constraints"),
        (
            {key: GOOD[key] for key in ("symbols", "merges")},
            "exactly symbols, merges and constraints",
        ),
        (GOOD | {"symbols": []}, "at least one"),
        (GOOD | {"symbols": ["[C]", "[C]"], "merges": []}, "only once"),
        (GOOD | {"symbols": ["<script>"]}, "SELFIES symbols such as [C]"),
        (GOOD | {"symbols": ["[C]", 3]}, "SELFIES symbols such as [C]"),
        (GOOD | {"symbols": ["[]"]}, "SELFIES symbols such as [C]"),
        (GOOD | {"symbols": ["[C]C[C]"]}, "SELFIES symbols such as [C]"),
        (GOOD | {"symbols": ["[" + "C" * 100 + "]"]}, "SELFIES symbols such as [C]"),
        (GOOD | {"symbols": "[C]"}, "SELFIES symbols such as [C]"),
        (GOOD | {"merges": {}}, "merges must be a list"),
        (GOOD | {"merges": [[1, 1]] * 65_000}, "ids fit in 16 bits"),
        (GOOD | {"merges": [[1, 6]]}, "merge 6 must be a pair of earlier ids, not [1, 6]"),
        (GOOD | {"merges": [[0, 1]]}, "merge 6 must be a pair of earlier ids"),
        (GOOD | {"merges": [[1, -1]]}, "merge 6 must be a pair of earlier ids"),
        (GOOD | {"merges": [[1, True]]}, "merge 6 must be a pair of earlier ids"),
        (GOOD | {"merges": [[1, 1.0]]}, "merge 6 must be a pair of earlier ids"),
        (GOOD | {"merges": [[1]]}, "merge 6 must be a pair of earlier ids"),
        (GOOD | {"merges": [[5 + i, 5 + i] for i in range(60)]}, "more than 1000 symbols"),
        (GOOD | {"constraints": {"C": 4}}, 'hold "?"'),
        (GOOD | {"constraints": []}, 'hold "?"'),
        (GOOD | {"constraints": {"?": -1}}, "the capacity of '?' cannot be -1"),
        (GOOD | {"constraints": {"?": 8, "C": 10**9}}, "the capacity of 'C' cannot be 1000000000"),
        (GOOD | {"constraints": {"?": 8, "C": True}}, "the capacity of 'C' cannot be True"),
        (GOOD | {"constraints": {"?": 8, "C": 4.0}}, "the capacity of 'C' cannot be 4.0"),
    ],
)
def test_a_bad_vocabulary_is_refused_with_the_rule_it_breaks(data: Any, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        Vocabulary.from_json(data)
    assert words in str(caught.value)
