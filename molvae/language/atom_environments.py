"""Environment of the current atom as hashes: everything within one to four bonds, and the chain
that led to it.

Like the n-grams of a text, but along bonds instead of along the string: atoms written long ago may
be near. There are many environments, so each is hashed to one of some thousand numbers, after the
algorithm of Morgan (Rogers and Hahn, J. Chem. Inf. Model. 2010, 50, 742): every atom's hash is
mixed with the sum of its neighbours', once for every bond of the radius.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..runtime.compilation import compiled
from .derivation import Derivation
from .ring_closures import NEAR, Graph, followed
from .symbols import Symbol

NUMBERS = 32761
"""Number of values of each hash; 0 is "no atom". A model whose table has fewer rows folds the
others, which are 32,760, for that has many divisors, and they fall evenly."""

_CHAINS = (4, 7, 12)
_ABOUT = 2
HASHES = NEAR + len(_CHAINS) + _ABOUT + 1
"""Columns: within one to four bonds; the last four, seven and twelve atoms of the chain; within one
bond and two, mixed with what the derivation is waiting for; within two bonds of the atom that the
chain continues from when the innermost branch ends."""

# Hashes stay below 2^31 and factors below 2^32, so that no product exceeds 63 bits.
_MASK = 0x7FFFFFFF


@compiled(forceinline=True)
def _mixed(number: int, other: int) -> int:
    """Mix two numbers into one below 2^31."""
    number = (number * 1000003 + other + 12345) & _MASK
    number = ((number ^ (number >> 15)) * 739982445) & _MASK
    return number ^ (number >> 13)


@compiled(forceinline=True)
def _feature(number: int) -> int:
    """Reduce a hash to the values of a feature; its low bits are mixed the least."""
    return 1 + (number >> 7) % (NUMBERS - 1)


@compiled(forceinline=True)
def hash_environments(
    symbols: Sequence[Symbol],
    state: Derivation,
    graph: Graph,
    reached: int,
    left: int,
    row: NDArray[np.int16],
) -> None:
    """Write the hashes of a prefix to ``row`` ``(HASHES,)``.

    ``reached`` is the number of atoms found by the search, which must have gone four bonds far;
    ``left`` the number of symbols left in the innermost branch."""
    cursor, atoms, nodes = state.cursor, state.atoms, graph.nodes
    current = state.levels[cursor.depth].atom
    for number in range(cursor.atoms):
        node, symbol = nodes[number], symbols[atoms[number].symbol]
        # Bits 0 to 2: valence used (one of 8 runs into the next bit, which a hash tolerates); 3: in
        # a ring; 4 and 5: pi bonds; 6 and up: element.
        kind = symbol.element * 64 + node.pi * 16 + node.in_ring * 8
        graph.hashes[0][number] = _mixed(kind + node.valence, symbol.capacity)
    for column in range(len(_CHAINS)):
        row[NEAR + column] = _feature(_chain(state, graph, current, _CHAINS[column]))
    # Bit 0: index begun; 1 to 4: valence held, from -8 on; 5 on: index symbols pending. Times 16,
    # for four more bits of how much of the branch is left.
    waiting = cursor.pending * 32 + (cursor.held + 8) * 2 + min(cursor.index, 1)
    waiting = waiting * 16 + min(left, 15)
    for radius in range(NEAR):
        # The hash of an atom is needed only as far as it can still reach the current atom.
        for place in range(reached):
            atom = graph.queue[place]
            if nodes[atom].distance >= NEAR - radius:
                break
            _mix_neighbours(graph, radius, atom)
        within = graph.hashes[radius + 1][current]
        row[radius] = _feature(within)
        if radius < _ABOUT:
            row[NEAR + len(_CHAINS) + radius] = _feature(_mixed(within, waiting))
    row[HASHES - 1] = 0
    if cursor.depth > 0 and state.levels[cursor.depth - 1].atom >= 0:
        row[HASHES - 1] = _feature(_within_two(graph, state.levels[cursor.depth - 1].atom))


@compiled(forceinline=True)
def _mix_neighbours(graph: Graph, radius: int, atom: int) -> None:
    """Compute an atom's hash for ``radius + 1`` from its own and its neighbours' for ``radius``."""
    total = 0
    link = graph.nodes[atom].first
    while link >= 0:
        other, double, link = followed(graph.links[link])
        total += _mixed(graph.hashes[radius][other], double)
    graph.hashes[radius + 1][atom] = _mixed(graph.hashes[radius][atom], total & _MASK)


@compiled(forceinline=True)
def _within_two(graph: Graph, atom: int) -> int:
    """Hash of the environment of any atom within two bonds."""
    if not 0 <= graph.nodes[atom].distance <= NEAR - 2:
        link = graph.nodes[atom].first
        while link >= 0:
            other, _, link = followed(graph.links[link])
            _mix_neighbours(graph, 0, other)
        _mix_neighbours(graph, 0, atom)
        _mix_neighbours(graph, 1, atom)
    return graph.hashes[2][atom]


@compiled(forceinline=True)
def _chain(state: Derivation, graph: Graph, atom: int, length: int) -> int:
    """Hash of the last ``length`` atoms of the chain up to an atom, with their bonds."""
    number = length
    for _ in range(length):
        if atom < 0:
            break
        number = _mixed(number, graph.hashes[0][atom] ^ graph.nodes[atom].order)
        atom = state.atoms[atom].parent
    return number
