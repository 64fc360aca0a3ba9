"""What a prefix of a molecule determines, as small integers that a decoder is told at every position.

SELFIES hides counting: how long a branch still is, how far back a ring reaches, whether that ring is
aromatic. All of it follows from the prefix alone, so it need not be learned. Whole batches at once
(:func:`features`) or one step at a time for many molecules (:func:`start`, :func:`advance`,
:func:`features_now`), which agree exactly. Features come in named groups. Knows tokens and their derivation,
nothing of learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .alphabet import Alphabet, Tables
from .closures import GRAPH_ROWS
from .compilation import compiled, lent
from .derivation import ATOMS, CURSOR, Ids, Ints, consume, molecules, new_states, restart
from .errors import UsageError
from .place import COLUMNS, GROUPS, RINGS_START, STARTS, WHOLE_START, Row, describe
from .surroundings import RADII

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


class Layout(NamedTuple):
    """Which columns of a whole row are asked for: ``spans`` ``(n, 2)`` of them, in order, of some ``width`` in all; and
    whether they need the search for rings, and a look at the whole molecule."""

    spans: NDArray[np.int64]
    width: int
    searching: bool
    looking: bool


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
    layout = _layout(tuple(groups))
    flat, counts = molecules(ids, lengths, alphabet)
    out = np.empty((len(flat) + len(counts), layout.width), np.int16)
    _describe_all(alphabet.tables, flat, counts, layout, start(1)[0], _desk(), out)
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
    layout, numbers = _layout(tuple(groups)), _row_numbers(states, rows)
    out = np.empty((len(numbers), layout.width), np.int16)
    _describe_rows(alphabet.tables, states, numbers, layout, _desk(), out)
    return out


def _checked(groups: Sequence[str]) -> Sequence[str]:
    for name in groups:
        if name not in GROUPS:
            raise UsageError(f"{name!r} is no group of grammar features; there are {', '.join(GROUPS)}")
    return groups


class Desk(NamedTuple):
    """Where a prefix is described, one after the other: tables of its graph, and the row that comes of it."""

    graph: Ints
    links: Ints
    numbers: Ints
    row: Row


def _desk() -> Desk:
    size = LARGEST_MOLECULE
    graph, links = np.zeros((GRAPH_ROWS, size), np.int32), np.zeros(4 * size, np.int32)
    return Desk(graph, links, np.zeros((RADII, size), np.int32), np.zeros(COLUMNS, np.int16))


@cache
def _layout(groups: tuple[str, ...]) -> Layout:
    spans: list[list[int]] = []
    for name in _checked(groups):
        first, past = STARTS[name], STARTS[name] + len(GROUPS[name])
        if spans and spans[-1][1] == first:
            spans[-1][1] = past
        else:
            spans.append([first, past])
    searching = any(first < WHOLE_START and past > RINGS_START for first, past in spans)
    looking = any(past > WHOLE_START for _, past in spans)
    table = np.array(spans, np.int64).reshape(-1, 2)
    return Layout(table, int((table[:, 1] - table[:, 0]).sum()), searching, looking)


def _row_numbers(states: Ints, rows: NDArray[Any]) -> Ints:
    numbers = np.ascontiguousarray(rows, dtype=np.int32)
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(states)):
        raise UsageError(f"rows must lie between 0 and {len(states) - 1}")
    return numbers


@compiled()
def _describe_all(tables: Tables, ids: Ids, lengths: Ints, layout: Layout, state: Ints, desk: Desk, out: Row) -> None:
    symbols, state, graph, links = lent(tables.symbols), lent(state), lent(desk.graph), lent(desk.links)
    numbers, row = lent(desk.numbers), lent(desk.row)
    place, line = 0, 0
    for molecule in range(len(lengths)):
        restart(state)
        for step in range(lengths[molecule] + 1):
            if step > 0:
                _consume_token(tables, symbols, state, ids[place])
                place += 1
            describe(symbols, state, graph, links, numbers, layout.searching, layout.looking, row)
            _copy(layout, row, out, line)
            line += 1


@compiled()
def _describe_rows(tables: Tables, states: Ints, rows: Ints, layout: Layout, desk: Desk, out: Row) -> None:
    symbols, states, graph, links = lent(tables.symbols), lent(states), lent(desk.graph), lent(desk.links)
    numbers, row = lent(desk.numbers), lent(desk.row)
    for line in range(len(rows)):
        describe(symbols, states[rows[line]], graph, links, numbers, layout.searching, layout.looking, row)
        _copy(layout, row, out, line)


@compiled()
def _advance(tables: Tables, states: Ints, rows: Ints, tokens: Ids) -> None:
    symbols, states = lent(tables.symbols), lent(states)
    for line in range(len(rows)):
        _consume_token(tables, symbols, states[rows[line]], tokens[line])


@compiled(forceinline=True)
def _copy(layout: Layout, row: Row, out: Row, line: int) -> None:
    """Those columns of a row that are asked for; whole spans, which go many columns at a time."""
    at = 0
    for span in range(len(layout.spans)):
        first = layout.spans[span, 0]
        for column in range(layout.spans[span, 1] - first):
            out[line, at + column] = row[first + column]
        at += layout.spans[span, 1] - first


@compiled(forceinline=True)
def _consume_token(tables: Tables, symbols: Ints, state: Ints, token: int) -> None:
    for place in range(tables.runs_start[token], tables.runs_start[token + 1]):
        consume(symbols, state, tables.runs[place])
