"""The ring that closing at each earlier atom would make: its size, its unsaturation, whether it is aromatic.

For the molecule that a prefix stands for, a breadth-first search from the current atom finds the shortest
path to every earlier atom; of equally short ones that with the fewest atoms lacking a double bond.
Aromaticity is judged by Hückel's rule on that one ring: an atom with a double bond gives one electron, none
if the bond leads to O, S or Se (a carbonyl), a lone pair gives two, and any other atom breaks the ring. Knows
graphs as tables, no strings and no learning.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .alphabet import ACCEPTOR, CAPACITY, DONOR
from .compilation import compiled
from .derivation import (
    ATOMS,
    BOND_ORDER,
    CURRENT,
    CURSOR,
    DEPTH,
    HELD,
    MADE_LEFT,
    MADE_ORDER,
    MADE_RIGHT,
    PARENT,
    PENDING,
    STATE,
    SYMBOL,
    VALENCE,
    Ints,
    form_rings,
)

REACH = 24
"""Number of earlier atoms looked at, counted back in the order of the derivation, as index symbols count."""

LARGEST = 12
"""Size from which on rings are not told apart; closing at an atom that is not connected counts as this size."""

BROKEN, BROKEN_ONCE, BROKEN_HERE, UNBROKEN, BY_SINGLE, BY_DOUBLE, BY_EITHER = range(7)
"""Conjugation of a ring: broken by two atoms or more; by one; by the current atom alone, which has valence
for a double bond of its own; unbroken; and aromatic if closed by a single bond, by a double bond, or by
either."""

# Rows of the graph table that the search adds to those of form_rings.
PI, CARBONYL, IN_RING, RING_BOND, FIRST, DISTANCE, QUEUE = range(6, 13)
"""Rows: pi bonds of an atom; doubly bonded to an acceptor; member of a ring; its bond to its parent is one of a
ring; its first link; bonds from the current atom (-1 where not reached); atoms in the order reached."""
GRAPH_ROWS = 13

# Rows of the table of links, two for every bond, one for each of its ends.
NEXT, TO, DOUBLE = range(3)

# Rows of the table of costs.
TOLL, PATH = range(2)

# What a path costs, packed into one integer, most significant first, so that one addition goes along a bond
# and one comparison prefers the path with the fewest atoms without a double bond.
_LACKING, _DONORS, _CARBONYLS, _RINGED, _DOUBLES = 40, 32, 24, 16, 8

Longs = NDArray[np.int64]


@compiled(forceinline=True)
def build_graph(symbols: Ints, state: Ints, graph: Ints, links: Ints) -> int:
    """Write the graph of a prefix with its links, pi bonds and ring members; returns the number of rings.

    ``graph`` ``(13, N)``, ``links`` ``(3, 4 N)``. A ring whose index is incomplete is not made.
    """
    rings = form_rings(symbols, state, graph)
    count = state[CURSOR, ATOMS]
    for atom in range(count):
        graph[PI, atom] = graph[CARBONYL, atom] = graph[IN_RING, atom] = graph[RING_BOND, atom] = 0
        graph[FIRST, atom] = -1
    for atom in range(count):
        if state[PARENT, atom] >= 0:
            _link(symbols, state, graph, links, 2 * atom, state[PARENT, atom], atom, graph[BOND_ORDER, atom])
    for ring in range(rings):
        left, right = graph[MADE_LEFT, ring], graph[MADE_RIGHT, ring]
        _link(symbols, state, graph, links, 2 * (count + ring), left, right, graph[MADE_ORDER, ring])
        # All atoms between the two along the chains are members; parents have the smaller number.
        graph[IN_RING, left] = graph[IN_RING, right] = 1
        while left != right and left >= 0 and right >= 0:
            graph[RING_BOND, max(left, right)] = 1
            if left > right:
                left = state[PARENT, left]
                graph[IN_RING, max(left, 0)] |= left >= 0
            else:
                right = state[PARENT, right]
                graph[IN_RING, max(right, 0)] |= right >= 0
    return rings


@compiled(forceinline=True)
def _link(symbols: Ints, state: Ints, graph: Ints, links: Ints, link: int, one: int, other: int, order: int) -> None:
    """Note a bond at both of its atoms, as links ``link`` and ``link + 1``."""
    for _ in range(2):
        links[NEXT, link], links[TO, link], links[DOUBLE, link] = graph[FIRST, one], other, order == 2
        graph[FIRST, one] = link
        graph[PI, one] += order - 1
        graph[CARBONYL, one] |= order == 2 and symbols[state[SYMBOL, other], ACCEPTOR] == 1
        one, other, link = other, one, link + 1


@compiled(forceinline=True)
def search(symbols: Ints, state: Ints, graph: Ints, links: Ints, costs: Longs) -> None:
    """Distances (in ``graph``) and costs of the best shortest paths from the current atom.

    ``costs`` ``(2, N)``: what an atom adds to the cost of a path, and the cost of the path to it, both ends
    included.
    """
    for atom in range(state[CURSOR, ATOMS]):
        graph[DISTANCE, atom] = -1
        lacking = graph[PI, atom] == 0
        donor = lacking and symbols[state[SYMBOL, atom], DONOR] == 1
        costs[TOLL, atom] = (
            (np.int64(lacking) << _LACKING)
            + (np.int64(donor) << _DONORS)
            + (np.int64(graph[CARBONYL, atom]) << _CARBONYLS)
            + (np.int64(graph[IN_RING, atom]) << _RINGED)
        )
    current = state[CURRENT, state[CURSOR, DEPTH]]
    graph[DISTANCE, current] = 0
    graph[QUEUE, 0] = current
    costs[PATH, current] = costs[TOLL, current]
    head, tail = 0, 1
    while head < tail:
        atom = graph[QUEUE, head]
        head += 1
        distance = graph[DISTANCE, atom] + 1
        if distance >= LARGEST - 1:
            return
        link = graph[FIRST, atom]
        while link >= 0:
            other = links[TO, link]
            if graph[DISTANCE, other] < 0:
                graph[DISTANCE, other] = distance
                graph[QUEUE, tail] = other
                tail += 1
                costs[PATH, other] = np.int64(1) << 60
            if graph[DISTANCE, other] == distance:
                cost = costs[PATH, atom] + costs[TOLL, other] + (np.int64(links[DOUBLE, link]) << _DOUBLES)
                costs[PATH, other] = min(costs[PATH, other], cost)
            link = links[NEXT, link]


@compiled(forceinline=True)
def room_to_close(state: Ints) -> int:
    """The highest order of a bond that the current atom can close a ring with; 0 if none."""
    if state[CURSOR, PENDING] > 0 and state[CURSOR, HELD] > 0:
        return int(state[CURSOR, HELD])
    return int(max(0, min(state[STATE, state[CURSOR, DEPTH]], 3)))


@compiled(forceinline=True)
def free_valence(symbols: Ints, state: Ints, graph: Ints, atom: int) -> int:
    """The valence that an atom has left."""
    return int(symbols[state[SYMBOL, atom], CAPACITY] - graph[VALENCE, atom])


@compiled(forceinline=True)
def ring_of(
    symbols: Ints, state: Ints, graph: Ints, costs: Longs, atom: int, order: int
) -> tuple[int, int, int, int, int, int]:
    """The ring that closing at ``atom`` by a bond of at most ``order`` would make.

    Its size (LARGEST where that or more); how many of its atoms lack a double bond, of these how many can
    lend a lone pair; how many double bonds lead out of the path; how many atoms are in a ring already; and
    its conjugation, one of the names above.
    """
    if graph[DISTANCE, atom] < 0:
        return LARGEST, 0, 0, 0, 0, BROKEN
    cost, size = costs[PATH, atom], graph[DISTANCE, atom] + 1
    lacking, donors = cost >> _LACKING, cost >> _DONORS & 255
    carbonyls, ringed, doubles = cost >> _CARBONYLS & 255, cost >> _RINGED & 255, cost >> _DOUBLES & 255
    breaks, unsaturated = lacking - donors, size - lacking
    electrons = unsaturated - carbonyls + 2 * donors
    depth = state[CURSOR, DEPTH]
    here = costs[TOLL, state[CURRENT, depth]]
    bare, lenders = (here + costs[TOLL, atom]) >> _LACKING, (here + costs[TOLL, atom]) >> _DONORS & 255
    conjugation = BROKEN if breaks > 1 else BROKEN_ONCE if breaks == 1 else UNBROKEN
    if breaks == 1 and here >> _LACKING > here >> _DONORS & 255 and state[STATE, depth] > 1:
        conjugation = BROKEN_HERE
    if 5 <= size <= 7:
        single = breaks == 0 and electrons % 4 == 2
        double = order > 1 and bare == 2 and breaks == 2 - lenders and (electrons + 2 - 2 * lenders) % 4 == 2
        if state[CURSOR, PENDING] > 0 and state[CURSOR, HELD] > 1:
            single = False
        if single or double:
            conjugation = UNBROKEN + single + 2 * double
    return size, lacking, donors, max(0, unsaturated - 2 * doubles), ringed, conjugation
