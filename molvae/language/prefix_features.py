"""Features that a prefix of a molecule determines: small integers that condition the decoder.

SELFIES hides counting: how long a branch still is, how far back a ring reaches, whether that ring
is aromatic. All of it follows from the prefix alone through the derivation state
(:mod:`molvae.language.derivation`), so it need not be learned. Features of whole batches at once
(:func:`features`) and of many molecules step by step (:class:`Prefixes`) agree exactly. They come
in named groups, and a tier has the first of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ..runtime.compilation import KERNELS, compiled
from .atom_environments import HASHES, NUMBERS, hash_environments
from .derivation import (
    Derivation,
    Derivations,
    Ids,
    Ints,
    consume,
    empty_derivations,
    molecules,
    restart,
)
from .ring_closures import (
    LARGEST,
    NEAR,
    REACH,
    UNBROKEN,
    Graph,
    build_graph,
    closing_order,
    new_graph,
    ring_of,
    search,
)
from .symbols import ELEMENT_CLASSES, Symbol, Tables

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

Row = NDArray[np.int16]

LARGEST_MOLECULE = 256
"""Atoms, closures or nested branches beyond which a prefix's features do not change."""

_ATOM = (10, ELEMENT_CLASSES, 3, 2)  # valence left, element, pi bonds, in a ring

GROUPS: dict[str, tuple[int, ...]] = {
    # symbols so far, atoms so far
    "position": (64, 48),
    # 1 + symbols left in the innermost branch, or since its opening where it has an end (0: in
    # none), open branches, the same of the branch around it
    "branch": (32, 8, 32),
    # index symbols pending of a ring (1-3) or branch (4-6), valence held for it, 1 + index so far
    "pending": (7, 4, 17),
    # the current atom and its bond order to its parent
    "valence": (*_ATOM, 4),
    # the atom that the chain continues from when the innermost branch ends
    "outer": _ATOM,
    # the current atom's parent: element, pi bonds, in a ring
    "parent": _ATOM[1:],
    # rings, unsaturated atoms in no ring, heteroatoms
    "totals": (8, 16, 16),
    # For each of the atoms before the current one, nearest first, 0 where no bond can be made; else
    "ring_sizes": (LARGEST,) * REACH,  # size of the ring less one
    "ring_unsaturation": (8,) * REACH,  # 1 + its atoms that lack a double bond
    # how many atoms back the nearest closure is that forms an aromatic ring, 0 if none: a ring of 5
    # by a single bond, by a double bond; of 6 by a single bond, by a double bond
    "aromatic": (REACH + 1,) * 4,
    "ring_donors": (5,) * REACH,  # 1 + those of them that can donate a lone pair
    "ring_alternation": (6,) * REACH,  # 1 + its double bonds that lead out of the ring
    "ring_fusion": (6,) * REACH,  # 1 + its atoms that are in a ring already
    "ring_order": (4,) * REACH,  # highest order of the closing bond
    "ring_conjugation": (8,) * REACH,  # 1 + its conjugation, as named in ring_closures
    # nitrogens, oxygens, sulphurs, halogens, rotatable bonds, mass in steps of 2 Da
    "composition": (16, 16, 8, 12, 16, 256),
    # hashed environments of the current atom, as listed in atom_environments
    "surroundings": (NUMBERS,) * HASHES,
}
"""Features by group, each as its number of values; tiers have more and more of them."""

SIZES = tuple(size for group in GROUPS.values() for size in group)
"""Number of values of each feature, in the order of the columns."""

STARTS = dict(zip(GROUPS, np.cumsum([0, *map(len, GROUPS.values())]).tolist(), strict=False))
"""First column of every group in a row of all features."""

COLUMNS = len(SIZES)
"""Number of columns of a row of all features."""

RINGS_START, WHOLE_START, HASHES_START = (
    STARTS[name] for name in ("ring_sizes", "composition", "surroundings")
)
"""First columns of features that need the search for rings, a pass over the whole molecule."""

TIERS = {
    "none": 0,
    "place": RINGS_START,
    "rings": STARTS["ring_donors"],
    "chemistry": WHOLE_START,
    "environments": COLUMNS,
}
"""Number of columns of the features that the configuration names so, the first of all."""

_BRANCH, _PENDING, _VALENCE, _OUTER = (
    STARTS[name] for name in ("branch", "pending", "valence", "outer")
)
_PARENT, _TOTALS, _AROMATIC, _DONORS = (
    STARTS[name] for name in ("parent", "totals", "aromatic", "ring_donors")
)
_COMPOSITION = GROUPS["composition"]
# Rounded masses of ELEMENTS and, last, of all others.
_MASSES = np.array([12, 14, 16, 32, 31, 19, 35, 80, 127, 11, 28, 79, 1, 60])
# Free valence of carbon, nitrogen and oxygen is hydrogen, that of sulphur and phosphorus is not.
_HYDRIDES = 3
# Nitrogens, oxygens, sulphurs and halogens are counted in four fields of 12 bits of one number, so
# that an atom costs one addition: what each of the elements adds.
_WIDTH, _MOST = 12, 0xFFF
_COUNTED = np.array(
    [column >= 0 and 1 << _WIDTH * column for column in (-1, 0, 1, 2, -1, 3, 3, 3, 3, *(-1,) * 5)]
)


def features(
    ids: Ids, lengths: NDArray[Any], vocabulary: Vocabulary, tier: str
) -> NDArray[np.int16]:
    """Features of every prefix of many molecules, ``(sum of (lengths + 1), F)``, of a tier.

    ``ids`` ``(sum of lengths,)`` holds the molecules one after the other without their end symbols.
    A molecule of n ids has n + 1 rows: row i describes its first i ids, from which id i, or at last
    the end, is predicted."""
    flat, counts = molecules(ids, lengths, vocabulary)
    rows, width = len(flat) + len(counts), TIERS[tier]
    out = _memory(rows, width)
    states, graph = empty_derivations(1, LARGEST_MOLECULE), new_graph(LARGEST_MOLECULE)
    _describe_all(vocabulary.tables, flat, counts, states, graph, width, out)
    return out[:-COLUMNS].reshape(rows, width)


def _memory(rows: int, width: int) -> Row:
    """Memory for rows of features, of which the first ``width`` are asked for.

    Compiled code writes all columns of a row, and the next one over its end."""
    return np.empty(rows * width + COLUMNS, np.int16)


class Prefixes:
    """Molecules being written, symbol by symbol.

    Rows are places ``(n,)`` among them, int64, each at most once in a call."""

    def __init__(self, vocabulary: Vocabulary, count: int, tier: str) -> None:
        self.vocabulary, self.width = vocabulary, TIERS[tier]
        self.states = empty_derivations(count, LARGEST_MOLECULE)
        self.graph = new_graph(LARGEST_MOLECULE)

    def features(self, rows: NDArray[np.int64]) -> Row:
        """Features ``(n, F)`` of the prefixes ``rows``."""
        out = _memory(len(rows), self.width)
        if self.width:
            tables = self.vocabulary.tables
            _describe_rows(tables, self.states, rows, self.graph, self.width, out)
        return out[:-COLUMNS].reshape(len(rows), self.width)

    def without_atoms(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places among ``rows`` of prefixes without an atom."""
        cursors = cast(Any, self.states.cursors)
        atoms = cursors["atoms"][rows] if KERNELS else [cursors[row].atoms for row in rows]
        return np.flatnonzero(np.equal(atoms, 0))

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Go on with these prefixes only, each as often and in the order as they are named."""
        self.states = self.states.at(rows)

    def advance(self, rows: NDArray[np.int64], symbols: NDArray[Any]) -> None:
        """Append an id to each of the prefixes ``rows``; InputError if it is not of the
        vocabulary."""
        ids, _ = molecules(symbols, np.array([len(symbols)]), self.vocabulary)
        _advance(self.vocabulary.tables, self.states, rows, ids)


@compiled()
def _describe_all(
    tables: Tables,
    ids: Ids,
    lengths: Ints,
    states: Derivations,
    graph: Graph,
    width: int,
    out: Row,
) -> None:
    state = Derivation(states.cursors[0], states.levels[0], states.atoms[0], states.rings[0])
    place, at = 0, 0
    for molecule in range(len(lengths)):
        restart(state)
        for step in range(lengths[molecule] + 1):
            if step > 0:
                consume(tables, state, ids[place])
                place += 1
            _describe(tables.symbols, state, graph, width, out[at:])
            at += width


@compiled()
def _describe_rows(
    tables: Tables, states: Derivations, rows: NDArray[np.int64], graph: Graph, width: int, out: Row
) -> None:
    for line in range(len(rows)):
        row = rows[line]
        cursor, levels = states.cursors[row], states.levels[row]
        state = Derivation(cursor, levels, states.atoms[row], states.rings[row])
        _describe(tables.symbols, state, graph, width, out[line * width :])


@compiled()
def _advance(tables: Tables, states: Derivations, rows: NDArray[np.int64], tokens: Ids) -> None:
    for line in range(len(rows)):
        row = rows[line]
        cursor, levels = states.cursors[row], states.levels[row]
        state = Derivation(cursor, levels, states.atoms[row], states.rings[row])
        consume(tables, state, tokens[line])


@compiled(forceinline=True)
def _describe(
    symbols: Sequence[Symbol], state: Derivation, graph: Graph, width: int, row: Row
) -> None:
    """Write the features of one prefix, the first ``width`` at least."""
    with_rings, with_whole = width > RINGS_START, width > WHOLE_START
    cursor, levels, atoms = state.cursor, state.levels, state.atoms
    depth = cursor.depth
    rings = build_graph(symbols, state, graph)
    current = levels[depth].atom
    row[0], row[1] = min(cursor.seen, 63), min(cursor.atoms, 47)
    row[_BRANCH] = _left(state, depth)
    row[_BRANCH + 1] = min(depth, 7)
    row[_BRANCH + 2] = _left(state, depth - 1)
    pending, held = cursor.pending, cursor.held
    row[_PENDING] = 0 if pending == 0 else pending if held > 0 else pending + 3
    row[_PENDING + 1] = 0 if pending == 0 else min(abs(held), 3)
    row[_PENDING + 2] = 0 if pending == 0 else 1 + min(cursor.index, 15)
    row[_VALENCE] = min(levels[depth].free + 1, 9)
    _describe_atom(symbols, state, graph, current, row[_VALENCE + 1 :])
    row[_VALENCE + 4] = 0 if current < 0 else graph.nodes[current].order
    row[_OUTER] = 0 if depth == 0 else min(levels[depth - 1].free + 1, 9)
    outer = -1 if depth == 0 else levels[depth - 1].atom
    _describe_atom(symbols, state, graph, outer, row[_OUTER + 1 :])
    parent = -1 if current < 0 else atoms[current].parent
    _describe_atom(symbols, state, graph, parent, row[_PARENT:])
    _describe_totals(symbols, state, graph, rings, row)
    order = closing_order(state) if with_rings and current > 0 else 0
    reached = 0
    if current >= 0 and (order > 0 or with_whole):
        reached = search(symbols, state, graph, LARGEST - 2 if order > 0 else NEAR)
    if with_whole:
        _describe_composition(symbols, state, graph, row)
        if current >= 0:
            left = int(row[_BRANCH])
            hash_environments(symbols, state, graph, reached, left, row[HASHES_START:])
        else:
            for column in range(HASHES_START, COLUMNS):
                row[column] = 0
    if with_rings:
        for column in range(RINGS_START, WHOLE_START):
            row[column] = 0
        if order > 0:
            _describe_closures(state, graph, current, order, row)


@compiled(forceinline=True)
def _left(state: Derivation, depth: int) -> int:
    """1 + symbols left in an open branch, or since its opening; 0 for the main chain. An inner
    branch may overrun an outer one."""
    if depth <= 0:
        return 0
    stop, seen = state.levels[depth].stop, state.cursor.seen
    return 1 + min(max(stop - seen if stop >= 0 else seen + stop, 0), 30)


@compiled(forceinline=True)
def _describe_atom(
    symbols: Sequence[Symbol], state: Derivation, graph: Graph, atom: int, row: Row
) -> None:
    row[0] = 0 if atom < 0 else symbols[state.atoms[atom].symbol].element
    row[1] = 0 if atom < 0 else min(graph.nodes[atom].pi, 2)
    row[2] = 0 if atom < 0 else graph.nodes[atom].in_ring


@compiled(forceinline=True)
def _describe_totals(
    symbols: Sequence[Symbol], state: Derivation, graph: Graph, rings: int, row: Row
) -> None:
    unsaturated, hetero = 0, 0
    for atom in range(state.cursor.atoms):
        unsaturated += graph.nodes[atom].pi > 0 and graph.nodes[atom].in_ring == 0
        hetero += symbols[state.atoms[atom].symbol].element > 3  # classes 1, 2 and 3 are carbon
    row[_TOTALS], row[_TOTALS + 1] = min(rings, 7), min(unsaturated, 15)
    row[_TOTALS + 2] = min(hetero, 15)


@compiled(forceinline=True)
def _describe_composition(
    symbols: Sequence[Symbol], state: Derivation, graph: Graph, row: Row
) -> None:
    """Heteroatoms by element, rotatable bonds, and the mass if the molecule ended here."""
    nodes, links = graph.nodes, graph.links
    mass, rotatable, counts = 0, 0, 0
    for atom in range(state.cursor.atoms):
        node, symbol = nodes[atom], symbols[state.atoms[atom].symbol]
        element = (symbol.element - 1) // 3
        hydrogens = max(0, symbol.capacity - node.valence)
        mass += _MASSES[element] + (element < _HYDRIDES) * hydrogens
        counts += _COUNTED[element]
        parent = state.atoms[atom].parent
        single = (parent >= 0) & (node.order == 1) & (node.ring_bond == 0)
        # A second link, the one after the first, shows that an atom is no end of a chain.
        inner = (links[node.first] >= 0) & (links[nodes[max(parent, 0)].first] >= 0)
        rotatable += single & inner
    for column in range(4):
        row[WHOLE_START + column] = min(counts >> _WIDTH * column & _MOST, _COMPOSITION[column] - 1)
    row[WHOLE_START + 4] = min(rotatable, _COMPOSITION[4] - 1)
    row[WHOLE_START + 5] = min(mass // 2, _COMPOSITION[5] - 1)


@compiled(forceinline=True)
def _describe_closures(state: Derivation, graph: Graph, current: int, most: int, row: Row) -> None:
    """Features of closing at each of the atoms before the current one, by a bond of at most order
    ``most``."""
    cursor, nodes = state.cursor, graph.nodes
    here, mendable = nodes[current].toll, state.levels[cursor.depth].free > 1
    held = (cursor.pending > 0) & (cursor.held > 1)
    farthest = min(REACH, current)
    for place in range(farthest):
        # Unsigned, so that compiled code need not test for a place counted from the end.
        atom: Any = np.uint64(current - 1 - place)
        order = min(most, nodes[atom].free)
        size, lacking, donors, exits, ringed, conjugation = ring_of(
            nodes[atom], order, here, mendable, held
        )
        at, more, made = RINGS_START + place, _DONORS + place, order > 0
        row[at] = made * (size - 1)
        row[at + REACH] = made * (1 + min(lacking, 6))
        row[more] = made * (1 + min(donors, 3))
        row[more + REACH] = made * (1 + min(exits, 4))
        row[more + 2 * REACH] = made * (1 + min(ringed, 4))
        row[more + 3 * REACH] = order
        row[more + 4 * REACH] = made * (1 + conjugation)
    _find_aromatic(farthest, row)


@compiled(forceinline=True)
def _find_aromatic(farthest: int, row: Row) -> None:
    """Find the nearest closures that form aromatic rings among the features of all closures."""
    for back in range(farthest, 0, -1):
        conjugation = int(row[_DONORS + 4 * REACH + back - 1]) - 1
        size = int(row[RINGS_START + back - 1]) + 1
        if (conjugation > UNBROKEN) & (size <= 6):
            for double in range(2):
                # BY_SINGLE, BY_DOUBLE and BY_EITHER are UNBROKEN and a bit for each kind of bond.
                if (conjugation - UNBROKEN) >> double & 1:
                    row[_AROMATIC + 2 * (size - 5) + double] = back
