"""Meaning of each SELFIES symbol, as tables that compiled code reads instead of strings.

A symbol is an atom, a branch, a ring closure, one of the rare ``[nop]``, ``[epsilon]`` and ``.``,
or the end (0). Its meaning follows version 2 of the SELFIES grammar (Krenn et al., Mach. Learn.:
Sci. Technol. 2020, 1, 045024; Lo et al., Digital Discovery 2023, 2, 897) under given semantic
constraints: the number of bonds that each kind of atom may have. Ids above the single symbols are
merges of two earlier ids and expand to a fixed sequence of single symbols.

Tables are arrays of named records (:func:`records`), which compiled code reads and writes as
``table[i].field``. Without compilation they are lists of objects with the same fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..runtime.compilation import KERNELS

END, ATOM, BRANCH, RING, EPSILON, NOP, DOT = range(7)
"""Kinds of symbols."""

ELEMENTS = ("C", "N", "O", "S", "P", "F", "Cl", "Br", "I", "B", "Si", "Se", "H")
"""Elements that features distinguish; all others are one class. Each may be negative, neutral or
positive."""

ELEMENT_CLASSES = 1 + 3 * (len(ELEMENTS) + 1)
"""Number of element classes; class 0 is "no atom"."""

_ORGANIC = frozenset({"B", "C", "N", "O", "S", "P", "F", "Cl", "Br", "I"})
_PERIODIC_TABLE = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga "
    "Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd "
    "Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra "
    "Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Fl Lv"
)
_ALL_ELEMENTS = frozenset(_PERIODIC_TABLE.split())
_LONE_PAIR = {("N", 0), ("N", -1), ("P", 0), ("O", 0), ("S", 0), ("Se", 0), ("C", -1)}
"""Atoms that, without a double bond of their own, can lend two electrons to an aromatic ring."""

_INDEX = (
    *("[C]", "[Ring1]", "[Ring2]", "[Branch1]", "[=Branch1]", "[#Branch1]", "[Branch2]"),
    *("[=Branch2]", "[#Branch2]", "[O]", "[N]", "[=N]", "[=C]", "[#C]", "[S]", "[P]"),
)
"""Index symbols: after a branch or ring symbol these are the digits 0 to 15 of a number; any other
symbol is read as 0 there."""

_ORDERS = {"": 1, "-": 1, "/": 1, "\\": 1, "=": 2, "#": 3}
_BRANCH = re.compile(r"\[([=#]?)Branch([123])\]")
_RING = re.compile(r"\[(?:([=#]?)|(?!--)([-/\\])([-/\\]))Ring([123])\]")
_ATOM = re.compile(r"\[([=#/\\]?)(\d*)([A-Z][a-z]?)(@{0,2})(?:H(\d))?([+-][1-9]+)?\]")


Record = TypeVar("Record")


def records(kind: Callable[..., Record], count: int) -> Sequence[Record]:
    """``count`` records of zeros with the fields of the dataclass ``kind``, all integers.

    A structured array of 32-bit integers for compiled code. Plain Python gets a list of objects:
    ten times as fast there as records of numpy, and its integers cannot overflow."""
    if KERNELS:
        return cast(Sequence[Record], np.zeros(count, record_type(kind)))
    return [kind() for _ in range(count)]


def record_table(kind: Callable[..., Record], rows: int, count: int) -> Sequence[Sequence[Record]]:
    """``rows`` rows of records, as :func:`records`."""
    if KERNELS:
        table = np.zeros((rows, count), record_type(kind))
        return cast(Sequence[Sequence[Record]], table)
    return [records(kind, count) for _ in range(rows)]


@cache
def record_type(kind: Any) -> np.dtype[Any]:
    """Structured numpy dtype of a dataclass of integers."""
    columns = np.dtype([(field.name, np.int32) for field in fields(kind)], align=True)
    return np.dtype((np.record, columns))


def integers(count: int) -> MutableSequence[int]:
    """``count`` zeros, for compiled code or for plain Python as :func:`records`."""
    return cast(MutableSequence[int], np.zeros(count, np.int32)) if KERNELS else [0] * count


@dataclass(slots=True)
class Symbol:
    """Meaning of one single symbol, as compiled code reads it."""

    kind: int = 0
    order: int = 0  # of the bond to the parent, into the branch or of the ring closure
    reads: int = 0  # index symbols that follow
    capacity: int = 0  # bonds that the atom may have
    digit: int = 0  # its value as an index symbol
    mark: int = 0  # the byte / or \ on its bond, or on the left end of its ring closure
    far_mark: int = 0  # the same on the right end
    element: int = 0  # element class, which includes the sign of the charge
    donor: int = 0  # the atom can donate a lone pair to an aromatic ring
    acceptor: int = 0  # the atom withdraws the pi electron of an atom doubly bonded to it


class Tables(NamedTuple):
    """An alphabet as compiled code reads it.

    ``symbols`` ``(S + 1,)``: meaning of every single symbol. ``text``: the SMILES bytes of all
    atoms, those of symbol i from ``text_start[i]`` to ``text_start[i + 1]``. ``runs``: the single
    symbols of all ids, those of id i from ``runs_start[i]`` to ``runs_start[i + 1]``."""

    symbols: Sequence[Symbol]
    text: NDArray[np.uint8]
    text_start: NDArray[np.int32]
    runs: NDArray[np.uint16]
    runs_start: NDArray[np.int32]


@dataclass(frozen=True)
class Meaning:
    """Meaning of one symbol; fields as in :class:`Symbol`, and ``text``, the SMILES of its atom."""

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

    def as_record(self, digit: int) -> tuple[int, ...]:
        """Values of the fields of a :class:`Symbol`."""
        marks = [ord(mark) if mark else 0 for mark in (self.mark, self.far_mark)]
        return (
            *(self.kind, self.order, self.reads, self.capacity, digit, *marks),
            *(self.element, int(self.donor), int(self.acceptor)),
        )


@dataclass(frozen=True)
class Alphabet:
    """Single symbols, merges and semantic constraints of a model, with their tables.

    Id 0 is the end, ids 1…S are the symbols, ids from S + 1 the merges.
    """

    symbols: tuple[str, ...]
    merges: tuple[tuple[int, int], ...]
    constraints: Mapping[str, int]

    def __len__(self) -> int:
        """Number of ids, the end included."""
        return 1 + len(self.symbols) + len(self.merges)

    @cached_property
    def tables(self) -> Tables:
        """Tables of all symbols; ModelError names the first symbol or merge without a meaning."""
        meanings = [Meaning(END), *(meaning(symbol, self.constraints) for symbol in self.symbols)]
        digits = [0, *(_INDEX.index(symbol) if symbol in _INDEX else 0 for symbol in self.symbols)]
        runs = _runs(len(self.symbols), self.merges)
        text = "".join(one.text for one in meanings).encode("ascii")

        return Tables(
            symbols=records_of(
                Symbol,
                [one.as_record(digit) for one, digit in zip(meanings, digits, strict=True)],
            ),
            text=np.frombuffer(text, dtype=np.uint8).copy(),
            text_start=_starts([len(one.text) for one in meanings]),
            runs=np.array([number for run in runs for number in run], dtype=np.uint16),
            runs_start=_starts([len(run) for run in runs]),
        )


def records_of(kind: Callable[..., Record], rows: Sequence[tuple[int, ...]]) -> Sequence[Record]:
    """Records with the values in ``rows``, as :func:`records`."""
    if KERNELS:
        return cast(Sequence[Record], np.array(rows, record_type(kind)))
    return [kind(*row) for row in rows]


def meaning(symbol: str, constraints: Mapping[str, int]) -> Meaning:
    """Meaning of one SELFIES symbol; ModelError if it has none.

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
    """SMILES of an atom as in ``selfies.decoder``; ``plain`` is the symbol without its bond."""
    if plain in _ORGANIC:
        return element
    count = f"H{int(hydrogens)}" if hydrogens and int(hydrogens) else ""
    if element in _ORGANIC and not (isotope or chirality or count or charge):
        count = "H0"
    mass, sign = str(int(isotope)) if isotope else "", f"{charge:+d}" if charge else ""
    return f"[{mass}{element}{chirality}{count}{sign}]"


def _element_class(element: str, charge: int) -> int:
    number = ELEMENTS.index(element) if element in ELEMENTS else len(ELEMENTS)
    return 1 + 3 * number + (charge > 0) - (charge < 0) + 1


def _runs(singles: int, merges: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Single symbols of every id; the end is its own, so that compiled code sees it."""
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
