"""What a prefix of a molecule determines, as small integers that a decoder is told at every
position.

SELFIES hides counting: how long a branch still is, how far back a ring reaches, whether that ring
is aromatic. All of it follows from the prefix alone, so it need not be learned. Whole batches at
once (:func:`features`) or one step at a time for many molecules (:func:`start`, :func:`advance`,
:func:`features_now`), which agree exactly. Features come in named groups. Knows tokens and their
derivation, nothing of learning."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..runtime.compilation import compiled, lent
from .atom_environments import RADII
from .derivation import ATOMS, CURRENT, CURSOR, Ids, Ints, consume, molecules, restart
from .place import COLUMNS, GROUPS, RINGS_START, STARTS, WHOLE_START, Row, describe
from .ring_closures import GRAPH_ROWS
from .symbols import Alphabet, Tables

LARGEST_MOLECULE = 256
"""Atoms, closures or nested branches beyond which a prefix's features stand still."""

_PLACE = ("position", "branch", "pending", "valence", "outer", "parent", "totals")
_RINGS = (*_PLACE, "ring_sizes", "ring_unsaturation", "aromatic")
_CHEMISTRY = (
    *_RINGS,
    "ring_donors",
    "ring_alternation",
    "ring_fusion",
    "ring_order",
    "ring_conjugation",
)

TIERS: dict[str, tuple[str, ...]] = {
    "none": (),
    "place": _PLACE,
    "rings": _RINGS,
    "chemistry": _CHEMISTRY,
    "environments": (*_CHEMISTRY, "composition", "surroundings"),
}
"""Groups of features by how much they tell, as the configuration names them; each holds the one
before.
"""


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

    ``ids`` ``(sum of lengths,)`` holds the molecules one after the other without their end symbols.
    A molecule of n ids has n + 1 rows: row i describes its first i ids, so it is what is known
    where id i, or at last the end, is chosen."""
    flat, counts = molecules(ids, lengths, alphabet)
    asked = _asked(tuple(groups))
    rows = len(flat) + len(counts)
    out = asked.paper(rows)
    _describe_all(alphabet.tables, flat, counts, start(1)[0], _desk(), *asked.told, out)
    return asked.read(out, rows)


def start(rows: int) -> Ints:
    """``(rows, N, 11)`` states of as many empty prefixes: derivations turned, for what is of one
    atom lies together.

    Rows are independent of each other: they may be picked, dropped and reordered like those of any
    array."""
    states = np.zeros((rows, LARGEST_MOLECULE, 11), np.int32)
    states[:, 0, CURRENT] = -1
    return states


def advance(states: Ints, rows: NDArray[Any], tokens: NDArray[Any], alphabet: Alphabet) -> None:
    """Append one token to each of the prefixes ``rows`` ``(n,)`` of ``states``, in place;
    ``tokens`` ``(n,)``."""
    ids, _ = molecules(tokens, np.array([len(tokens)]), alphabet)
    _advance(alphabet.tables, states, _row_numbers(states, rows), ids)


def atoms_so_far(states: Ints, rows: NDArray[Any]) -> NDArray[np.int32]:
    """Atoms ``(n,)`` of the prefixes ``rows`` ``(n,)`` of ``states``."""
    atoms: NDArray[np.int32] = states[_row_numbers(states, rows), ATOMS, CURSOR]
    return atoms


def features_now(
    states: Ints, rows: NDArray[Any], alphabet: Alphabet, groups: Sequence[str] = TIERS["rings"]
) -> NDArray[np.int16]:
    """Features ``(n, F)`` of the prefixes ``rows`` ``(n,)`` of ``states`` as they stand."""
    numbers, asked = _row_numbers(states, rows), _asked(tuple(groups))
    out = asked.paper(len(numbers))
    _describe_rows(alphabet.tables, states, numbers, _desk(), *asked.told, out)
    return asked.read(out, len(numbers))


def _checked(groups: Sequence[str]) -> Sequence[str]:
    for name in groups:
        if name not in GROUPS:
            raise UsageError(
                f"{name!r} is no group of grammar features; there are {', '.join(GROUPS)}"
            )
    return groups


class Desk(NamedTuple):
    """Where a prefix is looked at, one after the other: tables of its graph and surroundings."""

    graph: Ints
    links: Ints
    numbers: Ints


def _desk() -> Desk:
    size = LARGEST_MOLECULE
    graph, links = np.zeros((GRAPH_ROWS, size), np.int32), np.zeros(4 * size, np.int32)
    return Desk(graph, links, np.zeros((RADII, size), np.int32))


class Asked(NamedTuple):
    """The groups asked for, which are mostly the first columns of a row: these are written row
    after row, each as wide as it is and the next one over its end."""

    width: int
    searching: bool
    looking: bool
    columns: list[int] | None  # where they are not the first columns of all

    @property
    def told(self) -> tuple[int, bool, bool]:
        """What compiled code needs to know."""
        return self[:3]

    def paper(self, rows: int) -> Row:
        """What that many rows are written to, with room for the end of the last one."""
        return np.empty(rows * self.width + COLUMNS, np.int16)

    def read(self, paper: Row, rows: int) -> NDArray[np.int16]:
        """The columns asked for of that many rows, ``(n, F)``."""
        written = paper[:-COLUMNS].reshape(rows, self.width)
        return written if self.columns is None else written[:, self.columns]


@cache
def _asked(groups: tuple[str, ...]) -> Asked:
    parts = [range(STARTS[name], STARTS[name] + len(GROUPS[name])) for name in _checked(groups)]
    columns = [column for part in parts for column in part]
    searching = any(RINGS_START <= column < WHOLE_START for column in columns)
    looking = any(column >= WHOLE_START for column in columns)
    first = columns == list(range(len(columns)))
    return Asked(len(columns) if first else COLUMNS, searching, looking, None if first else columns)


def _row_numbers(states: Ints, rows: NDArray[Any]) -> Ints:
    numbers = np.ascontiguousarray(rows, dtype=np.int32)
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(states)):
        raise UsageError(f"rows must lie between 0 and {len(states) - 1}")
    return numbers


@compiled()
def _describe_all(
    tables: Tables,
    ids: Ids,
    lengths: Ints,
    state: Ints,
    desk: Desk,
    width: int,
    searching: bool,
    looking: bool,
    out: Row,
) -> None:
    symbols, state, out = lent(tables.symbols), lent(state).T, lent(out)
    graph, links, numbers = lent(desk.graph), lent(desk.links), lent(desk.numbers)
    place, at = 0, 0
    for molecule in range(len(lengths)):
        restart(state)
        for step in range(lengths[molecule] + 1):
            if step > 0:
                _consume_token(tables, symbols, state, ids[place])
                place += 1
            describe(symbols, state, graph, links, numbers, searching, looking, out[at:])
            at += width


@compiled()
def _describe_rows(
    tables: Tables,
    states: Ints,
    rows: Ints,
    desk: Desk,
    width: int,
    searching: bool,
    looking: bool,
    out: Row,
) -> None:
    symbols, states, out = lent(tables.symbols), lent(states), lent(out)
    graph, links, numbers = lent(desk.graph), lent(desk.links), lent(desk.numbers)
    for line in range(len(rows)):
        state = states[rows[line]].T
        describe(symbols, state, graph, links, numbers, searching, looking, out[line * width :])


@compiled()
def _advance(tables: Tables, states: Ints, rows: Ints, tokens: Ids) -> None:
    symbols, states = lent(tables.symbols), lent(states)
    for line in range(len(rows)):
        _consume_token(tables, symbols, states[rows[line]].T, tokens[line])


@compiled(forceinline=True)
def _consume_token(tables: Tables, symbols: Ints, state: Ints, token: int) -> None:
    for place in range(tables.runs_start[token], tables.runs_start[token + 1]):
        consume(symbols, state, tables.runs[place])
