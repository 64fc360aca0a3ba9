"""SMILES to SELFIES and back, under stated capacities of the atoms.

SELFIES reads any sequence of its symbols as a molecule by cutting every bond to what the atoms can
still take. How much an atom can take is a table, the semantic constraints; with the table of the
selfies package unlisted atoms take eight bonds, which RDKit refuses (silicon). ``constraints_for``
lists every element and charge of an alphabet with what RDKit allows, so that every string over it
is a valid molecule.

selfies holds its table for the whole process; here it is set under a lock, and only when it
differs."""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Iterable

import selfies as sf
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from ..chem.molecule import EMPTY, UNREADABLE, canonical
from ..errors import ModelError, MoleculeError
from .symbols import label_of, meaning

Constraints = dict[str, int]

INEXPRESSIBLE = "SELFIES cannot express it"
CHANGED = "changed by SELFIES"
REASONS = (INEXPRESSIBLE, CHANGED)

_SELFIES = re.compile(r"(?:\[[^\[\]\s]+\])*")
_SYMBOL = re.compile(r"\[[^\]]*\]")
_lock = threading.Lock()


def default_constraints() -> Constraints:
    """Return the table of the selfies package, the one to encode with before an alphabet is
    known.
    """
    return dict(sf.get_preset_constraints("default"))


def split(selfies: str) -> list[str]:
    """Split a SELFIES string into its symbols; MoleculeError when it is not a row of bracketed
    symbols.

    >>> split("[C][=C][F]")
    ['[C]', '[=C]', '[F]']
    """
    if not _SELFIES.fullmatch(selfies):
        raise MoleculeError(UNREADABLE, selfies, "SELFIES is a row of symbols in square brackets")
    return _SYMBOL.findall(selfies)


def constraints_for(symbols: Iterable[str]) -> Constraints:
    """List the capacity of each atom such that any string over the symbols decodes to a valid
    molecule.

    The table is selfies' own, each entry lowered to what RDKit allows, and one entry for every
    other element and charge in ``symbols``. A molecule that RDKit and selfies' own table both
    accept is accepted by this table too, and means the same: RDKit's rule is a largest total bond
    order for each element and charge, and an entry is never below the smaller of the two. Raises
    MoleculeError for a symbol that selfies cannot read.

    >>> constraints_for(["[C]", "[=Si]"])["Si"]
    4
    """
    table = default_constraints()
    for symbol in symbols:
        try:
            meaning(symbol, table)
        except ModelError:
            raise MoleculeError(UNREADABLE, symbol, "not a symbol of SELFIES") from None
        if label := label_of(symbol):
            table.setdefault(label.key, table["?"])
    return {key: _allowed(key, capacity) for key, capacity in sorted(table.items())}


def to_selfies(smiles: str, constraints: Constraints) -> str:
    """Translate a canonical SMILES.

    Raises MoleculeError, ``INEXPRESSIBLE``, for what SELFIES has no words for or no capacity for
    (dative bonds, hypervalent iodine). That the way back leads to the same molecule is for
    :func:`check_return` to say.

    >>> to_selfies("C=O", default_constraints())
    '[C][=O]'
    """
    if "." in smiles:
        raise MoleculeError(INEXPRESSIBLE, smiles, "more than one fragment")
    with _lock:
        _put_in_force(constraints)
        try:
            selfies: str = sf.encoder(smiles)
        except (
            Exception
        ) as error:  # selfies lets IndexError and others through for single molecules
            raise MoleculeError(INEXPRESSIBLE, smiles, _last_words(error)) from None
    return selfies


def check_return(smiles: str, decoded: str) -> None:
    """MoleculeError, ``CHANGED``, unless what the SELFIES of a canonical SMILES decodes to is the
    same molecule.

    >>> check_return("CCO", "OCC")
    """
    with BlockLogs():
        mol = Chem.MolFromSmiles(decoded)
    if not decoded or mol is None:
        reason = UNREADABLE if decoded else EMPTY
        raise MoleculeError(CHANGED, smiles, f"it does not come back: {reason}")
    # Equal at the first writing is proof enough; only a difference is worth settling.
    if Chem.MolToSmiles(mol) != smiles and (back := canonical(mol)) != smiles:
        raise MoleculeError(CHANGED, smiles, f"it comes back as {back}")


def _put_in_force(constraints: Constraints) -> None:
    # Asked of selfies rather than remembered here: other code may have set the table in between.
    if sf.get_semantic_constraints() != constraints:
        sf.set_semantic_constraints(constraints)


def _last_words(error: Exception) -> str:
    """Reduce selfies' message, which repeats the SMILES over several lines, to what was wrong."""
    cause = error.__cause__ or error
    lines = [line.strip() for line in str(cause).splitlines()]
    telling = [
        line for line in lines if line and not line.startswith(("SMILES:", "SELFIES:", "Errors:"))
    ]
    return telling[-1].removeprefix("Reason: ") if telling else type(error).__name__


@functools.cache
def _allowed(key: str, most: int) -> int:
    """Find the largest total bond order, up to ``most``, at which RDKit accepts the atom with any
    bonds.
    """
    if key == "?":
        return most
    with BlockLogs():
        for order in range(1, most + 1):
            if not all(Chem.MolFromSmiles(text) for text in _trials(key, order)):
                return order - 1
    return most


def _trials(key: str, order: int) -> list[str]:
    """Write the atom with carbon neighbours of this total bond order, by single, double and triple
    bonds.
    """
    return [
        f"[{key}]" + f"({bond})" * (order // strength) + "(C)" * (order % strength)
        for bond, strength in (("C", 1), ("=C", 2), ("#C", 3))
        if order >= strength
    ]


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


# A worker forked while another thread held the lock would wait for it forever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
