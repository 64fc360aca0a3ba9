"""What each SELFIES symbol means, as arrays: the tables that compiled code reads instead of
strings.

A symbol is an atom, a branch, a ring closure, one of the rare ``[nop]``, ``[epsilon]`` and ``.``,
or the end (0). Its meaning follows SELFIES grammar version 2 (Krenn et al. 2022; Lo et al. 2023)
under stated semantic constraints. Ids above the single symbols are merges of two earlier ids and
stand for a fixed run of single symbols. Knows nothing of molecules, of positions in a string or of
learning."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

END, ATOM, BRANCH, RING, EPSILON, NOP, DOT = range(7)
"""Kinds of symbols."""

KIND, BOND, READS, CAPACITY, DIGIT, MARK, FAR_MARK, ELEMENT, DONOR, ACCEPTOR = range(10)
"""Columns of a symbol's row: its kind; bond order; how many index symbols it reads; bonds its atom
may have; value as an index symbol; the byte ``/`` or ``\\`` on its bond or on the left end of its
ring closure, and on the right end; element class; whether its atom can lend a lone pair; whether it
takes the pi electron of an atom that it is doubly bonded to."""

ELEMENTS = ("C", "N", "O", "S", "P", "F", "Cl", "Br", "I", "B", "Si", "Se", "H")
"""Elements that features tell apart; all others are one class. Each comes negative, neutral or
positive.
"""

ELEMENT_CLASSES = 1 + 3 * (len(ELEMENTS) + 1)
"""Number of element classes; class 0 is "no atom"."""

_ORGANIC = frozenset({"B", "C", "N", "O", "S", "P", "F", "Cl", "Br", "I"})
_ALL_ELEMENTS = frozenset(
    re.findall(
        r"[A-Z][a-z]?",
        "HHeLiBeBCNOFNeNaMgAlSiPSClArKCaScTiVCrMnFeCoNiCuZnGaGeAsSeBrKrRbSrYZrNbMoTcRuRhPdAgCdInSnSbTeIXeCsBa"
        "LaCePrNdPmSmEuGdTbDyHoErTmYbLuHfTaWReOsIrPtAuHgTlPbBiPoAtRnFrRaAcThPaUNpPuAmCmBkCfEsFmMdNoLrRfDbSgBh"
        "HsMtDsRgCnFlLv",
    )
)
_LONE_PAIR = {("N", 0), ("N", -1), ("P", 0), ("O", 0), ("S", 0), ("Se", 0), ("C", -1)}
"""Atoms that, without a double bond of their own, can lend two electrons to an aromatic ring."""

_INDEX = (
    *(
        "[C]",
        "[Ring1]",
        "[Ring2]",
        "[Branch1]",
        "[=Branch1]",
        "[#Branch1]",
        "[Branch2]",
        "[=Branch2]",
    ),
    *("[#Branch2]", "[O]", "[N]", "[=N]", "[=C]", "[#C]", "[S]", "[P]"),
)
"""The sixteen symbols that count when they stand where a number is read; all others count as
zero.
"""

_ORDERS = {"": 1, "-": 1, "/": 1, "\\": 1, "=": 2, "#": 3}
_BRANCH = re.compile(r"\[([=#]?)Branch([123])\]")
_RING = re.compile(r"\[(?:([=#]?)|(?!--)([-/\\])([-/\\]))Ring([123])\]")
_ATOM = re.compile(r"\[([=#/\\]?)(\d*)([A-Z][a-z]?)(@{0,2})(?:H(\d))?([+-][1-9]+)?\]")


class Tables(NamedTuple):
    """What compiled code reads.

    ``symbols`` ``(S + 1, 10)``: a row for every single symbol, columns as named above. ``text``:
    the SMILES bytes of all atoms, those of symbol i from ``text_start[i]`` to ``text_start[i +
    1]``. ``runs``: the single symbols of all ids, those of id i from ``runs_start[i]`` to
    ``runs_start[i + 1]``."""

    symbols: NDArray[np.int32]
    text: NDArray[np.uint8]
    text_start: NDArray[np.int32]
    runs: NDArray[np.uint16]
    runs_start: NDArray[np.int32]


@dataclass(frozen=True)
class Meaning:
    """What one symbol means; fields as the columns of :class:`Tables`, and ``text``: SMILES of its
    atom.
    """

    kind: int
    order: int = 1
    reads: int = 0
    capacity: int = 0
    mark: str = ""
    far_mark: str = ""
    element: int = 0
    donor: bool = False
    acceptor: bool = False
    text: str = ""

    def columns(self, digit: int) -> tuple[int, ...]:
        """The symbol's row of the tables."""
        marks = [ord(mark) if mark else 0 for mark in (self.mark, self.far_mark)]
        return (
            *(self.kind, self.order, self.reads, self.capacity, digit, *marks),
            *(self.element, self.donor, self.acceptor),
        )


@dataclass(frozen=True)
class Alphabet:
    """Single symbols, merges and semantic constraints of a model, with the tables compiled from
    them once.

    Id 0 is the end, ids 1…S the symbols, ids from S + 1 the merges.
    """

    symbols: tuple[str, ...]
    merges: tuple[tuple[int, int], ...]
    constraints: Mapping[str, int]

    def __len__(self) -> int:
        """Number of ids, the end included."""
        return 1 + len(self.symbols) + len(self.merges)

    @cached_property
    def tables(self) -> Tables:
        """The tables of all symbols; ModelError names the first symbol or merge that has no
        meaning.
        """
        meanings = [Meaning(END), *(meaning(symbol, self.constraints) for symbol in self.symbols)]
        digits = [0, *(_INDEX.index(symbol) if symbol in _INDEX else 0 for symbol in self.symbols)]
        runs = _runs(len(self.symbols), self.merges)
        text = "".join(one.text for one in meanings).encode("ascii")

        return Tables(
            symbols=np.array(
                [one.columns(digit) for one, digit in zip(meanings, digits, strict=True)],
                dtype=np.int32,
            ),
            text=np.frombuffer(text, dtype=np.uint8).copy(),
            text_start=_starts([len(one.text) for one in meanings]),
            runs=np.array([number for run in runs for number in run], dtype=np.uint16),
            runs_start=_starts([len(run) for run in runs]),
        )


def meaning(symbol: str, constraints: Mapping[str, int]) -> Meaning:
    """The meaning of one SELFIES symbol; ModelError if it has none.

    >>> branch = meaning("[=Branch2]", {"?": 8})
    >>> branch.order, branch.reads
    (2, 2)
    >>> meaning("[/C@@H1]", {"C": 4, "?": 8}).text
    '[C@@H1]'
    """
    if symbol in ("[nop]", "[epsilon]", "."):
        return Meaning({"[nop]": NOP, "[epsilon]": EPSILON, ".": DOT}[symbol])
    if found := _BRANCH.fullmatch(symbol):
        return Meaning(BRANCH, _ORDERS[found[1]], int(found[2]))
    if found := _RING.fullmatch(symbol):
        marks = [mark if mark in ("/", "\\") else "" for mark in (found[2], found[3])]
        return Meaning(RING, _ORDERS[found[1] or ""], int(found[4]), 0, marks[0], marks[1])
    found = _ATOM.fullmatch(symbol)
    if found is None or found[3] not in _ALL_ELEMENTS:
        raise ModelError(f"vocabulary: {symbol} is no SELFIES symbol")
    bond, isotope, element, chirality, hydrogens, charges = found.groups()
    charge = int(charges or 0)
    key = f"{element}{charge:+d}" if charge else element
    capacity = constraints.get(key, constraints["?"]) - int(hydrogens or 0)
    if capacity < 0:
        raise ModelError(f"vocabulary: {symbol} has more hydrogens than {key} has bonds")
    return Meaning(
        ATOM,
        _ORDERS[bond],
        capacity=capacity,
        mark=bond if bond in ("/", "\\") else "",
        element=_element_class(element, charge),
        donor=(element, charge) in _LONE_PAIR,
        acceptor=element in ("O", "S", "Se") and charge == 0,
        text=_smiles(symbol[1 + len(bond) : -1], isotope, element, chirality, hydrogens, charge),
    )


def _smiles(
    plain: str, isotope: str, element: str, chirality: str, hydrogens: str | None, charge: int
) -> str:
    """SMILES of one atom as ``selfies.decoder`` spells it; ``plain`` is the symbol without its
    bond.
    """
    if plain in _ORGANIC:
        return element
    count = f"H{int(hydrogens)}" if hydrogens and int(hydrogens) else ""
    if element in _ORGANIC and not (isotope or chirality or count or charge):
        count = "H0"
    return f"[{int(isotope) if isotope else ''}{element}{chirality}{count}{f'{charge:+d}' if charge else ''}]"


def _element_class(element: str, charge: int) -> int:
    number = ELEMENTS.index(element) if element in ELEMENTS else len(ELEMENTS)
    return 1 + 3 * number + (charge > 0) - (charge < 0) + 1


def _runs(singles: int, merges: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Single symbols of every id; the end stands for itself, so that compiled code meets it."""
    runs: list[tuple[int, ...]] = [(number,) for number in range(1 + singles)]
    for number, (first, second) in enumerate(merges, start=1 + singles):
        if not (0 < first < number and 0 < second < number):
            raise ModelError(
                f"vocabulary: merge {number} must be a pair of earlier ids, not {(first, second)}"
            )
        runs.append(runs[first] + runs[second])
    return runs


def _starts(lengths: Sequence[int]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
