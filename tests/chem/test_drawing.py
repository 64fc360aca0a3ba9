"""Laws of the pictures: what is drawn, what stays in place, what is never written."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from rdkit.Chem import rdFMCS

from molvae.chem.drawing import (
    CURVE_HEIGHT,
    Cell,
    Picture,
    draw_grid,
    draw_strip,
    save_picture,
)
from molvae.errors import UsageError

PATH = (
    "COc1ccc(C(=O)NCc2ccncc2)cc1",
    "CCOc1ccc(C(=O)NCc2ccncc2)cc1",
    "CCOc1ccc(C(=O)NCc2ccccc2)cc1",
    "CCOc1ccc(C(=O)NC2CCCCC2)cc1",
)
LEGENDS = ("t=0.00", "t=0.33", "t=0.67", "t=1.00")


def test_a_grid_is_as_large_as_its_rows_and_columns() -> None:
    svg = draw_grid(PATH * 2, columns=3, size=(200, 150)).svg()
    root = ElementTree.fromstring(svg)
    assert root.attrib["width"] == "600px"
    assert root.attrib["height"] == "450px"


def test_a_grid_is_no_wider_than_its_molecules() -> None:
    root = ElementTree.fromstring(draw_grid(PATH[:2], columns=5, size=(200, 150)).svg())
    assert root.attrib["width"] == "400px"


def test_png_has_the_pixels_asked_for() -> None:
    png = draw_grid(PATH[:2], size=(100, 80)).png(scale=3.0)
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20]) == 600
    assert int.from_bytes(png[20:24]) == 240


def sides(png: bytes) -> tuple[int, int]:
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


def test_a_png_too_long_is_drawn_smaller_or_refused() -> None:
    def column(count: int) -> Picture:
        return Picture((Cell(None),) * count, 1, (20, 180))

    assert sides(column(91).png()) == (40, 32_760)
    assert sides(column(100).png()) == (36, 32_700)
    assert sides(column(182).png()) == (20, 32_760)
    with pytest.raises(
        UsageError, match=r"183 rows of 1 .* 32,767 pixels a side, can show; write \.svg"
    ):
        column(183).png()
    assert ElementTree.fromstring(column(183).svg()).attrib["height"] == "32940px"


def test_an_unreadable_molecule_leaves_an_empty_cell() -> None:
    whole = draw_grid(PATH[:3], LEGENDS[:3])
    broken = draw_grid((PATH[0], "C1CC", PATH[2]), LEGENDS[:3])
    assert [cell.mol is None for cell in broken.cells] == [False, True, False]
    assert [cell.legend for cell in broken.cells] == list(LEGENDS[:3])
    assert len(broken.svg()) < len(whole.svg())
    assert _legend_outlines(broken) == _legend_outlines(whole)


def test_unreadable_molecules_alone_are_still_a_picture() -> None:
    picture = draw_strip(("nonsense", "C1CC"), ("a", "b"))
    assert ElementTree.fromstring(picture.svg()).tag.endswith("svg")
    assert picture.png().startswith(b"\x89PNG")


def test_text_in_legends_reaches_the_page_only_as_outlines() -> None:
    svg = draw_grid(
        PATH[:2], ("<script>alert(1)</script>", '"><img src=x onerror=y>\x1b[2J\n')
    ).svg()
    root = ElementTree.fromstring(svg)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "rect", "path", "ellipse", "g"}
    assert not re.search("script|onerror|href", svg)


def test_both_ends_of_a_strip_are_framed_and_nothing_else() -> None:
    assert [cell.framed for cell in draw_strip(PATH, LEGENDS).cells] == [True, False, False, True]
    assert not any(cell.framed for cell in draw_grid(PATH, LEGENDS).cells)


def test_along_a_strip_the_common_core_stays_in_place() -> None:
    first, second = (cell.mol for cell in draw_strip(PATH[:2]).cells)
    assert first is not None
    assert second is not None
    core = rdFMCS.FindMCS([first, second], ringMatchesRingOnly=True).queryMol
    before = first.GetConformer().GetPositions()[list(first.GetSubstructMatch(core))]
    after = second.GetConformer().GetPositions()[list(second.GetSubstructMatch(core))]
    assert len(before) >= 15
    np.testing.assert_allclose(before, after, atol=1e-3)


def test_all_molecules_of_a_grid_have_one_bond_length() -> None:
    lines = re.findall(
        r"bond-(\d+) .*?d='M ([\d.]+),([\d.]+) L ([\d.]+),([\d.]+)'",
        draw_grid(("CC", "CCCCCCCC")).svg(),
    )
    lengths = [
        np.hypot(float(x2) - float(x1), float(y2) - float(y1)) for _, x1, y1, x2, y2 in lines
    ]
    assert len(lengths) >= 8
    assert max(lengths) < 1.05 * min(lengths)


def test_stereo_is_still_drawn_after_laying_over_a_neighbour() -> None:
    for cell in draw_strip(
        ("C[C@H](N)c1ccccc1OC", "CC[C@H](N)c1ccccc1OC", "CC[C@@H](N)c1ccccc1OC")
    ).cells:
        assert cell.mol is not None
        assert any(str(bond.GetBondDir()).startswith("BEGIN") for bond in cell.mol.GetBonds())


@pytest.mark.parametrize("suffix", [".svg", ".png", ".SVG"])
def test_the_extension_decides_the_format(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"grid{suffix}"
    save_picture(draw_grid(PATH), target)
    start = target.read_bytes()[:4]
    assert start == (b"\x89PNG" if suffix == ".png" else b"<svg")
    assert [entry.name for entry in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("name", ["grid.pdf", "grid", "grid.svg.gz"])
def test_other_picture_formats_are_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=re.escape(name)):
        save_picture(draw_grid(PATH), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_laid_out_is_refused_with_the_numbers() -> None:
    with pytest.raises(UsageError, match="2 legends for 4 molecules"):
        draw_grid(PATH, LEGENDS[:2])
    with pytest.raises(UsageError, match="no molecules"):
        draw_strip(())
    with pytest.raises(UsageError, match=r"`columns` \(=0\)"):
        draw_grid(PATH, columns=0)


def _legend_outlines(picture: Picture) -> list[str]:
    return re.findall(r"<path class='legend' d='([^']*)'", picture.svg())


def test_what_a_neighbour_lacks_is_marked_and_curves_stand_below() -> None:
    path = ["CCOc1ccccc1", "CCOc1ccccc1F", "CCOc1ccccc1F"]
    strip = draw_strip(path)
    assert [len(cell.marked) for cell in strip.cells] == [0, 1, 0]
    (fluorine,) = strip.cells[1].marked
    assert strip.cells[1].mol is not None
    assert strip.cells[1].mol.GetAtomWithIdx(fluorine).GetSymbol() == "F"
    curved = draw_strip(path, curves=[("to the start", [1.0, 0.7, 0.7])])
    heights = [float(re.findall(r"height='(\d+)px'", one.svg())[0]) for one in (strip, curved)]
    assert heights[1] == heights[0] + CURVE_HEIGHT


def test_a_notebook_and_a_page_take_a_picture() -> None:
    picture = draw_grid(["CCO"], ["<script>"])
    assert DisplayFormatter().format(picture)[0]["image/svg+xml"] == picture.svg()
    page = picture.html()
    assert re.fullmatch(r'<img alt="" src="data:image/svg\+xml;base64,[\w+/=]+">', page)
