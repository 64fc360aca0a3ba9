"""What a prefix of a molecule determines, as small integers that a decoder is told at every position.

SELFIES hides counting: how long a branch still is, how far back a ring reaches, whether that ring is
aromatic. All of it follows from the prefix alone, so it need not be learned. Whole batches at once
(:func:`features`) or one step at a time for many molecules (:func:`start`, :func:`advance`,
:func:`features_now`), which agree exactly. Features come in named groups. Knows tokens and their derivation,
nothing of learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .alphabet import Alphabet, Tables
from .closures import GRAPH_ROWS, Longs
from .compilation import compiled
from .derivation import ATOMS, CURSOR, Ids, Ints, consume, molecules, new_states, restart
from .errors import UsageError
from .place import COLUMNS, GROUPS, RINGS_START, STARTS, WHOLE_START, Row, describe

LARGEST_MOLECULE = 256
"""Atoms, closures or nested branches beyond which a prefix's features stand still."""

_PLACE = ("position", "branch", "pending", "valence", "outer", "parent", "totals")
_RINGS = (*_PLACE, "ring_sizes", "ring_unsaturation", "aromatic")
_CHEMISTRY = (*_RINGS, "ring_donors", "ring_alternation", "ring_fusion", "ring_order", "ring_conjugation")

TIERS: dict[str, tuple[str, ...]] = {
    "none": (),
    "place": _PLACE,
    "rings": _RINGS,
    "chemistry": _CHEMISTRY,
    "surroundings": (*_CHEMISTRY, "composition", "surroundings"),
}
"""Groups of features by how much they tell, as the configuration names them; each holds the one before."""


def feature_sizes(groups: Sequence[str] = TIERS["rings"]) -> tuple[int, ...]:
    """Number of values of each feature, in the order of the columns.

    >>> feature_sizes(("position", "branch"))
    (64, 48, 32, 8, 32)
    """
    return tuple(size for name in _checked(groups) for size in GROUPS[name])


def features(
    ids: Ids, lengths: NDArray[Any], alphabet: Alphabet, groups: Sequence[str] = TIERS["rings"]
) -> NDArray[np.int16]:
    """Features of every prefix of many molecules, ``(sum of (lengths + 1), F)``.

    ``ids`` ``(sum of lengths,)`` holds the molecules one after the other without their end symbols. A
    molecule of n ids has n + 1 rows: row i describes its first i ids, so it is what is known where id i, or
    at last the end, is chosen.
    """
    columns = _columns(groups)
    flat, counts = molecules(ids, lengths, alphabet)
    out = np.empty((len(flat) + len(counts), len(columns)), np.int16)
    _describe_all(alphabet.tables, flat, counts, columns, *_needs(columns), out)
    return out


def start(rows: int) -> Ints:
    """``(rows, 11, N)`` states of as many empty prefixes.

    Rows are independent of each other: they may be picked, dropped and reordered like those of any array.
    """
    return new_states(rows, LARGEST_MOLECULE)


def advance(states: Ints, rows: NDArray[Any], tokens: NDArray[Any], alphabet: Alphabet) -> None:
    """Append one token to each of the prefixes ``rows`` ``(n,)`` of ``states``, in place; ``tokens``
    ``(n,)``."""
    ids, _ = molecules(tokens, np.array([len(tokens)]), alphabet)
    _advance(alphabet.tables, states, _row_numbers(states, rows), ids)


def atoms_so_far(states: Ints, rows: NDArray[Any]) -> NDArray[np.int32]:
    """Atoms ``(n,)`` of the prefixes ``rows`` ``(n,)`` of ``states``."""
    atoms: NDArray[np.int32] = states[_row_numbers(states, rows), CURSOR, ATOMS]
    return atoms


def features_now(
    states: Ints, rows: NDArray[Any], alphabet: Alphabet, groups: Sequence[str] = TIERS["rings"]
) -> NDArray[np.int16]:
    """Features ``(n, F)`` of the prefixes ``rows`` ``(n,)`` of ``states`` as they stand."""
    columns, numbers = _columns(groups), _row_numbers(states, rows)
    out = np.empty((len(numbers), len(columns)), np.int16)
    _describe_rows(alphabet.tables, states, numbers, columns, *_needs(columns), out)
    return out


def _checked(groups: Sequence[str]) -> Sequence[str]:
    for name in groups:
        if name not in GROUPS:
            raise UsageError(f"{name!r} is no group of grammar features; there are {', '.join(GROUPS)}")
    return groups


def _columns(groups: Sequence[str]) -> NDArray[np.int64]:
    parts = [range(STARTS[name], STARTS[name] + len(GROUPS[name])) for name in _checked(groups)]
    return np.array([column for part in parts for column in part], dtype=np.int64)


def _needs(columns: NDArray[np.int64]) -> tuple[bool, bool]:
    """Whether the columns need the search for rings, and a look at the whole molecule."""
    whole = columns >= WHOLE_START
    return bool((~whole & (columns >= RINGS_START)).any()), bool(whole.any())


def _row_numbers(states: Ints, rows: NDArray[Any]) -> Ints:
    numbers = np.ascontiguousarray(rows, dtype=np.int32)
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(states)):
        raise UsageError(f"rows must lie between 0 and {len(states) - 1}")
    return numbers


@compiled()
def _describe_all(
    tables: Tables, ids: Ids, lengths: Ints, columns: Longs, searching: bool, looking: bool, out: Row
) -> None:
    states = np.zeros((1, 11, LARGEST_MOLECULE), np.int32)
    graph, links, costs, row = _scratch()
    place, line = 0, 0
    for molecule in range(len(lengths)):
        restart(states[0])
        for step in range(lengths[molecule] + 1):
            if step > 0:
                _consume_token(tables, states[0], ids[place])
                place += 1
            describe(tables.symbols, states[0], graph, links, costs, searching, looking, row)
            for column in range(len(columns)):
                out[line, column] = row[columns[column]]
            line += 1


@compiled()
def _describe_rows(
    tables: Tables, states: Ints, rows: Ints, columns: Longs, searching: bool, looking: bool, out: Row
) -> None:
    graph, links, costs, row = _scratch()
    for line in range(len(rows)):
        describe(tables.symbols, states[rows[line]], graph, links, costs, searching, looking, row)
        for column in range(len(columns)):
            out[line, column] = row[columns[column]]


@compiled()
def _advance(tables: Tables, states: Ints, rows: Ints, tokens: Ids) -> None:
    for line in range(len(rows)):
        _consume_token(tables, states[rows[line]], tokens[line])


@compiled()
def _scratch() -> tuple[Ints, Ints, Longs, Row]:
    size = LARGEST_MOLECULE
    return (
        np.zeros((GRAPH_ROWS, size), np.int32),
        np.zeros((3, 4 * size), np.int32),
        np.zeros((2, size), np.int64),
        np.zeros(COLUMNS, np.int16),
    )


@compiled(forceinline=True)
def _consume_token(tables: Tables, state: Ints, token: int) -> None:
    for place in range(tables.runs_start[token], tables.runs_start[token + 1]):
        consume(tables.symbols, state, tables.runs[place])
