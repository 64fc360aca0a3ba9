"""SMILES to SELFIES symbols, many molecules at once, as the selfies package writes them.

The package's encoder takes longer over a molecule than RDKit does. Here compiled code writes down
the graph that :mod:`molvae.language.smiles_parser` parses, in the encoder's order. What that code
does not understand, and what SELFIES cannot express or has no capacity for, is left to the encoder,
so symbols are the same either way, and so are refusals and their reasons.

The same code decides whether a draw is canonical: encoding the canonical SMILES of its molecule
gives back what was drawn, ``encode(canonical(decode(s))) == s``. A SELFIES model writes no invalid
strings. What it gets wrong, a ring that just misses being aromatic or a symbol cut for want of
valence, becomes another molecule, whose SELFIES is not the one drawn. Leaving out such draws is for
SELFIES what leaving out invalid strings is for SMILES (Skinnider, Nat. Mach. Intell. 2024, 6, 437);
of the molecules of MOSES 99.98 % are canonical.

    M molecules, S single symbols, A atoms of a vocabulary
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from selfies.constants import ORGANIC_SUBSET

from ..errors import ModelError, MoleculeError
from ..runtime.compilation import compiled
from .branches import LENGTHS
from .selfies_codec import INEXPRESSIBLE, Constraints, default_constraints, split, to_selfies
from .smiles_parser import (
    MIRROR,
    Bytes,
    Ints,
    ParsedGraph,
    ParsedRing,
    Spellings,
    alternate,
    new_parsed,
    parse_smiles,
    spellings_of,
    turns,
)
from .symbols import ATOM, BRANCH, RING, AtomLabel, meaning
from .vocabulary import Ids, Vocabulary

_BRACKETED = re.compile(r"\[[^\]]*\]")
_ATOM = re.compile(r"\[((?:[1-9]\d*)?)([A-Z][a-z]?|[a-z]{1,2})(@{0,2})(?:(H)(\d?))?([+-]?)(\d?)\]")
_BONDS = ("", "/", "\\", "=", "#")
_MARKS = ("", "=", "#", "-/", "-\\", "/-", "//", "/\\", "\\-", "\\/", "\\\\")
_RINGS = tuple(f"[{mark}Ring{reads}]" for mark in _MARKS for reads in (1, 2, 3))
_MOST_ATOMS = 500
"""Atoms in brackets, at most, that are numbered in advance; molecules with others are left to the
encoder."""


class SymbolIds(NamedTuple):
    """Id of each symbol of a vocabulary by its meaning, -1 where there is none.

    ``atoms`` ``(A, 5)``: by atom and the bond before it, in the order of ``_BONDS``. ``branches``
    ``(3, 3)``: by bond order and number of index symbols. ``rings`` ``(3, 3, 3, 3)``: by the same
    and the marks ``""``, ``/``, ``\\`` at either end. ``capacity`` ``(S + 1,)``: bonds that an
    atom may have."""

    atoms: Ints
    branches: Ints
    rings: Ints
    capacity: Ints


class SelfiesEncoder:
    """Encodes molecules, and other SMILES of theirs, in symbols that it numbers from 1."""

    def __init__(self, smiles: Iterable[str]) -> None:
        """Prepare the symbols of some molecules."""
        self._constraints = default_constraints()
        atoms = dict.fromkeys(_BRACKETED.findall("".join(smiles)))
        symbols = _symbols_of(sorted(atoms)[:_MOST_ATOMS], self._constraints)
        self._tables = _tables(symbols, tuple(self._constraints.items()))
        self._vocabulary = self._tables.vocabulary
        self._numbers = dict(self._vocabulary.index)

    @property
    def vocabulary(self) -> Vocabulary:
        """All symbols that may have been written, under the constraints of the selfies package."""
        if len(self._numbers) > len(self._vocabulary.symbols):
            self._vocabulary = Vocabulary(tuple(self._numbers), (), self._constraints)
        return self._vocabulary

    def write(self, smiles: Sequence[str]) -> list[Ids | MoleculeError]:
        """Symbols of each molecule, or the reason why SELFIES cannot express it, as
        :func:`molvae.language.selfies_codec.to_selfies` gives it.

        >>> encoder = SelfiesEncoder(["C=O"])
        >>> [encoder.vocabulary.symbols[number - 1] for number in encoder.write(["C=O"])[0]]
        ['[C]', '[=O]']
        """
        ids, ends = _encode_all(smiles, self._tables)
        parts = pairwise(_from_zero(ends).tolist())
        return [
            ids[a:b] if b > a else self._ask(one) for one, (a, b) in zip(smiles, parts, strict=True)
        ]

    def _ask(self, smiles: str) -> Ids | MoleculeError:
        """Symbols of one molecule by the selfies package, which are numbered when first seen."""
        try:
            symbols = split(to_selfies(smiles, self._constraints))
        except MoleculeError as error:
            return error
        for symbol in symbols:
            if not _has_meaning(symbol, self._constraints):
                return MoleculeError(INEXPRESSIBLE, smiles, f"{symbol} means nothing")
        numbers = [self._numbers.setdefault(one, len(self._numbers) + 1) for one in symbols]
        return np.array(numbers, dtype=np.uint16)


def ids_of(smiles: str, vocabulary: Vocabulary) -> Ids | None:
    """Ids of a canonical SMILES, merged, without the end; None where it is for the selfies package
    to say what they are, or why there are none."""
    tables = _tables(vocabulary.plain.symbols, tuple(vocabulary.constraints.items()))
    ids, ends = _encode_all([smiles], tables)
    try:
        return vocabulary.merged(ids[: ends[0]]) if ends[0] else None
    except KeyError:
        return None


def is_canonical(smiles: str, selfies: str, constraints: Constraints) -> bool:
    """True if the selfies package encodes ``smiles`` as ``selfies``, where ``smiles`` is the
    canonical SMILES that this decodes to.

    No molecule, an empty SMILES, is not canonical."""
    try:
        return bool(smiles) and to_selfies(smiles, constraints) == selfies
    except MoleculeError:
        return False


def canonical_draws(
    smiles: Sequence[str], drawn: Sequence[Ids], vocabulary: Vocabulary
) -> list[bool]:
    """:func:`is_canonical` of many draws, each as the canonical SMILES of its molecule and as the
    ids drawn, without the end."""
    if not smiles:
        return []
    constraints, plain = vocabulary.constraints, vocabulary.plain
    encoded, ends = _encode_all(smiles, _tables(plain.symbols, tuple(constraints.items())))
    counts = np.array([len(ids) for ids in drawn], np.int32)
    written, counts = vocabulary.to_plain(np.concatenate(drawn), counts)
    symbols, counts = plain.singles(written, counts)
    # Equal stretches of two bytes a symbol: comparing these is faster than comparing arrays.
    draws, wanted = symbols.tobytes(), encoded.tobytes()
    return [
        draws[begin:end] == wanted[first:last]
        if last > first
        else is_canonical(text, vocabulary.decode(ids), constraints)
        for text, ids, (begin, end), (first, last) in zip(
            smiles,
            drawn,
            pairwise((2 * _from_zero(np.cumsum(counts))).tolist()),
            pairwise((2 * _from_zero(ends)).tolist()),
            strict=True,
        )
    ]


class EncoderTables(NamedTuple):
    """A vocabulary with the tables for encoding in it."""

    vocabulary: Vocabulary
    spellings: Spellings
    symbols: SymbolIds


def _symbols_of(bracketed: Sequence[str], constraints: Constraints) -> tuple[str, ...]:
    """All symbols that molecules with these atoms in brackets could need."""
    odd = [text for one in bracketed for text in _atoms(one)]
    atoms = dict.fromkeys([*sorted(ORGANIC_SUBSET), *odd])
    symbols = [*LENGTHS, *_RINGS, *(f"[{bond}{atom}]" for atom in atoms for bond in _BONDS)]
    return tuple(one for one in symbols if _has_meaning(one, constraints))


@lru_cache(maxsize=8)
def _tables(known: tuple[str, ...], capacities: tuple[tuple[str, int], ...]) -> EncoderTables:
    """Those of single symbols under the constraints with these items."""
    vocabulary = Vocabulary(known, (), dict(capacities))
    spellings, symbols = spellings_of(vocabulary), vocabulary.tables.symbols
    atoms = np.full((int(spellings.bases.max()) + 1, len(_BONDS)), -1, np.int32)
    branches, rings = np.full((3, 3), -1, np.int32), np.full((3, 3, 3, 3), -1, np.int32)
    marks = {0: 0, ord("/"): 1, ord("\\"): 2}
    for number, symbol in enumerate(symbols):
        order, mark = symbol.order, marks[symbol.mark]
        if symbol.kind == ATOM:
            atoms[spellings.bases[number], mark or (0, 3, 4)[order - 1]] = number
        elif symbol.kind == BRANCH:
            branches[order - 1, symbol.reads - 1] = number
        elif symbol.kind == RING:
            rings[order - 1, symbol.reads - 1, mark, marks[symbol.far_mark]] = number
    capacity = np.array([symbol.capacity for symbol in symbols], np.int32)
    return EncoderTables(vocabulary, spellings, SymbolIds(atoms, branches, rings, capacity))


def _atoms(bracketed: str) -> list[str]:
    """An atom in brackets and its mirror image as texts of symbols; none for text that is not
    canonical."""
    found = _ATOM.fullmatch(bracketed)
    if found is None:
        return []
    isotope, element, chirality, hydrogen, count, sign, charge = found.groups()
    hydrogens = int(count or 1) if hydrogen else 0
    charges = int(f"{sign}{charge or 1}") if sign else 0
    ways = dict.fromkeys((chirality, MIRROR[chirality]))
    element = element.capitalize()
    return [AtomLabel(isotope, element, way, hydrogens, charges).text() for way in ways]


def _has_meaning(symbol: str, constraints: Mapping[str, int]) -> bool:
    try:
        meaning(symbol, constraints)
    except ModelError:
        return False
    return True


def _from_zero(ends: NDArray[Any]) -> NDArray[np.int64]:
    """Begin of each of some stretches, and the end of the last one."""
    return np.concatenate([[0], ends]).astype(np.int64)


def _encode_all(smiles: Sequence[str], tables: EncoderTables) -> tuple[Ids, Ints]:
    """Symbols of many molecules, of the vocabulary of ``tables``, one molecule after the other, and
    where each one's end ``(M,)``.

    A molecule without symbols is not understood, or needs some that the vocabulary lacks or more
    bonds than an atom may have: the encoder is asked about it."""
    lengths = np.array([len(one) for one in smiles], np.int32)
    text = np.frombuffer("".join(smiles).encode("ascii"), dtype=np.uint8)
    # A symbol takes a character at least; a ring or branch takes two, and four symbols at most.
    ids, written = np.empty(2 * len(text), np.uint16), np.zeros(len(smiles), np.int32)
    graph = new_parsed(int(lengths.max(initial=1)))
    ends = np.cumsum(lengths).astype(np.int32)
    _encode(tables.spellings, tables.symbols, text, ends, graph, ids, written)
    return ids, written


@compiled()
def _encode(
    spellings: Spellings,
    symbols: SymbolIds,
    text: Bytes,
    ends: Ints,
    graph: ParsedGraph,
    ids: Ids,
    written: Ints,
) -> None:
    """Write the symbols of all molecules into ``ids``, and where each one's end into ``written``.

    ``text`` holds the SMILES of all molecules one after the other, ``ends`` ``(M,)`` where each
    one's ends."""
    begin = filled = 0
    for molecule in range(len(ends)):
        count = 0
        parsed = parse_smiles(spellings, text, begin, ends[molecule], graph)
        if parsed and alternate(spellings, graph):
            count = max(0, _write_backwards(spellings, symbols, graph))
        for place in range(count):
            ids[filled + place] = graph.backwards[count - 1 - place]
        begin, filled = ends[molecule], filled + count
        written[molecule] = filled


@compiled(forceinline=True)
def _write_backwards(spellings: Spellings, symbols: SymbolIds, graph: ParsedGraph) -> int:
    """Write the symbols of a graph, the last one first; returns their number, -1 if one of them is
    missing.

    Backwards, because the length of a branch is written before it."""
    atoms, rings, written = graph.atoms, graph.rings, graph.backwards
    following, remaining = graph.following, graph.remaining
    count, ring = 0, graph.counts[0].rings - 1
    for number in range(graph.counts[0].atoms - 1, -1, -1):
        atom = atoms[number]
        order = max(1, atom.order // 2)
        following[number] = number + 1 if atom.last < 0 else following[atom.last]
        while ring >= 0 and rings[ring].right == number:
            reads = _put_number(spellings, written, count, number - rings[ring].left - 1)
            count = _put(written, count + reads, _ring(symbols, rings[ring], reads))
            ring -= 1
            if count < 0:
                return -1
        count = _put(written, count, _atom(spellings, symbols, graph, number, order))
        if count < 0:
            return -1
        if atom.parent >= 0 and atoms[atom.parent].last != number:
            # The symbols that follow the branch are those that follow its last atom; the graph may
            # end there.
            after = remaining[following[number]]
            reads = _put_number(spellings, written, count, count - after - 1)
            symbol = symbols.branches[order - 1, reads - 1] if reads <= 3 else -1
            count = _put(written, count + reads, symbol)
            if count < 0:
                return -1
        remaining[number] = count
    return count


@compiled(forceinline=True)
def _put(written: MutableSequence[int], count: int, symbol: int) -> int:
    """Add a symbol; -1 if it is missing."""
    if symbol < 0:
        return -1
    written[count] = symbol
    return count + 1


@compiled(forceinline=True)
def _put_number(spellings: Spellings, written: MutableSequence[int], count: int, value: int) -> int:
    """Write a number, its last digit first; returns its number of digits, of which no more than
    three are written."""
    reads = 0
    while reads == 0 or value > 0:
        if reads < 3:
            written[count + reads] = spellings.digits[value % 16]
        value //= 16
        reads += 1
    return reads


@compiled(forceinline=True)
def _ring(symbols: SymbolIds, ring: ParsedRing, reads: int) -> int:
    """Symbol of a ring closure; a double bond has no marks."""
    order = ring.order // 2
    if reads > 3:
        return -1
    left, right = (ring.left_sign, ring.right_sign) if order == 1 else (0, 0)
    return int(symbols.rings[order - 1, reads - 1, left, right])


@compiled(forceinline=True)
def _atom(
    spellings: Spellings, symbols: SymbolIds, graph: ParsedGraph, number: int, order: int
) -> int:
    """Symbol of an atom; -1 if there is none or the atom has more bonds than it may."""
    atom = graph.atoms[number]
    spelling = spellings.atoms[atom.spelling]
    chiral = spelling.atom != spelling.mirrored
    inverted = chiral and atom.digits > 0 and turns(graph, number)
    base = spelling.mirrored if inverted else spelling.atom
    bond = atom.sign if order == 1 else order + 1
    symbol = symbols.atoms[base, bond] if base >= 0 else -1
    return symbol if symbol >= 0 and atom.valence // 2 <= symbols.capacity[symbol] else -1
