"""The SMILES that the decoder writes, rewritten as canonical ones.

What the decoder writes has single and double bonds in place of aromatic ones and valences that are
right, so of RDKit's checks most have nothing to find. Knows text and molecules, not ids."""

from __future__ import annotations

import re

from rdkit import Chem
from rdkit.Chem import Mol, SanitizeFlags

from ..errors import MoleculeError
from .molecule import canonical

_ODD = re.compile(r"[^BCNOSFlr()=#0-9%]")
"""Charges, stereo, and atoms that RDKit would change, as it does phosphorus, iodine and hydrogens:
what a plain text is without, but for [NH1]. The decoder writes no l or r but in Cl and Br."""

_PLAIN_CHECKS = int(
    SanitizeFlags.SANITIZE_PROPERTIES
    | SanitizeFlags.SANITIZE_SETAROMATICITY
    | SanitizeFlags.SANITIZE_ADJUSTHS
)
"""What canonical SMILES of such a molecule hang on: valences, aromaticity, hydrogens on aromatic
nitrogen.
"""


def _plain_parameters() -> Chem.SmilesParserParams:
    parameters = Chem.SmilesParserParams()
    for name in ("sanitize", "removeHs", "parseName", "allowCXSMILES"):
        setattr(parameters, name, False)
    return parameters


_PARAMETERS = _plain_parameters()


def read_plain(text: str) -> Mol | None:
    """The molecule of a plain text, with as much of RDKit's perception as its canonical SMILES
    needs; None where RDKit objects."""
    mol = Chem.MolFromSmiles(text, _PARAMETERS)
    if mol is None or Chem.SanitizeMol(mol, _PLAIN_CHECKS, catchErrors=True):
        return None
    return mol


def canonical_or_empty(text: str) -> str:
    """Canonical SMILES of a text the decoder wrote; empty for none, and for the monsters RDKit
    refuses.

    >>> canonical_or_empty("C1=CC=CC=C1C"), canonical_or_empty("")
    ('Cc1ccccc1', '')
    """
    if not text:
        return ""
    mol = None if _ODD.search(text.replace("[NH1]", "N")) else read_plain(text)
    mol = Chem.MolFromSmiles(text) if mol is None else mol
    if mol is None:
        return ""
    try:
        return canonical(mol)
    except MoleculeError:
        return ""
