"""Laws of `molvae combine`: the nearest molecules to a sum of latents, nearest first."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_what_is_added_and_taken_away_again_changes_nothing(
    molvae: Any, memorised_run: Path, few: list[str]
) -> None:
    model = ("-m", memorised_run)
    plain = molvae("combine", *model, few[1], "-n", 3)
    assert plain.code == 0
    assert plain.rows[0] == ["smiles", "distance", "tanimoto"]
    assert plain.rows[1][0] == few[1]
    distances = [float(row[1]) for row in plain.rows[1:]]
    assert distances[0] < 0.02
    assert distances == sorted(distances)
    same = molvae("combine", *model, few[1], "--plus", few[2], "--minus", few[2], "-n", 3)
    assert same.rows[1][0] == few[1]


def test_the_difference_of_two_molecules_is_carried_over(
    molvae: Any, memorised_run: Path, few: list[str]
) -> None:
    outcome = molvae("combine", "-m", memorised_run, few[1], "--minus", few[1], "--plus", few[3])
    assert outcome.code == 0
    assert outcome.rows[1][0] == few[3]


def test_latents_that_cancel_are_refused(molvae: Any, memorised_run: Path, few: list[str]) -> None:
    outcome = molvae("combine", "-m", memorised_run, few[1], "--minus", few[1])
    assert outcome.code == 2
    assert "cancel" in outcome.err
    assert molvae("combine", "-m", memorised_run, "C1CC").code == 1
