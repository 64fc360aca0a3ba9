"""What surrounds an atom of a prefix, as numbers: all within one to four bonds, and the chain that led there.

As an n-gram tells of a text, but along bonds instead of along the string: what was written long ago may be near. Such
surroundings are many, so each is hashed to one of some thousand numbers. What lies within some bonds follows
Morgan's algorithm (Rogers and Hahn, J. Chem. Inf. Model. 2010, 50, 742): every atom's number is mixed with the sum of
its neighbours', once for every bond. Knows graphs as tables, no strings and no learning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .alphabet import CAPACITY, ELEMENT
from .closures import DOUBLE, FIRST, IN_RING, NEXT, PI, TO, Longs
from .compilation import compiled
from .derivation import ATOMS, BOND_ORDER, CURRENT, CURSOR, DEPTH, HELD, INDEX, PARENT, PENDING, SYMBOL, VALENCE, Ints

NUMBERS = 32761
"""Number of values of each hash; 0 is "no atom". A model whose table has fewer rows folds the others, which are 32,760,
for that has many divisors, and they fall evenly."""

_REACH = 4
_CHAINS = (4, 7, 12)
_ABOUT = 2
HASHES = _REACH + len(_CHAINS) + _ABOUT + 1
"""Columns: within one to four bonds; the last four, seven and twelve atoms of the chain; within one bond and two,
together with what the grammar is about; within two bonds of the atom that the chain goes on from when the innermost
branch ends."""

_MASK = 0x7FFFFFFF  # numbers stay below 2^31 and factors below 2^32, so that no product outgrows 63 bits


@compiled(forceinline=True)
def _mixed(number: int, other: int) -> int:
    """Both in one number below 2^31."""
    number = (number * 1000003 + other + 12345) & _MASK
    number = ((number ^ (number >> 15)) * 739982445) & _MASK
    return number ^ (number >> 13)


@compiled(forceinline=True)
def _told(number: int) -> int:
    """One of the values of a hash."""
    return 1 + (number >> 7) % (NUMBERS - 1)


@compiled(forceinline=True)
def hash_surroundings(
    symbols: Ints, state: Ints, graph: Ints, links: Ints, numbers: Longs, left: int, row: NDArray[np.int16], at: int
) -> None:
    """Write the hashes of a prefix to ``row`` from ``at`` on.

    ``numbers`` ``(2, N)`` is scratch; ``left`` tells how much of the innermost branch is left. The graph must be built.
    """
    depth = state[CURSOR, DEPTH]
    current = state[CURRENT, depth]
    outer = state[CURRENT, depth - 1] if depth > 0 else -1
    for column in range(HASHES):
        row[at + column] = 0
    if current < 0:
        return
    for atom in range(state[CURSOR, ATOMS]):
        used = graph[VALENCE, atom]
        kind = symbols[state[SYMBOL, atom], ELEMENT] * 64 + graph[PI, atom] * 16 + graph[IN_RING, atom] * 8
        numbers[0, atom] = _mixed(kind + used, symbols[state[SYMBOL, atom], CAPACITY])
    for column in range(len(_CHAINS)):
        row[at + _REACH + column] = _told(_chain(state, graph, numbers, current, _CHAINS[column]))
    about = state[CURSOR, PENDING] * 32 + (state[CURSOR, HELD] + 8) * 2 + min(state[CURSOR, INDEX], 1)
    about = about * 16 + min(left, 15)
    for radius in range(_REACH):
        old, new = radius % 2, 1 - radius % 2
        for atom in range(state[CURSOR, ATOMS]):
            total: Any = np.int64(0)
            link = graph[FIRST, atom]
            while link >= 0:
                total += _mixed(numbers[old, links[TO, link]], links[DOUBLE, link])
                link = links[NEXT, link]
            numbers[new, atom] = _mixed(numbers[old, atom], total & _MASK)
        row[at + radius] = _told(numbers[new, current])
        if radius < _ABOUT:
            row[at + _REACH + len(_CHAINS) + radius] = _told(_mixed(numbers[new, current], about))
        if radius == 1 and outer >= 0:
            row[at + HASHES - 1] = _told(numbers[new, outer])


@compiled(forceinline=True)
def _chain(state: Ints, graph: Ints, numbers: Longs, atom: int, length: int) -> Any:
    """The last ``length`` atoms of the chain up to an atom, with their bonds, in one number."""
    number: Any = np.int64(length)
    for _ in range(length):
        if atom < 0:
            break
        number = _mixed(number, numbers[0, atom] ^ graph[BOND_ORDER, atom])
        atom = state[PARENT, atom]
    return number
