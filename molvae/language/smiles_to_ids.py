"""SMILES to symbols of SELFIES, many molecules at once: what the selfies package writes, by
compiled code.

The package's encoder takes longer over a molecule than RDKit does. Here the graph that
:mod:`molvae.language.smiles_parser` reads is written down as the encoder writes it. What that code
does not understand, and what SELFIES has no words or no capacity for, is left to the encoder, so
symbols are the same by either way, and so are refusals and their reasons.

    M molecules, S single symbols, A atoms of an alphabet
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..errors import ModelError, MoleculeError
from ..runtime.compilation import compiled
from .selfies_codec import INEXPRESSIBLE, default_constraints, split, to_selfies
from .smiles_parser import (
    ATOM_ROWS,
    DIGITS,
    LAST,
    LEFT,
    LEFT_SIGN,
    ORDER,
    PARENT,
    RIGHT,
    RIGHT_SIGN,
    RING_ORDER,
    RING_ROWS,
    SIGN,
    TOKEN,
    VALENCE,
    YES,
    alternate,
    read,
    turns,
)
from .spelling import (
    BASE,
    MIRROR,
    MIRRORED,
    ORGANIC,
    Bytes,
    Ints,
    Spellings,
    atom_text,
    spellings_of,
)
from .symbols import (
    ATOM,
    BOND,
    BRANCH,
    CAPACITY,
    FAR_MARK,
    KIND,
    MARK,
    READS,
    RING,
    Alphabet,
    meaning,
)
from .vocabulary import Ids

_BRACKETED = re.compile(r"\[[^\]]*\]")
_ATOM = re.compile(r"\[((?:[1-9]\d*)?)([A-Z][a-z]?|[a-z]{1,2})(@{0,2})(?:(H)(\d?))?([+-]?)(\d?)\]")
_BONDS = ("", "/", "\\", "=", "#")
_STRUCTURE = (
    *(f"[{bond}Branch{reads}]" for bond in ("", "=", "#") for reads in (1, 2, 3)),
    *(f"[{bond}Ring{reads}]" for bond in ("", "=", "#") for reads in (1, 2, 3)),
    *(
        f"[{left}{right}Ring{reads}]"
        for left in "-/\\"
        for right in "-/\\"
        for reads in (1, 2, 3)
        if left + right != "--"
    ),
)
_MOST_ATOMS = 500
"""Atoms in brackets, at most, that are given numbers beforehand; molecules with others are left to
the encoder.
"""


class Words(NamedTuple):
    """The number of each symbol of an alphabet by what it means, -1 where there is none.

    ``atoms`` ``(A, 5)``: by atom and the bond before it, of those in ``_BONDS``. ``branches`` ``(3,
    3)``: by bond order and how many index symbols follow. ``rings`` ``(3, 3, 3, 3)``: by the same
    and the marks ``""``, ``/``, ``\\`` at either end. ``capacity`` ``(S + 1,)``: bonds that an atom
    may have."""

    atoms: Ints
    branches: Ints
    rings: Ints
    capacity: Ints


class Scribe:
    """Writes some molecules, and other spellings of them, in symbols that it numbers from 1."""

    def __init__(self, smiles: Iterable[str]) -> None:
        atoms = dict.fromkeys(_BRACKETED.findall("".join(smiles)))
        self._alphabet, self._spellings, self._words = _tables(tuple(sorted(atoms)[:_MOST_ATOMS]))
        self._numbers = {
            symbol: number for number, symbol in enumerate(self._alphabet.symbols, start=1)
        }
        self._constraints = dict(self._alphabet.constraints)

    @property
    def alphabet(self) -> Alphabet:
        """All symbols that may have been written, under the constraints of the selfies package."""
        if len(self._numbers) > len(self._alphabet.symbols):
            self._alphabet = Alphabet(tuple(self._numbers), (), self._constraints)
        return self._alphabet

    def write(self, smiles: Sequence[str]) -> list[Ids | MoleculeError]:
        """The symbols of each molecule, or why SELFIES cannot express it, as
        :func:`molvae.language.selfies_codec.to_selfies` says.

        >>> scribe = Scribe(["C=O"])
        >>> [scribe.alphabet.symbols[number - 1] for number in scribe.write(["C=O"])[0]]
        ['[C]', '[=O]']
        """
        if not smiles:
            return []
        lengths = np.array([len(one) for one in smiles])
        text = np.frombuffer("".join(smiles).encode("ascii"), dtype=np.uint8)
        ids, ends = np.empty(2 * len(text), np.uint16), np.empty(len(smiles), np.int32)
        transcribe(
            self._spellings, self._words, text, np.cumsum(lengths).astype(np.int32), ids, ends
        )
        parts = pairwise([0, *ends.tolist()])
        return [
            ids[a:b] if b > a else self._ask(one) for one, (a, b) in zip(smiles, parts, strict=True)
        ]

    def _ask(self, smiles: str) -> Ids | MoleculeError:
        """The same of one molecule, by the encoder; its symbols get numbers."""
        try:
            symbols = split(to_selfies(smiles, self._constraints))
        except MoleculeError as error:
            return error
        for symbol in symbols:
            if not _means(symbol, self._constraints):
                return MoleculeError(INEXPRESSIBLE, smiles, f"{symbol} means nothing")
        return np.array(
            [self._numbers.setdefault(one, len(self._numbers) + 1) for one in symbols],
            dtype=np.uint16,
        )


@lru_cache(maxsize=8)
def _tables(bracketed: tuple[str, ...]) -> tuple[Alphabet, Spellings, Words]:
    """The symbols of molecules with these atoms in brackets: all that they could need, and a few
    more.
    """
    constraints = default_constraints()
    atoms = dict.fromkeys([*ORGANIC, *(text for one in bracketed for text in _atoms(one))])
    symbols = [*_STRUCTURE, *(f"[{bond}{atom}]" for atom in atoms for bond in _BONDS)]
    alphabet = Alphabet(tuple(one for one in symbols if _means(one, constraints)), (), constraints)
    spellings = spellings_of(alphabet)
    return alphabet, spellings, _words(alphabet, spellings)


def _atoms(bracketed: str) -> list[str]:
    """An atom in brackets and its mirror image, as they stand in a symbol; none for text that is
    not canonical.
    """
    found = _ATOM.fullmatch(bracketed)
    if found is None:
        return []
    isotope, element, chirality, hydrogen, count, sign, charge = found.groups()
    hydrogens, charges = (
        int(count or 1) if hydrogen else 0,
        int(f"{sign}{charge or 1}") if sign else 0,
    )
    ways = dict.fromkeys((chirality, MIRROR[chirality]))
    return [atom_text(isotope, element.capitalize(), way, hydrogens, charges) for way in ways]


def _means(symbol: str, constraints: dict[str, int]) -> bool:
    try:
        meaning(symbol, constraints)
    except ModelError:
        return False
    return True


def _words(alphabet: Alphabet, spellings: Spellings) -> Words:
    rows = alphabet.tables.symbols
    atoms = np.full((int(spellings.bases.max()) + 1, len(_BONDS)), -1, np.int32)
    branches, rings = np.full((3, 3), -1, np.int32), np.full((3, 3, 3, 3), -1, np.int32)
    marks = {0: 0, ord("/"): 1, ord("\\"): 2}
    for number, row in enumerate(rows.tolist()):
        order, mark = row[BOND], marks[row[MARK]]
        if row[KIND] == ATOM:
            atoms[spellings.bases[number], mark or (0, 3, 4)[order - 1]] = number
        elif row[KIND] == BRANCH:
            branches[order - 1, row[READS] - 1] = number
        elif row[KIND] == RING:
            rings[order - 1, row[READS] - 1, mark, marks[row[FAR_MARK]]] = number
    return Words(atoms, branches, rings, rows[:, CAPACITY].copy())


@compiled()
def transcribe(
    spellings: Spellings, words: Words, text: Bytes, ends: Ints, ids: Ids, id_ends: Ints
) -> None:
    """Write the symbols of all molecules into ``ids``, and where each one's end into ``id_ends``
    ``(M,)``.

    ``text`` holds the SMILES of all molecules one after the other, ``ends`` ``(M,)`` where each
    one's ends. A molecule that is not understood gets no symbols."""
    longest = 1
    for molecule in range(len(ends)):
        longest = max(longest, ends[molecule] - (ends[molecule - 1] if molecule else 0))
    atoms, rings = (
        np.zeros((ATOM_ROWS, longest), np.int32),
        np.zeros((RING_ROWS, longest), np.int32),
    )
    hanging, stack, sizes = (
        np.zeros((3, 100), np.int32),
        np.zeros((2, longest), np.int32),
        np.zeros(2, np.int32),
    )
    backwards = np.zeros(2 * longest + 8, np.int32)
    begin = filled = 0
    for molecule in range(len(ends)):
        count = 0
        if read(
            spellings, text, begin, ends[molecule], atoms, rings, hanging, stack, sizes
        ) == YES and alternate(spellings, atoms, rings, sizes):
            count = _write_backwards(spellings, words, atoms, rings, sizes, stack, backwards)
        for place in range(count):
            ids[filled + place] = backwards[count - 1 - place]
        begin, filled = ends[molecule], filled + max(0, count)
        id_ends[molecule] = filled


@compiled(forceinline=True)
def _write_backwards(
    spellings: Spellings,
    words: Words,
    atoms: Ints,
    rings: Ints,
    sizes: Ints,
    reached: Ints,
    symbols: Ints,
) -> int:
    """Write the symbols of a graph, the last one first; returns their number, -1 if one of them is
    missing.

    Backwards, because the length of a branch stands before it. Of each atom it is kept which one
    follows on all that hangs on it, and how many symbols there are from the atom on."""
    count, ring = 0, sizes[1] - 1
    for atom in range(sizes[0] - 1, -1, -1):
        parent, last, order = (
            atoms[PARENT, atom],
            atoms[LAST, atom],
            max(1, atoms[ORDER, atom] // 2),
        )
        reached[0, atom] = atom + 1 if last < 0 else reached[0, last]
        while ring >= 0 and rings[RIGHT, ring] == atom:
            reads = _put_number(spellings, symbols, count, atom - rings[LEFT, ring] - 1)
            count = _put(symbols, count + reads, _ring(words, rings, ring, reads))
            ring -= 1
            if count < 0:
                return -1
        count = _put(symbols, count, _atom(spellings, words, atoms, rings, sizes[1], atom, order))
        if count < 0:
            return -1
        if parent >= 0 and atoms[LAST, parent] != atom:
            reads = _put_number(spellings, symbols, count, count - reached[1, reached[0, atom]] - 1)
            count = _put(
                symbols, count + reads, words.branches[order - 1, reads - 1] if reads <= 3 else -1
            )
            if count < 0:
                return -1
        reached[1, atom] = count
    return count


@compiled(forceinline=True)
def _put(symbols: Ints, count: int, symbol: int) -> int:
    """Add a symbol; -1 if it is none."""
    if symbol < 0:
        return -1
    symbols[count] = symbol
    return count + 1


@compiled(forceinline=True)
def _put_number(spellings: Spellings, symbols: Ints, count: int, value: int) -> int:
    """Write a number, its last digit first; returns how many digits it has, of which no more than
    three are written.
    """
    reads = 0
    while reads == 0 or value > 0:
        if reads < 3:
            symbols[count + reads] = spellings.digits[value % 16]
        value //= 16
        reads += 1
    return reads


@compiled(forceinline=True)
def _ring(words: Words, rings: Ints, ring: int, reads: int) -> int:
    """The symbol of a ring closure; a double bond has no marks."""
    order = rings[RING_ORDER, ring] // 2
    if reads > 3:
        return -1
    left, right = (
        (_mark(rings[LEFT_SIGN, ring]), _mark(rings[RIGHT_SIGN, ring])) if order == 1 else (0, 0)
    )
    return int(words.rings[order - 1, reads - 1, left, right])


@compiled(forceinline=True)
def _mark(byte: int) -> int:
    return 0 if byte == 0 else 1 if byte == ord("/") else 2


@compiled(forceinline=True)
def _atom(
    spellings: Spellings, words: Words, atoms: Ints, rings: Ints, made: int, atom: int, order: int
) -> int:
    """The symbol of an atom; -1 if there is none or the atom has more bonds than it may."""
    token = atoms[TOKEN, atom]
    chiral = spellings.atoms[token, BASE] != spellings.atoms[token, MIRRORED]
    side = MIRRORED if chiral and atoms[DIGITS, atom] and turns(rings, made, atom) else BASE
    base, bond = spellings.atoms[token, side], _mark(atoms[SIGN, atom]) if order == 1 else order + 1
    symbol = words.atoms[base, bond] if base >= 0 else -1
    return symbol if symbol >= 0 and atoms[VALENCE, atom] // 2 <= words.capacity[symbol] else -1
