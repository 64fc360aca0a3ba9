"""The SELFIES derivation as array state: single symbols in, the graph of the molecule out.

One symbol is consumed at a time, so the state is right after any prefix, within a branch and
between a ring symbol and its index too. Open branches are an explicit stack. The result is that of
``selfies.decoder``, silent repairs included: bond orders cut down to the valence left, exhausted
branches skipped, rings to nowhere dropped, rings between bonded atoms raising their bond. Knows ids
and tables, no text, no RDKit and no learning.

Small compiled functions are inlined by force: a call that is not costs more in counting the
references to its arrays than the function takes. Compiled code also keeps what it calls in its
cache on disk: after an edit here, delete the ``*.nbi`` files beside this one, for numba looks at
the caller's file only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.compilation import compiled
from .symbols import (
    ATOM,
    BOND,
    BRANCH,
    CAPACITY,
    DIGIT,
    DOT,
    END,
    EPSILON,
    KIND,
    NOP,
    READS,
    RING,
    Alphabet,
)

# A derivation is a table of integers (11, N): one row of scalars, three about the open branches
# (the main chain is level 0), three about atoms, four about the ring closures asked for.
CURSOR, STATE, CURRENT, STOP, SYMBOL, PARENT, ORDER, LEFT, RIGHT, RING_ORDER, RING_SYMBOL = range(
    11
)
"""Rows: scalars; valence left, current atom and last position of a level; symbol, parent and bond
order to it of an atom; left and right atom, bond order and symbol of a ring closure."""

ENDED, SEEN, ATOMS, RINGS, DEPTH, PENDING, WAITING, HELD, INDEX = range(9)
"""Scalars: ended; symbols seen; atoms; ring closures asked for; open branches; index symbols
pending, the symbol that waits for them, the valence held for it, and the index so far."""

# What the derivation builds is a second table (6, N), written afresh by form_rings.
VALENCE, BOND_ORDER, MADE_LEFT, MADE_RIGHT, MADE_ORDER, MADE_SYMBOL = range(6)
"""Rows: valence used by an atom and its bond order to its parent; left and right atom, order and
symbol of a ring."""

START, DEAD = 0, -1
"""Valence left where there is no atom yet, and where there is none: the rest of that branch is
skipped.
"""

Ids = NDArray[np.uint16]
Ints = NDArray[np.int32]


def new_states(rows: int, size: int) -> Ints:
    """``(rows, 11, size)`` derivations of the empty prefix.

    A molecule of more than ``size`` atoms, ring closures or nested branches ends where it would
    outgrow them."""
    states = np.zeros((rows, 11, max(size, 9)), np.int32)
    states[:, CURRENT, 0] = -1
    return states


def molecules(ids: NDArray[Any], lengths: NDArray[Any], alphabet: Alphabet) -> tuple[Ids, Ints]:
    """``ids`` and ``lengths`` as compiled code wants them; InputError if they do not fit
    together.
    """
    flat = np.ascontiguousarray(ids, dtype=np.uint16)
    counts = np.ascontiguousarray(lengths, dtype=np.int32)
    if int(counts.sum()) != len(flat) or int(counts.min(initial=0)) < 0:
        raise InputError(f"{len(flat)} ids cannot be molecules of {int(counts.sum())} ids in total")
    if int(flat.max(initial=0)) >= len(alphabet):
        raise InputError(f"id {int(flat.max())} is not of an alphabet of {len(alphabet)} ids")
    return flat, counts


@compiled(forceinline=True)
def restart(state: Ints) -> None:
    """Back to the empty prefix."""
    for scalar in range(INDEX + 1):
        state[CURSOR, scalar] = 0
    state[STATE, 0] = START
    state[CURRENT, 0] = -1


@compiled(forceinline=True)
def consume(symbols: Ints, state: Ints, symbol: int) -> None:
    """Advance a derivation by one single symbol."""
    kind = symbols[symbol, KIND]
    if kind == NOP or state[CURSOR, ENDED]:
        return
    if kind in (END, DOT):
        finish(state)
        state[CURSOR, ENDED] = kind == END
        state[CURSOR, DEPTH] = 0
        state[STATE, 0], state[CURRENT, 0] = START, -1
        return
    state[CURSOR, SEEN] += 1
    depth = state[CURSOR, DEPTH]
    if state[CURSOR, PENDING] > 0:
        state[CURSOR, INDEX] = 16 * state[CURSOR, INDEX] + symbols[symbol, DIGIT]
        state[CURSOR, PENDING] -= 1
        if state[CURSOR, PENDING] == 0:
            _settle(state)
    elif state[STATE, depth] != DEAD:
        if kind == ATOM:
            _attach(symbols, state, symbol)
        elif kind == EPSILON:
            state[STATE, depth] = START if state[STATE, depth] == START else DEAD
        elif (kind == BRANCH and state[STATE, depth] > 1) or (
            kind == RING and state[STATE, depth] > 0
        ):
            _wait(symbols, state, symbol)
    if state[CURSOR, PENDING] == 0:
        while state[CURSOR, DEPTH] > 0 and state[CURSOR, SEEN] >= state[STOP, state[CURSOR, DEPTH]]:
            state[CURSOR, DEPTH] -= 1


@compiled(forceinline=True)
def _attach(symbols: Ints, state: Ints, symbol: int) -> None:
    """Bond an atom to the current one, or begin a fragment with it."""
    depth, atom = state[CURSOR, DEPTH], state[CURSOR, ATOMS]
    room, capacity = state[STATE, depth], symbols[symbol, CAPACITY]
    order = min(symbols[symbol, BOND], room, capacity)
    state[STATE, depth] = capacity - order if capacity > order else DEAD
    if room != START and order == 0:
        return
    if atom == state.shape[1]:
        state[CURSOR, ENDED] = 1
        return
    state[SYMBOL, atom] = symbol
    state[PARENT, atom] = state[CURRENT, depth] if order > 0 else -1
    state[ORDER, atom] = order
    state[CURSOR, ATOMS] = atom + 1
    state[CURRENT, depth] = atom


@compiled(forceinline=True)
def _wait(symbols: Ints, state: Ints, symbol: int) -> None:
    """Hold valence for a ring or branch and wait for its index symbols."""
    depth = state[CURSOR, DEPTH]
    room = state[STATE, depth]
    ring = symbols[symbol, KIND] == RING
    held = min(symbols[symbol, BOND], room if ring else room - 1)
    state[STATE, depth] = room - held if room > held else DEAD
    state[CURSOR, WAITING] = symbol
    state[CURSOR, HELD] = held if ring else -held  # the sign tells a ring from a branch
    state[CURSOR, PENDING] = symbols[symbol, READS]
    state[CURSOR, INDEX] = 0


@compiled(forceinline=True)
def _settle(state: Ints) -> None:
    """The index of a ring or branch is complete: note the ring, or open the branch."""
    depth, ring, held = state[CURSOR, DEPTH], state[CURSOR, RINGS], state[CURSOR, HELD]
    atom, index = state[CURRENT, depth], state[CURSOR, INDEX]
    if (ring if held > 0 else depth + 1) == state.shape[1]:
        state[CURSOR, ENDED] = 1
    elif held > 0:
        state[LEFT, ring] = max(0, atom - index - 1)
        state[RIGHT, ring] = atom
        state[RING_ORDER, ring] = held
        state[RING_SYMBOL, ring] = state[CURSOR, WAITING]
        state[CURSOR, RINGS] = ring + 1
    else:
        state[CURSOR, DEPTH] = depth + 1
        state[STATE, depth + 1] = -held
        state[CURRENT, depth + 1] = atom
        state[STOP, depth + 1] = state[CURSOR, SEEN] + index + 1


@compiled(forceinline=True)
def finish(state: Ints) -> None:
    """The string ends here: a ring whose index is incomplete reads zeros."""
    if state[CURSOR, PENDING] > 0:
        state[CURSOR, INDEX] *= 16 ** state[CURSOR, PENDING]
        state[CURSOR, PENDING] = 0
        if state[CURSOR, HELD] > 0:
            _settle(state)


@compiled(forceinline=True)
def form_rings(symbols: Ints, state: Ints, graph: Ints) -> int:
    """Write the graph of a derivation, its ring closures made in the order asked for; returns the
    number of rings.

    Closures are made when all else is, so what they find free is what the chains have left.
    """
    for atom in range(state[CURSOR, ATOMS]):
        order = state[ORDER, atom]
        graph[VALENCE, atom] = graph[BOND_ORDER, atom] = order
        if order > 0:
            graph[VALENCE, state[PARENT, atom]] += order
    made = 0
    for asked in range(state[CURSOR, RINGS]):
        left, right = state[LEFT, asked], state[RIGHT, asked]
        free = symbols[state[SYMBOL, left], CAPACITY] - graph[VALENCE, left]
        free = min(free, symbols[state[SYMBOL, right], CAPACITY] - graph[VALENCE, right])
        if left == right or free <= 0:
            continue
        order = min(state[RING_ORDER, asked], free)
        same = 0
        while same < made and (graph[MADE_LEFT, same] != left or graph[MADE_RIGHT, same] != right):
            same += 1
        if state[PARENT, right] == left:
            order = min(order, 3 - graph[BOND_ORDER, right])
            graph[BOND_ORDER, right] += order
        elif same < made:
            order = min(order, 3 - graph[MADE_ORDER, same])
            graph[MADE_ORDER, same] += order
        else:
            graph[MADE_LEFT, made], graph[MADE_RIGHT, made] = left, right
            graph[MADE_ORDER, made], graph[MADE_SYMBOL, made] = order, state[RING_SYMBOL, asked]
            made += 1
        graph[VALENCE, left] += order
        graph[VALENCE, right] += order
    return made
