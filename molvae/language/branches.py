"""Branches that end with a symbol of their own, in place of a length at their beginning.

SELFIES announces how many symbols a branch has. Who writes it must know that number before the
branch's first atom, and keep to it: a ring that is one symbol too long is cut, and what follows
becomes another molecule. So a vocabulary may have :data:`.symbols.OPENINGS` and
:data:`.symbols.CLOSING`, between which a branch stands like between the parentheses of SMILES.
Lengths are put in where SELFIES is wanted, and either form of a molecule gives the other.
:class:`molvae.language.vocabulary.Vocabulary` calls this.

    N symbols of some molecules, M molecules, P plain symbols, those of SELFIES, S own ones
"""

from __future__ import annotations

from collections.abc import Iterable, MutableSequence, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from selfies.constants import INDEX_CODE

from ..runtime.compilation import compiled
from .symbols import BRANCH, CLOSE, CLOSING, OPEN, OPENINGS, Symbol

LENGTHS = tuple(f"[{bond}Branch{reads}]" for bond in ("", "=", "#") for reads in (1, 2, 3))
"""Symbols of SELFIES that announce a branch, by bond and by number of index symbols."""

DIGITS = tuple(INDEX_CODE)
"""Index symbols of SELFIES, by their value."""

LONGEST = len(DIGITS) ** 3
"""Symbols that a branch of SELFIES may have."""

Ids = NDArray[np.uint16]
Lengths = NDArray[np.int32]


class Numbers(NamedTuple):
    """Ids of the same symbols in two vocabularies, the plain one of SELFIES and an own with ends.

    ``own`` ``(P + 1,)``: the own id of each plain one, 0 where there is none; ``plain`` ``(S +
    1,)``: the reverse. Own ids of ``openings`` ``(3,)`` by bond order, and of the ``closing``;
    plain ids of ``branches`` ``(3, 3)`` by bond order and number of index symbols, and of
    ``digits`` ``(16,)``."""

    own: Ids
    plain: Ids
    openings: Ids
    closing: int
    branches: Ids
    digits: Ids


def symbols_with_ends(symbols: Iterable[str]) -> list[str]:
    """Symbols of a vocabulary with ends for molecules that have these plain ones."""
    structure = (*OPENINGS, CLOSING, *(one for one in DIGITS if "Branch" in one or "Ring" in one))
    return [*structure, *sorted(set(symbols) - {*structure, *LENGTHS})]


def plain_symbols(symbols: Iterable[str]) -> list[str]:
    """Symbols that a molecule with these, and with ends, may have in SELFIES."""
    own = [one for one in symbols if one not in (*OPENINGS, CLOSING)]
    return list(dict.fromkeys([*own, *LENGTHS, *DIGITS]))


def ids_in_both(symbols: Sequence[str], plain: Sequence[str]) -> Numbers:
    """Ids of the ``symbols`` of a vocabulary with ends, and of the ``plain`` ones."""

    def ids(names: Iterable[str], known: Sequence[str]) -> Ids:
        index = {name: number for number, name in enumerate(known, start=1)}
        return np.array([index.get(name, 0) for name in names], np.uint16)

    return Numbers(
        ids(["", *plain], symbols),
        ids(["", *symbols], plain),
        ids(OPENINGS, symbols),
        1 + list(symbols).index(CLOSING),
        ids(LENGTHS, plain).reshape(3, 3),
        ids(DIGITS, plain),
    )


@compiled()
def write_ends(
    symbols: Sequence[Symbol],
    numbers: Numbers,
    ids: Ids,
    lengths: Lengths,
    stops: MutableSequence[int],
    out: Ids,
) -> int:
    """Write molecules with ends to ``out`` and their ``lengths`` in place; returns the total.

    ``ids``: plain ones, whose meanings are ``symbols``, one molecule after the other. ``out``: own
    single ids, 0 for one that is no own symbol. ``stops``: where each open branch ends."""
    start, filled = 0, 0
    for molecule in range(len(lengths)):
        end = start + lengths[molecule]
        begin, at, depth, copied = filled, start, 0, 0
        while at < end:
            while depth > 0 and stops[depth - 1] <= at:
                out[filled] = numbers.closing
                filled, depth = filled + 1, depth - 1
            symbol = symbols[ids[at]]
            if copied == 0 and symbol.kind == BRANCH:
                index = 0
                out[filled] = numbers.openings[symbol.order - 1]
                for _ in range(symbol.reads):
                    at += 1
                    index = 16 * index + (symbols[ids[at]].digit if at < end else 0)
                stops[depth] = at + index + 2
                depth += 1
            else:
                out[filled] = numbers.own[ids[at]]
                # Index symbols of a ring are copied: among them a branch's symbol is a digit.
                copied = copied - 1 if copied > 0 else symbol.reads
            filled, at = filled + 1, at + 1
        for _ in range(depth):
            out[filled] = numbers.closing
            filled += 1
        lengths[molecule] = filled - begin
        start = end
    return filled


@compiled()
def write_lengths(
    symbols: Sequence[Symbol],
    numbers: Numbers,
    ids: Ids,
    lengths: Lengths,
    marks: MutableSequence[int],
    backwards: MutableSequence[int],
    out: Ids,
) -> int:
    """Write molecules with lengths to ``out`` and their ``lengths`` in place; returns the total.

    ``ids``: own single ones, whose meanings are ``symbols``; ``out``: plain ones.
    From the last symbol to the first, so that a branch's length is known when its opening comes.
    ``marks``: symbols that were written when each branch was closed. An opening without a closing
    has all that follows, a closing without an opening is nothing."""
    start, filled = 0, 0
    for molecule in range(len(lengths)):
        end, count, depth = start + lengths[molecule], 0, 0
        for at in range(end - 1, start - 1, -1):
            symbol = symbols[ids[at]]
            if symbol.kind == CLOSE:
                marks[depth] = count
                depth += 1
            elif symbol.kind == OPEN:
                depth = max(0, depth - 1)
                index, reads = count - marks[depth] - 1, 0
                marks[depth] = 0  # for an opening that has no closing
                if 0 <= index < LONGEST:
                    while reads == 0 or index > 0:
                        backwards[count] = numbers.digits[index % 16]
                        index //= 16
                        count, reads = count + 1, reads + 1
                    backwards[count] = numbers.branches[symbol.order - 1, reads - 1]
                    count += 1
            else:
                backwards[count] = numbers.plain[ids[at]]
                count += 1
        for place in range(count):
            out[filled + place] = backwards[count - 1 - place]
        filled += count
        lengths[molecule] = count
        marks[0] = 0
        start = end
    return filled
