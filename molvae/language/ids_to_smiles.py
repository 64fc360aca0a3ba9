"""Token ids to SMILES text without a Python step per symbol: the graph, written as it was derived.

The text is byte for byte that of ``selfies.decoder`` (kekulised, not canonical, atoms in derivation
order), but for ring numbers above 99, which are written ``%(100)`` so that they can be read. Knows
no RDKit."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.compilation import compiled
from .derivation import (
    ATOMS,
    BOND_ORDER,
    CURSOR,
    MADE_LEFT,
    MADE_ORDER,
    MADE_RIGHT,
    MADE_SYMBOL,
    PARENT,
    SYMBOL,
    Ids,
    Ints,
    consume,
    finish,
    form_rings,
    molecules,
    new_states,
    restart,
)
from .symbols import FAR_MARK, MARK, Alphabet, Tables

Bytes = NDArray[np.uint8]

_RING_BYTES = 14  # two ends of "=%(999)"; a closure takes at least one symbol
_ATOM_BYTES = 4  # "(", bond, ")" and "."
_CHUNK = 4096

LAST, NUMBER = 6, 7
"""Rows that writing adds to the graph table: an atom's last child; a ring's number."""


def decode_smiles(ids: Ids, lengths: NDArray[Any], alphabet: Alphabet) -> list[str]:
    """SMILES of many molecules, each as ``selfies.decoder`` writes it; ``""`` for one without
    atoms.

    ``ids`` ``(sum of lengths,)`` one molecule after the other, ``lengths`` ``(M,)``; an end symbol
    among a molecule's ids ends it early. InputError if an id is not of this alphabet or the lengths
    do not add up.

    >>> alphabet = Alphabet(("[C]", "[=C]", "[O]", "[Ring1]", "[=Branch1]"), ((1, 2),), {"?": 4})
    >>> decode_smiles(np.array([6, 6, 6, 4, 5, 3, 3], np.uint16), np.array([5, 2]), alphabet)
    ['C1=CC=CC=C1', 'OO']
    """
    flat, counts = molecules(ids, lengths, alphabet)
    tables = alphabet.tables
    texts: list[str] = []
    start = 0
    for first in range(0, len(counts), _CHUNK):
        part = counts[first : first + _CHUNK]
        stop = start + int(part.sum())
        texts += _decode_chunk(tables, flat[start:stop], part)
        start = stop
    return texts


def _decode_chunk(tables: Tables, ids: Ids, lengths: Ints) -> list[str]:
    singles = np.diff(tables.runs_start)[ids]  # (sum of lengths,) single symbols of each
    ends = np.cumsum(lengths)
    sums = np.concatenate([[0], np.cumsum(singles)])
    longest = int((sums[ends] - sums[ends - lengths]).max(initial=0)) + 1
    states = new_states(1, longest)
    widest = int(np.diff(tables.text_start).max())
    text = np.empty(int(sums[-1]) * max(_RING_BYTES, _ATOM_BYTES + widest) + 1, np.uint8)
    text_ends = np.zeros(len(lengths), np.int64)
    written = _decode(tables, states[0], ids, lengths, text, text_ends)
    whole = text[:written].tobytes().decode("ascii")
    starts = [0, *text_ends.tolist()]
    return [whole[begin:end] for begin, end in pairwise(starts)]


@compiled()
def _decode(
    tables: Tables, state: Ints, ids: Ids, lengths: Ints, text: Bytes, text_ends: NDArray[np.int64]
) -> int:
    """Write all molecules into ``text`` one after the other; returns the number of bytes."""
    graph, place, written = np.zeros_like(state), 0, 0
    for molecule in range(len(lengths)):
        restart(state)
        for _ in range(lengths[molecule]):
            for single in range(tables.runs_start[ids[place]], tables.runs_start[ids[place] + 1]):
                consume(tables.symbols, state, tables.runs[single])
            place += 1
        finish(state)
        rings = form_rings(tables.symbols, state, graph)
        _note_last_children(state, graph)
        graph[NUMBER, :rings] = 0
        used = 0
        for atom in range(state[CURSOR, ATOMS]):
            symbol = state[SYMBOL, atom]
            written = _write_bond(tables.symbols, state, graph, atom, text, written)
            for byte in range(tables.text_start[symbol], tables.text_start[symbol + 1]):
                text[written] = tables.text[byte]
                written += 1
            for ring in range(rings):
                if graph[MADE_LEFT, ring] == atom or graph[MADE_RIGHT, ring] == atom:
                    if graph[NUMBER, ring] == 0:
                        used += 1
                        graph[NUMBER, ring] = used
                    written = _write_closure(tables.symbols, graph, ring, atom, text, written)
        text_ends[molecule] = written
    return written


@compiled(forceinline=True)
def _note_last_children(state: Ints, graph: Ints) -> None:
    """The last child of an atom carries its chain on; the others are branches."""
    for atom in range(state[CURSOR, ATOMS]):
        graph[LAST, atom] = -1
        if state[PARENT, atom] >= 0:
            graph[LAST, state[PARENT, atom]] = atom


@compiled(forceinline=True)
def _write_bond(symbols: Ints, state: Ints, graph: Ints, atom: int, text: Bytes, at: int) -> int:
    """Write what stands between an atom and the one before it.

    Atoms are numbered depth first, so one pass over them is the whole traversal: the branches that
    end here are those between the previous atom and this one's parent."""
    parent = state[PARENT, atom]
    if parent < 0:
        return _put(text, at, ord(".")) if atom > 0 else at
    above = atom - 1
    while above != parent:
        if graph[LAST, state[PARENT, above]] != above:
            at = _put(text, at, ord(")"))
        above = state[PARENT, above]
    if graph[LAST, parent] != atom:
        at = _put(text, at, ord("("))
    return _put_order(text, at, graph[BOND_ORDER, atom], symbols[state[SYMBOL, atom], MARK])


@compiled(forceinline=True)
def _write_closure(symbols: Ints, graph: Ints, ring: int, atom: int, text: Bytes, at: int) -> int:
    """Write one end of a ring: its bond and number, spelled 7, %42 or %(100)."""
    column = MARK if graph[MADE_LEFT, ring] == atom else FAR_MARK
    at = _put_order(text, at, graph[MADE_ORDER, ring], symbols[graph[MADE_SYMBOL, ring], column])
    number = graph[NUMBER, ring]
    if number >= 10:
        at = _put(text, at, ord("%"))
    if number >= 100:
        at = _put(text, at, ord("("))
    scale = 1
    while scale * 10 <= number:
        scale *= 10
    while scale > 0:
        at = _put(text, at, ord("0") + number // scale % 10)
        scale //= 10
    return _put(text, at, ord(")")) if number >= 100 else at


@compiled(forceinline=True)
def _put(text: Bytes, at: int, byte: int) -> int:
    text[at] = byte
    return at + 1


@compiled(forceinline=True)
def _put_order(text: Bytes, at: int, order: int, mark: int) -> int:
    if order == 2:
        return _put(text, at, ord("="))
    if order == 3:
        return _put(text, at, ord("#"))
    return _put(text, at, mark) if mark else at
