"""SELFIES derivation: single symbols in, the graph of the molecule out.

SELFIES (Krenn et al., Mach. Learn.: Sci. Technol. 2020, 1, 045024; version 2: Lo et al., Digital
Discovery 2023, 2, 897) is a formal grammar. Its decoder reads symbols from left to right and keeps
a derivation state: how many bonds the current atom has left. A bond that would exceed this valence
is given a lower order, and where none is left the rest of the branch is skipped, so that every
string is a valid molecule. A branch or ring symbol is followed by index symbols, the digits of the
branch's length or of the number of atoms back to the ring's other end.

One symbol is consumed at a time, so the state is defined after any prefix, within a branch and
between a ring symbol and its index too. Open branches are an explicit stack. The result is that of
``selfies.decoder``, silent repairs included: bond orders cut to the valence left, exhausted
branches skipped, rings without a second atom dropped, rings between bonded atoms raising their
bond.

Small compiled functions are inlined by force: a call that is not costs more in counting references
to its arrays than the function takes. numba's cache on disk follows the file of the caller only:
after an edit here, delete the ``*.nbi`` files of ``language``.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.compilation import KERNELS, compiled
from .symbols import (
    ATOM,
    BRANCH,
    CLOSE,
    DOT,
    END,
    EPSILON,
    NOP,
    OPEN,
    RING,
    Symbol,
    Tables,
    records,
)

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

START, DEAD = 0, -1
"""Valence left before the first atom, and where there is none: the branch's rest is skipped."""

Ids = NDArray[np.uint16]
Ints = NDArray[np.int32]


@dataclass(slots=True)
class Cursor:
    """Place of a derivation in its string."""

    ended: int = 0
    seen: int = 0  # symbols
    atoms: int = 0
    rings: int = 0  # ring closures requested
    depth: int = 0  # open branches
    pending: int = 0  # index symbols to come
    waiting: int = 0  # the symbol that they belong to
    held: int = 0  # valence held for it, negative for a branch
    index: int = 0  # the number that they have given so far


@dataclass(slots=True)
class Branch:
    """An open branch; the main chain is level 0."""

    free: int = 0  # valence left at its current atom, START or DEAD
    atom: int = 0  # its current atom, -1 for none
    stop: int = 0  # symbols seen when it ends; less than 0, those seen when it was opened, negated


@dataclass(slots=True)
class Atom:
    """An atom in the order of the derivation."""

    symbol: int = 0
    parent: int = 0  # -1 for none
    order: int = 0  # of the bond to its parent


@dataclass(slots=True)
class Ring:
    """A ring closure, as requested or as formed."""

    left: int = 0
    right: int = 0
    order: int = 0
    symbol: int = 0


@dataclass(slots=True)
class Node:
    """An atom in the finished graph."""

    valence: int = 0  # used
    order: int = 0  # of the bond to its parent


class Derivation(NamedTuple):
    """Derivation state of one prefix: a row of :class:`Derivations`."""

    cursor: Cursor
    levels: Sequence[Branch]
    atoms: Sequence[Atom]
    rings: Sequence[Ring]


class Derivations(NamedTuple):
    """Derivation states of ``R`` prefixes, independent of each other, as arrays of ``R`` rows."""

    cursors: Sequence[Cursor]
    levels: Sequence[Sequence[Branch]]
    atoms: Sequence[Sequence[Atom]]
    rings: Sequence[Sequence[Ring]]

    def at(self, rows: NDArray[Any]) -> Derivations:
        """Copies of the states ``rows``, each as often and in the order as they are named."""
        parts = cast(Any, self)
        if KERNELS:
            return Derivations(*(part[rows] for part in parts))
        return Derivations(*([deepcopy(part[row]) for row in rows] for part in parts))


def empty_derivations(rows: int, size: int) -> Derivations:
    """States of ``rows`` empty prefixes.

    A molecule of more than ``size`` atoms, ring closures or nested branches ends where it would
    outgrow them."""
    levels = records(Branch, rows, size)
    if KERNELS:
        levels["atom"][:, 0] = -1
    else:
        for row in levels:
            row[0].atom = -1
    atoms, rings = records(Atom, rows, size), records(Ring, rows, size)
    return Derivations(records(Cursor, rows), levels, atoms, rings)


def molecules(ids: NDArray[Any], lengths: NDArray[Any], vocabulary: Vocabulary) -> tuple[Ids, Ints]:
    """``ids`` and ``lengths`` in the types of compiled code; InputError if they disagree."""
    flat = np.ascontiguousarray(ids, dtype=np.uint16)
    counts = np.ascontiguousarray(lengths, dtype=np.int32)
    if int(counts.sum()) != len(flat) or int(counts.min(initial=0)) < 0:
        raise InputError(f"{len(flat)} ids cannot be molecules of {int(counts.sum())} ids in total")
    if int(flat.max(initial=0)) >= len(vocabulary):
        raise InputError(f"id {int(flat.max())} is not of a vocabulary of {len(vocabulary)} ids")
    return flat, counts


@compiled(forceinline=True)
def restart(state: Derivation) -> None:
    """Return to the empty prefix."""
    cursor, chain = state.cursor, state.levels[0]
    cursor.ended = cursor.seen = cursor.atoms = cursor.rings = cursor.depth = 0
    cursor.pending = cursor.waiting = cursor.held = cursor.index = 0
    chain.free, chain.atom = START, -1


@compiled(forceinline=True)
def consume(tables: Tables, state: Derivation, token: int) -> None:
    """Advance a derivation by one id, of one single symbol or more."""
    for place in range(tables.runs_start[token], tables.runs_start[token + 1]):
        _consume_symbol(tables.symbols, state, int(tables.runs[place]))


@compiled(forceinline=True)
def _consume_symbol(symbols: Sequence[Symbol], state: Derivation, symbol: int) -> None:
    cursor, kind = state.cursor, symbols[symbol].kind
    if kind == NOP or cursor.ended:
        return
    if kind in (END, DOT):
        finish(state)
        chain = state.levels[0]
        cursor.ended, cursor.depth = int(kind == END), 0
        chain.free, chain.atom = START, -1
        return
    cursor.seen += 1
    level = state.levels[cursor.depth]
    if cursor.pending > 0:
        cursor.index = 16 * cursor.index + symbols[symbol].digit
        cursor.pending -= 1
        if cursor.pending == 0:
            _settle(state)
    elif kind == OPEN:
        _open(symbols, state, symbol)
    elif kind == CLOSE:
        cursor.depth = max(0, cursor.depth - 1)
    elif level.free != DEAD:
        if kind == ATOM:
            _attach(symbols, state, symbol)
        elif kind == EPSILON:
            level.free = START if level.free == START else DEAD
        elif (kind == BRANCH and level.free > 1) or (kind == RING and level.free > 0):
            _wait(symbols, state, symbol)
    if cursor.pending == 0:
        while cursor.depth > 0 and 0 <= state.levels[cursor.depth].stop <= cursor.seen:
            cursor.depth -= 1


@compiled(forceinline=True)
def _attach(symbols: Sequence[Symbol], state: Derivation, symbol: int) -> None:
    """Bond an atom to the current one, or begin a fragment with it."""
    cursor, level = state.cursor, state.levels[state.cursor.depth]
    free, capacity = level.free, symbols[symbol].capacity
    order = min(symbols[symbol].order, free, capacity)
    level.free = capacity - order if capacity > order else DEAD
    if free != START and order == 0:
        return
    if cursor.atoms == len(state.atoms):
        cursor.ended = 1
        return
    atom = state.atoms[cursor.atoms]
    atom.symbol, atom.order = symbol, order
    atom.parent = level.atom if order > 0 else -1
    level.atom = cursor.atoms
    cursor.atoms += 1


@compiled(forceinline=True)
def _wait(symbols: Sequence[Symbol], state: Derivation, symbol: int) -> None:
    """Hold valence for a ring or branch and wait for its index symbols."""
    cursor, level = state.cursor, state.levels[state.cursor.depth]
    free, ring = level.free, symbols[symbol].kind == RING
    held = min(symbols[symbol].order, free if ring else free - 1)
    level.free = free - held if free > held else DEAD
    cursor.waiting = symbol
    cursor.held = held if ring else -held  # the sign distinguishes a ring from a branch
    cursor.pending = symbols[symbol].reads
    cursor.index = 0


@compiled(forceinline=True)
def _open(symbols: Sequence[Symbol], state: Derivation, symbol: int) -> None:
    """Open a branch that ends where it is closed; a dead one where no valence is left for it."""
    cursor, level = state.cursor, state.levels[state.cursor.depth]
    if cursor.depth + 1 == len(state.atoms):
        cursor.ended = 1
        return
    held = min(symbols[symbol].order, level.free - 1)
    branch = state.levels[cursor.depth + 1]
    branch.free = held if held > 0 else DEAD
    level.free -= max(0, held)
    branch.atom, branch.stop = level.atom, -cursor.seen
    cursor.depth += 1


@compiled(forceinline=True)
def _settle(state: Derivation) -> None:
    """Request the ring or open the branch whose index is complete."""
    cursor = state.cursor
    depth, held, atom = cursor.depth, cursor.held, state.levels[cursor.depth].atom
    if (cursor.rings if held > 0 else depth + 1) == len(state.atoms):
        cursor.ended = 1
    elif held > 0:
        ring = state.rings[cursor.rings]
        ring.left, ring.right = max(0, atom - cursor.index - 1), atom
        ring.order, ring.symbol = held, cursor.waiting
        cursor.rings += 1
    else:
        branch = state.levels[depth + 1]
        branch.free, branch.atom = -held, atom
        branch.stop = cursor.seen + cursor.index + 1
        cursor.depth = depth + 1


@compiled(forceinline=True)
def finish(state: Derivation) -> None:
    """End the string: missing index symbols of a ring are read as zeros."""
    cursor = state.cursor
    if cursor.pending > 0:
        cursor.index *= 16**cursor.pending
        cursor.pending = 0
        if cursor.held > 0:
            _settle(state)


@compiled(forceinline=True)
def form_rings(
    symbols: Sequence[Symbol], state: Derivation, nodes: Sequence[Node], formed: Sequence[Ring]
) -> int:
    """Write the graph of a derivation to ``nodes`` and ``formed``; returns the number of rings.

    Rings are formed in the order requested, after all chains: the valence they find free is what
    the chains have left."""
    atoms = state.atoms
    for number in range(state.cursor.atoms):
        order = atoms[number].order
        nodes[number].valence = nodes[number].order = order
        if order > 0:
            nodes[atoms[number].parent].valence += order
    made = 0
    for request in range(state.cursor.rings):
        ring = state.rings[request]
        left, right = ring.left, ring.right
        free = symbols[atoms[left].symbol].capacity - nodes[left].valence
        free = min(free, symbols[atoms[right].symbol].capacity - nodes[right].valence)
        if left == right or free <= 0:
            continue
        order = min(ring.order, free)
        same = 0
        while same < made and (formed[same].left != left or formed[same].right != right):
            same += 1
        if atoms[right].parent == left:
            order = min(order, 3 - nodes[right].order)
            nodes[right].order += order
        elif same < made:
            order = min(order, 3 - formed[same].order)
            formed[same].order += order
        else:
            formed[made].left, formed[made].right = left, right
            formed[made].order, formed[made].symbol = order, ring.symbol
            made += 1
        nodes[left].valence += order
        nodes[right].valence += order
    return made
