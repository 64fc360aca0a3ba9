"""Directions: linear properties are found, and steps change what they are asked to change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from molvae.errors import InputError
from molvae.explore import directions
from molvae.explore.directions import (
    PROPERTIES,
    RANKED,
    Directions,
    fit_directions,
    move,
    property_values,
)


def linear(count: int = 400, size: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents, linear properties of them, and the weights of these."""
    rng = np.random.default_rng(3)
    z = rng.standard_normal((count, size)).astype(np.float32)
    weights = rng.standard_normal((size, len(PROPERTIES)))
    return z, z @ weights + 5.0, weights


def test_linear_properties_are_explained() -> None:
    z, values, _ = linear()
    assert (fit_directions(z, values).explained > 0.99).all()


def test_noise_is_not_explained() -> None:
    z, values, _ = linear()
    noise = np.random.default_rng(4).standard_normal(values.shape)
    assert (fit_directions(z, noise).explained < 0.2).all()


def test_a_step_changes_one_property_alone() -> None:
    z, values, weights = linear()
    found = fit_directions(z, values)
    changed = found.steps.T @ weights / found.spreads
    assert np.allclose(changed, np.eye(len(PROPERTIES)), atol=0.05)


def test_samples_without_a_value_are_left_out() -> None:
    z, values, _ = linear()
    values[::7, 1] = np.nan
    assert np.isfinite(fit_directions(z, values).steps).all()


def test_a_constant_property_has_no_direction() -> None:
    z, values, _ = linear()
    values[:, 3] = 2.0
    found = fit_directions(z, values)
    assert np.abs(found.steps[:, 3]).max() < 1e-6
    assert (found.explained[:3] > 0.99).all()


def test_few_samples_are_refused() -> None:
    z, values, _ = linear(20)
    with pytest.raises(InputError, match="32 samples at least"):
        fit_directions(z, values)


def test_a_property_without_value_is_nan() -> None:
    values = property_values(["CO", "c1ccccc1"])
    assert np.isnan(values[0, PROPERTIES.index("qed")])
    assert values[1, PROPERTIES.index("rings")] == 1


@pytest.fixture(scope="module")
def found(tiny_model: Any, molecules: list[str]) -> Directions:
    """The directions of the tiny model in real molecules."""
    return fit_directions(tiny_model.encode(molecules), property_values(molecules))


def test_moved_molecules_are_distinct_and_not_the_lead(
    tiny_model: Any, found: Directions, molecules: list[str]
) -> None:
    lead = tiny_model.reader.read(molecules[0])
    smiles, drawn = move(tiny_model, found, lead, {"molwt": 60.0})
    assert 0 < len(smiles) == min(drawn, RANKED)
    assert len(set(smiles)) == len(smiles)
    assert lead.smiles not in smiles
    assert move(tiny_model, found, lead, {"molwt": 60.0}) == (smiles, drawn)


@pytest.mark.parametrize("changes", [{"molwt": 60.0}, {"qed": 0.2}, {"logp": -1.0, "rings": 1.0}])
def test_the_best_are_those_of_all_that_were_drawn(
    tiny_model: Any,
    found: Directions,
    molecules: list[str],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, float],
) -> None:
    lead = tiny_model.reader.read(molecules[0])
    monkeypatch.setattr(directions, "RANKED", 3)
    few, drawn = move(tiny_model, found, lead, changes)
    monkeypatch.setattr(directions, "RANKED", 10_000)
    every, _ = move(tiny_model, found, lead, changes)
    assert len(every) == drawn > len(few) == 3
    assert few == every[:3]


def test_opposite_changes_give_opposite_molecules(
    tiny_model: Any, found: Directions, molecules: list[str]
) -> None:
    lead = tiny_model.reader.read(molecules[0])
    heavy, light = (
        property_values(move(tiny_model, found, lead, {"molwt": change})[0])
        for change in (80.0, -80.0)
    )
    weight = PROPERTIES.index("molwt")
    assert heavy[0, weight] > light[0, weight]
