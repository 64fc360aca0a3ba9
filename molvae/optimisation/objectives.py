"""Goals of a search: one number for a molecule, from several properties and scorers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..chem.custom_scorers import Scorer, scorer_name
from ..chem.fingerprints import Floats
from ..chem.scoring import Plan, Scored, plan_scores
from ..errors import UsageError


class Goal(NamedTuple):
    """A column of scores that is to be as large or small as may be, or near ``target``, from which
    it is measured in units of ``tolerance``."""

    name: str
    way: Literal["maximize", "minimize", "target"]
    target: float = 0.0
    tolerance: float = 1.0

    def good(self, values: Floats) -> Floats:
        """Goodness of values: the larger, the better."""
        if self.way == "target":
            return -((np.abs(values - self.target) / self.tolerance) ** 2)
        return values if self.way == "maximize" else -values


def target_of(text: str) -> Goal:
    """The goal in ``logp=2.5:0.5``; UsageError if it is none.

    >>> target_of("logp=2.5:0.5")
    Goal(name='logp', way='target', target=2.5, tolerance=0.5)
    """
    name, _, rest = text.partition("=")
    value, _, width = rest.partition(":")
    try:
        numbers = float(value), float(width or "1")
    except ValueError:
        numbers = (0.0, 0.0)
    if not name or not numbers[1] > 0 or not np.isfinite(numbers).all():
        raise UsageError(f"{text!r} is no target; write logp=2.5:0.5, value and tolerance")
    return Goal(name.strip().lower(), "target", *numbers)


@dataclass(frozen=True)
class Objective:
    """Goals, each a column of the scores that ``plan`` computes.

    With one goal the score of a molecule is that column, made so that larger is better. With
    several it is the mean of their standard scores: how good each is, less the mean of the first
    draws, in their standard deviations."""

    goals: tuple[Goal, ...]
    plan: Plan

    @property
    def columns(self) -> tuple[str, ...]:
        """The heading of each value."""
        return self.plan.columns

    def numbers(self, rows: Sequence[Scored]) -> Floats:
        """The values of goals ``(N, G)``; nan where a score is missing or text."""
        numbers = [
            [np.nan if isinstance(value, str | None) else value for value in row.values]
            for row in rows
        ]
        return np.array(numbers, np.float64).reshape(len(rows), len(self.goals))

    def good(self, values: Floats) -> Floats:
        """Goodness of values ``(N, G)`` for their goals, ``(N, G)``: the larger, the better."""
        columns = zip(self.goals, values.T, strict=True)
        return np.stack([goal.good(column) for goal, column in columns], 1)

    def scores(self, values: Floats, reference: Floats) -> Floats:
        """One number a molecule ``(N,)`` from values ``(N, G)``; ``reference`` are values of the
        first draws. -inf where a value is missing."""
        good = self.good(values)
        if len(self.goals) > 1:
            first = self.good(reference)
            first = first[np.isfinite(first).all(1)]
            if len(first):
                good = (good - first.mean(0)) / np.maximum(first.std(0), 1e-9)
        total = good.mean(1)
        return np.where(np.isfinite(total), total, -np.inf)

    def front(self, values: Floats) -> NDArray[np.bool_]:
        """Mask of the molecules that no other one beats in every goal, ``(N,)``."""
        good = self.good(values)
        good = np.where(np.isfinite(good), good, -np.inf)
        beaten = [
            bool(((good >= one).all(1) & (good > one).any(1)).any()) or not np.isfinite(one).all()
            for one in good
        ]
        return ~np.array(beaten, dtype=bool)


def objective_of(
    maximize: Sequence[str], minimize: Sequence[str], targets: Sequence[str],
    scorers: Sequence[str | Scorer] = (),
) -> Objective:  # fmt: skip
    """The objective of names of properties, ``name=value:tolerance`` for targets, and scorers of
    the user's, functions or ``file.py:function``, each maximised unless a goal names its function.

    UsageError for a name that is not known, and for no goal at all."""
    goals = [Goal(name.strip().lower(), "maximize") for name in maximize]
    goals += [Goal(name.strip().lower(), "minimize") for name in minimize]
    goals += map(target_of, targets)
    functions = {scorer_name(one).lower(): one for one in scorers}
    named = {goal.name for goal in goals}
    goals += [Goal(name, "maximize") for name in functions if name not in named]
    if len({goal.name for goal in goals}) < len(goals):
        raise UsageError("a property has two goals; give it one")
    if not goals:
        raise UsageError("nothing is to be made better: give --maximize, --minimize or --target")
    properties = [goal for goal in goals if goal.name not in functions]
    own = [goal for goal in goals if goal.name in functions]
    plan = plan_scores([goal.name for goal in properties], [functions[one.name] for one in own])
    return Objective((*properties, *own), plan)
