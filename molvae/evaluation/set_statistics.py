"""Fingerprints, fragments, scaffolds and properties of a list of SMILES, for the metrics.

Each molecule is parsed once and described in worker processes; the result is small: packed bits,
counts and numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from rdkit import Chem
from rdkit.Chem import QED, rdMolDescriptors

from ..chem import properties
from ..chem.fingerprints import BITS, Fingerprints, packed_fingerprint
from ..chem.molecule import canonical, parse
from ..errors import MoleculeError
from ..runtime.process_pool import chunked, map_chunks
from .estimates import Floats
from .moses_filters import moses_objection

PROPERTY_NAMES = ("logP", "SA", "QED", "MolWt")
MIN_SCAFFOLD_RINGS = 2
_CHUNK = 250


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


class DescribedSet(NamedTuple):
    """``given`` SMILES of which ``smiles`` are valid: canonical, in their order, duplicates kept.

    ``passing`` counts the valid ones that pass the MOSES filters; 0 where that was not asked."""

    given: int
    smiles: tuple[str, ...]
    statistics: Statistics
    passing: int


class _Row(NamedTuple):
    """The description of one valid molecule."""

    smiles: str
    fingerprint: Fingerprints
    fragments: list[str]
    scaffold: str
    properties: list[float]
    passes: bool


def describe_set(smiles: Sequence[str], workers: int = 1, filters: bool = True) -> DescribedSet:
    """Parse and describe SMILES in ``workers`` processes; the invalid are counted and left out.

    Valid is what ``chem.molecule.parse`` reads, charges and salts unchanged: all that RDKit can
    read but the empty string, wildcards and molecules beyond its limits of size, which MOSES would
    let pass. One that crashes every process that reads it is not valid either."""
    work = partial(_describe_chunk, filters=filters)
    parts = map_chunks(work, chunked(smiles, _CHUNK), workers, on_crash=lambda _: [])
    rows = [row for part in parts for row in part]
    bits = np.array([row.fingerprint for row in rows], np.uint64).reshape(-1, BITS // 64)
    values = np.array([row.properties for row in rows]).reshape(-1, len(PROPERTY_NAMES))
    return DescribedSet(
        given=len(smiles),
        smiles=tuple(row.smiles for row in rows),
        statistics=Statistics(
            bits,
            Counter(fragment for row in rows for fragment in row.fragments),
            Counter(row.scaffold for row in rows if row.scaffold),
            dict(zip(PROPERTY_NAMES, values.T, strict=True)),
        ),
        passing=sum(row.passes for row in rows),
    )


def _describe_chunk(smiles: list[str], filters: bool) -> list[_Row]:
    """Describe the valid ones of a few SMILES in this process."""
    # With a value for every molecule, as MOSES has them: unlike the properties that a person is
    # shown, SA and QED are not refused for very small molecules.
    functions = (properties.logp, properties.sa_scorer(), QED.qed, rdMolDescriptors._CalcMolWt)
    rows = []
    for text in smiles:
        try:
            mol = parse(text)
            form = canonical(mol)
        except MoleculeError:
            continue
        fragments, scaffold = brics_fragments(mol), ring_scaffold(mol)
        values = [function(mol) for function in functions]
        passes = filters and not moses_objection(mol)
        rows.append(_Row(form, packed_fingerprint(mol), fragments, scaffold, values, passes))
    return rows


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
    scaffold = Chem.MurckoDecompose(mol)
    scaffold.UpdatePropertyCache()
    Chem.GetSymmSSSR(scaffold)
    rings = scaffold.GetRingInfo().NumRings()
    return str(Chem.MolToSmiles(scaffold)) if rings >= MIN_SCAFFOLD_RINGS else ""
