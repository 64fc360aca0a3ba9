"""The report of paths: each molecule once, its changes, similarities and properties as curves."""

from __future__ import annotations

import re

from molvae.generation.interpolation import Point
from molvae.pages.path_report import path_report

FIRST = "CC(=O)Nc1ccc(O)cc1"
STOPS = [
    Point(0, 0.0, FIRST, 1.0, 0.2, 1.0, "yes"),
    Point(1, 0.3, FIRST, 1.0, 0.2, 1.0, ""),
    Point(2, 0.7, "CC(=O)Nc1ccc(Br)cc1", 0.64, 0.3, 0.64, ""),
    Point(3, 1.0, "CC(C)Cc1ccc(C(C)C(=O)O)cc1", 0.2, 1.0, 0.3, "no"),
]


def test_a_path_has_its_molecules_once_with_changes_marked() -> None:
    page = path_report({"1": STOPS}, "a path", {})
    assert page.count('<svg class="mol"') == 3
    assert page.count('class="mark"') == 2


def test_one_path_has_similarities_and_properties() -> None:
    page = path_report({"1": STOPS}, "a path", {})
    heads = re.findall(r"<figcaption><b>([^<]*)", page)
    assert heads == ["Tanimoto similarity", "QED", "SA", "logP", "MolWt"]
    assert page.count('class="line first"') == 5
    assert page.count('class="line second"') == 1


def test_several_paths_are_told_apart() -> None:
    page = path_report({"1": STOPS, "3": STOPS[:3]}, "paths", {})
    assert re.findall(r"<figcaption><b>([^<]*)", page) == [
        "Path 1 Tanimoto similarity",
        "Path 3 Tanimoto similarity",
    ]
    assert page.count("<article ") == 3 + 2
