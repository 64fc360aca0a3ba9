"""SMILES text to a checked, standardised RDKit molecule, to canonical SMILES, and to a hash.

RDKit alone accepts text that is not what its author meant (it reads ``'CC\\nO'`` as ethane and
skips characters it does not know) and can be kept busy for minutes by one line. So text is checked
before RDKit sees it, sizes are checked before anything expensive happens, and every refusal carries
one of ``REASONS``, the short phrases that rows are counted under.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import SanitizeFlags
from rdkit.rdBase import BlockLogs

from ..errors import MoleculeError

Mol = Chem.Mol
Reader = Callable[[str], Mol | None]

EMPTY = "empty"
NOT_ASCII = "not plain ASCII"
SPACE = "space inside"
EXTENDED = "extended SMILES"
TOO_LONG = "too long"
TOO_LARGE = "too large"
UNREADABLE = "does not parse"
QUERY = "wildcard or query atom"
IONS = "only metals or ions"
METAL = "contains a metal"
UNSTABLE = "canonical form does not read back"
CRASHED = "crashed the chemistry library"
REASONS = (
    *(EMPTY, NOT_ASCII, SPACE, EXTENDED, TOO_LONG, TOO_LARGE, UNREADABLE),
    *(QUERY, IONS, METAL, UNSTABLE),
)

MANY_RINGS = 5
"""Rings from which on a canonical SMILES is read back."""

_PROBLEMS = {
    "AtomValenceException": "valence",
    "KekulizeException": "kekulisation",
    "AtomKekulizeException": "aromaticity",
}


_ODD = re.compile(r"[^BCNOSFlr()=#0-9%]")
"""Charges, stereo, and atoms that RDKit would change, as it does phosphorus, iodine and hydrogens.

A plain text has none of them but [NH1]. The decoder writes l and r in Cl and Br alone."""

_MAP = re.compile(r":\d+\]")

# All that the canonical SMILES of a plain text depends on: valences, aromaticity, and the hydrogens
# of aromatic nitrogen.
_PLAIN_CHECKS = int(
    SanitizeFlags.SANITIZE_PROPERTIES
    | SanitizeFlags.SANITIZE_SETAROMATICITY
    | SanitizeFlags.SANITIZE_ADJUSTHS
)


_PLAIN_PARAMETERS = Chem.SmilesParserParams()
for _name in ("sanitize", "removeHs", "parseName", "allowCXSMILES"):
    setattr(_PLAIN_PARAMETERS, _name, False)


MAX_LENGTH, MAX_HEAVY_ATOMS, MAX_RINGS = 1000, 200, 30
"""Largest molecule accepted, in characters of its SMILES, heavy atoms and independent rings.

RDKit's time grows with the square of these and worse; within them no input took more than some tens
of milliseconds."""

_MANY_DIGITS = 2 * MAX_RINGS
_BRACKET, _LABEL = re.compile(r"\[[^\]]*\]"), re.compile(r"%\d\d|\d")


def parse(
    smiles: str, max_heavy_atoms: int = MAX_HEAVY_ATOMS, read: Reader = Chem.MolFromSmiles
) -> Mol:
    """Read one SMILES into a sanitised molecule by ``read``, or raise MoleculeError saying why it
    cannot be used.

    Plain spaces around the SMILES are ignored, and so are atom maps, which are names of atoms in a
    reaction and no part of the molecule; nothing else inside it is.

    >>> parse("OCC").GetNumAtoms()
    3
    >>> parse("C1CC")
    Traceback (most recent call last):
    ...
    molvae.errors.MoleculeError: does not parse: a ring bond is not closed
        C1CC
    """
    text = smiles.strip(" ")
    _check_text(text)
    with BlockLogs():
        # A short text with few digits cannot hold too many atoms or rings, and needs no separate
        # count.
        if len(text) > max_heavy_atoms or sum(map(text.count, "0123456789")) > _MANY_DIGITS:
            _check_size(text, max_heavy_atoms)
        mol = read(text)
    if mol is None:
        raise MoleculeError(UNREADABLE, smiles, _why_unreadable(text))
    if mol.HasQuery():
        raise MoleculeError(QUERY, smiles)
    return _without_maps(mol, read) if _MAP.search(text) else mol


def canonical(mol: Mol) -> str:
    """Write the canonical SMILES, one that reads back to the molecule it was written from.

    RDKit's canonical SMILES is not always a fixed point: about one in 40,000 randomly altered ZINC
    molecules, all of them with stereo, is written differently after being read, some symmetric
    molecules of many rings are written in two ways in turn (RDKit issue 8721), and aromatic
    aluminium is written so that it cannot be read at all. Where there is stereo, an unusual atom
    or many rings the SMILES is therefore read and written until it stays the same, if need be
    without aromaticity; of 250,000 MOSES and ZINC molecules no other moved, and checking them all
    would double the time. Raises MoleculeError when no fixed point is found.

    >>> canonical(parse("C(C)O"))
    'CCO'
    """
    smiles: str = Chem.MolToSmiles(mol)
    return settled(mol, smiles) if worth_reading_back(smiles) else smiles


def read_to_write(smiles: str) -> Mol | None:
    """A molecule for writing it, None if RDKit refuses it: stereo, where there is none, is not
    looked for.
    """
    if _is_unusual(smiles):
        return Chem.MolFromSmiles(smiles)
    mol = Chem.MolFromSmiles(smiles, sanitize=False)
    return None if mol is None or Chem.SanitizeMol(mol, catchErrors=True) else mol


def read_plain(text: str) -> Mol | None:
    """Read a plain text that the decoder wrote, with no more of RDKit's perception than its
    canonical SMILES needs; None where RDKit objects.

    Such a text has single and double bonds in place of aromatic ones and valences that are right,
    so most of RDKit's checks have nothing to find.
    """
    mol = Chem.MolFromSmiles(text, _PLAIN_PARAMETERS)
    if mol is None or Chem.SanitizeMol(mol, _PLAIN_CHECKS, catchErrors=True):
        return None
    return mol


def canonical_or_empty(text: str) -> str:
    """Canonical SMILES of a text that the decoder wrote; empty for no text, where RDKit refuses,
    and for more rings than can be read: of a cage of fused rings RDKit seeks the aromatic ones for
    hours.

    >>> canonical_or_empty("C1=CC=CC=C1C"), canonical_or_empty("")
    ('Cc1ccccc1', '')
    """
    if not text or _ring_bonds(text) > MAX_RINGS:
        return ""
    mol = None if _ODD.search(text.replace("[NH1]", "N")) else read_plain(text)
    mol = Chem.MolFromSmiles(text) if mol is None else mol
    if mol is None:
        return ""
    try:
        return canonical(mol)
    except MoleculeError:
        return ""


def _ring_bonds(text: str) -> int:
    """Number of ring bonds in a text; exact where it may be above the limit, else not above it."""
    few = sum(map(text.count, "0123456789"))
    return len(_LABEL.findall(_BRACKET.sub("", text))) // 2 if few > _MANY_DIGITS else few // 2


def smiles_hash(smiles: str) -> int:
    """Hash a canonical SMILES to the 64-bit number by which molecules are compared.

    >>> smiles_hash("CCO")
    14074757553414938733
    """
    return int.from_bytes(hashlib.blake2b(smiles.encode(), digest_size=8).digest(), "little")


def smiles_hashes(smiles: Sequence[str]) -> NDArray[np.uint64]:
    """Hash many canonical SMILES, ``(n,)`` ascending: a large training set without its text.

    With two million training molecules and a million samples, the chance that one sample is
    mistaken for a training molecule is one in ten million.
    """
    return np.sort(np.fromiter(map(smiles_hash, smiles), np.uint64, len(smiles)))


def _check_text(text: str) -> None:
    if not text:
        raise MoleculeError(EMPTY, text)
    if len(text) > MAX_LENGTH:
        raise MoleculeError(TOO_LONG, text, f"{len(text)} characters, at most {MAX_LENGTH}")
    if not (text.isascii() and text.isprintable() and " " not in text):
        at = next(i for i, c in enumerate(text) if not "!" <= c <= "~")
        where = f"U+{ord(text[at]):04X} at character {at + 1}"
        if text[at:].lstrip(" ").startswith("|"):  # atom coordinates, radicals, relative stereo
            raise MoleculeError(EXTENDED, text, "leave out what stands between bars")
        raise MoleculeError(SPACE if text[at] in " \t\r\n\v\f" else NOT_ASCII, text, where)
    if "*" in text or "~" in text or "[#" in text:
        raise MoleculeError(QUERY, text)


def _check_size(text: str, max_heavy_atoms: int) -> None:
    """Count atoms and rings on the unsanitised graph, which is cheap even for monsters."""
    mol = Chem.MolFromSmiles(text, sanitize=False)
    if mol is None:
        raise MoleculeError(UNREADABLE, text, _why_unreadable(text))
    heavy = mol.GetNumHeavyAtoms()
    if heavy > max_heavy_atoms:
        raise MoleculeError(TOO_LARGE, text, f"{heavy} heavy atoms, at most {max_heavy_atoms}")
    rings = mol.GetNumBonds() - mol.GetNumAtoms() + len(Chem.GetMolFrags(mol))
    if rings > MAX_RINGS:
        raise MoleculeError(TOO_LARGE, text, f"{rings} rings, at most {MAX_RINGS}")


def _without_maps(mol: Mol, read: Reader) -> Mol:
    """The molecule read anew without atom maps, on which neither stereo nor order may depend."""
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
    with BlockLogs():
        return read(Chem.MolToSmiles(mol)) or mol


def _why_unreadable(text: str) -> str:
    """Name what RDKit stumbled on: its own word for chemistry, a plain one for syntax."""
    with BlockLogs():
        mol = Chem.MolFromSmiles(text, sanitize=False)
        problems = Chem.DetectChemistryProblems(mol) if mol is not None else ()
    if problems:
        word = _PROBLEMS.get(problems[0].GetType(), "chemistry")
        return f"{word}: {' '.join(problems[0].Message().split())}"
    if text.count("(") != text.count(")"):
        return "the parentheses do not balance"
    if text.count("[") != text.count("]"):
        return "the brackets do not balance"
    labels = re.findall(r"%\(\d+\)|%\d\d|\d", _BRACKET.sub("", text))
    if any(labels.count(label) % 2 for label in labels):
        return "a ring bond is not closed"
    return "not SMILES syntax"


def read_anew(mol: Mol, smiles: str) -> tuple[Mol, str]:
    """Read ``smiles``, as RDKit writes ``mol``, or if need be one without aromaticity; also return
    which was read.
    """
    with BlockLogs():
        if (again := Chem.MolFromSmiles(smiles)) is not None:
            return again, smiles
        smiles = _without_aromaticity(mol)
        if (again := Chem.MolFromSmiles(smiles)) is None:
            raise MoleculeError(UNSTABLE, smiles)
        return again, smiles


def worth_reading_back(smiles: str) -> bool:
    """Only SMILES with double-bond stereo, a bracket atom other than [nH] or many rings were ever
    seen not to read back as they were written.
    """
    return _is_unusual(smiles) or sum(map(smiles.count, "123456789")) >= 2 * MANY_RINGS


def _is_unusual(smiles: str) -> bool:
    return "[" in smiles.replace("[nH]", "") or "/" in smiles or "\\" in smiles


def settled(mol: Mol, smiles: str) -> str:
    """Read and write until the text stays the same; ``smiles`` is how RDKit writes ``mol``.

    Of texts that become each other in turn it is the first in the order of the alphabet.
    """
    seen = [smiles]
    for _ in range(8):
        again, read = read_anew(mol, smiles)
        written = Chem.MolToSmiles(again) if read == smiles else _without_aromaticity(again)
        if written in seen:
            return min(seen[seen.index(written) :])
        seen.append(written)
        mol, smiles = again, written
    raise MoleculeError(UNSTABLE, smiles)


def _without_aromaticity(mol: Mol) -> str:
    copy = Chem.Mol(mol)
    try:
        Chem.Kekulize(copy, clearAromaticFlags=True)
    except Chem.MolSanitizeException:
        raise MoleculeError(UNSTABLE, Chem.MolToSmiles(mol)) from None
    return str(Chem.MolToSmiles(copy))
