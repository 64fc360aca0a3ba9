"""Draw molecules as SVG or PNG: a grid of samples, or the strip of an interpolation.

All molecules of a picture are drawn at one scale where they fit, and along a strip each is laid
over its neighbour, so that their common core stays in place. Needs nothing but RDKit."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDepictor, rdFMCS
from rdkit.Chem.Draw import rdMolDraw2D
from rdkit.Geometry import Point2D

from ..errors import MoleculeError, UsageError
from ..runtime.atomic_folder import replace_file
from .molecule import parse

BOND_LENGTH = 24.0  # pixels at scale 1, where the molecules of a picture are small enough for it
SMALLEST_BOND = 11.0  # below it atom labels run into each other; a larger molecule shrinks alone
BOND_UNITS = 1.5  # length of a bond in RDKit's 2-D coordinates
LABEL_ROOM = 0.8  # bonds, for the labels of the outermost atoms
PADDING = 0.07  # of a cell, on each side
LEGEND_SIZE = 13  # pixels
LEGEND_SHARE = 0.14  # of a cell's height
LINE_WIDTH = 1.6  # pixels
STRIP_COLUMNS = 6
CORE_ATOMS = 6  # neighbours sharing fewer atoms than this are not laid over each other ...
CORE_SHARE = 0.45  # ... nor those sharing less than this of the smaller one
TURN = 30.0  # degrees
LONGEST_SIDE = 32_767  # pixels of a PNG, by cairo
MCS_SECONDS = 1  # after it the largest common core found so far is taken
FRAME_COLOUR = (0.13, 0.38, 0.62)
CHANGE_COLOUR = (1.0, 0.87, 0.66)  # behind atoms that the molecule before does not have
CURVE_COLOURS = (FRAME_COLOUR, (0.80, 0.40, 0.10))
GREY = (0.55, 0.55, 0.55)
CURVE_HEIGHT = 150  # pixels, of the curves under a strip
PALETTE = {
    9: (0.10, 0.55, 0.35),
    16: (0.70, 0.52, 0.0),
    17: (0.0, 0.52, 0.10),
    35: (0.50, 0.20, 0.10),
}


class Html(NamedTuple):
    """A piece of a page, as notebooks take it."""

    page: str

    def _repr_html_(self) -> str:
        return self.page


@dataclass(frozen=True)
class Cell:
    """One place in a picture: a molecule with 2-D coordinates, or None, its legend, a frame or not,
    and the numbers of atoms that are marked.
    """

    mol: Chem.Mol | None
    legend: str = ""
    framed: bool = False
    marked: tuple[int, ...] = ()


@dataclass(frozen=True)
class Picture:
    """Cells laid out in rows; ``size`` is width and height of a cell in pixels.

    Under them ``curves`` by their names, values from 0 to 1, one for each cell."""

    cells: tuple[Cell, ...]
    columns: int
    size: tuple[int, int]
    curves: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def svg(self) -> str:
        """The picture as one ``<svg>`` element, fit for a file and for a page; text is drawn as
        outlines.
        """
        text = str(self._drawn(rdMolDraw2D.MolDraw2DSVG, 1.0))
        return text[text.index("<svg") :]

    def html(self) -> str:
        """The picture as one ``<img>`` element, in which no script of a page's text can run."""
        source = b64encode(self.svg().encode()).decode("ascii")
        return f'<img alt="" src="data:image/svg+xml;base64,{source}">'

    def _repr_svg_(self) -> str:
        return self.svg()

    def png(self, scale: float = 2.0) -> bytes:
        """The picture as PNG, each pixel of ``size`` given ``scale`` pixels in width and height.

        Fewer, down to one, where the picture would be longer than :data:`LONGEST_SIDE`; with one
        still too long, UsageError."""
        counts = (self.columns, self.rows)
        fitting = min(
            LONGEST_SIDE // count / side for count, side in zip(counts, self.size, strict=True)
        )
        if fitting < 1.0:
            raise UsageError(
                f"{self.rows:,} rows of {self.columns} molecules are more than a PNG, of at most "
                f"{LONGEST_SIDE:,} pixels a side, can show; write .svg, or fewer molecules"
            )
        return bytes(self._drawn(rdMolDraw2D.MolDraw2DCairo, min(scale, fitting)))

    @property
    def rows(self) -> int:
        """Rows of cells; the last one may be shorter."""
        return -(-len(self.cells) // self.columns)

    def _drawn(self, canvas: Any, scale: float) -> Any:
        width, height = (round(side * scale) for side in self.size)
        below = round(CURVE_HEIGHT * scale) if self.curves else 0
        drawer = canvas(width * self.columns, height * self.rows + below, width, height)
        _set_style(drawer.drawOptions(), _bond_length(self.cells, self.size) * scale, scale)
        drawer.DrawMolecules(
            [cell.mol or _nothing() for cell in self.cells],
            highlightAtoms=[list(cell.marked) for cell in self.cells],
            highlightBonds=[_bonds_between(cell) for cell in self.cells],
            # Control characters would be drawn as boxes, or break the line.
            legends=[
                "".join(sign if sign.isprintable() else " " for sign in cell.legend)
                for cell in self.cells
            ],
        )
        drawer.SetFillPolys(False)
        drawer.SetColour(FRAME_COLOUR)
        drawer.SetLineWidth(2.0 * scale)
        inset = 3.0 * scale
        for place, cell in enumerate(self.cells):
            if cell.framed:
                row, column = divmod(place, self.columns)
                left, top = column * width + inset, row * height + inset
                right, bottom = (column + 1) * width - inset, (row + 1) * height - inset
                drawer.DrawRect(Point2D(left, top), Point2D(right, bottom), True)
        if self.curves:
            _draw_curves(drawer, self.curves, width * self.columns, height * self.rows, scale)
        drawer.FinishDrawing()
        return drawer.GetDrawingText()


def draw_grid(
    smiles: Sequence[str],
    legends: Sequence[str] = (),
    columns: int = 5,
    size: tuple[int, int] = (220, 180),
) -> Picture:
    """Molecules side by side in rows of ``columns``, each in a cell of ``size`` pixels over its
    legend.

    A SMILES that cannot be read leaves its cell empty but for the legend. Raises ``UsageError`` for
    no molecules, fewer than one column, or a number of legends other than none or one each."""
    cells = _cells(smiles, legends, columns)
    return Picture(tuple(cells), min(columns, len(cells)), size)


def draw_strip(
    smiles: Sequence[str],
    legends: Sequence[str] = (),
    size: tuple[int, int] = (220, 200),
    curves: Sequence[tuple[str, Sequence[float]]] = (),
) -> Picture:
    """A path from one molecule to another, in reading order, both ends framed; ``curves`` under it.

    Each molecule is laid over the one before it by their largest common core, where they share one
    worth the name, and molecules so joined are turned together to fill their cells; what it has
    besides that core is marked. Otherwise as ``draw_grid``."""
    cells = _cells(smiles, legends, STRIP_COLUMNS)
    ends = (0, len(cells) - 1)
    runs: list[list[Chem.Mol]] = []  # of molecules that are laid over one another
    before = None
    for place, cell in enumerate(cells):
        marked = None
        if cell.mol is not None:
            marked = None if before is None else lay_over(cell.mol, before)
            if marked is None:
                runs.append([])
            runs[-1].append(cell.mol)
        cells[place] = replace(cell, framed=place in ends, marked=marked or ())
        before = cell.mol
    for run in runs:
        _turn(run, size)
    lines = tuple((name, tuple(values)) for name, values in curves)
    return Picture(tuple(cells), min(STRIP_COLUMNS, len(cells)), size, lines)


def save_picture(picture: Picture, path: str | Path) -> None:
    """Write a picture as SVG or PNG, by the extension of ``path``; the file appears whole or not at
    all.

    Raises ``UsageError`` for any other extension, before anything is drawn.
    """
    path = Path(path)
    check_picture_path(path)
    replace_file(path, picture.png() if path.suffix.lower() == ".png" else picture.svg().encode())


def check_picture_path(path: str | Path) -> None:
    """Raise ``UsageError`` unless a picture can be written under this name: .svg or .png."""
    if Path(path).suffix.lower() not in (".svg", ".png"):
        raise UsageError(f"a picture is written as .svg or .png; {os.fspath(path)!r} is neither")


def _cells(smiles: Sequence[str], legends: Sequence[str], columns: int) -> list[Cell]:
    """The cells of a picture, each molecule laid out by itself."""
    if not smiles:
        raise UsageError("there are no molecules to draw")
    if columns < 1:
        raise UsageError(f"`columns` (={columns}) must be at least 1")
    if legends and len(legends) != len(smiles):
        raise UsageError(
            f"{len(legends)} legends for {len(smiles)} molecules: give one each, or none"
        )
    texts = legends or [""] * len(smiles)
    return [Cell(laid_out(one), text) for one, text in zip(smiles, texts, strict=True)]


def laid_out(smiles: str) -> Chem.Mol | None:
    """The molecule with 2-D coordinates, longest side across; None where it cannot be read or laid
    out.
    """
    try:
        mol = parse(smiles)
    except MoleculeError:
        return None
    rdDepictor.Compute2DCoords(mol, canonOrient=True)
    rdDepictor.StraightenDepiction(mol)
    # wedges and alternating double bonds are settled here once, for every canvas
    return rdMolDraw2D.PrepareMolForDrawing(mol, addChiralHs=False, forceCoords=False)


def lay_over(mol: Chem.Mol, before: Chem.Mol) -> tuple[int, ...] | None:
    """Give ``mol`` coordinates that keep in place the core shared with ``before``; the atoms that
    are not of that core, None if there is none worth the name.
    """
    found = rdFMCS.FindMCS(
        [before, mol], timeout=MCS_SECONDS, ringMatchesRingOnly=True, completeRingsOnly=True
    )
    smaller = min(mol.GetNumHeavyAtoms(), before.GetNumHeavyAtoms())
    if found.numAtoms < max(CORE_ATOMS, CORE_SHARE * smaller):
        return None
    core = Chem.MolFromSmarts(found.smartsString)
    rdDepictor.GenerateDepictionMatching2DStructure(mol, before, refPatt=core, acceptFailure=True)
    Chem.WedgeMolBonds(mol, mol.GetConformer())
    return tuple(set(range(mol.GetNumAtoms())) - set(mol.GetSubstructMatch(core)))


def _bonds_between(cell: Cell) -> list[int]:
    """The bonds between marked atoms."""
    atoms = set(cell.marked)
    return [
        bond.GetIdx()
        for bond in (cell.mol.GetBonds() if cell.mol is not None else ())
        if {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()} <= atoms
    ]


def _draw_curves(
    drawer: Any, curves: Sequence[tuple[str, tuple[float, ...]]], width: int, top: int, scale: float
) -> None:
    """Draw curves over the place in the path, below ``top``, with an axis from 0 to 1."""
    left, right = 70.0 * scale, width - 20.0 * scale
    low, high = top + (CURVE_HEIGHT - 22.0) * scale, top + 28.0 * scale
    drawer.SetFontSize(12.0 * scale)
    drawer.SetColour(GREY)
    drawer.SetLineWidth(1.0 * scale)
    for value in (0.0, 0.5, 1.0):
        y = low + (high - low) * value
        drawer.DrawLine(Point2D(left, y), Point2D(right, y), True)
        drawer.DrawString(f"{value:g}", Point2D(left - 18.0 * scale, y), 0, True)
    for number, (name, values) in enumerate(curves):
        drawer.SetColour(CURVE_COLOURS[number % len(CURVE_COLOURS)])
        drawer.SetLineWidth(2.0 * scale)
        steps = np.linspace(left, right, len(values))
        points = [
            Point2D(float(x), low + (high - low) * value)
            for x, value in zip(steps, values, strict=True)
        ]
        for one, other in pairwise(points):
            drawer.DrawLine(one, other, True)
        drawer.DrawString(
            name, Point2D(left + 130.0 * scale * (2 * number + 1), high - 16.0 * scale), 0, True
        )


def _turn(mols: Sequence[Chem.Mol], size: tuple[int, int]) -> None:
    """Turn molecules together, in steps that keep bonds at usual angles, to where all of them fit
    best.
    """
    places = [mol.GetConformer().GetPositions() for mol in mols]
    turned = []
    for angle in np.radians(np.arange(0.0, 180.0, TURN)):
        sine, cosine = np.sin(angle), np.cos(angle)
        # Row vectors in the plane of the paper are turned.
        rotation = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        turned.append([place @ rotation for place in places])
    best = max(turned, key=lambda several: min(_fitting_bond(place, size) for place in several))
    for mol, place in zip(mols, best, strict=True):
        mol.GetConformer().SetPositions(place)


def _bond_length(cells: Sequence[Cell], size: tuple[int, int]) -> float:
    """The bond length in pixels at which nine of ten molecules fit their cells, within sensible
    limits.
    """
    fitting = sorted(
        _fitting_bond(cell.mol.GetConformer().GetPositions(), size)
        for cell in cells
        if cell.mol is not None
    )
    if not fitting:
        return BOND_LENGTH
    return min(BOND_LENGTH, max(SMALLEST_BOND, fitting[len(fitting) // 10]))


def _fitting_bond(places: NDArray[np.float64], size: tuple[int, int]) -> float:
    """The bond length in pixels at which atoms at ``places`` (N, 3), their labels and a legend just
    fit.
    """
    wide, high = np.ptp(places[:, :2], axis=0) / BOND_UNITS + LABEL_ROOM
    inside = 1.0 - 2.0 * PADDING
    return float(inside * min(size[0] / wide, size[1] * (1.0 - LEGEND_SHARE) / high))


def _set_style(options: Any, bond_length: float, scale: float) -> None:
    options.fixedBondLength = (
        bond_length / BOND_UNITS
    )  # meant by RDKit as pixels per coordinate unit
    options.drawMolsSameScale = False
    options.prepareMolsBeforeDrawing = False
    options.padding = PADDING
    options.bondLineWidth = LINE_WIDTH * scale * min(1.0, bond_length / (18.0 * scale))
    options.scaleBondWidth = False
    options.legendFontSize = round(LEGEND_SIZE * scale)
    options.legendFraction = LEGEND_SHARE
    options.minFontSize = round(8 * scale)
    options.maxFontSize = round(14 * scale)
    options.setBackgroundColour((1.0, 1.0, 1.0))
    options.setLegendColour((0.15, 0.15, 0.15))
    options.updateAtomPalette(PALETTE)
    options.setHighlightColour(CHANGE_COLOUR)


def _nothing() -> Chem.Mol:
    """A molecule that is drawn as white paper; RDKit leaves the legend out where there is no atom
    at all.
    """
    mol = Chem.MolFromSmiles("*")
    mol.GetAtomWithIdx(0).SetProp("_displayLabel", " ")
    rdDepictor.Compute2DCoords(mol)
    return mol
