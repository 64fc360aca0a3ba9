"""The filters of the MOSES data set: MCF, PAINS, allowed atoms, no charge, no large ring.

The 22 medicinal-chemistry patterns (MCF) and the PAINS patterns are the data of the MOSES benchmark
(Polykovskiy et al., arXiv 1811.12823; https://github.com/molecularsets/moses, copyright 2018
Insilico Medicine, Inc., MIT licence). RDKit carries the same 480 PAINS patterns, but has since
corrected 17 of them; those are put back here as MOSES has them, so that the share that passes is
the published figure."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from rdkit import Chem, DataStructs, RDConfig

from ..errors import MolvaeError

ALLOWED_ELEMENTS = frozenset(["C", "N", "S", "O", "F", "Cl", "Br", "H"])
LARGEST_RING = 7
SCREENING_BITS = 2048

MCF: dict[str, str] = {
    "vinyl nitrile": "[#6]=&!@[#6]-[#6]#[#7]",
    "vinyl sulfone": "[#6]=&!@[#6]-[#16](=[#8])=[#8]",
    "acrylamide": "[#6]=&!@[#6&!H0]-&!@[#6](=[#8])-&!@[#7]",
    "alkyl halide": "[H]C([H])([#6])[F,Cl,Br,I]",
    "epoxide": "[#6]1-[#8]-[#6]-1",
    "isocyanate": "[#6]-[#7]=[#6]=[#8]",
    "aldehyde": "[#6&!H0]=[#8]",
    "imine": "[#6](=&!@[#7&!H0])-&!@[#6,#7,#8,#16]",
    "aziridine": "[#6]1-[#7]-[#6]-1",
    "hydrazine": "[#6]~&!@[#7]~&!@[#7]~&!@[#6]",
    "azo": "[#7]=&!@[#7]",
    "furan with neighbouring hydrogens": "[H][#6]-1=[#6]([H])-[#6]=[#6](-*)-[#8]-1",
    "thiophene with neighbouring hydrogens": "[H][#6]-1=[#6]([H])-[#6]=[#6](-*)-[#16]-1",
    "halogen beside an aromatic heteroatom": "[#17,#35,#53]-c(:*):[!#1!#6]:*",
    "aniline": "[H][#7]([H])-[#6]-1=[#6]-[#6]=[#6]-[#6]=[#6]-1",
    "disulfide": "[#16]~[#16]",
    "azide": "[#7]~&!@[#7]~&!@[#7]",
    "aminal": "[#7]-&!@[#6&!H0&!H1]-&!@[#7]",
    "acetal": "[#6&!H0](-&!@[#8])-&!@[#8]",
    "three bromines": "[#35].[#35].[#35]",
    "four chlorines": "[#17].[#17].[#17].[#17]",
    "seven fluorines": "[#9].[#9].[#9].[#9].[#9].[#9].[#9]",
}
"""MOSES's medicinal-chemistry patterns, matched on molecules with explicit hydrogens; the names are
ours.

Those of furan, thiophene and aniline are written for Kekulé structures: they find nothing in
RDKit's aromatic rings, in MOSES no more than here. """

PAINS_OF_MOSES: dict[str, str] = {
    "anil_di_alk_D(198)": (
        "c:1:c:c(:c:c:c:1-[#7](-[#6;X4])-[#6;X4])-[#6;X4]-[$([#8]-[#1]),$([#6]=[#6]-[#1]),$([#7]-[#6;X4])]"
    ),
    "anil_OC_alk_B(3)": (
        "c:1:3:c(:c:c:c:c:1)-[#7]-2-[#6](=[#8])-[#6](=[#6](-[F,Cl,Br,I])-[#6]-2=[#8])"
        "-[#7](-[#1])-[#6]:[#6]:[#6]:[#6](-[#8]-[#6](-[#1])-[#1]):[#6]:[#6]:3"
    ),
    "anthranil_acid_I(1)": (
        "c:1:2(:c(:c(:c(:o:1)-[#6])-[#1])-[#1])-[#6](=[#8])-[#7](-[#1])"
        "-[#6]:[#6](-[#1]):[#6](-[#1]):[#6](-[#1]):[#6](-[#1]):[#6]:2-[#6](=[#8])-[#8]-[#1]"
    ),
    "colchicine_het(1)": (
        "c:1-3:c(:c:c:c:c:1)-[#16]-[#6](=[#7]-[#7]=[#6]-2-[#6]=[#6]-[#6]=[#6]-[#6]=[#6]-2)-[#7]-3-[#6](-[#1])-[#1]"
    ),
    "het_5_inium(1)": (
        "[#7]-4(-c:1:c:c:c:c:c:1)-[#6](=[#7+](-c:2:c:c:c:c:c:2)-[#6](=[#7]-c:3:c:c:c:c:c:3)-[#7]-4)-[#1]"
    ),
    "het_65_H(1)": "c2(c-1n(-[#6](-[#6]=[#6]-[#7]-1)=[#8])nc2-c3cccn3)-[#6]#[#7]",
    "het_6_imidate_A(4)": "[#7]=[#6]-1-[#7](-[#1])-[#6](=[#6](-[#7]-[#1])-[#7]=[#7]-1)-[#7]-[#1]",
    "het_6_imidate_B(1)": (
        "[#7](-[#1])(-c:1:c(:c(:c(:c(:c:1-[#1])-[#1])-[#1])-[#1])-[#8]-[#1])"
        "-[#6]-2=[#6](-[#8]-[#6](-[#7]=[#7]-2)=[#7])-[#7](-[#1])-[#1]"
    ),
    "het_thio_666_A(13)": (
        "c:2(:c:1-[#16]-c:3:c(-[#7;!H0,$([#7]-[CH3]),$([#7]-[#6;!H0;!H1]-[#6;!H0])]"
        "(-c:1:c(:c(:c:2-[#1])-[#1])-[#1])):[c;!H0,$(c~[#7](-[#1])-[#6;X4]),$(c~[#6]:[#6])]"
        "(:[c;!H0,$(c~[#6]:[#6])]:[c;!H0,$(c-[#7](-[#1])-[#1]),$(c-[#8]-[#6;X4])]:c:3-[#1]))-[#1]"
    ),
    "het_thio_676_A(10)": (
        "c:1:c:c-2:c(:c:c:1)-[#6]-[#6](-c:3:c(-[#16]-2):c(:c(-[#1])"
        ":[c;!H0,$(c-[#8]),$(c-[#16;X2]),$(c-[#6;X4]),$(c-[#7;H2,H3,$([#7!H0]-[#6;X4]),$([#7](-[#6;X4])-[#6;X4])])]"
        "(:c:3-[#1]))-[#1])-[#7;H2,H3,$([#7;!H0]-[#6;X4]),$([#7](-[#6;X4])-[#6;X4])]"
    ),
    "hzone_enamin(30)": (
        "[#7](-[#1])-[#7]=[#6]-[#6;!H0,$([#6]-[#6])]=[#6](-[#6])-!@[$([#7]),$([#8]-[#1])]"
    ),
    "quinone_A(370)": "[!#6&!#1]=[#6]-1-[#6]=,:[#6]-[#6](=[!#6&!#1])-[#6]=,:[#6]-1",
    "quinone_C(2)": (
        "[#8]=[#6]-3-c:1:c(:c:c:c:c:1)-[#6]-2=[#6](-[#8]-[#1])-[#6](=[#8])-[#7]-c:4:c-2:c-3:c:c:c:4"
    ),
    "thiaz_ene_A(128)": (
        "[#6]-1(=[#6;!H0,$([#6]-[#6;!H0;!H1]),$([#6]-[#6]=[#8])]"
        "-[#16]-[#6](-[#7;!H0,$([#7]-[#6;!H0]),$([#7]-[#6]:[#6])]-1)=[#7;!R])-[$([#6](-[#1])-[#1]),$([#6]:[#6])]"
    ),
    "thiaz_ene_C(11)": (
        "[#6]-1(=[#6](-!@[#6]=[#7])-[#16]-[#6](-[#7]-1)=[#8])-[$([F,Cl,Br,I]),$([#7+](:[#6]):[#6])]"
    ),
    "thio_urea_K(2)": "[#6]-2(=[#16])-[#7]-1-[#6]:[#6]-[#7]=[#7]-[#6]-1=[#7]-[#7]-2-[#1]",
    "thiophene_E(2)": (
        "c:1(:c(:c(:[c;!H0,$(c-[#6;!H0,!H1])](:s:1))-[#1])-[#1])"
        "-[#6;!H0,$([#6]-[#6;!H0;!H1])]-[#6](=[#8])-[#7](-[#1])-c:2:n:c:c:s:2"
    ),
}
"""The 17 PAINS patterns that RDKit has corrected, as MOSES has them; named as RDKit's table names
them.
"""


def moses_objection(mol: Chem.Mol) -> str:
    """The first reason why MOSES would refuse a molecule, in words; empty where there is none.

    >>> moses_objection(Chem.MolFromSmiles("CC(=O)Nc1ccc(O)cc1"))
    ''
    >>> moses_objection(Chem.MolFromSmiles("CCC=O"))
    'MCF: aldehyde'
    >>> moses_objection(Chem.MolFromSmiles("CCCP"))
    'element P'
    """
    if any(len(ring) > LARGEST_RING for ring in mol.GetRingInfo().AtomRings()):
        return f"a ring of more than {LARGEST_RING} atoms"
    for atom in mol.GetAtoms():
        if atom.GetFormalCharge():
            return "a charge"
        if atom.GetSymbol() not in ALLOWED_ELEMENTS:
            return f"element {atom.GetSymbol()}"
    if name := _first_match(_mcf(), Chem.AddHs(mol)):
        return f"MCF: {name}"
    if name := _first_match(_pains(), mol):
        return f"PAINS: {name}"
    return ""


Patterns = list[tuple[str, Chem.Mol, int]]
"""Names, substructures, and the fingerprint bits that a molecule must have to hold them."""


def _first_match(patterns: Patterns, mol: Chem.Mol) -> str:
    """The name of the first pattern found, or nothing; the bits rule out nine in ten without a
    search.
    """
    present = _pattern_bits(mol)
    for name, query, bits in patterns:
        if bits & present == bits and mol.HasSubstructMatch(query):
            return name
    return ""


@cache
def _mcf() -> Patterns:
    return _compile(MCF, merge_hydrogens=False)


@cache
def _pains() -> Patterns:
    """RDKit's table with MOSES's 17 put back; hydrogens become part of the atoms, which is
    faster.
    """
    path = Path(RDConfig.RDDataDir, "Pains", "wehi_pains.csv")
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            rows = list(csv.reader(handle))
    except OSError as error:
        raise MolvaeError(
            f"RDKit's PAINS table cannot be read ({path}: {error.strerror}): this build of RDKit "
            "lacks its data files; the one on PyPI has them"
        ) from error
    corrected = {label.removeprefix("<regId=").removesuffix(">"): smarts for smarts, label in rows}
    return _compile(corrected | PAINS_OF_MOSES, merge_hydrogens=True)


def _compile(table: dict[str, str], merge_hydrogens: bool) -> Patterns:
    patterns = []
    for name, smarts in table.items():
        query = Chem.MolFromSmarts(smarts, mergeHs=merge_hydrogens)
        query.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(query)
        patterns.append((name, query, _pattern_bits(query)))
    return patterns


def _pattern_bits(mol: Chem.Mol) -> int:
    """RDKit's screening fingerprint: a molecule that holds a pattern has all of the pattern's
    bits.
    """
    text = DataStructs.BitVectToBinaryText(Chem.PatternFingerprint(mol, SCREENING_BITS))
    return int.from_bytes(text, "little")
