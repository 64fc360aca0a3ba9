"""Branches with ends and SELFIES give each other, and mean the same molecule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selfies import decoder, set_semantic_constraints

from molvae.language.branches import LENGTHS, symbols_with_ends
from molvae.language.ids_to_smiles import decode_smiles
from molvae.language.prefix_features import HASHES_START, features
from molvae.language.selfies_codec import (
    constraints_for,
    default_constraints,
    split,
    to_selfies,
)
from molvae.language.vocabulary import Ids, Vocabulary, merge

MOLECULES = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1",
    "CN1CCC23c4c5ccc(O)c4OC2C(O)C=CC3C1C5",
    "CC(C)(C(=O)c1ccccc1)N(C(C(F)(F)F)(C(F)(F)F)C(F)(F)F)S(=O)(=O)C#N",
    "C1CC2(C1)CC1(CC2)CCCC1",
    "C#CC(C#N)=C(C(=S)N)P(=O)(O)O",
    "C" + "C(C(C)C)" * 9 + "C",
    "CCCCCCCCCCCCCCCCCCC(CCCCCCCCCCCCCCCCCCCCC)(CCCCCCCCCCCCCCCCCCCCCCCCCC)C1CC1",
    "C/C=C/C(=C\\C)[C@@H](O)[C@H](N)c1cc2ccccc2[nH]1",
    "C",
]
"""Nested branches, those after one another, double and triple bonds into them, rings within, and
lengths of one and two index symbols."""

SELFIES = [split(to_selfies(one, default_constraints())) for one in MOLECULES]
SYMBOLS = symbols_with_ends(symbol for one in SELFIES for symbol in one)
VOCABULARY = Vocabulary(tuple(SYMBOLS), (), constraints_for(SYMBOLS))
PLAIN = VOCABULARY.plain


def plain_ids(symbols: list[str]) -> tuple[Ids, np.ndarray]:
    """Ids of SELFIES symbols, and their number."""
    return np.array([PLAIN.index[one] for one in symbols], np.uint16), np.array([len(symbols)])


@pytest.mark.parametrize("symbols", SELFIES, ids=MOLECULES)
def test_a_molecule_comes_back_from_branches_with_ends(symbols: list[str]) -> None:
    ids, lengths = plain_ids(symbols)
    ours, ends = VOCABULARY.from_plain(ids, lengths)
    names = [VOCABULARY.symbols[one - 1] for one in ours]
    assert sum("(" in one for one in names) == names.count("[)]")
    assert len(ours) == ends[0] <= len(ids) + names.count("[)]")
    again, counts = VOCABULARY.to_plain(ours, ends)
    assert (again.tolist(), counts.tolist()) == (ids.tolist(), lengths.tolist())
    assert VOCABULARY.decode(VOCABULARY.encode(symbols)) == "".join(symbols)


def test_many_molecules_at_once_are_each_by_itself() -> None:
    parts = [VOCABULARY.from_plain(*plain_ids(one))[0] for one in SELFIES]
    lengths = np.array([len(one) for one in SELFIES])
    ids = np.concatenate([plain_ids(one)[0] for one in SELFIES])
    ours, ends = VOCABULARY.from_plain(ids, lengths)
    assert ours.tolist() == np.concatenate(parts).tolist()
    assert ends.tolist() == [len(one) for one in parts]
    _, counts = VOCABULARY.to_plain(ours, ends)
    assert counts.tolist() == lengths.tolist()


def test_merged_ids_are_taken_apart() -> None:
    merged = Vocabulary(VOCABULARY.symbols, ((1, 2), (4, 5)), VOCABULARY.constraints)
    for symbols in SELFIES:
        assert merged.decode(merged.encode(symbols)) == "".join(symbols)


def test_both_forms_have_the_same_features_at_their_end() -> None:
    for symbols in SELFIES:
        ids, lengths = plain_ids(symbols)
        ours, ends = VOCABULARY.from_plain(ids, lengths)
        rows = [
            features(ids, lengths, PLAIN, "environments")[-1],
            features(ours, ends, VOCABULARY, "environments")[-1],
        ]
        # All but the number of symbols, and hashes, which are of ids.
        first, second = (row[1:HASHES_START].tolist() for row in rows)
        assert first == second


@given(st.lists(st.integers(1, len(SYMBOLS)), max_size=40))
def test_any_symbols_are_a_molecule_of_selfies(ids: list[int]) -> None:
    ours, lengths = np.array(ids, np.uint16), np.array([len(ids)])
    (smiles,) = decode_smiles(ours, lengths, VOCABULARY)
    selfies = VOCABULARY.decode(ours)
    set_semantic_constraints(VOCABULARY.constraints)
    assert smiles == decoder(selfies)
    features(ours, lengths, VOCABULARY, "environments")


@pytest.mark.parametrize(
    ("ours", "selfies"),
    [
        ("[C][(][)][O]", "[C][O]"),
        ("[C][)][)][O]", "[C][O]"),
        ("[C][(][O][C]", "[C][Branch1][Ring1][O][C]"),
        ("[C][(][C][(][O][)][C]", "[C][Branch1][=Branch1][C][Branch1][C][O][C]"),
        ("[C][=(][O][)][C][)][O]", "[C][=Branch1][C][O][C][O]"),
    ],
)
def test_odd_ends_are_read_one_way(ours: str, selfies: str) -> None:
    assert VOCABULARY.decode([VOCABULARY.index[one] for one in split(ours)]) == selfies


def test_a_ring_may_reach_as_far_as_a_branch_symbol_says() -> None:
    symbols = split("[C][C][C][C][C][C][Ring1][Branch1][C][Branch1][Ring1][Ring1][Branch1][C]")
    ours, _ = VOCABULARY.from_plain(*plain_ids(symbols))
    assert VOCABULARY.decode(ours) == "".join(symbols)


def test_a_branch_that_breaks_off_is_closed() -> None:
    ids, lengths = plain_ids(["[C]", "[Branch1]"])
    ours, _ = VOCABULARY.from_plain(ids, lengths)
    assert [VOCABULARY.symbols[one - 1] for one in ours] == ["[C]", "[(]", "[)]"]


def test_a_symbol_that_is_lacking_is_named() -> None:
    assert VOCABULARY.unknown(["[C]", "[Xe]", *LENGTHS]) == ["[Xe]"]
    with pytest.raises(KeyError, match="Xe"):
        VOCABULARY.encode(["[C]", "[Xe]"])


def test_a_vocabulary_without_ends_is_plain() -> None:
    plain = Vocabulary(("[C]", "[Branch1]", "[O]"), ((1, 1),), {"?": 4})
    ids, lengths = merge(np.array([1, 1, 2], np.uint16), np.array([3]), plain.ranks)
    assert plain.plain is plain
    assert plain.from_plain(ids, lengths)[0] is ids
    assert plain.to_plain(ids, lengths)[0] is ids
