"""Ring that a closure at each earlier atom would form: size, unsaturation, aromaticity.

In the molecule of a prefix, a breadth-first search from the current atom finds the shortest path to
every earlier atom; among equally short ones that with the fewest atoms without a double bond.
Aromaticity is judged by Hückel's rule on that one ring: an atom with a double bond gives one
electron, none if the bond leads to O, S or Se (a carbonyl), a lone pair gives two, and any other
atom breaks the conjugation.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..runtime.compilation import compiled
from .derivation import Cursor, Derivation, Node, Ring, form_rings
from .symbols import Symbol, integers, records

REACH = 24
"""Number of earlier atoms considered, counted back in the order of the derivation, as index symbols
count."""

LARGEST = 12
"""Size from which on rings are not distinguished; closing at an atom of another fragment counts as
this size."""

NEAR = 4
"""Largest radius in bonds of the environments that :mod:`.atom_environments` hashes."""

BROKEN, BROKEN_ONCE, BROKEN_HERE, UNBROKEN, BY_SINGLE, BY_DOUBLE, BY_EITHER = range(7)
"""Conjugation of a ring: broken by two atoms or more; by one; by the current atom alone, which has
valence for a double bond of its own; unbroken; and aromatic if closed by a single bond, by a double
bond, or by either."""


@dataclass(slots=True)
class FoundNode(Node):
    """An atom of the graph in which rings are searched."""

    pi: int = 0  # pi bonds
    carbonyl: int = 0  # doubly bonded to an acceptor
    in_ring: int = 0
    ring_bond: int = 0  # its bond to its parent is in a ring
    first: int = 0  # its first link, -1 for none
    distance: int = 0  # bonds from the current atom, -1 where not reached
    toll: int = 0  # what the atom adds to the cost of a path
    path: int = 0  # cost of the path to it, both ends included
    free: int = 0  # valence left


class Graph(NamedTuple):
    """Scratch for the graph of one prefix of ``N`` atoms and ``N`` rings at most.

    ``links`` ``(4 N,)``, two for every bond. ``queue`` ``(N,)``: atoms in the order reached by the
    search. ``hashes`` ``(1 + NEAR, N)``: hash of the environment of every atom by radius."""

    nodes: Sequence[FoundNode]
    rings: Sequence[Ring]
    links: MutableSequence[int]
    queue: MutableSequence[int]
    hashes: Sequence[MutableSequence[int]]


def new_graph(size: int) -> Graph:
    """Scratch for prefixes of ``size`` atoms at most."""
    return Graph(
        records(FoundNode, size),
        records(Ring, size),
        integers(4 * size),
        integers(size),
        integers(1 + NEAR, size),
    )


# A link is a bond as seen from one of its atoms, packed into one number, because links form a chain
# in which each has to be loaded before the next: bit 0 is set for a double bond, bits 1 to 15 are
# the atom at the other end, the bits above the atom's next link, -1 for none. The shift is
# arithmetic, so that -1 survives it.
_TO, _NEXT, _MOST_ATOMS = 1, 16, 0x7FFF

# The cost of a path is packed into one integer, most significant count first, so that one addition
# extends a path by a bond and one comparison prefers the path with the fewest atoms without a
# double bond. Rings whose sizes are distinguished have less than 16 atoms, so that four bits hold
# each count.
_LACKING, _DONORS, _CARBONYLS, _RINGED, _DOUBLES = 16, 12, 8, 4, 0
_COUNT = 15


@compiled(forceinline=True)
def build_graph(symbols: Sequence[Symbol], state: Derivation, graph: Graph) -> int:
    """Write the graph of a prefix with its links, pi bonds and ring members; returns the number of
    rings.

    A ring whose index is incomplete is not formed."""
    nodes, atoms = graph.nodes, state.atoms
    made = form_rings(symbols, state, nodes, graph.rings)
    count = state.cursor.atoms
    for number in range(count):
        node, parent = nodes[number], atoms[number].parent
        node.pi = node.carbonyl = node.in_ring = node.ring_bond = 0
        node.first = -1
        if parent >= 0:  # which is an earlier atom
            _link(symbols, state, graph, 2 * number, parent, number, node.order)
    for number in range(made):
        ring = graph.rings[number]
        left, right = ring.left, ring.right
        _link(symbols, state, graph, 2 * (count + number), left, right, ring.order)
        # All atoms between the two along the chains are members; parents have the smaller number.
        nodes[left].in_ring = nodes[right].in_ring = 1
        while left != right and left >= 0 and right >= 0:
            nodes[max(left, right)].ring_bond = 1
            if left > right:
                left = atoms[left].parent
                nodes[max(left, 0)].in_ring |= left >= 0
            else:
                right = atoms[right].parent
                nodes[max(right, 0)].in_ring |= right >= 0
    return made


@compiled(forceinline=True)
def _link(
    symbols: Sequence[Symbol],
    state: Derivation,
    graph: Graph,
    link: int,
    one: int,
    other: int,
    order: int,
) -> None:
    """Record a bond at both of its atoms, as links ``link`` and ``link + 1``."""
    for _ in range(2):
        node = graph.nodes[one]
        graph.links[link] = node.first << _NEXT | other << _TO | (order == 2)
        node.first = link
        node.pi += order - 1
        node.carbonyl |= order == 2 and symbols[state.atoms[other].symbol].acceptor == 1
        one, other, link = other, one, link + 1


@compiled(forceinline=True)
def followed(link: int) -> tuple[int, int, int]:
    """Unpack a link: the atom at its other end, 1 for a double bond, the next link or -1."""
    return link >> _TO & _MOST_ATOMS, link & 1, link >> _NEXT


@compiled(forceinline=True)
def search(symbols: Sequence[Symbol], state: Derivation, graph: Graph, farthest: int) -> int:
    """Find the shortest paths of at most ``farthest`` bonds from the current atom.

    Returns the number of atoms reached; these are in the queue, nearest first."""
    nodes, links, queue = graph.nodes, graph.links, graph.queue
    for number in range(state.cursor.atoms):
        node, symbol = nodes[number], symbols[state.atoms[number].symbol]
        lacking = int(node.pi == 0)
        donor = lacking & symbol.donor
        node.distance, node.path = -1, LARGEST << _LACKING  # as broken as can be
        node.free = max(0, symbol.capacity - node.valence)
        node.toll = (
            lacking << _LACKING
            | donor << _DONORS
            | node.carbonyl << _CARBONYLS
            | node.in_ring << _RINGED
        )
    current = state.levels[state.cursor.depth].atom
    nodes[current].distance = 0
    nodes[current].path = nodes[current].toll
    queue[0] = current
    head, tail = 0, 1
    while head < tail:
        node = nodes[queue[head]]
        head += 1
        distance = node.distance + 1
        if distance > farthest:
            break
        link = node.first
        while link >= 0:
            to, double, link = followed(links[link])
            other = nodes[to]
            cost = node.path + other.toll + (double << _DOUBLES)
            if other.distance < 0:
                other.distance = distance
                queue[tail] = to
                tail += 1
                other.path = cost
            elif other.distance == distance:
                other.path = min(other.path, cost)
    return tail


@compiled(forceinline=True)
def closing_order(state: Derivation) -> int:
    """Highest order of a bond that the current atom can close a ring with; 0 if none."""
    cursor: Cursor = state.cursor
    if cursor.pending > 0 and cursor.held > 0:
        return cursor.held
    return max(0, min(state.levels[cursor.depth].free, 3))


@compiled(forceinline=True)
def ring_of(
    node: FoundNode, order: int, here: int, mendable: bool, held: bool
) -> tuple[int, int, int, int, int, int]:
    """Describe the ring that closing at ``node`` by a bond of at most ``order`` would form.

    Its size (LARGEST where that or more); the number of its atoms that lack a double bond, of these
    the number that can donate a lone pair; double bonds that lead out of the path; atoms that are
    in a ring already; and its conjugation, one of the constants above. ``here`` is the toll of the
    current atom, which may be ``mendable`` by a double bond of its own; a double bond may be
    ``held`` for the closure. Without branches, so that many closures are computed side by side."""
    cost, distance = node.path, node.distance
    size = distance + 1 if distance >= 0 else LARGEST
    lacking, donors = cost >> _LACKING, cost >> _DONORS & _COUNT
    carbonyls, ringed = cost >> _CARBONYLS & _COUNT, cost >> _RINGED & _COUNT
    doubles = cost >> _DOUBLES & _COUNT
    breaks, unsaturated = lacking - donors, size - lacking
    electrons = unsaturated - carbonyls + 2 * donors
    ends = here + node.toll  # their counts, added while packed
    bare, lenders = ends >> _LACKING, ends >> _DONORS & _COUNT
    once = breaks == 1
    mended = once & (here >> _LACKING > here >> _DONORS & _COUNT) & mendable
    able = (size >= 5) & (size <= 7)
    # Hückel: 4 n + 2 electrons, so the lowest two bits of their number are 2.
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
