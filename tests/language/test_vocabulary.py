"""Symbols become ids and come back; bad files are refused."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molvae.errors import ModelError
from molvae.language.vocabulary import Vocabulary

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("strings_of_ids.py"))))
SYMBOLS, merge_lists = shared.SYMBOLS, shared.merge_lists
CONSTRAINTS = {"C": 4, "N": 3, "O": 2, "?": 8}


@given(st.lists(st.sampled_from(SYMBOLS), max_size=40), merge_lists())
def test_symbols_survive_encoding(symbols: list[str], merges: tuple[tuple[int, int], ...]) -> None:
    vocabulary = Vocabulary(SYMBOLS, merges, CONSTRAINTS)
    ids = vocabulary.encode(symbols)
    assert vocabulary.decode(ids) == "".join(symbols)
    assert len(ids) <= len(symbols)
    assert vocabulary.decode([*ids, 0, 1, 2]) == "".join(symbols), "nothing after the end counts"


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


def test_ids_are_mapped_only_to_extensions_of_a_vocabulary() -> None:
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
