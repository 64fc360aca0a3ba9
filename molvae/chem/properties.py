"""Properties of one molecule: a table of named functions, each ``Mol -> value``; and conditions on
their values.

Adding a property is adding a line to ``PROPERTIES``. A property either has a value or raises
``MoleculeError`` with the reason why this molecule has none; it never makes a number up.
"""

from __future__ import annotations

import importlib.util
import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from rdkit.rdBase import BlockLogs

from ..errors import MoleculeError, UsageError

Value = float | int | str
"""A number, or text for a scaffold or the names of alerts."""

MIN_HEAVY_ATOMS = 4  # below it QED and SA give numbers (0.36 and 7.3 for methane) that mean nothing
MODELLED_ELEMENTS = frozenset(["H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Se", "Br", "I"])


def logp(mol: Chem.Mol) -> float:
    """Octanol-water partition coefficient by Crippen's atom contributions, log10 units.

    Wildman and Crippen, J. Chem. Inf. Comput. Sci. 39 (1999) 868.

    >>> round(logp(Chem.MolFromSmiles("c1ccccc1")), 2)
    1.69
    """
    return float(rdMolDescriptors.CalcCrippenDescriptors(mol)[0])


def qed(mol: Chem.Mol) -> float:
    """Quantitative estimate of drug-likeness, 0 (unlike) to 1 (like).

    Bickerton et al., Nature Chemistry 4 (2012) 90. Raises ``MoleculeError`` for very small
    molecules, molecules without carbon, and elements it was not made for."""
    from rdkit.Chem import QED

    _refuse_unfitted(mol)
    score: Callable[[Chem.Mol], float] = QED.qed
    return float(score(mol))


def synthetic_accessibility(mol: Chem.Mol) -> float:
    """SA score, 1 (easy to make) to 10 (hard), as RDKit's contributed implementation has it.

    Ertl and Schuffenhauer, J. Cheminformatics 1 (2009) 8; RDKit's fingerprints have moved a little
    since, so values differ slightly from the paper's. Isotopes do not count, as no label makes a
    molecule harder by the score's own fragments. Raises ``MoleculeError`` as ``qed`` does.
    """
    _refuse_unfitted(mol)
    return float(sa_scorer()(_without_isotopes(mol)))


def _without_isotopes(mol: Chem.Mol) -> Chem.Mol:
    """The molecule of natural isotopes: deuterium is then a hydrogen as any other."""
    if not any(atom.GetIsotope() for atom in mol.GetAtoms()):
        return mol
    natural = Chem.Mol(mol)
    for atom in natural.GetAtoms():
        atom.SetIsotope(0)
    return Chem.RemoveHs(natural)


def lipinski_violations(mol: Chem.Mol) -> int:
    """Number of Lipinski's rules broken: weight > 500, logP > 5, NH and OH > 5, N and O > 10.

    Lipinski et al., Adv. Drug Deliv. Rev. 23 (1997) 3; its donors are counted as hydrogens on N and
    O, its acceptors as N and O atoms, which is not what ``hbd`` and ``hba`` count.

    >>> lipinski_violations(Chem.MolFromSmiles("C" * 40))
    2
    """
    broken = (
        rdMolDescriptors._CalcMolWt(mol) > 500,
        logp(mol) > 5,
        rdMolDescriptors.CalcNumLipinskiHBD(mol) > 5,
        rdMolDescriptors.CalcNumLipinskiHBA(mol) > 10,
    )
    return sum(broken)


def scaffold(mol: Chem.Mol) -> str:
    """Canonical SMILES of the Murcko scaffold: rings and what links them, without stereo; empty if
    acyclic.

    Bemis and Murcko, J. Med. Chem. 39 (1996) 2887.

    >>> scaffold(Chem.MolFromSmiles("CC(=O)Nc1ccc(Cc2ccncc2)cc1"))
    'c1ccc(Cc2ccncc2)cc1'
    >>> scaffold(Chem.MolFromSmiles("CCCO"))
    ''
    """
    return str(Chem.MolToSmiles(Chem.MurckoDecompose(mol), isomericSmiles=False))


def alert_names(mol: Chem.Mol) -> str:
    """Names of all PAINS, Brenk and NIH alerts found, catalogue first, separated by semicolons.

    >>> alert_names(Chem.MolFromSmiles("O=Cc1ccccc1"))
    'Brenk:aldehyde; NIH:aldehyde'
    """
    return "; ".join(
        f"{heading}:{entry.GetDescription()}"
        for heading in ("PAINS", "Brenk", "NIH")
        for entry in _catalog(heading.upper()).GetMatches(mol)
    )


def _alert_count(catalog: str) -> Callable[[Chem.Mol], int]:
    return lambda mol: len(_catalog(catalog).GetMatches(mol))


@cache
def _catalog(name: str) -> Any:
    from rdkit.Chem import FilterCatalog

    parameters = FilterCatalog.FilterCatalogParams()
    parameters.AddCatalog(getattr(FilterCatalog.FilterCatalogParams.FilterCatalogs, name))
    return FilterCatalog.FilterCatalog(parameters)


@cache
def sa_scorer() -> Callable[[Chem.Mol], float]:
    """The SA score that RDKit ships, without the pole of its formula.

    RDKit smooths raw scores above 8 to 8 + log(raw - 8), which falls to minus infinity at 8 and
    comes back to 8 at 9; in between it is 8 here, so that harder is never a smaller number.
    """
    from rdkit.Chem import RDConfig

    path = os.path.join(RDConfig.RDContribDir, "SA_Score", "sascorer.py")
    found = importlib.util.spec_from_file_location("sascorer", path)
    if found is None or found.loader is None or not os.path.isfile(path):
        raise ModuleNotFoundError("this build of RDKit lacks Contrib/SA_Score/sascorer.py")
    sascorer: Any = importlib.util.module_from_spec(found)  # a copy for molvae alone
    found.loader.exec_module(sascorer)
    # Its other logarithm is of a ratio above 1, so this changes nothing but the pole.
    sascorer.math = SimpleNamespace(log=lambda x: max(0.0, math.log(x)), log10=math.log10)
    with warnings.catch_warnings():
        # it leaves the file of its fragment scores to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        sascorer.readFragmentScores()
    score: Callable[[Chem.Mol], float] = sascorer.calculateScore
    return score


def _refuse_unfitted(mol: Chem.Mol) -> None:
    """Raise ``MoleculeError`` where a score fitted on drug-like organic molecules says nothing."""
    elements = {atom.GetSymbol() for atom in mol.GetAtoms()}
    heavy = mol.GetNumHeavyAtoms()
    if foreign := sorted(elements - MODELLED_ELEMENTS):
        detail = f"not fitted for {', '.join(foreign)}"
    elif "C" not in elements:
        detail = "no carbon"
    elif heavy < MIN_HEAVY_ATOMS:
        detail = f"{heavy} heavy atom{'s' * (heavy != 1)}, fewer than {MIN_HEAVY_ATOMS}"
    else:
        return
    raise MoleculeError("not defined", Chem.MolToSmiles(mol), detail)


@dataclass(frozen=True)
class Property:
    """A named property: ``name`` heads its column, ``function`` computes it, ``description`` is one
    line.

    ``by_default`` is False for what is only computed when asked for by name.
    """

    name: str
    function: Callable[[Chem.Mol], Value]
    description: str
    by_default: bool = True


PROPERTIES: dict[str, Property] = {
    "qed": Property("QED", qed, "quantitative estimate of drug-likeness, 0 to 1"),
    "sa": Property("SA", synthetic_accessibility, "synthetic accessibility, 1 (easy) to 10 (hard)"),
    "logp": Property("logP", logp, "octanol-water partition coefficient (Crippen)"),
    "molwt": Property("MolWt", rdMolDescriptors._CalcMolWt, "average molecular weight, g/mol"),
    "tpsa": Property(
        "TPSA", rdMolDescriptors.CalcTPSA, "topological polar surface area, square angstrom"
    ),
    "hbd": Property("HBD", rdMolDescriptors.CalcNumHBD, "hydrogen-bond donors"),
    "hba": Property("HBA", rdMolDescriptors.CalcNumHBA, "hydrogen-bond acceptors"),
    "rotatable_bonds": Property(
        "RotatableBonds", rdMolDescriptors.CalcNumRotatableBonds, "rotatable bonds"
    ),
    "rings": Property("Rings", rdMolDescriptors.CalcNumRings, "rings (smallest set)"),
    "heavy_atoms": Property("HeavyAtoms", Chem.Mol.GetNumHeavyAtoms, "atoms that are not hydrogen"),
    "fsp3": Property(
        "Fsp3", rdMolDescriptors.CalcFractionCSP3, "fraction of carbons that are sp3, 0 to 1"
    ),
    "lipinski_violations": Property(
        "LipinskiViolations", lipinski_violations, "how many of Lipinski's four rules are broken"
    ),
    "pains": Property(
        "PAINS", _alert_count("PAINS"), "assay-interference alerts found; 0 is clean"
    ),
    "brenk": Property("Brenk", _alert_count("BRENK"), "Brenk's unwanted groups found; 0 is clean"),
    "nih": Property("NIH", _alert_count("NIH"), "NIH alerts found; 0 is clean"),
    "scaffold": Property(
        "Scaffold", scaffold, "Murcko scaffold as SMILES, empty for acyclic molecules"
    ),
    "alerts": Property(
        "Alerts", alert_names, "names of the PAINS, Brenk and NIH alerts found", by_default=False
    ),
}
"""Properties by the name that users pick them by, in the order of the columns."""

DEFAULT_SCORES: tuple[str, ...] = tuple(
    key for key, entry in PROPERTIES.items() if entry.by_default
)
"""The names computed when none are picked."""


class Condition(NamedTuple):
    """A property by its name in ``PROPERTIES``, and the window of its values, bounds included."""

    name: str
    low: float
    high: float

    def value(self, mol: Chem.Mol) -> float:
        """The property of a molecule, nan where it has no number."""
        try:
            value = PROPERTIES[self.name].function(mol)
        except MoleculeError:
            return math.nan
        return math.nan if isinstance(value, str) else float(value)


def condition_of(text: str) -> Condition:
    """The condition in ``logp=2:3``, ``molwt=:400`` or ``rings=3``; UsageError if it is none.

    >>> condition_of("logp=2:3")
    Condition(name='logp', low=2.0, high=3.0)
    """
    name, equals, window = text.partition("=")
    low, colon, high = window.partition(":")
    try:
        bounds = float(low or "-inf"), float(high or ("inf" if colon else low))
    except ValueError:
        bounds = (1.0, 0.0)
    name = name.strip().lower()
    if not equals or not window or not bounds[0] <= bounds[1]:
        raise UsageError(f"{text!r} is no condition; write logp=2:3, molwt=:400 or qed=0.7:")
    if name not in PROPERTIES:
        raise UsageError(f"{name!r} is not a property; `molvae score --list` shows those there are")
    return Condition(name, *bounds)


@dataclass(frozen=True)
class Conditions:
    """Windows of properties, and a substructure (SMARTS) if one is given."""

    windows: tuple[Condition, ...] = ()
    keep: str = ""

    def __post_init__(self) -> None:
        if self.keep and Chem.MolFromSmarts(self.keep) is None:
            raise UsageError(f"{self.keep}: is no SMARTS pattern")

    def values(self, smiles: str) -> list[float]:
        """The properties of a molecule, one a window; nan where there is none."""
        with BlockLogs():
            mol = Chem.MolFromSmiles(smiles)
        return [one.value(mol) for one in self.windows]

    def hold(self, smiles: str) -> bool:
        """True for a molecule that meets all of them."""
        if not self.windows and not self.keep:
            return True
        with BlockLogs():
            mol = Chem.MolFromSmiles(smiles)
        if self.keep and not mol.HasSubstructMatch(Chem.MolFromSmarts(self.keep)):
            return False
        return all(one.low <= one.value(mol) <= one.high for one in self.windows)


def conditions_of(texts: Sequence[str]) -> tuple[Conditions, float]:
    """The conditions in ``molwt=:400`` and, for a substructure, ``keep=c1ccncc1``; and the number
    in ``similarity=0.4``, 0 if it is not there. UsageError for what is none of these."""
    named: dict[str, list[str]] = {"keep": [], "similarity": []}
    windows = []
    for text in texts:
        name, equals, value = text.partition("=")
        if equals and name in named:
            named[name].append(value)
        else:
            windows.append(condition_of(text))
    if len(named["keep"]) > 1:
        raise UsageError("one substructure can be kept; write a SMARTS pattern that has both")
    try:
        similarity = sum(map(float, named["similarity"]))
    except ValueError:
        similarity = -1.0
    if len(named["similarity"]) > 1 or not 0.0 <= similarity <= 1.0:
        raise UsageError(
            f"{', '.join(named['similarity'])}: is no similarity; write similarity=0.4"
        )
    return Conditions(tuple(windows), *named["keep"]), similarity
