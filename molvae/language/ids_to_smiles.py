"""Ids to SMILES without a Python step per symbol: the graph, written in the order derived.

The text is byte for byte that of ``selfies.decoder`` (kekulised, not canonical, atoms in the order
of the derivation), except that ring numbers above 99 are written ``%(100)``, which RDKit can read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..runtime.compilation import compiled
from .derivation import (
    Derivation,
    Derivations,
    Ids,
    Ints,
    Node,
    Ring,
    consume,
    empty_derivations,
    finish,
    form_rings,
    molecules,
    restart,
)
from .symbols import Symbol, Tables, records

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

Bytes = NDArray[np.uint8]

_RING_BYTES = 14  # two ends of "=%(999)"; a closure takes at least one symbol
_ATOM_BYTES = 4  # "(", bond, ")" and "."
_CHUNK = 4096


@dataclass(slots=True)
class WrittenNode(Node):
    """An atom of a graph that is written as SMILES."""

    last_child: int = 0  # -1 for none


@dataclass(slots=True)
class NumberedRing(Ring):
    """A ring of a graph that is written as SMILES."""

    number: int = 0  # 0 before its first end is written


class WrittenGraph(NamedTuple):
    """Scratch for the graph of one molecule."""

    nodes: Sequence[WrittenNode]
    rings: Sequence[NumberedRing]


def decode_smiles(ids: Ids, lengths: NDArray[Any], vocabulary: Vocabulary) -> list[str]:
    """SMILES of many molecules, each as ``selfies.decoder`` writes it; ``""`` for one without
    atoms.

    ``ids`` ``(sum of lengths,)`` one molecule after the other, ``lengths`` ``(M,)``; an end symbol
    among a molecule's ids ends it early. InputError if an id is not of this vocabulary or the
    lengths do not add up.

    >>> from molvae.language.vocabulary import Vocabulary
    >>> symbols = ("[C]", "[=C]", "[O]", "[Ring1]", "[=Branch1]")
    >>> known = Vocabulary(symbols, ((1, 2),), {"?": 4})
    >>> decode_smiles(np.array([6, 6, 6, 4, 5, 3, 3], np.uint16), np.array([5, 2]), known)
    ['C1=CC=CC=C1', 'OO']
    """
    flat, counts = vocabulary.to_plain(*molecules(ids, lengths, vocabulary))
    vocabulary = vocabulary.plain
    texts: list[str] = []
    start = 0
    for first in range(0, len(counts), _CHUNK):
        part = counts[first : first + _CHUNK]
        stop = start + int(part.sum())
        texts += _decode_chunk(vocabulary.tables, flat[start:stop], part)
        start = stop
    return texts


def _decode_chunk(tables: Tables, ids: Ids, lengths: Ints) -> list[str]:
    runs = np.diff(tables.runs_start)  # (V,) single symbols of each id
    longest = 1 + int(lengths.max(initial=0) * runs.max())
    graph = WrittenGraph(records(WrittenNode, longest), records(NumberedRing, longest))
    states = empty_derivations(1, longest)
    widest = int(np.diff(tables.text_start).max())
    text = np.empty(int(runs[ids].sum()) * max(_RING_BYTES, _ATOM_BYTES + widest) + 1, np.uint8)
    text_ends = np.zeros(len(lengths), np.int64)
    written = _decode(tables, states, graph, ids, lengths, text, text_ends)
    whole = text[:written].tobytes().decode("ascii")
    starts = [0, *text_ends.tolist()]
    return [whole[begin:end] for begin, end in pairwise(starts)]


@compiled()
def _decode(
    tables: Tables,
    states: Derivations,
    graph: WrittenGraph,
    ids: Ids,
    lengths: Ints,
    text: Bytes,
    text_ends: NDArray[np.int64],
) -> int:
    """Write all molecules into ``text`` one after the other; returns the number of bytes."""
    symbols = tables.symbols
    state = Derivation(states.cursors[0], states.levels[0], states.atoms[0], states.rings[0])
    place, written = 0, 0
    for molecule in range(len(lengths)):
        restart(state)
        for _ in range(lengths[molecule]):
            consume(tables, state, ids[place])
            place += 1
        finish(state)
        rings = form_rings(symbols, state, graph.nodes, graph.rings)
        for atom in range(state.cursor.atoms):
            # Its last child carries the chain on, the others are branches.
            graph.nodes[atom].last_child = -1
            if state.atoms[atom].parent >= 0:
                graph.nodes[state.atoms[atom].parent].last_child = atom
        for ring in range(rings):
            graph.rings[ring].number = 0
        used = 0
        for atom in range(state.cursor.atoms):
            symbol = state.atoms[atom].symbol
            written = _write_bond(symbols, state, graph, atom, text, written)
            for byte in range(tables.text_start[symbol], tables.text_start[symbol + 1]):
                text[written] = tables.text[byte]
                written += 1
            for ring in range(rings):
                if graph.rings[ring].left == atom or graph.rings[ring].right == atom:
                    if graph.rings[ring].number == 0:
                        used += 1
                        graph.rings[ring].number = used
                    written = _write_closure(symbols, graph.rings[ring], atom, text, written)
        text_ends[molecule] = written
    return written


@compiled(forceinline=True)
def _write_bond(
    symbols: Sequence[Symbol],
    state: Derivation,
    graph: WrittenGraph,
    atom: int,
    text: Bytes,
    at: int,
) -> int:
    """Write the characters between an atom and the one before it.

    Atoms are numbered depth first, so one pass over them is the whole traversal: the branches that
    end here are those between the previous atom and this one's parent."""
    atoms, nodes = state.atoms, graph.nodes
    parent = atoms[atom].parent
    if parent < 0:
        return _put(text, at, ord(".")) if atom > 0 else at
    above = atom - 1
    while above != parent:
        if nodes[atoms[above].parent].last_child != above:
            at = _put(text, at, ord(")"))
        above = atoms[above].parent
    if nodes[parent].last_child != atom:
        at = _put(text, at, ord("("))
    return _put_order(text, at, nodes[atom].order, symbols[atoms[atom].symbol].mark)


@compiled(forceinline=True)
def _write_closure(
    symbols: Sequence[Symbol], ring: NumberedRing, atom: int, text: Bytes, at: int
) -> int:
    """Write one end of a ring: its bond and number, spelled 7, %42 or %(100)."""
    symbol, number = symbols[ring.symbol], ring.number
    at = _put_order(text, at, ring.order, symbol.mark if ring.left == atom else symbol.far_mark)
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
