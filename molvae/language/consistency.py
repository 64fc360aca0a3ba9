"""Whether a molecule is written in the SELFIES that its canonical SMILES has, which is what a model
learns to write.

A SELFIES model writes no invalid strings. What it gets wrong, a ring that just misses being
aromatic or a symbol cut for want of valences, becomes another molecule, and the string is not the
one that this molecule is written in. Leaving such draws out is for SELFIES what leaving out invalid
strings is for SMILES (Skinnider 2024); of the molecules of MOSES 99.98 % are consistent.

:func:`is_consistent` is the definition, by the selfies package. :func:`consistent_draws` says the
same of many molecules by compiled code, which walks through a SMILES as the encoder does and stops
where it would write another symbol than was drawn; what that code does not understand is left to
the definition.

    M molecules
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..errors import MoleculeError
from ..runtime.compilation import compiled
from .selfies_codec import Constraints, to_selfies
from .smiles_parser import (
    ATOM_ROWS,
    DIGITS,
    LAST,
    LEFT,
    LEFT_SIGN,
    NO,
    ORDER,
    PARENT,
    RIGHT,
    RIGHT_SIGN,
    RING_ORDER,
    RING_ROWS,
    SIGN,
    TOKEN,
    UNDECIDED,
    VALENCE,
    YES,
    alternate,
    read,
    turns,
)
from .spelling import BASE, MIRRORED, Bytes, Ints, Spellings, spellings_of
from .symbols import ATOM, BOND, BRANCH, CAPACITY, DIGIT, FAR_MARK, KIND, MARK, READS, RING, Tables
from .vocabulary import Ids, Vocabulary


def is_consistent(smiles: str, selfies: str, constraints: Constraints) -> bool:
    """Whether ``selfies`` is what the encoder writes for ``smiles``, the canonical SMILES that it
    decodes to.

    No molecule, an empty SMILES, is not consistent.
    """
    try:
        return bool(smiles) and to_selfies(smiles, constraints) == selfies
    except MoleculeError:
        return False


def consistent_draws(
    smiles: Sequence[str], written: Sequence[Ids], vocabulary: Vocabulary
) -> list[bool]:
    """:func:`is_consistent` of many molecules, each as canonical SMILES and as the ids drawn,
    without the end.
    """
    if not smiles:
        return []
    answers = np.empty(len(smiles), np.uint8)
    compare(
        vocabulary.alphabet.tables,
        _spellings(vocabulary.symbols, tuple(vocabulary.constraints.items())),
        np.frombuffer("".join(smiles).encode("ascii"), dtype=np.uint8),
        np.cumsum([len(one) for one in smiles]).astype(np.int32),
        np.concatenate(written),
        np.cumsum([len(ids) for ids in written]).astype(np.int32),
        answers,
    )
    return [
        bool(answer)
        if answer != UNDECIDED
        else is_consistent(text, vocabulary.decode(ids), vocabulary.constraints)
        for answer, text, ids in zip(answers.tolist(), smiles, written, strict=True)
    ]


@compiled()
def compare(
    tables: Tables,
    spellings: Spellings,
    text: Bytes,
    ends: Ints,
    ids: Ids,
    id_ends: Ints,
    answers: Bytes,
) -> None:
    """Write NO, YES or UNDECIDED into ``answers`` ``(M,)``: whether each SMILES is written by its
    ids.

    ``text`` and ``ids`` hold those of all molecules one after the other, ``ends`` and ``id_ends``
    ``(M,)`` where each one's end."""
    longest, starts = 1, tables.runs_start
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
    begin = first = 0
    for molecule in range(len(ends)):
        count = 0
        for place in range(first, id_ends[molecule]):
            count += starts[ids[place] + 1] - starts[ids[place]]
        written = np.zeros(count, np.int32)
        count = 0
        for place in range(first, id_ends[molecule]):
            for single in range(starts[ids[place]], starts[ids[place] + 1]):
                written[count] = tables.runs[single]
                count += 1
        answer = read(spellings, text, begin, ends[molecule], atoms, rings, hanging, stack, sizes)
        if answer == YES and not alternate(spellings, atoms, rings, sizes):
            answer = UNDECIDED
        if answer == YES and not _agrees(
            tables.symbols, spellings, atoms, rings, sizes, written, stack
        ):
            answer = NO
        answers[molecule] = answer
        begin, first = ends[molecule], id_ends[molecule]


@compiled(forceinline=True)
def _agrees(
    symbols: Ints,
    spellings: Spellings,
    atoms: Ints,
    rings: Ints,
    sizes: Ints,
    written: Ints,
    branches: Ints,
) -> bool:
    """Whether the symbols ``written`` are those that the encoder would write for a graph.

    Of open branches it is kept which atom they are on and where in ``written`` they must end.
    """
    place = depth = ring = 0
    for atom in range(sizes[0]):
        parent, order = atoms[PARENT, atom], atoms[ORDER, atom] // 2
        while depth > 0 and branches[0, depth - 1] >= parent:
            depth -= 1
            if branches[1, depth] != place:
                return False
        if parent >= 0 and atoms[LAST, parent] != atom:
            value = _value(symbols, spellings, written, place, BRANCH, order)
            if value < 0:
                return False
            place += 1 + symbols[written[place], READS]
            branches[0, depth], branches[1, depth] = parent, place + value + 1
            depth += 1
        if place == len(written) or not _is_atom(
            symbols, spellings, atoms, rings, sizes[1], atom, written[place]
        ):
            return False
        place += 1
        while ring < sizes[1] and rings[RIGHT, ring] == atom:
            value = _value(symbols, spellings, written, place, RING, rings[RING_ORDER, ring] // 2)
            if value != atom - rings[LEFT, ring] - 1 or not _has_signs(
                symbols, rings, ring, written[place]
            ):
                return False
            place += 1 + symbols[written[place], READS]
            ring += 1
    return place == len(written)


@compiled(forceinline=True)
def _value(
    symbols: Ints, spellings: Spellings, written: Ints, place: int, kind: int, order: int
) -> int:
    """The number after a branch or ring symbol, -1 if that symbol is another or its number is not
    written so.
    """
    if (
        place == len(written)
        or symbols[written[place], KIND] != kind
        or symbols[written[place], BOND] != order
    ):
        return -1
    reads, value = symbols[written[place], READS], 0
    if place + reads >= len(written):
        return -1
    for index in range(place + 1, place + 1 + reads):
        digit = symbols[written[index], DIGIT]
        if spellings.digits[digit] != written[index] or (
            digit == 0 and index == place + 1 and reads > 1
        ):
            return -1
        value = 16 * value + digit
    return value


@compiled(forceinline=True)
def _is_atom(
    symbols: Ints, spellings: Spellings, atoms: Ints, rings: Ints, made: int, atom: int, symbol: int
) -> bool:
    """Whether ``symbol`` is that of an atom, its bond, chirality and capacity included."""
    if symbols[symbol, KIND] != ATOM or symbols[symbol, BOND] != max(1, atoms[ORDER, atom] // 2):
        return False
    token = atoms[TOKEN, atom]
    chiral = spellings.atoms[token, BASE] != spellings.atoms[token, MIRRORED]
    side = MIRRORED if chiral and atoms[DIGITS, atom] and turns(rings, made, atom) else BASE
    fits = (
        atoms[VALENCE, atom] // 2 <= symbols[symbol, CAPACITY]
        and symbols[symbol, MARK] == atoms[SIGN, atom]
    )
    return bool(fits and spellings.bases[symbol] == spellings.atoms[token, side])


@compiled(forceinline=True)
def _has_signs(symbols: Ints, rings: Ints, ring: int, symbol: int) -> bool:
    """Whether a ring symbol carries the marks of a ring's bond; a double bond has none."""
    left, right = rings[LEFT_SIGN, ring], rings[RIGHT_SIGN, ring]
    if rings[RING_ORDER, ring] != 2:
        left = right = 0
    return bool(symbols[symbol, MARK] == left and symbols[symbol, FAR_MARK] == right)


@lru_cache(maxsize=8)
def _spellings(symbols: tuple[str, ...], capacities: tuple[tuple[str, int], ...]) -> Spellings:
    """Those of a vocabulary, made once."""
    return spellings_of(Vocabulary(symbols, (), dict(capacities)).alphabet)
