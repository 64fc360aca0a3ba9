"""The ring that closing at each earlier atom would make: its size, its unsaturation, whether it is
aromatic.

For the molecule that a prefix stands for, a breadth-first search from the current atom finds the
shortest path to every earlier atom; of equally short ones that with the fewest atoms lacking a
double bond. Aromaticity is judged by Hückel's rule on that one ring: an atom with a double bond
gives one electron, none if the bond leads to O, S or Se (a carbonyl), a lone pair gives two, and
any other atom breaks the ring. Knows graphs as tables, no strings and no learning."""

from __future__ import annotations

from ..runtime.compilation import compiled
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
from .symbols import ACCEPTOR, CAPACITY, DONOR

REACH = 24
"""Number of earlier atoms looked at, counted back in the order of the derivation, as index symbols
count.
"""

LARGEST = 12
"""Size from which on rings are not told apart; closing at an atom that is not connected counts as
this size.
"""

BROKEN, BROKEN_ONCE, BROKEN_HERE, UNBROKEN, BY_SINGLE, BY_DOUBLE, BY_EITHER = range(7)
"""Conjugation of a ring: broken by two atoms or more; by one; by the current atom alone, which has
valence for a double bond of its own; unbroken; and aromatic if closed by a single bond, by a double
bond, or by either."""

# Rows of the graph table that the search adds to those of form_rings.
PI, CARBONYL, IN_RING, RING_BOND, FIRST, DISTANCE, QUEUE, TOLL, PATH, FREE = range(6, 16)
"""Rows: pi bonds of an atom; doubly bonded to an acceptor; member of a ring; its bond to its parent
is one of a ring; its first link; bonds from the current atom (-1 where not reached); atoms in the
order reached; what an atom adds to the cost of a path; the cost of the path to it, both ends
included; the valence that it has left."""
GRAPH_ROWS = 16

# A link is one number, for it is read in a chain, each after the one before: whether its bond is
# double, the atom that it leads to, and the next link of the atom that it leads from, -1 if none.
_TO, _NEXT, _MOST_ATOMS = 1, 16, 0x7FFF

# What a path costs, packed into one integer, most significant first, so that one addition goes
# along a bond and one comparison prefers the path with the fewest atoms without a double bond.
# Rings that are told apart have less than 16 atoms, so that four bits hold each count.
_LACKING, _DONORS, _CARBONYLS, _RINGED, _DOUBLES = 16, 12, 8, 4, 0
_COUNT = 15


@compiled(forceinline=True)
def build_graph(symbols: Ints, state: Ints, graph: Ints, links: Ints) -> int:
    """Write the graph of a prefix with its links, pi bonds and ring members; returns the number of
    rings.

    ``graph`` ``(16, N)``, ``links`` ``(4 N,)``, two for every bond. A ring whose index is
    incomplete is not made."""
    rings = form_rings(symbols, state, graph)
    count = state[CURSOR, ATOMS]
    for atom in range(count):
        graph[PI, atom] = graph[CARBONYL, atom] = graph[IN_RING, atom] = graph[RING_BOND, atom] = 0
        graph[FIRST, atom] = -1
        if state[PARENT, atom] >= 0:  # which is an earlier atom
            _link(
                symbols,
                state,
                graph,
                links,
                2 * atom,
                state[PARENT, atom],
                atom,
                graph[BOND_ORDER, atom],
            )
    for ring in range(rings):
        left, right = graph[MADE_LEFT, ring], graph[MADE_RIGHT, ring]
        _link(
            symbols, state, graph, links, 2 * (count + ring), left, right, graph[MADE_ORDER, ring]
        )
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
def _link(
    symbols: Ints,
    state: Ints,
    graph: Ints,
    links: Ints,
    link: int,
    one: int,
    other: int,
    order: int,
) -> None:
    """Note a bond at both of its atoms, as links ``link`` and ``link + 1``."""
    for _ in range(2):
        links[link] = graph[FIRST, one] << _NEXT | other << _TO | (order == 2)
        graph[FIRST, one] = link
        graph[PI, one] += order - 1
        graph[CARBONYL, one] |= order == 2 and symbols[state[SYMBOL, other], ACCEPTOR] == 1
        one, other, link = other, one, link + 1


@compiled(forceinline=True)
def followed(link: int) -> tuple[int, int, int]:
    """The atom that a link leads to, whether by a double bond, and the next link, -1 if none."""
    return link >> _TO & _MOST_ATOMS, link & 1, link >> _NEXT


@compiled(forceinline=True)
def search(symbols: Ints, state: Ints, graph: Ints, links: Ints, farthest: int) -> int:
    """Distances and costs of the best shortest paths of at most ``farthest`` bonds from the current
    atom.

    Returns the number of atoms reached, which stand in the row of those, nearest first.
    """
    for atom in range(state[CURSOR, ATOMS]):
        lacking = graph[PI, atom] == 0
        donor = lacking & (symbols[state[SYMBOL, atom], DONOR] == 1)
        graph[DISTANCE, atom], graph[PATH, atom] = -1, LARGEST << _LACKING  # as broken as can be
        graph[FREE, atom] = max(0, free_valence(symbols, state, graph, atom))
        graph[TOLL, atom] = (
            lacking << _LACKING
            | donor << _DONORS
            | graph[CARBONYL, atom] << _CARBONYLS
            | graph[IN_RING, atom] << _RINGED
        )
    current = state[CURRENT, state[CURSOR, DEPTH]]
    graph[DISTANCE, current] = 0
    graph[QUEUE, 0] = current
    graph[PATH, current] = graph[TOLL, current]
    head, tail = 0, 1
    while head < tail:
        atom = graph[QUEUE, head]
        head += 1
        distance = graph[DISTANCE, atom] + 1
        if distance > farthest:
            break
        link = graph[FIRST, atom]
        while link >= 0:
            other, double, link = followed(links[link])
            cost = graph[PATH, atom] + graph[TOLL, other] + (double << _DOUBLES)
            if graph[DISTANCE, other] < 0:
                graph[DISTANCE, other] = distance
                graph[QUEUE, tail] = other
                tail += 1
                graph[PATH, other] = cost
            elif graph[DISTANCE, other] == distance:
                graph[PATH, other] = min(graph[PATH, other], cost)
    return tail


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
    graph: Ints, atom: int, order: int, here: int, mendable: bool, held: bool
) -> tuple[int, int, int, int, int, int]:
    """The ring that closing at ``atom`` by a bond of at most ``order`` would make.

    Its size (LARGEST where that or more); how many of its atoms lack a double bond, of these how
    many can lend a lone pair; how many double bonds lead out of the path; how many atoms are in a
    ring already; and its conjugation, one of the names above. ``here`` is the toll of the current
    atom, which may be ``mendable`` by a double bond of its own; a double bond may be ``held`` for
    the closure. Without branches, so that many closures are looked at together."""
    cost, distance = graph[PATH, atom], graph[DISTANCE, atom]
    size = distance + 1 if distance >= 0 else LARGEST
    lacking, donors = cost >> _LACKING, cost >> _DONORS & _COUNT
    carbonyls, ringed, doubles = (
        cost >> _CARBONYLS & _COUNT,
        cost >> _RINGED & _COUNT,
        cost >> _DOUBLES & _COUNT,
    )
    breaks, unsaturated = lacking - donors, size - lacking
    electrons = unsaturated - carbonyls + 2 * donors
    ends = here + graph[TOLL, atom]
    bare, lenders = ends >> _LACKING, ends >> _DONORS & _COUNT
    once = breaks == 1
    mended = once & (here >> _LACKING > here >> _DONORS & _COUNT) & mendable
    able = (size >= 5) & (size <= 7)
    single = able & (breaks == 0) & (electrons & 3 == 2) & (not held)
    double = (
        able
        & (order > 1)
        & (bare == 2)
        & (breaks == 2 - lenders)
        & ((electrons + 2 - 2 * lenders) & 3 == 2)
    )
    broken = BROKEN_ONCE * once + (BROKEN_HERE - BROKEN_ONCE) * mended + UNBROKEN * (breaks == 0)
    conjugation = UNBROKEN + single + 2 * double if single | double else broken
    exits = max(0, unsaturated - 2 * doubles)
    return size, lacking if distance >= 0 else 0, donors, exits, ringed, conjugation
