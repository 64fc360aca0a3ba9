"""How the atoms of an alphabet stand in canonical SMILES: the table that tells compiled code an
atom from its text.

Each atom of SELFIES has one spelling there, a second one if it can be aromatic, and both again for
its mirror image. Knows the symbols, no molecules.

    S single symbols, N spellings
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .symbols import ATOM, DIGIT, KIND, Alphabet

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int32]

BASE, MIRRORED, AROMATIC, HYDROGENS, CHARGE, LOW, HIGH, OUTER = range(8)
"""Columns of a spelling: the atom it stands for, -1 if the alphabet lacks it; the same with its
chirality inverted; whether it is aromatic; hydrogens, -1 where they are left to the reader; charge;
smallest and largest valence in aromatic systems and outer electrons of its element."""

ORGANIC = ("B", "C", "N", "O", "P", "S", "F", "Cl", "Br", "I")
_AROMATIC = (
    dict.fromkeys(("B", "Al"), (3, 3, 3))
    | dict.fromkeys(("C", "Si"), (4, 4, 4))
    | dict.fromkeys(("N", "P", "As"), (3, 5, 5))
    | dict.fromkeys(("O", "S", "Se", "Te"), (2, 4, 6))
)
"""LOW, HIGH and OUTER of the elements that SELFIES knows as aromatic."""

_ATOM = re.compile(r"\[[=#/\\]?((\d*)([A-Z][a-z]?)(@{0,2})(?:H(\d))?([+-]\d+)?)\]")
MIRROR = {"": "", "@": "@@", "@@": "@"}


class Spellings(NamedTuple):
    """How the atoms of an alphabet stand in canonical SMILES.

    ``text`` holds the bytes of all spellings, those of number i from ``start[i]`` to ``start[i +
    1]``; ``atoms`` ``(N, 8)`` what they mean; ``bases`` ``(S + 1,)`` the atom of each single
    symbol, -1 for none; ``digits`` ``(16,)`` the symbol that counts 0, 1, … 15, -1 where there is
    none."""

    text: Bytes
    start: Ints
    atoms: Ints
    bases: Ints
    digits: Ints


def spellings_of(alphabet: Alphabet) -> Spellings:
    """The spellings of an alphabet's atoms, aromatic or not, and of their mirror images."""
    symbols = alphabet.tables.symbols
    found = [_ATOM.fullmatch(symbol) for symbol in alphabet.symbols]
    atoms = [
        one if kind == ATOM else None for one, kind in zip(found, symbols[1:, KIND], strict=True)
    ]
    numbers = {
        text: number for number, text in enumerate(dict.fromkeys(one[1] for one in atoms if one))
    }
    rows: dict[str, tuple[int, ...]] = {}
    for one in atoms:
        if one is None:
            continue
        isotope, element, chirality, hydrogens, charge = (
            one[2],
            one[3],
            one[4],
            int(one[5] or 0),
            int(one[6] or 0),
        )
        plain = one[1] in ORGANIC
        rest = (-1 if plain else hydrogens, charge, *_AROMATIC.get(element, (0, 0, 0)))
        for way in {chirality, MIRROR[chirality]}:
            written = [
                atom_text(isotope, element, side, hydrogens, charge, plain)
                for side in (way, MIRROR[way])
            ]
            base, mirrored = (numbers.get(text, -1) for text in written)
            rows[_smiles(isotope, element, way, hydrogens, charge, plain)] = (
                base,
                mirrored,
                0,
                *rest,
            )
            if element in _AROMATIC:
                aromatic = _smiles(isotope, element.lower(), way, hydrogens, charge, plain)
                rows[aromatic] = (base, mirrored, 1, *rest)
    digits = {int(value): number for number, value in enumerate(symbols[:, DIGIT]) if value}
    digits |= {0: alphabet.symbols.index("[C]") + 1} if "[C]" in alphabet.symbols else {}
    return Spellings(
        text=np.frombuffer("".join(rows).encode("ascii"), dtype=np.uint8).copy(),
        start=np.cumsum([0, *map(len, rows)]).astype(np.int32),
        atoms=np.array(list(rows.values()), dtype=np.int32).reshape(-1, OUTER + 1),
        bases=np.array([-1, *(numbers[one[1]] if one else -1 for one in atoms)], dtype=np.int32),
        digits=np.array([digits.get(value, -1) for value in range(16)], dtype=np.int32),
    )


def atom_text(
    isotope: str, element: str, chirality: str, hydrogens: int, charge: int, plain: bool = False
) -> str:
    """An atom as the encoder writes it, without its brackets."""
    if plain:
        return element
    bare = not (isotope or chirality or charge) and element in ORGANIC
    count = f"H{hydrogens}" if hydrogens or bare else ""
    return f"{isotope}{element}{chirality}{count}{f'{charge:+d}' if charge else ''}"


def _smiles(
    isotope: str, element: str, chirality: str, hydrogens: int, charge: int, plain: bool
) -> str:
    """An atom as it stands in canonical SMILES."""
    if plain:
        return element
    count = "" if not hydrogens else "H" if hydrogens == 1 else f"H{hydrogens}"
    sign = (
        ""
        if not charge
        else f"{charge:+d}".replace("1", "")
        if abs(charge) == 1
        else f"{charge:+d}"
    )
    return f"[{isotope}{element}{chirality}{count}{sign}]"
