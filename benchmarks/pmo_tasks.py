"""The twenty tasks of PMO that need RDKit alone, as functions from a molecule to 0 (bad) to 1.

Practical Molecular Optimization (Gao et al., arXiv 2206.12411) takes them from GuacaMol (Brown et
al., arXiv 1811.09621) by way of TDC; definitions are those of TDC 0.4, in which the isomers count
atoms and sitagliptin has its Gaussians. Left out are DRD2, GSK3b and JNK3, classifiers that are not
RDKit's."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from rdkit import Chem
from rdkit.Chem import QED, Crippen, GraphDescriptors, rdFingerprintGenerator, rdMolDescriptors
from rdkit.Chem.Pharm2D import Generate, Gobbi_Pharm2D
from rdkit.DataStructs import TanimotoSimilarity

Task = Callable[[Chem.Mol], float]
Modifier = Callable[[float], float]

FEATURES = rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
FINGERPRINTS: dict[str, Callable[[Chem.Mol], Any]] = {
    "ECFP4": rdFingerprintGenerator.GetMorganGenerator(radius=2).GetSparseCountFingerprint,
    "ECFP6": rdFingerprintGenerator.GetMorganGenerator(radius=3).GetSparseCountFingerprint,
    "FCFP4": rdFingerprintGenerator.GetMorganGenerator(
        radius=2, atomInvariantsGenerator=FEATURES
    ).GetSparseCountFingerprint,
    "AP": rdFingerprintGenerator.GetAtomPairGenerator(maxDistance=10).GetSparseCountFingerprint,
    "PHCO": lambda mol: Generate.Gen2DFingerprint(mol, Gobbi_Pharm2D.factory),
}


@cache
def reference(kind: str, smiles: str) -> Any:
    """Fingerprint of a task's target."""
    return FINGERPRINTS[kind](Chem.MolFromSmiles(smiles))


def alike(kind: str, smiles: str, mol: Chem.Mol) -> float:
    """Tanimoto similarity of a molecule and a target, 0 to 1."""
    return float(TanimotoSimilarity(FINGERPRINTS[kind](mol), reference(kind, smiles)))


def clip(bound: float, value: float) -> float:
    """Share of ``bound`` that a value reaches, at most 1."""
    return min(value / bound, 1.0)


def gauss(mean: float, width: float, value: float) -> float:
    """Gaussian of height 1 around ``mean``."""
    return math.exp(-0.5 * ((value - mean) / width) ** 2)


def below(mean: float, width: float, value: float) -> float:
    """1 up to ``mean``, the Gaussian beyond."""
    return 1.0 if value <= mean else gauss(mean, width, value)


def above(mean: float, width: float, value: float) -> float:
    """1 from ``mean`` on, the Gaussian below."""
    return 1.0 if value >= mean else gauss(mean, width, value)


def geometric(*values: float) -> float:
    """Geometric mean; 0 if a value is."""
    return math.prod(values) ** (1.0 / len(values))


def atoms_of(formula: str) -> Counter[str]:
    """Atoms in a formula.

    >>> sorted(atoms_of("C9H10N2O2PF2Cl").items())
    [('C', 9), ('Cl', 1), ('F', 2), ('H', 10), ('N', 2), ('O', 2), ('P', 1)]
    """
    found: Counter[str] = Counter()
    for symbol, count in re.findall(r"([A-Z][a-z]?)(\d*)", formula):
        found[symbol] += int(count or 1)
    return found


def isomer(formula: str, mol: Chem.Mol) -> float:
    """Geometric mean of how near each element's count, and that of all atoms, is to a formula."""
    wanted, there = atoms_of(formula), Counter(a.GetSymbol() for a in Chem.AddHs(mol).GetAtoms())
    each = [gauss(count, 1.0, there[symbol]) for symbol, count in wanted.items()]
    return geometric(*each, gauss(wanted.total(), 2.0, there.total()))


def logp(mol: Chem.Mol) -> float:
    """Crippen's logP."""
    return float(Crippen.MolLogP(mol))


def tpsa(mol: Chem.Mol) -> float:
    """Topological polar surface area."""
    return float(rdMolDescriptors.CalcTPSA(mol))


@cache
def pattern(smarts: str) -> Chem.Mol:
    """A SMARTS pattern, parsed."""
    return Chem.MolFromSmarts(smarts)


def has(smarts: str, mol: Chem.Mol) -> float:
    """1 if a molecule has a substructure, else 0."""
    return float(mol.HasSubstructMatch(pattern(smarts)))


ALBUTEROL = "CC(C)(C)NCC(O)c1ccc(O)c(CO)c1"
MESTRANOL = "COc1ccc2[C@H]3CC[C@@]4(C)[C@@H](CC[C@@]4(O)C#C)[C@@H]3CCc2c1"
CELECOXIB = "CC1=CC=C(C=C1)C1=CC(=NN1C1=CC=C(C=C1)S(N)(=O)=O)C(F)(F)F"
TROGLITAZONE = "Cc1c(C)c2OC(C)(COc3ccc(CC4SC(=O)NC4=O)cc3)CCc2c(C)c1O"
THIOTHIXENE = "CN(C)S(=O)(=O)c1ccc2Sc3ccccc3C(=CCCN4CCN(C)CC4)c2c1"
CAMPHOR, MENTHOL = "CC1(C)C2CCC1(C)C(=O)C2", "CC(C)C1CCC(C)CC1O"
TADALAFIL = "O=C1N(CC(N2C1CC3=C(C2C4=CC5=C(OCO5)C=C4)NC6=C3C=CC=C6)=O)C"
SILDENAFIL = "CCCC1=NN(C2=C1N=C(NC2=O)C3=C(C=CC(=C3)S(=O)(=O)N4CCN(CC4)C)OCC)C"
OSIMERTINIB = "COc1cc(N(C)CCN(C)C)c(NC(=O)C=C)cc1Nc2nccc(n2)c3cn(C)c4ccccc34"
FEXOFENADINE = "CC(C)(C(=O)O)c1ccc(cc1)C(O)CCCN2CCC(CC2)C(O)(c3ccccc3)c4ccccc4"
RANOLAZINE = "COc1ccccc1OCC(O)CN2CCN(CC(=O)Nc3c(C)cccc3C)CC2"
PERINDOPRIL = "O=C(OCC)C(NC(C(=O)N1C(C(=O)O)CC2CCCCC12)C)CCC"
AMLODIPINE = r"Clc1ccccc1C2C(=C(/N/C(=C2/C(=O)OCC)COCCN)C)\C(=O)OC"
SITAGLIPTIN = "Fc1cc(c(F)cc1F)CC(N)CC(=O)N3Cc2nnc(n2CC3)C(F)(F)F"
ZALEPLON = "O=C(C)N(CC)C1=CC=CC(C2=CC=NC3=C(C=NN23)C#N)=C1"
HOP = "CCCOc1cc2ncnc(Nc3ccc4ncsc4c3)c2cc1S(=O)(=O)C(C)(C)C"

VALSARTAN_CORE = "CN(C=O)Cc1ccc(c2ccccc2)cc1"
SULFONE = "CS([#6])(=O)=O"
THIAZOLE = "[#7]-c1ccc2ncsc2c1"
QUINAZOLINE = "[#7]-c1n[c;h1]nc2[c;h1]c(-[#8])[c;h0][c;h1]c12"
DECORATION = "[#6]-[#6]-[#6]-[#8]-[#6]~[#6]~[#6]~[#6]~[#6]-[#7]-c1ccc2ncsc2c1"


def osimertinib(mol: Chem.Mol) -> float:
    """Like osimertinib and not too like, polar, with a low logP."""
    return geometric(
        clip(0.8, alike("FCFP4", OSIMERTINIB, mol)),
        below(0.85, 0.1, alike("ECFP6", OSIMERTINIB, mol)),
        above(100, 10, tpsa(mol)),
        below(1, 1, logp(mol)),
    )


def fexofenadine(mol: Chem.Mol) -> float:
    """Like fexofenadine, polar, with a logP up to 4."""
    return geometric(
        clip(0.8, alike("AP", FEXOFENADINE, mol)), above(90, 10, tpsa(mol)), below(4, 1, logp(mol))
    )


def ranolazine(mol: Chem.Mol) -> float:
    """Like ranolazine, polar, with a logP of 7 and one fluorine."""
    fluorines = sum(atom.GetSymbol() == "F" for atom in mol.GetAtoms())
    return geometric(
        clip(0.7, alike("AP", RANOLAZINE, mol)),
        above(95, 20, tpsa(mol)),
        above(7, 1, logp(mol)),
        gauss(1, 1, fluorines),
    )


def perindopril(mol: Chem.Mol) -> float:
    """Like perindopril with two aromatic rings."""
    rings = rdMolDescriptors.CalcNumAromaticRings(mol)
    return geometric(alike("ECFP4", PERINDOPRIL, mol), gauss(2, 0.5, rings))


def amlodipine(mol: Chem.Mol) -> float:
    """Like amlodipine with three rings."""
    rings = rdMolDescriptors.CalcNumRings(mol)
    return geometric(alike("ECFP4", AMLODIPINE, mol), gauss(3, 0.5, rings))


@cache
def of_sitagliptin(value: Callable[[Chem.Mol], float]) -> float:
    """A property of sitagliptin itself."""
    return value(Chem.MolFromSmiles(SITAGLIPTIN))


def sitagliptin(mol: Chem.Mol) -> float:
    """Of sitagliptin's formula, logP and surface, but unlike it."""
    return geometric(
        gauss(0, 0.1, alike("ECFP4", SITAGLIPTIN, mol)),
        gauss(of_sitagliptin(logp), 0.2, logp(mol)),
        gauss(of_sitagliptin(tpsa), 5, tpsa(mol)),
        isomer("C16H15F6N5O", mol),
    )


def zaleplon(mol: Chem.Mol) -> float:
    """Like zaleplon with an oxygen more."""
    return geometric(alike("ECFP4", ZALEPLON, mol), isomer("C19H17N3O2", mol))


def valsartan(mol: Chem.Mol) -> float:
    """With valsartan's core, and sitagliptin's logP, surface and complexity."""
    return geometric(
        has(VALSARTAN_CORE, mol),
        gauss(of_sitagliptin(tpsa), 5, tpsa(mol)),
        gauss(of_sitagliptin(logp), 0.2, logp(mol)),
        gauss(of_sitagliptin(GraphDescriptors.BertzCT), 30, GraphDescriptors.BertzCT(mol)),
    )


def deco_hop(mol: Chem.Mol) -> float:
    """Keep the scaffold of a kinase inhibitor and change its decorations."""
    return (
        clip(0.85, alike("PHCO", HOP, mol))
        + (1 - has(SULFONE, mol))
        + (1 - has(THIAZOLE, mol))
        + has(QUINAZOLINE, mol)
    ) / 4


def scaffold_hop(mol: Chem.Mol) -> float:
    """Keep the decorations and change the scaffold."""
    return (
        clip(0.75, alike("PHCO", HOP, mol)) + has(DECORATION, mol) + (1 - has(QUINAZOLINE, mol))
    ) / 3


TASKS: dict[str, Task] = {
    "albuterol_similarity": lambda mol: clip(0.75, alike("FCFP4", ALBUTEROL, mol)),
    "amlodipine_mpo": amlodipine,
    "celecoxib_rediscovery": partial(alike, "ECFP4", CELECOXIB),
    "deco_hop": deco_hop,
    "fexofenadine_mpo": fexofenadine,
    "isomers_c7h8n2o2": partial(isomer, "C7H8N2O2"),
    "isomers_c9h10n2o2pf2cl": partial(isomer, "C9H10N2O2PF2Cl"),
    "median1": lambda mol: geometric(alike("ECFP4", CAMPHOR, mol), alike("ECFP4", MENTHOL, mol)),
    "median2": lambda mol: geometric(
        alike("ECFP6", TADALAFIL, mol), alike("ECFP6", SILDENAFIL, mol)
    ),
    "mestranol_similarity": lambda mol: clip(0.75, alike("AP", MESTRANOL, mol)),
    "osimertinib_mpo": osimertinib,
    "perindopril_mpo": perindopril,
    "qed": lambda mol: float(QED.qed(mol)),
    "ranolazine_mpo": ranolazine,
    "scaffold_hop": scaffold_hop,
    "sitagliptin_mpo": sitagliptin,
    "thiothixene_rediscovery": partial(alike, "ECFP4", THIOTHIXENE),
    "troglitazone_rediscovery": partial(alike, "ECFP4", TROGLITAZONE),
    "valsartan_smarts": valsartan,
    "zaleplon_mpo": zaleplon,
}
"""Every task by its name in PMO, in alphabetical order."""

CHANGED = ("isomers_c7h8n2o2", "isomers_c9h10n2o2pf2cl", "sitagliptin_mpo", "zaleplon_mpo")
"""Tasks whose definition TDC mended in 2022, so that older figures may be of other ones."""


def auc_top10(scores: list[float], calls: int, every: int = 100) -> float:
    """Area under the mean of the ten best scores so far, over ``calls`` calls, 0 to 1.

    As in PMO: the mean is taken after every 100 calls, the curve begins at 0, goes straight from
    point to point, and keeps its last value where a search ends early. ``scores`` are those of
    distinct molecules, in the order in which they were called."""
    total, before, at = 0.0, 0.0, 0
    scores = scores[:calls]
    while at < len(scores):
        after = min(at + every, len(scores))
        best = sorted(scores[:after], reverse=True)[:10]
        now = sum(best) / len(best)
        total += (after - at) * (now + before) / 2
        before, at = now, after
    return (total + (calls - at) * before) / calls
