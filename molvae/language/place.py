"""One prefix of a molecule as a row of small integers: its place in the grammar, the rings it could
close.

The rows are laid out in named groups. Knows the derivation and the rings to be, no batches and no
learning."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.compilation import compiled
from .atom_environments import HASHES, NEAR, NUMBERS, hash_surroundings
from .derivation import (
    ATOMS,
    BOND_ORDER,
    CURRENT,
    CURSOR,
    DEPTH,
    HELD,
    INDEX,
    PARENT,
    PENDING,
    SEEN,
    STATE,
    STOP,
    SYMBOL,
    Ints,
)
from .ring_closures import (
    FIRST,
    FREE,
    IN_RING,
    LARGEST,
    PI,
    REACH,
    RING_BOND,
    TOLL,
    UNBROKEN,
    build_graph,
    free_valence,
    ring_of,
    room_to_close,
    search,
)
from .symbols import ELEMENT, ELEMENT_CLASSES

Row = NDArray[np.int16]

_ATOM = (10, ELEMENT_CLASSES, 3, 2)  # valence left, element, pi bonds, in a ring

GROUPS: dict[str, tuple[int, ...]] = {
    # symbols so far, atoms so far
    "position": (64, 48),
    # 1 + symbols left in the innermost branch (0: in none), open branches, the same of the branch
    # around it
    "branch": (32, 8, 32),
    # index symbols pending of a ring (1-3) or branch (4-6), valence held for it, 1 + index so far
    "pending": (7, 4, 17),
    # the current atom and its bond order to its parent
    "valence": (*_ATOM, 4),
    # the atom that the chain goes on from when the innermost branch ends
    "outer": _ATOM,
    # the current atom's parent: element, pi bonds, in a ring
    "parent": _ATOM[1:],
    # rings, unsaturated atoms in no ring, heteroatoms
    "totals": (8, 16, 16),
    # For each of the atoms before the current one, nearest first, 0 where no bond can be made; else
    "ring_sizes": (LARGEST,) * REACH,  # size of the ring less one
    "ring_unsaturation": (8,) * REACH,  # 1 + its atoms that lack a double bond
    # how many atoms back the nearest closure is that makes an aromatic ring, 0 if none: a ring of 5
    # by a single bond, by a double bond; of 6 by a single bond, by a double bond
    "aromatic": (REACH + 1,) * 4,
    "ring_donors": (5,) * REACH,  # 1 + those of them that can lend a lone pair
    "ring_alternation": (6,) * REACH,  # 1 + its double bonds that lead out of the ring
    "ring_fusion": (6,) * REACH,  # 1 + its atoms that are in a ring already
    "ring_order": (4,) * REACH,  # highest order of the closing bond
    "ring_conjugation": (8,) * REACH,  # 1 + its conjugation, as named in closures
    # nitrogens, oxygens, sulphurs, halogens, bonds that can be turned, mass in steps of 2 Da
    "composition": (16, 16, 8, 12, 16, 256),
    # what surrounds the current atom, hashed, as listed in surroundings
    "surroundings": (NUMBERS,) * HASHES,
}
"""Features by group, each as its number of values."""

STARTS = dict(zip(GROUPS, np.cumsum([0, *map(len, GROUPS.values())]).tolist(), strict=False))
"""First column of every group in a row of all features."""

COLUMNS = sum(map(len, GROUPS.values()))
"""Number of columns of a row of all features."""

RINGS_START, WHOLE_START, HASHES_START = (
    STARTS[name] for name in ("ring_sizes", "composition", "surroundings")
)
"""The first columns that need the search for rings, and a look at the whole molecule."""

_BRANCH, _PENDING, _VALENCE, _OUTER = (
    STARTS[name] for name in ("branch", "pending", "valence", "outer")
)
_COMPOSITION = GROUPS["composition"]
# Of the elements that alphabet tells apart and of all others: rounded masses, and one in the bits
# of one number where they are counted: nitrogens, oxygens, sulphurs, halogens.
_MASSES = np.array([12, 14, 16, 32, 31, 19, 35, 80, 127, 11, 28, 79, 1, 60])
_HYDRIDES = (
    3  # carbon, nitrogen and oxygen: what they have free is hydrogen, which is not so of S and P
)
_WIDTH, _MOST = 12, 0xFFF
_COUNTED = np.array(
    [column >= 0 and 1 << _WIDTH * column for column in (-1, 0, 1, 2, -1, 3, 3, 3, 3, *(-1,) * 5)]
)
_PARENT, _TOTALS, _AROMATIC, _DONORS = (
    STARTS[name] for name in ("parent", "totals", "aromatic", "ring_donors")
)


@compiled(forceinline=True)
def describe(
    symbols: Ints,
    state: Ints,
    graph: Ints,
    links: Ints,
    numbers: Ints,
    searching: bool,
    looking: bool,
    row: Row,
) -> None:
    """All features of one prefix; of rings only if ``searching``, of the whole and surroundings if
    ``looking``.
    """
    rings = build_graph(symbols, state, graph, links)
    depth = state[CURSOR, DEPTH]
    current = state[CURRENT, depth]
    row[0], row[1] = min(state[CURSOR, SEEN], 63), min(state[CURSOR, ATOMS], 47)
    row[_BRANCH] = _left(state, depth)
    row[_BRANCH + 1] = min(depth, 7)
    row[_BRANCH + 2] = _left(state, depth - 1)
    pending, held = state[CURSOR, PENDING], state[CURSOR, HELD]
    row[_PENDING] = 0 if pending == 0 else pending if held > 0 else pending + 3
    row[_PENDING + 1] = 0 if pending == 0 else min(abs(held), 3)
    row[_PENDING + 2] = 0 if pending == 0 else 1 + min(state[CURSOR, INDEX], 15)
    row[_VALENCE] = min(state[STATE, depth] + 1, 9)
    _describe_atom(symbols, state, graph, current, row, _VALENCE + 1)
    row[_VALENCE + 4] = 0 if current < 0 else graph[BOND_ORDER, current]
    row[_OUTER] = 0 if depth == 0 else min(state[STATE, depth - 1] + 1, 9)
    _describe_atom(
        symbols, state, graph, -1 if depth == 0 else state[CURRENT, depth - 1], row, _OUTER + 1
    )
    _describe_atom(
        symbols, state, graph, -1 if current < 0 else state[PARENT, current], row, _PARENT
    )
    _describe_totals(symbols, state, graph, rings, row)
    room = room_to_close(state) if searching and current > 0 else 0
    reached = 0
    if current >= 0 and (room > 0 or looking):
        reached = search(symbols, state, graph, links, LARGEST - 2 if room > 0 else NEAR)
    if looking:
        _describe_composition(symbols, state, graph, links, row)
        if current >= 0:
            hash_surroundings(
                symbols, state, graph, links, numbers, reached, row[_BRANCH], row, HASHES_START
            )
        else:
            for column in range(HASHES_START, COLUMNS):
                row[column] = 0
    if searching:
        for column in range(RINGS_START, WHOLE_START):
            row[column] = 0
        if room > 0:
            _describe_closures(state, graph, current, room, row)


@compiled(forceinline=True)
def _left(state: Ints, depth: int) -> int:
    """1 + symbols left in an open branch, 0 for the main chain; an inner branch may overrun an
    outer one.
    """
    return 0 if depth <= 0 else 1 + min(max(state[STOP, depth] - state[CURSOR, SEEN], 0), 30)


@compiled(forceinline=True)
def _describe_atom(symbols: Ints, state: Ints, graph: Ints, atom: int, row: Row, at: int) -> None:
    row[at] = 0 if atom < 0 else symbols[state[SYMBOL, atom], ELEMENT]
    row[at + 1] = 0 if atom < 0 else min(graph[PI, atom], 2)
    row[at + 2] = 0 if atom < 0 else graph[IN_RING, atom]


@compiled(forceinline=True)
def _describe_totals(symbols: Ints, state: Ints, graph: Ints, rings: int, row: Row) -> None:
    dangling, hetero = 0, 0
    for atom in range(state[CURSOR, ATOMS]):
        dangling += graph[PI, atom] > 0 and graph[IN_RING, atom] == 0
        hetero += symbols[state[SYMBOL, atom], ELEMENT] > 3  # classes 1, 2 and 3 are carbon
    row[_TOTALS], row[_TOTALS + 1], row[_TOTALS + 2] = (
        min(rings, 7),
        min(dangling, 15),
        min(hetero, 15),
    )


@compiled(forceinline=True)
def _describe_composition(symbols: Ints, state: Ints, graph: Ints, links: Ints, row: Row) -> None:
    """Heteroatoms by element, bonds that can be turned, and the mass if the molecule ended here."""
    mass, turned, counts = 0, 0, 0
    for atom in range(state[CURSOR, ATOMS]):
        element = (symbols[state[SYMBOL, atom], ELEMENT] - 1) // 3
        mass += _MASSES[element] + (element < _HYDRIDES) * max(
            0, free_valence(symbols, state, graph, atom)
        )
        counts += _COUNTED[element]
        parent = state[PARENT, atom]
        single = (parent >= 0) & (graph[BOND_ORDER, atom] == 1) & (graph[RING_BOND, atom] == 0)
        inner = (links[graph[FIRST, atom]] >= 0) & (links[graph[FIRST, max(parent, 0)]] >= 0)
        turned += single & inner
    for column in range(4):
        row[WHOLE_START + column] = min(counts >> _WIDTH * column & _MOST, _COMPOSITION[column] - 1)
    row[WHOLE_START + 4] = min(turned, _COMPOSITION[4] - 1)
    row[WHOLE_START + 5] = min(mass // 2, _COMPOSITION[5] - 1)


@compiled(forceinline=True)
def _describe_closures(state: Ints, graph: Ints, current: int, room: int, row: Row) -> None:
    """The features of closing at each of the atoms before the current one, by a bond of at most
    order ``room``.
    """
    here, mendable = graph[TOLL, current], state[STATE, state[CURSOR, DEPTH]] > 1
    held = (state[CURSOR, PENDING] > 0) & (state[CURSOR, HELD] > 1)
    farthest = min(REACH, current)
    for place in range(farthest):
        atom: Any = np.uint64(
            current - 1 - place
        )  # has no sign, so it is no place counted from the end
        order = min(room, graph[FREE, atom])
        size, lacking, donors, exits, ringed, conjugation = ring_of(
            graph, atom, order, here, mendable, held
        )
        at, more, made = RINGS_START + place, _DONORS + place, order > 0
        row[at] = made * (size - 1)
        row[at + REACH] = made * (1 + min(lacking, 6))
        row[more] = made * (1 + min(donors, 3))
        row[more + REACH] = made * (1 + min(exits, 4))
        row[more + 2 * REACH] = made * (1 + min(ringed, 4))
        row[more + 3 * REACH] = order
        row[more + 4 * REACH] = made * (1 + conjugation)
    _note_aromatic(farthest, row)


@compiled(forceinline=True)
def _note_aromatic(farthest: int, row: Row) -> None:
    """The nearest closures that make aromatic rings, from what is written of all."""
    for back in range(farthest, 0, -1):
        conjugation, size = row[_DONORS + 4 * REACH + back - 1] - 1, row[RINGS_START + back - 1] + 1
        if (conjugation > UNBROKEN) & (size <= 6):
            for double in range(2):
                if (conjugation - UNBROKEN) >> double & 1:
                    row[_AROMATIC + 2 * (size - 5) + double] = back
