"""SELFIES symbols and learned merges ⇄ integer ids.

Id 0 ends a molecule; ids 1…S are the single symbols; the ids after them are merges, each a pair of
earlier ids learned by byte-pair encoding (Sennrich et al. 2016) over SELFIES symbols. Any string of
ids is a string of SELFIES symbols, so merging costs nothing in validity and shortens a molecule
about three times. The semantic constraints under which the symbols decode belong to the vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

if TYPE_CHECKING:
    from .branches import Lengths, Numbers
    from .symbols import Tables

END = 0
"""The id that ends every molecule (and starts every decoding)."""

RARE = 20
"""A pair of symbols seen less often than this is not worth a merge."""

LONGEST = 1000
"""Symbols in one merge, at most: more than any molecule has."""

Ids = NDArray[np.uint16]


@dataclass(frozen=True)
class Vocabulary:
    """The symbols of a model: single ones, merges of pairs of ids, and their semantic
    constraints.
    """

    symbols: tuple[str, ...]
    merges: tuple[tuple[int, int], ...]
    constraints: dict[str, int]

    def __len__(self) -> int:
        """Number of ids, the end symbol included."""
        return 1 + len(self.symbols) + len(self.merges)

    @cached_property
    def index(self) -> dict[str, int]:
        """Id of every single symbol."""
        return {symbol: number for number, symbol in enumerate(self.symbols, start=1)}

    @cached_property
    def expansions(self) -> tuple[tuple[int, ...], ...]:
        """Single-symbol ids of every id; empty for the end."""
        table: list[tuple[int, ...]] = [()] + [(i + 1,) for i in range(len(self.symbols))]
        for first, second in self.merges:
            table.append(table[first] + table[second])
        return tuple(table)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The symbols of every id."""
        return tuple(
            "".join(self.symbols[single - 1] for single in singles) for singles in self.expansions
        )

    @cached_property
    def ends(self) -> bool:
        """True if branches end with a symbol of their own (:mod:`molvae.language.branches`)."""
        return "[)]" in self.index  # symbols.CLOSING, whose module loads selfies; info needs none

    def unknown(self, symbols: Iterable[str]) -> list[str]:
        """The symbols of SELFIES this vocabulary lacks, each once, in order of appearance."""
        lacking = dict.fromkeys(symbol for symbol in symbols if symbol not in self.index)
        return [symbol for symbol in lacking if not (self.ends and "Branch" in symbol)]

    def extended(
        self, symbols: Iterable[str], constraints: Mapping[str, int] | None = None
    ) -> Vocabulary:
        """This vocabulary with the ``symbols`` that it lacks after its own; :meth:`places` maps
        its ids.

        Merges stay as they are, only numbered on from the last symbol. ``constraints`` are
        capacities of atoms that have none here yet; where this vocabulary has one it stays."""
        added = self.unknown(symbols)
        last = len(self.symbols)
        moved = [0 if number <= last else len(added) for number in range(len(self))]
        merges = tuple(
            (first + moved[first], second + moved[second]) for first, second in self.merges
        )
        return Vocabulary(
            (*self.symbols, *added), merges, dict(constraints or {}) | self.constraints
        )

    def places(self, other: Vocabulary) -> NDArray[np.int64] | None:
        """The id in ``other`` of each id of this vocabulary, ``(V,)``; None unless ``other``
        extends this one.

        That is when its symbols and its merges begin with those of this one, under the same
        constraints."""
        begun = self.extended(other.symbols)
        same = (
            begun.symbols == other.symbols
            and begun.merges == other.merges[: len(self.merges)]
            and self.constraints.items() <= other.constraints.items()
        )
        added = len(other.symbols) - len(self.symbols)
        numbers = np.arange(len(self), dtype=np.int64)
        return numbers + added * (numbers > len(self.symbols)) if same else None

    def encode(self, symbols: Sequence[str]) -> Ids:
        """Ids of a molecule's SELFIES symbols, merged, without the end; KeyError names an unknown
        symbol.
        """
        known = self.plain.index
        return self.merged(np.array([known[symbol] for symbol in symbols], dtype=np.uint16))

    def merged(self, plain: Ids) -> Ids:
        """Ids of a molecule from plain ones; KeyError names a symbol that this vocabulary lacks."""
        single, lengths = self.from_plain(plain, np.array([len(plain)], np.int32))
        if not single.all():
            raise KeyError(self.unknown(self.plain.texts[one] for one in plain)[0])
        merged, _ = merge(single, lengths, self.ranks)
        return merged

    def decode(self, ids: Iterable[int]) -> str:
        """The SELFIES string of ids up to the first end."""
        numbers = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
        until = numbers.index(END) if END in numbers else len(numbers)
        some, texts = np.array(numbers[:until], np.uint16), self.plain.texts
        plain, _ = self.to_plain(some, np.array([until], np.int32))
        return "".join([texts[number] for number in plain.tolist()])

    @cached_property
    def plain(self) -> Vocabulary:
        """The vocabulary of SELFIES' own symbols; this one, unless its branches have ends."""
        from .branches import plain_symbols

        if not self.ends:
            return self
        return Vocabulary(tuple(plain_symbols(self.symbols)), (), self.constraints)

    @cached_property
    def _numbers(self) -> Numbers:
        from .branches import ids_in_both

        return ids_in_both(self.symbols, self.plain.symbols)

    def from_plain(self, ids: Ids, lengths: Lengths) -> tuple[Ids, Lengths]:
        """Single ids and lengths of molecules from those in the ``plain`` vocabulary; 0 for a
        symbol that this one lacks."""
        from .branches import write_ends
        from .symbols import integers

        if not self.ends:
            return ids, lengths
        counts = np.array(lengths, np.int32)
        # A branch that the string breaks off at its first symbol becomes two.
        out, stops = np.empty(2 * len(ids), np.uint16), integers(1 + int(counts.max(initial=0)))
        filled = write_ends(self.plain.tables.symbols, self._numbers, ids, counts, stops, out)
        return out[:filled].copy(), counts

    def to_plain(self, ids: Ids, lengths: Lengths) -> tuple[Ids, Lengths]:
        """Ids and lengths of molecules in the ``plain`` vocabulary, single ones if branches end."""
        from .branches import write_lengths
        from .symbols import integers

        if not self.ends:
            return ids, lengths
        singles, counts = self.singles(ids, lengths)
        # A length takes two to four symbols, where an opening and a closing are two.
        longest = 1 + 4 * int(counts.max(initial=0))
        marks, backwards = integers(longest), integers(longest)
        out = np.empty(4 * len(singles), np.uint16)
        filled = write_lengths(
            self.tables.symbols, self._numbers, singles, counts, marks, backwards, out
        )
        return out[:filled].copy(), counts

    def singles(self, ids: Ids, lengths: Lengths) -> tuple[Ids, Lengths]:
        """Single ids of many molecules, one after the other, and the number of them in each."""
        starts = self.tables.runs_start[ids].astype(np.int64)
        runs = self.tables.runs_start[ids.astype(np.int64) + 1] - starts
        ends = np.cumsum(runs)
        places = np.repeat(starts - ends + runs, runs)
        before = np.concatenate([[0], ends])[np.cumsum(lengths)]
        counts = np.diff(before, prepend=0).astype(np.int32)
        return self.tables.runs[places + np.arange(len(places))], counts

    @cached_property
    def tables(self) -> Tables:
        """The ids as the derivation of SELFIES sees them; ModelError names the first symbol
        without a meaning."""
        from .symbols import tables_of

        return tables_of(self.symbols, self.expansions, self.constraints)

    @cached_property
    def ranks(self) -> NDArray[np.int32]:
        """``(V, V)`` id that each pair of ids merges to, 0 where it does not."""
        table = np.zeros((len(self), len(self)), dtype=np.int32)
        for number, (first, second) in enumerate(self.merges, start=1 + len(self.symbols)):
            table[first, second] = number
        return table

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries for ``vocabulary.json``."""
        return {
            "symbols": list(self.symbols),
            "merges": [list(pair) for pair in self.merges],
            "constraints": dict(self.constraints),
        }

    @classmethod
    def from_json(cls, data: Any) -> Vocabulary:
        """The vocabulary in ``data``, every rule of its format checked; ModelError says which is
        broken.
        """
        if not isinstance(data, dict) or set(data) != {"symbols", "merges", "constraints"}:
            raise ModelError("vocabulary: must hold exactly symbols, merges and constraints")
        symbols, merges, constraints = data["symbols"], data["merges"], data["constraints"]
        if not isinstance(symbols, list) or not all(_is_symbol(symbol) for symbol in symbols):
            raise ModelError("vocabulary: symbols must be a list of SELFIES symbols such as [C]")
        if not symbols or len(set(symbols)) != len(symbols):
            raise ModelError("vocabulary: symbols must be at least one, and each only once")
        if not isinstance(merges, list) or len(symbols) + len(merges) > 65_000:
            raise ModelError("vocabulary: merges must be a list, and ids fit in 16 bits")
        # Counted, because forty doublings in a file would fill the memory.
        lengths = [0] + [1] * len(symbols)
        for number, pair in enumerate(merges, start=1 + len(symbols)):
            if not (
                isinstance(pair, list)
                and len(pair) == 2
                and all(type(part) is int and 0 < part < number for part in pair)
            ):
                raise ModelError(
                    f"vocabulary: merge {number} must be a pair of earlier ids, not {pair!r}"
                )
            lengths.append(lengths[pair[0]] + lengths[pair[1]])
        if max(lengths) > LONGEST:
            raise ModelError(f"vocabulary: no merge may stand for more than {LONGEST} symbols")
        if not isinstance(constraints, dict) or "?" not in constraints:
            raise ModelError('vocabulary: constraints must map elements to capacities and hold "?"')
        for element, capacity in constraints.items():
            if type(capacity) is not int or not 0 <= capacity <= 20:
                raise ModelError(f"vocabulary: the capacity of {element!r} cannot be {capacity!r}")
        return cls(tuple(symbols), tuple((a, b) for a, b in merges), constraints)


def _is_symbol(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\[[^\[\]\s]{1,30}\]", value) is not None


def merge(
    ids: Ids, lengths: NDArray[Any], ranks: NDArray[np.int32]
) -> tuple[Ids, NDArray[np.int32]]:
    """Apply learned merges to many molecules.

    ``ids`` holds the single-symbol ids of all molecules one after the other, ``lengths`` how many
    belong to each; returns the same two with every merge applied in the order in which it was
    learned."""
    from .bpe import merge_molecules

    merged = np.array(ids, dtype=np.uint16)
    shorter = np.array(lengths, dtype=np.int32)
    total = merge_molecules(merged, shorter, ranks)
    return merged[:total].copy(), shorter


def learn_merges(
    ids: Ids, lengths: NDArray[Any], symbols: int, size: int, rare: int = RARE
) -> tuple[tuple[int, int], ...]:
    """Byte-pair merges until the vocabulary has ``size`` ids or the best pair is rarer than
    ``rare``.

    ``ids`` and ``lengths`` as in :func:`merge`; ``symbols`` is the number of single symbols. Ties
    go to the smaller pair of ids, so the same molecules give the same merges."""
    from .bpe import count_pairs, replace_pair

    text, ends = np.array(ids, dtype=np.uint16), np.array(lengths, dtype=np.int32)
    total = len(text)
    merges: list[tuple[int, int]] = []
    for number in range(1 + symbols, size):
        counts = count_pairs(text[:total], ends, size)
        best = int(counts.argmax())
        first, second = divmod(best, size)
        if counts.flat[best] < rare:
            break
        merges.append((first, second))
        total = replace_pair(text, ends, first, second, number)
    return tuple(merges)
