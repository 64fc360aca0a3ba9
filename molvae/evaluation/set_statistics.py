"""Fingerprints, fragments, scaffolds and properties of a list of SMILES, for the metrics.

Each molecule is parsed once and described in worker processes; the result is small: packed bits,
counts and numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from ..chem import properties
from ..chem.fingerprints import BITS, Fingerprints, packed_fingerprint
from ..chem.molecule import canonical, parse
from ..errors import MoleculeError
from ..runtime.process_pool import chunked, map_chunks
from .moses_filters import passes_moses_filters

PROPERTY_NAMES = ("logP", "SA", "QED", "MolWt")
MIN_SCAFFOLD_RINGS = 2
_CHUNK = 250

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Statistics:
    """Statistics of n molecules: fingerprints (n, words), counts, and properties, each (n,).

    ``fragments`` are the BRICS pieces of all molecules, ``scaffolds`` the Murcko scaffolds of two
    rings or more; duplicates among the molecules count."""

    fingerprints: Fingerprints
    fragments: Counter[str]
    scaffolds: Counter[str]
    properties: dict[str, Floats]

    @property
    def count(self) -> int:
        """Number of molecules."""
        return len(self.fingerprints)


@dataclass(frozen=True)
class DescribedSet:
    """``given`` SMILES of which ``smiles`` are valid: canonical, in their order, duplicates kept.

    ``passes`` says which of the valid ones pass the MOSES filters; it is empty where that was not
    asked."""

    given: int
    smiles: tuple[str, ...]
    statistics: Statistics
    passes: NDArray[np.bool_]


def describe_set(smiles: Sequence[str], workers: int = 1, filters: bool = True) -> DescribedSet:
    """Parse and describe SMILES in ``workers`` processes; the invalid are counted and left out.

    Valid is what ``chem.molecule.parse`` reads, charges and salts unchanged: all that RDKit can
    read but the empty string, wildcards and molecules beyond its limits of size, which MOSES would
    let pass."""
    work = partial(_describe_chunk, filters=filters)
    parts = [work([]), *map_chunks(work, chunked(smiles, _CHUNK), workers, on_crash=_unusable)]
    fragments: Counter[str] = Counter()
    scaffolds: Counter[str] = Counter()
    for part in parts:
        fragments.update(part.statistics.fragments)
        scaffolds.update(part.statistics.scaffolds)
    return DescribedSet(
        given=len(smiles),
        smiles=tuple(text for part in parts for text in part.smiles),
        statistics=Statistics(
            np.concatenate([part.statistics.fingerprints for part in parts]),
            fragments,
            scaffolds,
            {
                name: np.concatenate([part.statistics.properties[name] for part in parts])
                for name in PROPERTY_NAMES
            },
        ),
        passes=np.concatenate([part.passes for part in parts]),
    )


def _unusable(smiles: str) -> DescribedSet:
    """The description of a molecule that crashes every process that reads it: given, not valid."""
    return _describe_chunk([""], filters=False)


def _describe_chunk(smiles: list[str], filters: bool) -> DescribedSet:
    """Describe a few SMILES in this process."""
    texts: list[str] = []
    bits: list[Fingerprints] = []
    values: list[list[float]] = []
    passes: list[bool] = []
    fragments: Counter[str] = Counter()
    scaffolds: Counter[str] = Counter()
    for text in smiles:
        try:
            mol = parse(text)
            texts.append(canonical(mol))
        except MoleculeError:
            continue
        bits.append(packed_fingerprint(mol))
        fragments.update(brics_fragments(mol))
        if scaffold := ring_scaffold(mol):
            scaffolds[scaffold] += 1
        values.append([function(mol) for function in _property_functions()])
        if filters:
            passes.append(passes_moses_filters(mol))
    columns = np.array(values, dtype=np.float64).reshape(len(texts), len(PROPERTY_NAMES))
    fingerprints = np.array(bits, dtype=np.uint64).reshape(len(texts), BITS // 64)
    named = {name: columns[:, at] for at, name in enumerate(PROPERTY_NAMES)}
    statistics = Statistics(fingerprints, fragments, scaffolds, named)
    return DescribedSet(len(smiles), tuple(texts), statistics, np.array(passes, dtype=np.bool_))


def brics_fragments(mol: Chem.Mol) -> list[str]:
    """The pieces left when every BRICS bond is cut, with the cut ends marked; the molecule if none
    is.

    Degen et al., ChemMedChem 3 (2008) 1503, as RDKit has it.

    >>> brics_fragments(Chem.MolFromSmiles("CCOC(C)=O"))
    ['[1*]C(C)=O', '[3*]O[3*]', '[4*]CC']
    """
    pieces: str = Chem.MolToSmiles(Chem.FragmentOnBRICSBonds(mol))
    return pieces.split(".")


def ring_scaffold(mol: Chem.Mol) -> str:
    """The Murcko scaffold of a molecule whose scaffold has two rings or more; empty for others.

    Unlike the property of that name, stereo is kept and single rings do not count, as MOSES has it.

    >>> ring_scaffold(Chem.MolFromSmiles("Cc1ccccc1Cc1ccccc1"))
    'c1ccc(Cc2ccccc2)cc1'
    """
    if mol.GetRingInfo().NumRings() < MIN_SCAFFOLD_RINGS:
        return ""
    scaffold = Chem.MurckoDecompose(mol)
    scaffold.UpdatePropertyCache()
    Chem.GetSymmSSSR(scaffold)
    return (
        str(Chem.MolToSmiles(scaffold))
        if scaffold.GetRingInfo().NumRings() >= MIN_SCAFFOLD_RINGS
        else ""
    )


@cache
def _property_functions() -> tuple[Callable[[Chem.Mol], float], ...]:
    """Functions in the order of ``PROPERTY_NAMES``, with a value for every molecule, as MOSES has
    them.

    Unlike the properties a person is shown, SA and QED are not refused for very small molecules.
    """
    from rdkit.Chem import QED
    from rdkit.Chem.rdMolDescriptors import _CalcMolWt

    return (properties.logp, properties.sa_scorer(), QED.qed, _CalcMolWt)
