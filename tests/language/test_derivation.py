"""The derivation state after a prefix: valence left, open branches, index symbols to come."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from molvae.errors import InputError
from molvae.language.derivation import DEAD, Derivations, molecules
from molvae.language.prefix_features import Prefixes

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("strings_of_ids.py"))))
LETTERS, ids_of = shared.ALPHABETS["plain"], shared.ids_of


def after(text: str) -> Derivations:
    """The state after a SELFIES string."""
    prefixes = Prefixes(LETTERS, 1, "none")
    for one in ids_of(text, LETTERS):
        prefixes.advance(np.array([0]), np.array([one]))
    return prefixes.states


def test_a_bond_takes_no_more_than_the_valence_left() -> None:
    states = after("[O][#N]")
    atoms, levels = states.atoms[0], states.levels[0]
    assert [(atom.parent, atom.order) for atom in atoms[:2]] == [(-1, 0), (0, 2)]
    assert levels[0].free == 1
    assert after("[O][=O]").levels[0][0].free == DEAD


def test_a_branch_holds_valence_and_ends_at_its_length() -> None:
    waiting = after("[C][=Branch1]").cursors[0]
    assert (waiting.pending, waiting.held) == (1, -2)
    states = after("[C][=Branch1][Ring1]")
    assert (states.cursors[0].depth, states.levels[0][0].free, states.levels[0][1].free) == (
        1,
        2,
        2,
    )
    assert after("[C][=Branch1][Ring1][C]").cursors[0].depth == 1
    assert after("[C][=Branch1][Ring1][C][C]").cursors[0].depth == 0


def test_a_ring_is_requested_when_its_index_is_complete() -> None:
    assert after("[C][C][C][Ring1]").cursors[0].rings == 0
    states = after("[C][C][C][=Ring1][Ring1]")
    ring = states.rings[0][0]
    assert (states.cursors[0].rings, ring.left, ring.right, ring.order) == (1, 0, 2, 2)


def test_ids_and_lengths_must_agree() -> None:
    with pytest.raises(InputError, match="2 ids cannot be molecules of 1 ids"):
        molecules(np.array([1, 1]), np.array([1]), LETTERS)
    flat, counts = molecules(np.array([1, 1]), np.array([2]), LETTERS)
    assert (flat.dtype, counts.dtype) == (np.uint16, np.int32)
