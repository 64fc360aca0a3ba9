"""Find the SMILES column of a table, and whether the table has a header, from its first rows."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..chem.molecule import parse
from ..errors import InputError, MoleculeError, UsageError

SMILES_NAMES = ("smiles", "canonical_smiles", "isomeric_smiles", "structure", "mol", "molecule")
_VAGUE = ("structure", "mol", "molecule")

_OTHER_NOTATIONS = {
    "InChI": re.compile(r"InChI=1.*"),
    "InChI keys": re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]"),
    "reactions": re.compile(r"[^\s>]*>[^\s>]*>[^\s>]*"),
    # Bare [C][C][O] is SMILES as well; a ring, a branch or a bond inside the brackets is not.
    "SELFIES": re.compile(r"(?=.*\[(?:[=#]|[=#/\\-]*Ring|[=#]?Branch))(?:\[[^\[\]]+\])+"),
}


_OTHER_FORMATS = {
    "JSON; save it as CSV": re.compile(r"\s*[\[{]\s*(?:[\"{\[]|$)"),
    "MOL2; save it as SDF": re.compile(r"@<TRIPOS>"),
    "PDB; save it as SDF": re.compile(r"(?:HEADER|COMPND|REMARK|HETATM|ATOM  |CRYST1)\s"),
    "CIF; save it as SDF": re.compile(r"data_\w*\s*$"),
    "XYZ coordinates; save it as SDF": re.compile(r"\s*\d+\s*$"),
}
"""How files of other formats begin."""

_COORDINATES = re.compile(r"\s*[A-Z][a-z]?(?:\s+-?\d+\.?\d*){3}\s*$")


def refuse_other_formats(name: str, head: list[str]) -> None:
    """InputError if the first lines are those of a format that is not read, which it names."""
    for kind, pattern in _OTHER_FORMATS.items():
        if not pattern.match(head[0]):
            continue
        if kind.startswith("XYZ") and not any(map(_COORDINATES.match, head[1:4])):
            continue
        raise InputError(f"{name} is {kind}.")


def choose_column(name: str, rows: list[list[str]], column: str | None) -> tuple[int, bool, str]:
    """Find the index of the SMILES column, whether ``rows[0]`` is a header, and what decided.

    ``column`` is a name, or a number from 1. Raises UsageError, naming the columns, when there is
    no such column, none holds molecules, or several do.

    >>> choose_column("x.csv", [["id", "SMILES"], ["1", "CCO"]], None)
    (1, True, 'by name')
    >>> choose_column("x.csv", [["CCO", "1.5"], ["CCN", "2.5"]], None)
    (0, False, 'by content')
    """
    head = rows[0]
    names = [_plain(cell) for cell in head]
    if column is not None:
        at = _asked_for(name, head, column)
        has_header = column in head or bool(set(names) & set(SMILES_NAMES)) or _is_name(head[at])
        return at, has_header, "by --column"
    data = rows[1:] or rows
    holding = [
        at for at in range(len(head)) if _holds_molecules(row[at] for row in data if at < len(row))
    ]
    for wanted in SMILES_NAMES:
        if names.count(wanted) > 1:
            raise UsageError(
                f"{name} has several columns called {wanted}: {_listed(head)}. Use --column."
            )
        # A column called "molecule" may as well hold names, when another one holds the molecules.
        if wanted in names and not (
            wanted in _VAGUE and holding and names.index(wanted) not in holding
        ):
            return names.index(wanted), True, "by name"
    if len(holding) != 1:
        found = "more than one column holds" if holding else "no column holds"
        raise UsageError(
            f"{name}: {found} SMILES, of {_listed(head)}. Name the column with --column."
        )
    return holding[0], _is_name(head[holding[0]]), "by content"


def refuse_other_notations(name: str, column: str, cells: Iterable[str]) -> None:
    """InputError if all the cells are InChI, SELFIES or reactions: no row would be usable."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    for notation, pattern in _OTHER_NOTATIONS.items():
        if filled and all(pattern.fullmatch(cell) for cell in filled):
            raise InputError(f"{name}: column {column!r} holds {notation}, not SMILES.")


def _asked_for(name: str, head: list[str], column: str) -> int:
    if column in head:
        return head.index(column)
    alike = [at for at, cell in enumerate(head) if cell.strip().lower() == column.strip().lower()]
    if len(alike) > 1:
        raise UsageError(f"{name}: --column {column!r} fits several columns, of {_listed(head)}.")
    if alike:
        return alike[0]
    number = re.fullmatch(r"(?:column)?([1-9]\d{0,5})", column)
    if number and int(number[1]) <= len(head):
        return int(number[1]) - 1
    raise UsageError(
        f"{name} has no column {column!r}; it has {_listed(head)}, or give a number from 1."
    )


def _plain(cell: str) -> str:
    return re.sub(r"[\s_-]+", "_", cell.strip().lower())


def _listed(head: list[str]) -> str:
    shown = [repr(cell if len(cell) <= 40 else f"{cell[:37]}...") for cell in head[:20]]
    return ", ".join(shown) + (f" and {len(head) - 20} more" if len(head) > 20 else "")


def _holds_molecules(cells: Iterable[str]) -> bool:
    """True if more than half of the cells with anything in them are molecules."""
    verdicts = [is_molecule(cell) for cell in cells if cell.strip()]
    return sum(verdicts) * 2 > len(verdicts)


def _is_name(cell: str) -> bool:
    """True for a column's name, False for a SMILES, an unreadable one included, which is a row.

    A name has a letter that SMILES lacks, or is nothing but small letters.
    """
    outside = re.sub(r"\[[^\]]*\]?|Cl|Br", "", cell)
    foreign = re.search(r"[^\W\dBCNOPSFIHbcnops]", outside) is not None
    return not cell.strip() or (
        not is_molecule(cell) and (foreign or (cell.isalpha() and cell.islower()))
    )


def is_molecule(cell: str) -> bool:
    """True for a SMILES that can be read."""
    try:
        parse(cell)
    except MoleculeError:
        return False
    return True
