"""Meaning of each SELFIES symbol, as tables that compiled code reads instead of strings.

A symbol is an atom, a branch, an end of one, a ring closure, one of the rare ``[nop]``,
``[epsilon]`` and ``.``, or the end (0). Its meaning follows version 2 of the SELFIES grammar
(Krenn et al., Mach. Learn.: Sci. Technol. 2020, 1, 045024; Lo et al., Digital Discovery 2023, 2,
897) under given semantic constraints: the number of bonds that each kind of atom may have. Ids
above the single symbols are merges of two earlier ids and expand to a fixed sequence of them.

Tables are arrays of named records (:func:`records`), which compiled code reads and writes as
``table[i].field``. Without compilation they are lists of objects with the same fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from selfies.constants import ELEMENTS, INDEX_CODE, ORGANIC_SUBSET

from ..errors import ModelError
from ..runtime.compilation import KERNELS

END, ATOM, BRANCH, RING, EPSILON, NOP, DOT, OPEN, CLOSE = range(9)
"""Kinds of symbols."""

OPENINGS, CLOSING = ("[(]", "[=(]", "[#(]"), "[)]"
"""Symbols around a branch, by its bond, that stand for SELFIES' own (:mod:`.branches`)."""

DISTINCT_ELEMENTS = ("C", "N", "O", "S", "P", "F", "Cl", "Br", "I", "B", "Si", "Se", "H")
"""Elements that features distinguish; all others are one class. Each may be negative, neutral or
positive."""

ELEMENT_CLASSES = 1 + 3 * (len(DISTINCT_ELEMENTS) + 1)
"""Number of element classes; class 0 is "no atom"."""

_LONE_PAIR = {("N", 0), ("N", -1), ("P", 0), ("O", 0), ("S", 0), ("Se", 0), ("C", -1)}
"""Atoms that, without a double bond of their own, can lend two electrons to an aromatic ring."""

_ORDERS = {"": 1, "-": 1, "/": 1, "\\": 1, "=": 2, "#": 3}
_BRANCH = re.compile(r"\[([=#]?)Branch([123])\]")
_RING = re.compile(r"\[(?:([=#]?)|(?!--)([-/\\])([-/\\]))Ring([123])\]")
_ATOM = re.compile(r"\[([=#/\\]?)((\d*)([A-Z][a-z]?)(@{0,2})(?:H(\d))?([+-][1-9]+)?)\]")


def records(kind: Callable[..., Any], *shape: int) -> Any:
    """Records of zeros with the fields of the dataclass ``kind``, all integers; of one or two
    dimensions.

    A structured array of 32-bit integers for compiled code. Plain Python gets a list of objects:
    ten times as fast there as records of numpy, and its integers cannot overflow."""
    if KERNELS:
        return np.zeros(shape, record_type(kind))
    first, *others = shape
    return [records(kind, *others) if others else kind() for _ in range(first)]


def records_of(kind: Callable[..., Any], rows: Sequence[tuple[int, ...]]) -> Any:
    """Records with the values in ``rows``, as :func:`records`."""
    if KERNELS:
        return np.array(rows, record_type(kind))
    return [kind(*row) for row in rows]


@cache
def record_type(kind: Any) -> np.dtype[Any]:
    """Structured numpy dtype of a dataclass of integers."""
    columns = np.dtype([(field.name, np.int32) for field in fields(kind)], align=True)
    return np.dtype((np.record, columns))


def integers(*shape: int) -> Any:
    """Zeros, for compiled code or for plain Python as :func:`records`."""
    zeros = np.zeros(shape, np.int32)
    return zeros if KERNELS else zeros.tolist()


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
    """A vocabulary as compiled code reads it.

    ``symbols`` ``(S + 1,)``: meaning of every single symbol. ``text``: the SMILES bytes of all
    atoms, those of symbol i from ``text_start[i]`` to ``text_start[i + 1]``. ``runs``: the single
    symbols of all ids, those of id i from ``runs_start[i]`` to ``runs_start[i + 1]``."""

    symbols: Sequence[Symbol]
    text: NDArray[np.uint8]
    text_start: NDArray[np.int32]
    runs: NDArray[np.uint16]
    runs_start: NDArray[np.int32]


class AtomLabel(NamedTuple):
    """An atom as a symbol names it, without its bond; a plain one is named by its element alone."""

    isotope: str
    element: str
    chirality: str
    hydrogens: int
    charge: int
    plain: bool = False

    @property
    def key(self) -> str:
        """Name of the entry of the constraints that governs the atom."""
        return f"{self.element}{self.charge:+d}" if self.charge else self.element

    def text(self) -> str:
        """The atom as selfies writes it, without brackets."""
        if self.plain:
            return self.element
        bare = not (self.isotope or self.chirality or self.charge)
        count = f"H{self.hydrogens}"
        if not self.hydrogens and not (bare and self.element in ORGANIC_SUBSET):
            count = ""
        charge = f"{self.charge:+d}" if self.charge else ""
        return f"{self.isotope}{self.element}{self.chirality}{count}{charge}"

    def canonical(self, aromatic: bool) -> str:
        """The atom in canonical SMILES."""
        element = self.element.lower() if aromatic else self.element
        if self.plain:
            return element
        count = {0: "", 1: "H"}.get(self.hydrogens, f"H{self.hydrogens}")
        charge = {0: "", 1: "+", -1: "-"}.get(self.charge, f"{self.charge:+d}")
        return f"[{self.isotope}{element}{self.chirality}{count}{charge}]"


def label_of(symbol: str) -> AtomLabel | None:
    """The atom of a SELFIES symbol; None for one without."""
    found = _ATOM.fullmatch(symbol)
    if found is None or found[4] not in ELEMENTS:
        return None
    isotope, charge, plain = found[3], int(found[7] or 0), found[2] in ORGANIC_SUBSET
    isotope = isotope and str(int(isotope))
    return AtomLabel(isotope, found[4], found[5], int(found[6] or 0), charge, plain)


def tables_of(
    symbols: Sequence[str], expansions: Sequence[Sequence[int]], constraints: Mapping[str, int]
) -> Tables:
    """Tables of symbols and of what each id stands for; ModelError names the first symbol without
    a meaning."""
    meanings = [(Symbol(END, 1), ""), *(meaning(symbol, constraints) for symbol in symbols)]
    runs = [(END,), *expansions[1:]]  # the end is its own, so that compiled code sees it
    return Tables(
        symbols=records_of(Symbol, [astuple(one) for one, _ in meanings]),
        text=np.frombuffer("".join(text for _, text in meanings).encode(), dtype=np.uint8).copy(),
        text_start=np.cumsum([0, *(len(text) for _, text in meanings)], dtype=np.int32),
        runs=np.array([number for run in runs for number in run], dtype=np.uint16),
        runs_start=np.cumsum([0, *map(len, runs)], dtype=np.int32),
    )


def meaning(symbol: str, constraints: Mapping[str, int]) -> tuple[Symbol, str]:
    """Meaning of one SELFIES symbol, and the SMILES of its atom; ModelError if it has none.

    >>> branch, _ = meaning("[=Branch2]", {"?": 8})
    >>> branch.order, branch.reads
    (2, 2)
    >>> meaning("[/C@@H1]", {"C": 4, "?": 8})[1]
    '[C@@H1]'
    """
    if symbol in ("[nop]", "[epsilon]", "."):
        return Symbol({"[nop]": NOP, "[epsilon]": EPSILON, ".": DOT}[symbol], 1), ""
    if symbol in (*OPENINGS, CLOSING):
        return Symbol(CLOSE) if symbol == CLOSING else Symbol(OPEN, 1 + OPENINGS.index(symbol)), ""
    digit = INDEX_CODE.get(symbol, 0)
    if found := _BRANCH.fullmatch(symbol):
        return Symbol(BRANCH, _ORDERS[found[1]], int(found[2]), digit=digit), ""
    if found := _RING.fullmatch(symbol):
        order, marks = _ORDERS[found[1] or ""], map(_mark, (found[2], found[3]))
        return Symbol(RING, order, int(found[4]), 0, digit, *marks), ""
    label = label_of(symbol)
    if label is None:
        raise ModelError(f"vocabulary: {symbol} is no SELFIES symbol")
    capacity = constraints.get(label.key, constraints["?"]) - label.hydrogens
    if capacity < 0:
        raise ModelError(f"vocabulary: {symbol} has more hydrogens than {label.key} has bonds")
    bond = symbol[1] if symbol[1] in _ORDERS else ""
    element, charge = label.element, label.charge
    number = (
        DISTINCT_ELEMENTS.index(element) if element in DISTINCT_ELEMENTS else len(DISTINCT_ELEMENTS)
    )
    atom = Symbol(
        ATOM,
        _ORDERS[bond],
        capacity=capacity,
        digit=digit,
        mark=_mark(bond),
        element=1 + 3 * number + (charge > 0) - (charge < 0) + 1,
        donor=int((element, charge) in _LONE_PAIR),
        acceptor=int(element in ("O", "S", "Se") and charge == 0),
    )
    return atom, element if label.plain else f"[{label.text()}]"


def _mark(bond: str) -> int:
    """The byte of a bond that is / or \\; 0 for any other."""
    return ord(bond) if bond in ("/", "\\") else 0
