"""The parent of a molecule: no salt, no solvent, charges and charge pairs as everybody spells it.

One compound has one parent however a file spells it. What counts as a salt or a solvent, and which
metals are counter-ions, is listed here; RDKit's own list of salts lacks citrate, maleate, pamoate
and the fluorinated anions.
"""

from __future__ import annotations

from functools import cache

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors, rdqueries
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.rdBase import BlockLogs

from ..errors import MoleculeError
from .molecule import (
    IONS,
    MAX_HEAVY_ATOMS,
    METAL,
    UNREADABLE,
    Mol,
    parse,
    read_anew,
    read_to_write,
    settled,
    worth_reading_back,
)

SOLVENTS_AND_ACIDS = (
    # inorganic
    *(
        "F",
        "Cl",
        "Br",
        "I",
        "O",
        "OO",
        "N",
        "OS(=O)(=O)O",
        "OP(=O)(O)O",
        "O[N+](=O)[O-]",
        "OCl(=O)(=O)=O",
        "OB(O)O",
    ),
    *("F[B-](F)(F)F", "F[P-](F)(F)(F)(F)F", "F[Sb-](F)(F)(F)(F)F", "SC#N", "OC(=O)O", "O=C=O"),
    # carboxylic acids, and an ascorbic one
    *("OC=O", "CC(=O)O", "OC(=O)C(F)(F)F", "OC(=O)C(Cl)(Cl)Cl", "CCC(=O)O", "CCCCCC(=O)O"),
    *("OC(=O)C(=O)O", "OC(=O)CC(=O)O", "OC(=O)CCC(=O)O", "OC(=O)CCCC(=O)O", "OC(=O)CCCCC(=O)O"),
    *("OC(=O)C=CC(=O)O", "OC(=O)CC(O)C(=O)O", "OC(=O)C(O)C(O)C(=O)O", "OC(=O)CO", "CC(O)C(=O)O"),
    *("OC(=O)CC(O)(CC(=O)O)C(=O)O", "OCC(O)C(O)C(O)C(O)C(=O)O", "OC(=O)c1ccccc1"),
    *("OC(=O)c1ccccc1O", "OC(=O)C(O)c1ccccc1", "OC(=O)c1ccc2ccccc2c1O", "OCC(O)C1OC(=O)C(O)=C1O"),
    "OC(=O)c1cc2ccccc2c(Cc2c(O)c(C(=O)O)cc3ccccc23)c1O",
    # sulfonic acids and other acids
    *("CS(=O)(=O)O", "CCS(=O)(=O)O", "OCCS(=O)(=O)O", "OS(=O)(=O)CCS(=O)(=O)O", "COS(=O)(=O)O"),
    *("OS(=O)(=O)C(F)(F)F", "OS(=O)(=O)c1ccccc1", "Cc1ccc(cc1)S(=O)(=O)O"),
    *("OS(=O)(=O)c1ccc2ccccc2c1", "OS(=O)(=O)c1cccc2c1cccc2S(=O)(=O)O", "OS(=O)(=O)NC1CCCCC1"),
    *("CC1(C)C2CCC1(CS(=O)(=O)O)C(=O)C2", "CCCCCCCCCCCCOS(=O)(=O)O", "O=C1NS(=O)(=O)c2ccccc12"),
    "O=[N+]([O-])c1cc([N+](=O)[O-])c(O)c([N+](=O)[O-])c1",
    "O=S(=O)(NS(=O)(=O)C(F)(F)F)C(F)(F)F",
    "c1ccc(cc1)[B-](c1ccccc1)(c1ccccc1)c1ccccc1",
    "FC(F)(F)c1cc(cc(c1)C(F)(F)F)[B-](c1cc(cc(c1)C(F)(F)F)C(F)(F)F)"
    "(c1cc(cc(c1)C(F)(F)F)C(F)(F)F)c1cc(cc(c1)C(F)(F)F)C(F)(F)F",
    # solvents
    *("CO", "CCO", "CCCO", "CC(C)O", "CCCCO", "CC(C)(C)O", "OCCO", "CC(O)CO", "OCC(O)CO"),
    *("CC(C)=O", "CCC(C)=O", "CS(C)=O", "CN(C)C=O", "CC(=O)N(C)C", "CN1CCCC1=O", "CC#N"),
    *("C1CCOC1", "C1COCCO1", "CCOCC", "COC(C)(C)C", "CC(C)OC(C)C", "COCCOC", "CCOC(C)=O"),
    *("COC(C)=O", "CC(C)OC(C)=O", "ClCCl", "ClC(Cl)Cl", "ClC(Cl)(Cl)Cl", "ClCCCl", "C[N+](=O)[O-]"),
    *("c1ccccc1", "Cc1ccccc1", "Cc1ccccc1C", "Cc1cccc(C)c1", "Cc1ccc(C)cc1", "Clc1ccccc1"),
    *("CCCCC", "CCCCCC", "CCCCCCC", "C1CCCCC1", "CC1CCCCC1", "COC(=O)OC"),
)
"""Names of what is left out beside any other molecule, without charges and stereo."""

BASES = (
    *("CCN(CC)CC", "CCNCC", "CC(C)N(CC)C(C)C", "CC(C)NC(C)C", "CC(C)(C)N", "NCCO", "OCCNCCO"),
    *("OCCN(CCO)CCO", "NC(CO)(CO)CO", "CNCC(O)C(O)C(O)C(O)CO", "C[N+](C)(C)CCO", "NCCN"),
    *("C1CNCCN1", "C1COCCN1", "C(CNCc1ccccc1)NCc1ccccc1", "C1CCC(CC1)NC1CCCCC1", "c1ccncc1"),
    *("CCCC[N+](CCCC)(CCCC)CCCC", "CC[N+](CC)(CC)CC", "C[N+](C)(C)C"),
)
"""Counter-ions of acids: left out beside any molecule but the former."""

COUNTER_METALS = {3, 11, 12, 19, 20, 37, 38, 55, 56}
"""Alkali and alkaline earth metals, whose ions are counter-ions."""

_METAL = Chem.MolFromSmarts(
    "[!#0;!#1;!#2;!#5;!#6;!#7;!#8;!#9;!#10;!#14;!#15;!#16;!#17;!#18;!#33;!#34;!#35;!#36;!#52;!#53;"
    "!#54]"
)
_CHARGED = rdqueries.FormalChargeEqualsQueryAtom(0, negate=True)
# Hydrogen ions alone are added and taken away: RDKit would make cycloheptatriene of tropylium.
_UNCHARGER = rdMolStandardize.Uncharger(canonicalOrder=True, force=False, protonationOnly=True)
with BlockLogs():  # in a notebook RDKit reports on each of them
    _ALKALI_BONDS = rdMolStandardize.MetalDisconnector()
    _ALKALI_BONDS.SetMetalNof(Chem.MolFromSmarts("[#3,#11,#19,#37,#55]-[#7,#8,#16,#34]"))
    _ALKALI_BONDS.SetMetalNon(Chem.MolFromSmarts("[#3,#11,#19,#37,#55]-[#9,#17,#35,#53]"))
    # RDKit's default rules do the opposite to sulfoxides; nitro groups and N-oxides are in neither.
    _DOUBLE_BONDS = rdMolStandardize.NormalizerFromData(
        "//\tName\tSMIRKS\n"
        "oxides of S+\t[S,P,Se,As,Te;+:1]-[O-,S-,N-:2]>>[*+0:1]=[*+0:2]\n"
        "oxides of S2+\t[S,P,Se,As,Te;+2:1]-[O-,S-,N-:2]>>[*+1:1]=[*+0:2]\n"
        "oxides of S3+\t[S,P,Se,As,Te;+3:1]-[O-,S-,N-:2]>>[*+2:1]=[*+0:2]\n"
        "amides\t[N+:1]=[C:2]-[O-,S-,N-:3]>>[N+0:1]-[C:2]=[*+0:3]\n",
        rdMolStandardize.CleanupParameters(),
    )


def standardise(mol: Mol) -> Mol:
    """Return the parent: one organic fragment, neutral where that is possible.

    Stereo, isotopes and charges that cannot be removed (nitro groups, quaternary nitrogen) are
    kept; a pair of charges that a double bond replaces, as in S+-O-, becomes that bond. Among
    several fragments, salts and solvents come last, then what has no carbon, then the smaller one;
    ties go to mass and to the SMILES. A molecule that needs none of this comes back as it is.
    Raises MoleculeError for other metals than counter-ions, and where only ions are there.

    >>> Chem.MolToSmiles(standardise(parse("CCCC(=O)[O-].[Na+]")))
    'CCCC(=O)O'
    >>> Chem.MolToSmiles(standardise(parse("CN.OC(=O)CC(O)(CC(=O)O)C(=O)O")))
    'CN'
    """
    return _standardised(mol, neutralise=True)[0]


def standard_smiles(
    smiles: str, max_heavy_atoms: int = MAX_HEAVY_ATOMS, neutralise: bool = True
) -> str:
    """Parse, standardise and write one SMILES: the form in which molvae compares and learns
    molecules.

    Raises MoleculeError with one of ``molecule.REASONS``.

    >>> standard_smiles("C[N+](=O)[O-].Cl")
    'C[N+](=O)[O-]'
    """
    mol, anew = parse(smiles, max_heavy_atoms, read_to_write), smiles
    try:
        if "." in smiles or "[" in smiles:  # else no fragments, metals, charges, map numbers
            mol, anew = _standardised(mol, neutralise)
        written: str = Chem.MolToSmiles(mol)
        # A text that comes back as itself has just been proven to be a fixed point.
        if written in (smiles, anew) or not worth_reading_back(written):
            return written
        return settled(mol, written)
    except MoleculeError as error:
        raise MoleculeError(error.reason, smiles, error.detail) from None


def _standardised(mol: Mol, neutralise: bool) -> tuple[Mol, str]:
    """Return the parent, and the SMILES that it was read from if it was read anew."""
    mol, changed = _parent(mol)
    if mol.GetAtomsMatchingQuery(_CHARGED):
        before = _charges(mol)
        with BlockLogs():
            if max(before) > 0 > min(before):
                mol = _DOUBLE_BONDS.normalize(mol)
            if neutralise:
                mol = _UNCHARGER.uncharge(mol)
        changed = changed or _charges(mol) != before
        if _is_bare_ion(mol):  # as [H][I+2] is without its proton
            raise MoleculeError(IONS, Chem.MolToSmiles(mol))
    # Read anew, so that aromaticity and stereo are perceived for what is left.
    return read_anew(mol, Chem.MolToSmiles(mol)) if changed else (mol, "")


def _charges(mol: Mol) -> list[int]:
    return [atom.GetFormalCharge() for atom in mol.GetAtoms()]


def _parent(mol: Mol) -> tuple[Mol, bool]:
    """Return the fragment that a molecule is about, and whether anything was left out."""
    metals = {atom.GetAtomicNum() for atom in _metals(mol)}
    if metals & COUNTER_METALS and mol.GetNumBonds():
        mol = _ALKALI_BONDS.Disconnect(mol)
        Chem.SanitizeMol(mol)
    pieces = _fragments(mol)
    for piece in pieces:
        if (foreign := _metals(piece)) and not (
            _is_counter_metal(piece) or _flat(piece) in _salts()
        ):
            raise MoleculeError(METAL, Chem.MolToSmiles(mol), foreign[0].GetSymbol())
    left = [piece for piece in pieces if not _is_bare_ion(piece) and not _metals(piece)]
    parent = max(left, key=_rank, default=None) if len(pieces) > 1 else next(iter(left), None)
    if parent is None:
        raise MoleculeError(IONS, Chem.MolToSmiles(mol))
    if metals and not _has_carbon(parent):
        raise MoleculeError(METAL, Chem.MolToSmiles(mol), _metals(mol)[0].GetSymbol())
    return parent, len(pieces) > 1


def _metals(mol: Mol) -> list[Chem.Atom]:
    return [mol.GetAtomWithIdx(match[0]) for match in mol.GetSubstructMatches(_METAL)]


def _is_counter_metal(piece: Mol) -> bool:
    atom = piece.GetAtomWithIdx(0)
    alone = piece.GetNumAtoms() == 1 and not atom.GetTotalNumHs()
    return bool(alone and atom.GetAtomicNum() in COUNTER_METALS)


def _is_bare_ion(piece: Mol) -> bool:
    """Tell whether a fragment is a bare ion such as a halide, or hydrogen alone."""
    atom = piece.GetAtomWithIdx(0)
    bare = piece.GetNumAtoms() == 1 and atom.GetFormalCharge() and not atom.GetTotalNumHs()
    return bool(bare) or piece.GetNumHeavyAtoms() == 0


def _has_carbon(piece: Mol) -> bool:
    return any(atom.GetAtomicNum() == 6 for atom in piece.GetAtoms())


def _rank(piece: Mol) -> tuple[int, bool, int, float, str]:
    """Return what the parent has the most of: no salt, carbon, heavy atoms, mass."""
    return (
        2 - _salts().get(_flat(piece), 0),
        _has_carbon(piece),
        piece.GetNumHeavyAtoms(),
        rdMolDescriptors.CalcExactMolWt(piece),
        Chem.MolToSmiles(piece),
    )


@cache
def _salts() -> dict[str, int]:
    """Return how soon a fragment is left out, by its flat SMILES: acids and solvents before
    bases."""
    texts = dict.fromkeys(BASES, 1) | dict.fromkeys(SOLVENTS_AND_ACIDS, 2)
    return {_flat(Chem.MolFromSmiles(text)): rank for text, rank in texts.items()}


def _flat(piece: Mol) -> str:
    """Write a fragment without stereo, isotopes and the charges that hydrogen ions balance."""
    flat = Chem.Mol(piece)
    Chem.RemoveStereochemistry(flat)
    for atom in flat.GetAtoms():
        atom.SetIsotope(0)
    with BlockLogs():
        return str(Chem.MolToSmiles(_UNCHARGER.uncharge(flat)))


def _fragments(mol: Mol) -> tuple[Mol, ...]:
    if len(Chem.GetMolFrags(mol)) == 1:
        return (mol,)
    try:
        pieces: tuple[Mol, ...] = Chem.GetMolFrags(mol, asMols=True)
    except Chem.MolSanitizeException as error:  # of a fragment, where the whole was accepted
        raise MoleculeError(UNREADABLE, Chem.MolToSmiles(mol), f"kekulisation: {error}") from None
    return pieces
