"""Structures: small, without colours and text of their own, changes marked, scaffolds in place."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray
from rdkit import Chem

from molvae.chem.drawing import laid_out
from molvae.pages.page import asset
from molvae.pages.structures import CLASSES, lay_over_scaffolds, strip, structures

PARACETAMOL, BROMIDE = "CC(=O)Nc1ccc(O)cc1", "CC(=O)Nc1ccc(Br)cc1"
SCAFFOLD = "c1ccc(-c2ccncc2)cc1"
LARGE = "CC(=O)Nc1ccc(S(=O)(=O)N2CCN(C[C@@H](O)CF)CC2)c(Cl)c1"


def marks(svg: object) -> int:
    """Atoms and bonds that are marked."""
    return sum(d.count("M") for d in re.findall(r'class="mark" d="([^"]*)"', str(svg)))


def test_a_structure_is_small_and_has_no_style_of_its_own() -> None:
    (svg,) = structures([LARGE])
    assert svg is not None
    assert len(svg) < 5200
    assert not re.search(r"style|#|rgb|<text|<rect|\.\d\d|<!--", svg)
    assert set(re.findall(r"<(\w+)", svg)) == {"svg", "path"}


def test_the_page_s_style_colours_every_element() -> None:
    (svg,) = structures(["NOP(S)C(F)(Cl)CBr"])
    used = set(" ".join(re.findall(r'path class="([^"]*)"', str(svg))).split())
    assert used == {*CLASSES.values(), "f"}
    assert all(f".mol .{name} " in asset("style.css") for name in used)


@pytest.mark.parametrize("smiles", ["C1CC", "", "<script>", "c1ccc"])
def test_what_cannot_be_read_has_no_structure(smiles: str) -> None:
    assert structures([smiles, "CCO"])[0] is None
    assert structures([smiles, "CCO"], ["CCO", smiles]) != [None, None]


def test_changes_against_the_lead_are_marked() -> None:
    same, other = structures([PARACETAMOL, BROMIDE], [PARACETAMOL, PARACETAMOL])
    assert (marks(same), marks(other)) == (0, 1)
    assert not marks(structures([BROMIDE])[0])


def test_changes_along_a_path_are_marked() -> None:
    assert [marks(one) for one in strip([PARACETAMOL, PARACETAMOL, BROMIDE])] == [0, 0, 1]


def centred(mol: Chem.Mol | None, smiles: str) -> NDArray[np.float64]:
    """Places of the atoms of the scaffold around their middle, ``(N, 2)``."""
    assert mol is not None
    atoms = Chem.MolFromSmiles(smiles).GetSubstructMatch(Chem.MolFromSmiles(SCAFFOLD))
    places = mol.GetConformer().GetPositions()[list(atoms), :2]
    return np.asarray(places - places.mean(0))


def test_a_scaffold_that_several_have_lies_in_one_place() -> None:
    smiles = ["CCCCCCCc1cccnc1", "Cc1ccc(-c2ccncc2)cc1", "CCCCOc1cccc(-c2ccnc(C(C)CC)c2)c1", "C1C"]
    mols = [laid_out(one) for one in smiles]
    before = [centred(mols[place], smiles[place]) for place in (1, 2)]
    assert not np.allclose(*before, atol=0.1)
    lay_over_scaffolds(mols, smiles)
    assert np.allclose(*(centred(mols[place], smiles[place]) for place in (1, 2)), atol=0.01)
