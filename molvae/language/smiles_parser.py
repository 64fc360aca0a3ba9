r"""Canonical SMILES to a graph whose aromatic bonds alternate, as the encoder of SELFIES sees it.

The encoder pairs the atoms of aromatic systems that need a double bond, greedily at first, and by
augmenting paths if that leaves atoms unpaired. Here only the first is done, which nearly always
suffices; the rest, and text that canonical SMILES seldom contains, such as the ring %10, is left to
the encoder itself.

Each atom of SELFIES is spelled in one way in canonical SMILES, in a second one if it can be
aromatic, and in both again for its mirror image: :class:`Spellings` is the table from text to atom.

    S single symbols, N spellings, A atoms of a molecule
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from selfies.constants import AROMATIC_VALENCES, INDEX_CODE, VALENCE_ELECTRONS

from ..runtime.compilation import compiled
from .symbols import integers, label_of, records, records_of

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]

_AROMATIC = {
    element: (min(valences), max(valences), VALENCE_ELECTRONS[element])
    for element, valences in AROMATIC_VALENCES.items()
}
"""Smallest and largest valence and outer electrons of elements that can be aromatic."""

MIRROR = {"": "", "@": "@@", "@@": "@"}


@dataclass(slots=True)
class Spelling:
    """Meaning of one spelling of an atom in canonical SMILES."""

    atom: int = 0  # number of the atom, -1 if the vocabulary lacks it
    mirrored: int = 0  # the same with its chirality inverted
    aromatic: int = 0
    hydrogens: int = 0  # -1 where they are implicit
    charge: int = 0
    low: int = 0  # smallest and largest valence of its element in aromatic systems
    high: int = 0
    outer: int = 0  # outer electrons of its element


class Spellings(NamedTuple):
    """Spellings of the atoms of a vocabulary in canonical SMILES.

    ``text`` holds the bytes of all spellings, those of number i from ``start[i]`` to ``start[i +
    1]``; ``atoms`` ``(N,)`` their meanings; ``bases`` ``(S + 1,)`` the atom of each single symbol,
    -1 for none; ``digits`` ``(16,)`` the symbol of each index digit 0 to 15, -1 where there is
    none."""

    text: Bytes
    start: Ints
    atoms: Sequence[Spelling]
    bases: Ints
    digits: Ints


@dataclass(slots=True)
class ParsedAtom:
    """An atom of a SMILES. Orders and valences count double, so that an aromatic bond is 3."""

    spelling: int = 0
    parent: int = 0  # -1 for the first atom
    order: int = 0  # of the bond to its parent
    sign: int = 0  # on that bond: 1 for /, 2 for \, 0 for none
    last: int = 0  # its last child, -1 for none
    valence: int = 0
    digits: int = 0  # ring digits so far
    wants: int = 0  # it still needs a double bond
    mate: int = 0  # the atom it is given one with, -1 for none
    degree: int = 0  # aromatic neighbours


@dataclass(slots=True)
class ParsedRing:
    """A ring closure of a SMILES, in the order in which they close."""

    left: int = 0
    right: int = 0
    order: int = 0
    left_sign: int = 0
    right_sign: int = 0
    opened: int = 0  # number of its digit among those of the left atom
    closed: int = 0  # and among those of the right atom


@dataclass(slots=True)
class OpenRing:
    """A ring digit that waits for its second end."""

    atom: int = 0  # -1 for a digit not in use
    bond: int = 0
    digit: int = 0


@dataclass(slots=True)
class ParsedSize:
    """Size of a parsed molecule."""

    atoms: int = 0
    rings: int = 0


class ParsedGraph(NamedTuple):
    """Scratch for one molecule of ``A`` atoms and rings at most.

    ``near`` ``(4 A,)``: the aromatic neighbours of atom i from ``4 i`` on. ``stack`` ``(A,)``: the
    atoms with open branches. ``open`` ``(10,)``: by ring number. ``counts`` ``(1,)``. For writing:
    ``following`` ``(A,)``: the atom that follows on an atom and all its branches. ``remaining``
    ``(A,)``: number of symbols from an atom to the end. ``backwards`` ``(2 A + 8,)``: symbols, the
    last first."""

    atoms: Sequence[ParsedAtom]
    near: MutableSequence[int]
    rings: Sequence[ParsedRing]
    open: Sequence[OpenRing]
    stack: MutableSequence[int]
    counts: Sequence[ParsedSize]
    following: MutableSequence[int]
    remaining: MutableSequence[int]
    backwards: MutableSequence[int]


NEIGHBOURS = 4
"""Aromatic neighbours of an atom, at most."""

_OPEN, _CLOSE, _MINUS, _SLASH, _ZERO, _NINE = b"()-/09"
_EQUALS, _BRACKET, _BACKSLASH, _END, _TRIPLE = b"=[\\]#"
_B, _C, _L, _R = b"BClr"


def spellings_of(vocabulary: Vocabulary) -> Spellings:
    """Spellings of a vocabulary's atoms, aromatic or not, and of their mirror images."""
    labels = [label_of(symbol) for symbol in vocabulary.symbols]
    texts = [symbol[1:-1].lstrip("=#/\\") for symbol in vocabulary.symbols]
    atoms = dict.fromkeys(text for text, label in zip(texts, labels, strict=True) if label)
    numbers = {text: number for number, text in enumerate(atoms)}
    rows: dict[str, tuple[int, ...]] = {}
    for label in filter(None, labels):
        hydrogens = -1 if label.plain else label.hydrogens
        rest = (hydrogens, label.charge, *_AROMATIC.get(label.element, (0, 0, 0)))
        ways = {
            way: label._replace(chirality=way) for way in (label.chirality, MIRROR[label.chirality])
        }
        for way, one in ways.items():
            base, mirrored = (numbers.get(ways[side].text(), -1) for side in (way, MIRROR[way]))
            for aromatic in range(1 + (label.element in _AROMATIC)):
                rows[one.canonical(bool(aromatic))] = (base, mirrored, aromatic, *rest)
    return Spellings(
        text=np.frombuffer("".join(rows).encode("ascii"), dtype=np.uint8).copy(),
        start=np.cumsum([0, *map(len, rows)]).astype(np.int32),
        atoms=records_of(Spelling, list(rows.values())),
        bases=np.array([-1, *(numbers.get(text, -1) for text in texts)], dtype=np.int32),
        digits=np.array([vocabulary.index.get(one, -1) for one in INDEX_CODE], dtype=np.int32),
    )


def new_parsed(size: int) -> ParsedGraph:
    """Scratch for SMILES of ``size`` characters at most."""
    return ParsedGraph(
        records(ParsedAtom, size),
        integers(NEIGHBOURS * size),
        records(ParsedRing, size),
        records(OpenRing, 10),
        integers(size),
        records(ParsedSize, 1),
        integers(size),
        integers(size),
        integers(2 * size + 8),
    )


@compiled(forceinline=True)
def parse_smiles(
    spellings: Spellings, text: Bytes, begin: int, end: int, graph: ParsedGraph
) -> bool:
    """Parse a SMILES into ``graph``; False for what is left to the encoder, such as an atom that is
    not of the vocabulary."""
    for number in range(len(graph.open)):
        graph.open[number].atom = -1
    size = made = depth = bond = digits = 0
    current, fresh, at = -1, False, begin
    while at < end:
        byte, start = text[at], at
        at += 1
        if byte in (_OPEN, _CLOSE):
            depth += 1 if byte == _OPEN else -1
            if bond or current < 0 or depth < 0:
                return False
            if byte == _OPEN:
                graph.stack[depth - 1] = current
            else:
                current = graph.stack[depth]
            fresh = False
        elif byte in (_MINUS, _EQUALS, _TRIPLE, _SLASH, _BACKSLASH):
            if bond:
                return False
            bond = byte
        elif _ZERO <= byte <= _NINE:
            # Digits after a branch would change the order of an atom's bonds.
            if not fresh:
                return False
            made = _close(spellings, graph, byte - _ZERO, current, bond, made)
            bond, digits = 0, digits + 1
            if made < 0:
                return False
        else:
            at = _end_of_atom(text, start, end)
            spelling = _find(spellings, text, start, at)
            if spelling < 0:
                return False
            if not _attach(spellings, graph, size, spelling, current, bond):
                return False
            current, bond, fresh = size, 0, True
            size += 1
    graph.counts[0].atoms, graph.counts[0].rings = size, made
    return size > 0 and depth == 0 and bond == 0 and digits == 2 * made


@compiled(forceinline=True)
def _end_of_atom(text: Bytes, start: int, end: int) -> int:
    stop = start + 1
    if text[start] == _BRACKET:
        while stop < end and text[stop - 1] != _END:
            stop += 1
    elif stop < end and (
        (text[start] == _C and text[stop] == _L) or (text[start] == _B and text[stop] == _R)
    ):
        stop += 1
    return stop


@compiled(forceinline=True)
def _find(spellings: Spellings, text: Bytes, start: int, stop: int) -> int:
    """Number of an atom's spelling, -1 for an unknown one."""
    for spelling in range(len(spellings.start) - 1):
        first = spellings.start[spelling]
        if spellings.start[spelling + 1] - first != stop - start:
            continue
        place = 0
        while place < stop - start and spellings.text[first + place] == text[start + place]:
            place += 1
        if place == stop - start:
            return spelling
    return -1


@compiled(forceinline=True)
def _order(bond: int) -> int:
    """Twice the order of a bond."""
    return 4 if bond == _EQUALS else 6 if bond == _TRIPLE else 2


@compiled(forceinline=True)
def _sign(bond: int) -> int:
    """1 for a bond /, 2 for \\, else 0."""
    return 1 if bond == _SLASH else 2 if bond == _BACKSLASH else 0


@compiled(forceinline=True)
def _are_aromatic(spellings: Spellings, graph: ParsedGraph, left: int, right: int) -> bool:
    one, other = graph.atoms[left].spelling, graph.atoms[right].spelling
    return spellings.atoms[one].aromatic + spellings.atoms[other].aromatic == 2


@compiled(forceinline=True)
def _attach(
    spellings: Spellings, graph: ParsedGraph, number: int, spelling: int, parent: int, bond: int
) -> bool:
    """Add an atom, bonded to ``parent`` unless that is -1; False if it cannot be."""
    atom = graph.atoms[number]
    atom.order = atom.sign = atom.valence = atom.digits = atom.wants = atom.degree = 0
    atom.spelling, atom.parent, atom.last, atom.mate = spelling, parent, -1, -1
    if parent < 0:
        return number == 0 and bond == 0
    aromatic = bond == 0 and _are_aromatic(spellings, graph, parent, number)
    atom.order, atom.sign = 3 if aromatic else _order(bond), _sign(bond)
    graph.atoms[parent].last = number
    return _join(graph, parent, number, atom.order)


@compiled(forceinline=True)
def _join(graph: ParsedGraph, left: int, right: int, order: int) -> bool:
    """Count a bond at both its atoms; False if one has too many aromatic bonds."""
    for _ in range(2):
        atom = graph.atoms[left]
        atom.valence += order
        if order == 3:
            if atom.degree == NEIGHBOURS:
                return False
            graph.near[NEIGHBOURS * left + atom.degree] = right
            atom.degree += 1
        left, right = right, left
    return True


@compiled(forceinline=True)
def _close(
    spellings: Spellings, graph: ParsedGraph, number: int, atom: int, bond: int, made: int
) -> int:
    """Open ring ``number`` at an atom, or close it.

    Returns the number of rings closed, -1 for what only the encoder understands."""
    atoms, rings, opened = graph.atoms, graph.rings, graph.open[number]
    atoms[atom].digits += 1
    left, other = opened.atom, opened.bond
    if left < 0:
        opened.atom, opened.bond, opened.digit = atom, bond, atoms[atom].digits
        return made
    if left == atom or atoms[atom].parent == left:
        return -1
    for earlier in range(made):
        if rings[earlier].left == left and rings[earlier].right == atom:
            return -1
    if bond and other and bond != other and not (_sign(bond) and _sign(other)):
        return -1
    order = max(_order(bond), _order(other))
    if bond == 0 and other == 0 and _are_aromatic(spellings, graph, left, atom):
        order = 3
    ring = rings[made]
    ring.left, ring.right, ring.order = left, atom, order
    ring.left_sign, ring.right_sign = _sign(other), _sign(bond)
    ring.opened, ring.closed = opened.digit, atoms[atom].digits
    opened.atom = -1
    return made + 1 if _join(graph, left, atom, order) else -1


@compiled(forceinline=True)
def _needs_mate(spelling: Spelling, valence: int, degree: int) -> bool:
    """True if an aromatic atom needs a double bond to one of its ``degree`` aromatic neighbours, by
    the rules of SELFIES."""
    if degree == 0:
        return False
    used, charge = (valence - degree) // 2, spelling.charge
    if spelling.hydrogens < 0:
        return used != spelling.low and used != spelling.high
    used += spelling.hydrogens
    bound = max(0, charge) + spelling.hydrogens + valence // 2 + valence % 2
    free = spelling.high - charge - used - max(0, spelling.outer - bound) % 2
    saturated = used == spelling.low - charge or used == spelling.high - charge
    return not saturated and free >= 0 and free % 2 == 1


@compiled(forceinline=True)
def alternate(spellings: Spellings, graph: ParsedGraph) -> bool:
    """Give aromatic bonds the orders that the encoder gives them; False if its greedy pairing
    leaves an atom unpaired.

    Of the atoms that need a double bond the next is always that with the fewest free neighbours,
    the first of them."""
    atoms, near, count = graph.atoms, graph.near, graph.counts[0]
    unpaired = 0
    for number in range(count.atoms):
        atom = atoms[number]
        spelling = spellings.atoms[atom.spelling]
        wants = spelling.aromatic == 1 and _needs_mate(spelling, atom.valence, atom.degree)
        atom.wants = wants
        unpaired += wants
    while unpaired > 0:
        best, fewest = -1, NEIGHBOURS + 1
        for number in range(count.atoms):
            if atoms[number].wants:
                free = _free(graph, number)
                if 0 < free < fewest:
                    best, fewest = number, free
        if best < 0:
            return False
        place = NEIGHBOURS * best
        while not atoms[near[place]].wants:
            place += 1
        mate = near[place]
        atoms[best].mate, atoms[mate].mate = mate, best
        atoms[best].wants = atoms[mate].wants = 0
        unpaired -= 2
    for number in range(count.atoms):
        if atoms[number].order == 3:
            atoms[number].order = _settle(graph, atoms[number].parent, number)
    for number in range(count.rings):
        ring = graph.rings[number]
        if ring.order == 3:
            ring.order = _settle(graph, ring.left, ring.right)
    return True


@compiled(forceinline=True)
def _free(graph: ParsedGraph, atom: int) -> int:
    """Number of an atom's neighbours that still need a double bond."""
    free = 0
    for place in range(NEIGHBOURS * atom, NEIGHBOURS * atom + graph.atoms[atom].degree):
        free += graph.atoms[graph.near[place]].wants
    return free


@compiled(forceinline=True)
def _settle(graph: ParsedGraph, left: int, right: int) -> int:
    """Order of an aromatic bond between two atoms, once all mates are known."""
    one, other = graph.atoms[left], graph.atoms[right]
    order = 4 if one.mate == right else 2
    one.valence += order - 3
    other.valence += order - 3
    return order


@compiled(forceinline=True)
def turns(graph: ParsedGraph, atom: int) -> bool:
    """True if SELFIES lists the neighbours of an atom in an order of other parity than SMILES.

    It lists rings that close at the atom, then those that open there, by where they close."""
    odd, made = False, graph.counts[0].rings
    for first in range(made):
        one = graph.rings[first]
        if one.left != atom:
            continue
        for second in range(made):
            other = graph.rings[second]
            if other.right == atom and other.closed > one.opened:
                odd = not odd
            later = other.left == atom and other.opened > one.opened
            if later and other.right < one.right:
                odd = not odd
    return odd
