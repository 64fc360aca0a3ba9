"""Branches that end with a symbol of their own, in place of a length at their beginning.

SELFIES announces how many symbols a branch has. Who writes it must know that number before the
branch's first atom, and keep to it: a ring that is one symbol too long is cut, and what follows
becomes another molecule. So a vocabulary may have :data:`OPENINGS` and :data:`CLOSING`, between
which a branch stands like between the parentheses of SMILES. Lengths are put in where SELFIES is
wanted, and either form of a molecule gives the other.

    N symbols of some molecules, M molecules, P plain symbols, those of SELFIES, S own ones
"""

from __future__ import annotations

from collections.abc import Iterable, MutableSequence, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from selfies.constants import INDEX_CODE

from ..runtime.compilation import compiled
from .symbols import BRANCH, CLOSE, CLOSING, OPEN, OPENINGS, Symbol, Tables, integers
from .vocabulary import Ids, Vocabulary

LENGTHS = tuple(f"[{bond}Branch{reads}]" for bond in ("", "=", "#") for reads in (1, 2, 3))
"""Symbols of SELFIES that announce a branch, by bond and by number of index symbols."""

DIGITS = tuple(INDEX_CODE)
"""Index symbols of SELFIES, by their value."""

LONGEST = len(DIGITS) ** 3
"""Symbols that a branch of SELFIES may have."""

Lengths = NDArray[np.int32]


class Translation(NamedTuple):
    """What it takes to go from plain symbols to those of a vocabulary with ends, and back.

    ``plain``: the vocabulary of plain symbols. ``own`` ``(P + 1,)``: the id of each here, 0 where
    there is none. ``others`` ``(S + 1,)``: the plain id of each id here. ``openings`` ``(3,)`` by
    bond order, and ``closing``: ids here. ``branches`` ``(3, 3)`` by bond order and number of index
    symbols, and ``digits`` ``(16,)``: plain ids."""

    plain: Vocabulary
    own: Ids
    others: Ids
    openings: Ids
    closing: int
    branches: Ids
    digits: Ids


def symbols_with_ends(symbols: Iterable[str]) -> list[str]:
    """Symbols of a vocabulary with ends for molecules that have these plain ones."""
    structure = (*OPENINGS, CLOSING, *(one for one in DIGITS if "Branch" in one or "Ring" in one))
    return [*structure, *sorted(set(symbols) - {*structure, *LENGTHS})]


@lru_cache(maxsize=8)
def _translation_of(
    symbols: tuple[str, ...], capacities: tuple[tuple[str, int], ...]
) -> Translation:
    """The translation for a vocabulary with these symbols under these constraints."""
    bare = [one for one in symbols if one not in (*OPENINGS, CLOSING)]
    bare += [one for one in (*LENGTHS, *DIGITS) if one not in bare]
    plain, here = Vocabulary(tuple(bare), (), dict(capacities)), Vocabulary(symbols, (), {})

    def ids(names: Iterable[str], known: Vocabulary) -> Ids:
        return np.array([known.index.get(name, 0) for name in names], np.uint16)

    return Translation(
        plain,
        np.concatenate([[0], ids(bare, here)]).astype(np.uint16),
        np.concatenate([[0], ids(symbols, plain)]).astype(np.uint16),
        ids(OPENINGS, here),
        here.index[CLOSING],
        ids(LENGTHS, plain).reshape(3, 3),
        ids(DIGITS, plain),
    )


def plain_vocabulary(vocabulary: Vocabulary) -> Vocabulary:
    """The vocabulary of plain symbols: ``vocabulary`` itself, if it has no ends."""
    return _translation(vocabulary).plain if vocabulary.ends else vocabulary


def _translation(vocabulary: Vocabulary) -> Translation:
    return _translation_of(vocabulary.symbols, tuple(vocabulary.constraints.items()))


def singles_of(ids: Ids, tables: Tables) -> tuple[Ids, NDArray[np.int64]]:
    """Single symbols of many ids, and the number of them in each id ``(N,)``."""
    starts = tables.runs_start[ids].astype(np.int64)
    lengths = tables.runs_start[ids.astype(np.int64) + 1] - starts
    before = np.cumsum(lengths) - lengths
    return tables.runs[np.repeat(starts - before, lengths) + np.arange(lengths.sum())], lengths


def with_ends(ids: Ids, lengths: Lengths, vocabulary: Vocabulary) -> tuple[Ids, Lengths]:
    """Single ids of a vocabulary from plain ones, 0 for a symbol that it lacks; both molecule after
    molecule, with the ``lengths`` ``(M,)`` of each."""
    if not vocabulary.ends:
        return ids, lengths
    way = _translation(vocabulary)
    symbols, counts = way.plain.tables.symbols, np.array(lengths, np.int32)
    # A branch that the string breaks off at its first symbol becomes two.
    out, stops = np.empty(2 * len(ids), np.uint16), integers(1 + int(counts.max(initial=0)))
    filled = _write_ends(symbols, way.own, way.openings, way.closing, ids, counts, stops, out)
    return out[:filled].copy(), counts


def with_lengths(ids: Ids, lengths: Lengths, vocabulary: Vocabulary) -> tuple[Ids, Lengths]:
    """Plain ids from those of a vocabulary, merged or single; both molecule after molecule, with
    the ``lengths`` ``(M,)`` of each. As they are, if it has no ends."""
    if not vocabulary.ends:
        return ids, lengths
    way, tables = _translation(vocabulary), vocabulary.tables
    singles, runs = singles_of(ids, tables)
    ends = np.concatenate([[0], np.cumsum(runs)])[np.concatenate([[0], np.cumsum(lengths)])]
    counts = np.diff(ends).astype(np.int32)
    # A length takes two to four symbols, where an opening and a closing are two.
    longest = 1 + 4 * int(counts.max(initial=0))
    marks, backwards = integers(longest), integers(longest)
    out, branches, digits = np.empty(4 * len(singles), np.uint16), way.branches, way.digits
    filled = _write_lengths(
        tables.symbols, way.others, branches, digits, singles, counts, marks, backwards, out
    )
    return out[:filled].copy(), counts


@compiled()
def _write_ends(
    symbols: Sequence[Symbol],
    own: Ids,
    openings: Ids,
    closing: int,
    ids: Ids,
    lengths: Lengths,
    stops: MutableSequence[int],
    out: Ids,
) -> int:
    """Write molecules with ends to ``out`` and their ``lengths`` in place; returns the total.

    ``stops``: where each open branch ends."""
    start, filled = 0, 0
    for molecule in range(len(lengths)):
        end = start + lengths[molecule]
        begin, at, depth, copied = filled, start, 0, 0
        while at < end:
            while depth > 0 and stops[depth - 1] <= at:
                out[filled] = closing
                filled, depth = filled + 1, depth - 1
            symbol = symbols[ids[at]]
            if copied == 0 and symbol.kind == BRANCH:
                index = 0
                out[filled] = openings[symbol.order - 1]
                for _ in range(symbol.reads):
                    at += 1
                    index = 16 * index + (symbols[ids[at]].digit if at < end else 0)
                stops[depth] = at + index + 2
                depth += 1
            else:
                out[filled] = own[ids[at]]
                # Index symbols of a ring are copied: among them a branch's symbol is a digit.
                copied = copied - 1 if copied > 0 else symbol.reads
            filled, at = filled + 1, at + 1
        for _ in range(depth):
            out[filled] = closing
            filled += 1
        lengths[molecule] = filled - begin
        start = end
    return filled


@compiled()
def _write_lengths(
    symbols: Sequence[Symbol],
    others: Ids,
    branches: Ids,
    digits: Ids,
    ids: Ids,
    lengths: Lengths,
    marks: MutableSequence[int],
    backwards: MutableSequence[int],
    out: Ids,
) -> int:
    """Write molecules with lengths to ``out`` and their ``lengths`` in place; returns the total.

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
                        backwards[count] = digits[index % 16]
                        index //= 16
                        count, reads = count + 1, reads + 1
                    backwards[count] = branches[symbol.order - 1, reads - 1]
                    count += 1
            else:
                backwards[count] = others[ids[at]]
                count += 1
        for place in range(count):
            out[filled + place] = backwards[count - 1 - place]
        filled += count
        lengths[molecule] = count
        marks[0] = 0
        start = end
    return filled
