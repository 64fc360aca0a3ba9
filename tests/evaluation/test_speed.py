"""Every job of a model has a speed, or the reason why it has none."""

from __future__ import annotations

from typing import Any

from molvae.evaluation import speed


def test_every_job_has_a_speed(tiny_model: Any, molecules: list[str]) -> None:
    figures = speed.measure(
        tiny_model, molecules[:60], tiny_model.read(molecules[:60]), workers=1, seconds=0.05
    )
    assert len(figures) == 6
    assert all(figure.value is not None and figure.value > 0 for figure in figures.values())
    machine = speed.machine(tiny_model, workers=1)
    assert machine["worker processes"] == 1
    assert machine["latent"] == tiny_model.latent


def test_what_cannot_be_timed_has_its_reason(tiny_model: Any) -> None:
    figures = speed.measure(tiny_model, ["C("], [], workers=1, seconds=0.01)
    assert figures["prepare"].value is None
    assert "none of 1 rows is a usable molecule" in figures["training step"].note
    assert figures["encoding"].note == "no molecule that the model can read"
