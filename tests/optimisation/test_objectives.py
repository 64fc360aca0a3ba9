"""One number for a molecule, from goals that pull in several directions."""

from __future__ import annotations

import numpy as np
import pytest

from molvae.chem.scoring import Scored
from molvae.errors import UsageError
from molvae.optimisation.objectives import Goal, objective_of, target_of


def test_a_single_goal_is_its_column() -> None:
    values = np.array([[1.0], [3.0], [np.nan]])
    for goals, expected in (
        ((["qed"], [], []), [1.0, 3.0, -np.inf]),
        (([], ["qed"], []), [-1.0, -3.0, -np.inf]),
        (([], [], ["logp=2:0.5"]), [-4.0, -4.0, -np.inf]),
    ):
        np.testing.assert_allclose(objective_of(*goals).scores(values, values), expected)


def test_several_goals_are_the_mean_of_their_standard_scores() -> None:
    objective = objective_of(["qed"], ["sa"], [])
    first = np.array([[0.0, 1.0], [1.0, 3.0]])
    scores = objective.scores(np.array([[0.5, 2.0], [1.0, 1.0], [1.0, np.nan]]), first)
    np.testing.assert_allclose(scores, [0.0, 1.0, -np.inf])


def test_the_front_holds_what_no_other_beats_in_every_goal() -> None:
    objective = objective_of(["qed"], ["sa"], [])
    values = np.array([[0.9, 3.0], [0.5, 1.0], [0.4, 2.0], [0.9, 3.0], [np.nan, 0.0]])
    assert objective.front(values).tolist() == [True, True, False, True, False]


def test_numbers_of_rows_lack_what_is_missing_or_text() -> None:
    objective = objective_of(["qed", "logp"], [], [])
    rows = [Scored((1.0, 2), "ok", ""), Scored((None, "x"), "bad", "bad")]
    np.testing.assert_array_equal(objective.numbers(rows), [[1.0, 2.0], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("goals", "said"),
    [
        (([], [], []), "nothing is to be made better"),
        ((["qed"], ["qed"], []), "two goals"),
        ((["qde"], [], []), "did you mean 'qed'"),
        (([], [], ["logp"]), "is no target"),
        (([], [], ["logp=2:0"]), "is no target"),
        (([], [], ["logp=nan:1"]), "is no target"),
    ],
)
def test_what_is_no_objective_is_refused(goals: tuple[list[str], ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        objective_of(*goals)


def test_a_target_has_a_tolerance_of_one_unless_told() -> None:
    assert target_of("LogP=2") == Goal("logp", "target", 2.0, 1.0)
