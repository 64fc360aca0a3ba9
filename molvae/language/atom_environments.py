"""What surrounds an atom of a prefix, as numbers: all within one to four bonds, and the chain that
led there.

As an n-gram tells of a text, but along bonds instead of along the string: what was written long ago
may be near. Such surroundings are many, so each is hashed to one of some thousand numbers. What
lies within some bonds follows Morgan's algorithm (Rogers and Hahn, J. Chem. Inf. Model. 2010, 50,
742): every atom's number is mixed with the sum of its neighbours', once for every bond. Knows
graphs as tables, no strings and no learning."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.compilation import compiled
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
    SYMBOL,
    VALENCE,
    Ints,
)
from .ring_closures import DISTANCE, FIRST, IN_RING, PI, QUEUE, followed
from .symbols import CAPACITY, ELEMENT

NUMBERS = 32761
"""Number of values of each hash; 0 is "no atom". A model whose table has fewer rows folds the
others, which are 32,760, for that has many divisors, and they fall evenly."""

NEAR = 4
"""Bonds from the current atom up to which all is looked at."""
_CHAINS = (4, 7, 12)
_ABOUT = 2
RADII = 1 + NEAR
"""Rows of the table of numbers."""
HASHES = NEAR + len(_CHAINS) + _ABOUT + 1
"""Columns: within one to four bonds; the last four, seven and twelve atoms of the chain; within one
bond and two, together with what the grammar is about; within two bonds of the atom that the chain
goes on from when the innermost branch ends."""

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
    symbols: Ints,
    state: Ints,
    graph: Ints,
    links: Ints,
    numbers: Ints,
    reached: int,
    left: int,
    row: NDArray[np.int16],
    at: int,
) -> None:
    """Write the hashes of a prefix to ``row`` from ``at`` on.

    ``numbers`` ``(5, N)`` is scratch, ``reached`` the number of atoms that the search has found,
    which must have gone four bonds far; ``left`` tells how much of the innermost branch is left.
    """
    depth = state[CURSOR, DEPTH]
    current = state[CURRENT, depth]
    for atom in range(state[CURSOR, ATOMS]):
        used = graph[VALENCE, atom]
        kind = (
            symbols[state[SYMBOL, atom], ELEMENT] * 64
            + graph[PI, atom] * 16
            + graph[IN_RING, atom] * 8
        )
        numbers[0, atom] = _mixed(kind + used, symbols[state[SYMBOL, atom], CAPACITY])
    for column in range(len(_CHAINS)):
        row[at + NEAR + column] = _told(_chain(state, graph, numbers, current, _CHAINS[column]))
    about = (
        state[CURSOR, PENDING] * 32 + (state[CURSOR, HELD] + 8) * 2 + min(state[CURSOR, INDEX], 1)
    )
    about = about * 16 + min(left, 15)
    for radius in range(NEAR):
        # An atom's number is told in the end only to those as near to the current one as there are
        # mixings left.
        for place in range(reached):
            atom = graph[QUEUE, place]
            if graph[DISTANCE, atom] >= NEAR - radius:
                break
            _mix_neighbours(graph, links, numbers, radius, atom)
        row[at + radius] = _told(numbers[radius + 1, current])
        if radius < _ABOUT:
            row[at + NEAR + len(_CHAINS) + radius] = _told(
                _mixed(numbers[radius + 1, current], about)
            )
    row[at + HASHES - 1] = 0
    if depth > 0 and state[CURRENT, depth - 1] >= 0:
        row[at + HASHES - 1] = _told(_within_two(graph, links, numbers, state[CURRENT, depth - 1]))


@compiled(forceinline=True)
def _mix_neighbours(graph: Ints, links: Ints, numbers: Ints, radius: int, atom: int) -> None:
    """An atom's number within one bond more than ``radius``, from those of its neighbours and its
    own within that.
    """
    total: Any = np.int64(0)
    link = graph[FIRST, atom]
    while link >= 0:
        other, double, link = followed(links[link])
        total += _mixed(numbers[radius, other], double)
    numbers[radius + 1, atom] = _mixed(numbers[radius, atom], total & _MASK)


@compiled(forceinline=True)
def _within_two(graph: Ints, links: Ints, numbers: Ints, atom: int) -> Any:
    """The number of an atom anywhere within two bonds."""
    if not 0 <= graph[DISTANCE, atom] <= NEAR - 2:
        link = graph[FIRST, atom]
        while link >= 0:
            other, _, link = followed(links[link])
            _mix_neighbours(graph, links, numbers, 0, other)
        _mix_neighbours(graph, links, numbers, 0, atom)
        _mix_neighbours(graph, links, numbers, 1, atom)
    return numbers[2, atom]


@compiled(forceinline=True)
def _chain(state: Ints, graph: Ints, numbers: Ints, atom: int, length: int) -> Any:
    """The last ``length`` atoms of the chain up to an atom, with their bonds, in one number."""
    number: Any = np.int64(length)
    for _ in range(length):
        if atom < 0:
            break
        number = _mixed(number, numbers[0, atom] ^ graph[BOND_ORDER, atom])
        atom = state[PARENT, atom]
    return number
