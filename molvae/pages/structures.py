"""Structures for a page: RDKit's drawing as small SVG that the page's style colours.

A few paths each, one a colour, with classes in place of colours: the page says what these are by
day and by night. No text and no style is in them, so that a page's policy holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree

from markupsafe import Markup
from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from ..chem.drawing import draw_strip, laid_out, lay_over
from ..chem.molecule import parse
from ..chem.properties import scaffold
from .page import environment

SIZE = (240, 170)
"""Width and height in pixels."""

BOND = 25.0
"""Length of a bond in pixels, at most: a large molecule is drawn smaller."""

BOND_UNITS = 1.5  # length of a bond in RDKit's coordinates

CLASSES = {
    7: "n",
    8: "o",
    15: "p",
    16: "s",
    35: "br",
    53: "br",
    9: "x",
    17: "x",
}
"""Class of an element's labels and halves of bonds; others have the colour of text."""

NUMBER = re.compile(r"-?\d+\.?\d*")


def structures(smiles: Sequence[str], leads: Sequence[str] = ()) -> list[Markup | None]:
    """An ``<svg>`` of each molecule, None where it cannot be drawn.

    ``leads``, if any, are one each: a molecule is laid over its lead, and the atoms that the lead
    does not have are marked. Else molecules with one Murcko scaffold have it in one place."""
    mols = [laid_out(one) for one in smiles]
    marked: list[tuple[int, ...]] = [()] * len(mols)
    if leads:
        first = {lead: laid_out(lead) for lead in dict.fromkeys(leads)}
        for place, (mol, lead) in enumerate(zip(mols, leads, strict=True)):
            before = first[lead]
            if mol is not None and before is not None:
                marked[place] = lay_over(mol, before) or ()
    else:
        lay_over_scaffolds(mols, smiles)
    return list(map(svg_of, mols, marked))


def strip(smiles: Sequence[str]) -> list[Markup | None]:
    """An ``<svg>`` of each molecule of a path, laid over the one before it; what it has besides the
    core that they share is marked."""
    return [svg_of(cell.mol, cell.marked) for cell in draw_strip(smiles, size=SIZE).cells]


class Strip(NamedTuple):
    """A row of pictures: its name, and each picture, if there is one, with lines under it."""

    name: str
    cells: Sequence[tuple[Markup | None, Sequence[str]]]


def strips_of(strips: Sequence[Strip], heading: str, words: str, chain: bool = False) -> Markup:
    """A section of rows of pictures; ``chain`` draws an arrow from each to the next."""
    template = environment().get_template("strips.html")
    return Markup(template.render(strips=strips, heading=heading, words=words, chain=chain))


def svg_of(mol: Chem.Mol | None, marked: Sequence[int]) -> Markup | None:
    """A molecule that is laid out, if there is one, as an ``<svg>`` of class ``mol``, some atoms
    marked."""
    if mol is None:
        return None
    drawer = rdMolDraw2D.MolDraw2DSVG(*SIZE)
    options: Any = drawer.drawOptions()
    options.prepareMolsBeforeDrawing = False
    options.fixedBondLength = BOND / BOND_UNITS
    options.padding = 0.04
    options.minFontSize, options.maxFontSize = 9, 15
    options.bondLineWidth = 1
    # An element's colour says which it is: no page is drawn in these.
    options.setAtomPalette({-1: (0.0, 0.0, 0.0)} | {z: (0.0, 0.0, z / 255) for z in CLASSES})
    drawer.DrawMolecule(mol)
    drawer.FinishDrawing()
    places = {atom: drawer.GetDrawCoords(atom) for atom in marked}
    paths = _paths(str(drawer.GetDrawingText()))
    if marked:
        paths = _marks(mol, places) + paths
    return Markup(f'<svg class="mol" viewBox="0 0 {SIZE[0]} {SIZE[1]}">{paths}</svg>')


def _paths(drawing: str) -> str:
    """The paths of a drawing by RDKit, those of one colour joined in one."""
    joined: dict[str, list[str]] = {}
    for element in ElementTree.fromstring(drawing).iter("{http://www.w3.org/2000/svg}path"):
        style = dict(part.split(":") for part in element.get("style", "").split(";") if part)
        filled = style.get("fill", element.get("fill", "none")) != "none"
        colour = style.get("fill" if filled else "stroke", element.get("fill", "#000000"))
        kind = CLASSES.get(int(colour[1:], 16), "")
        name = f"{kind} f".strip() if filled else kind
        joined.setdefault(name, []).append(_short(element.get("d", "")))
    paths = (f'<path class="{name}" d="{"".join(d)}"/>' for name, d in joined.items())
    return "".join(paths).replace(' class=""', "")


def _short(d: str) -> str:
    """A path with one decimal, and no more spaces than needed."""
    d = NUMBER.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), d)
    return re.sub(r"\s*([A-Za-z,])\s*", r"\1", d.strip())


def _marks(mol: Chem.Mol, places: dict[int, Any]) -> str:
    """Marks behind atoms and the bonds between them: one line with round ends."""
    bonds = [(one.GetBeginAtomIdx(), one.GetEndAtomIdx()) for one in mol.GetBonds()]
    lines = [pair for pair in bonds if pair[0] in places and pair[1] in places]
    alone = set(places) - {atom for pair in lines for atom in pair}
    ends = [*lines, *((atom, atom) for atom in sorted(alone))]
    d = "".join(
        f"M{places[a].x:.1f},{places[a].y:.1f}L{places[b].x:.1f},{places[b].y:.1f}" for a, b in ends
    )
    return f'<path class="mark" d="{d}"/>'


def lay_over_scaffolds(mols: Sequence[Chem.Mol | None], smiles: Sequence[str]) -> None:
    """Turn molecules so that a Murcko scaffold which several have lies as it does in the first."""
    first: dict[str, tuple[Chem.Mol, tuple[int, ...]]] = {}
    for mol, one in zip(mols, smiles, strict=True):
        if mol is None:
            continue
        # That laid out has alternating double bonds, in which no aromatic scaffold is found.
        read = parse(one)
        text = scaffold(read)
        core = Chem.MolFromSmiles(text)
        atoms = () if core is None else read.GetSubstructMatch(core)
        before, others = first.setdefault(text, (mol, atoms))
        if before is not mol and len(atoms) == len(others) > 0:
            pairs = list(zip(others, atoms, strict=True))
            rdDepictor.GenerateDepictionMatching2DStructure(mol, before, pairs)
            Chem.WedgeMolBonds(mol, mol.GetConformer())
