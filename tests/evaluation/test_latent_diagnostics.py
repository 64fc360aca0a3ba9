"""Figures of a latent space are true of spaces whose truth is known, and never a number that is
none.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molvae.config import from_dict
from molvae.errors import MoleculeError
from molvae.evaluation import latent_diagnostics
from molvae.evaluation.latent_diagnostics import (
    LatentSpace,
    likelihood_terms,
    measure_latent_space,
    read_molecules,
    verdict,
)
from molvae.evaluation.sample_report import as_json
from molvae.generation.codec import Codec
from molvae.training import checkpoints
from molvae.training.loop import begin, train


def value(space: LatentSpace, name: str) -> float | None:
    return next(figures[name].value for figures in space.groups.values() if name in figures)


@pytest.fixture(scope="module")
def space(tiny_model: Any, molecules: list[str]) -> LatentSpace:
    """The latent space of the tiny model, on sixty molecules."""
    return measure_latent_space(tiny_model, tiny_model.read(molecules[::5]), iwae=8)


def test_the_elbo_is_below_the_likelihood(
    space: LatentSpace,
) -> None:
    elbo, reconstruction, kl, bound = (
        value(space, f"{name}, nats") for name in ("ELBO", "reconstruction", "KL", "log p(x)")
    )
    assert None not in (elbo, reconstruction, kl, bound)
    assert elbo == pytest.approx(reconstruction - kl)  # type: ignore[operator]
    assert bound > elbo  # type: ignore[operator]
    assert kl == pytest.approx(sum(space.kl_per_dimension))
    assert value(space, "rate, nats") == kl


def test_decoding_unperturbed_is_greedy_reconstruction(space: LatentSpace) -> None:
    radius, figures = space.neighbourhoods[0]
    assert radius == 0
    assert figures["unchanged"].value == value(space, "exact, greedy from the mean")


def test_the_same_seed_gives_the_same_figures(
    tiny_model: Any, molecules: list[str], space: LatentSpace
) -> None:
    assert measure_latent_space(tiny_model, tiny_model.read(molecules[::5]), iwae=8) == space


def test_every_figure_can_be_written_as_json(space: LatentSpace) -> None:
    json.dumps([as_json(figures) for figures in space.groups.values()], allow_nan=False)
    json.dumps(space.kl_per_dimension, allow_nan=False)


def test_memorised_molecules_are_rebuilt_exactly_in_every_way(
    memorised: Any, few: list[str]
) -> None:
    found = measure_latent_space(memorised, memorised.read(few), iwae=4)
    for name in (
        "greedy from the mean",
        "likeliest of beam 5 from the mean",
        "as molvae decode writes them",
    ):
        assert value(found, f"exact, {name}") == 1.0
    assert value(found, "token accuracy") == 1.0
    gap = value(found, "shuffled-z gap, nats")
    assert gap is not None
    assert gap > 5
    assert found.verdict == "No verdict: 12 different molecules could be read, and it takes 50."


def test_more_draws_give_a_bound_that_is_higher(tiny_model: Any, molecules: list[str]) -> None:
    readings = tiny_model.read(molecules[::10])
    q = tiny_model.posterior(readings)
    one, many = (
        likelihood_terms(tiny_model, readings, q, q.mean, draws, 0).iwae.mean() for draws in (1, 32)
    )
    assert many > one


def test_the_bound_is_the_one_the_codec_estimates(tiny_model: Any, molecules: list[str]) -> None:
    readings = tiny_model.read(molecules[::10])
    q = tiny_model.posterior(readings)
    bound = likelihood_terms(tiny_model, readings, q, q.mean, 500, 0).iwae
    assert bound.mean() == pytest.approx(
        tiny_model.log_likelihood(tiny_model.read(molecules[::10]), samples=500).mean(), abs=1.0
    )


def test_a_decoder_without_latent_gets_the_verdict_ignored(
    tiny_model: Any, molecules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = tiny_model.model.logits
    monkeypatch.setattr(
        tiny_model.model, "logits", lambda packed, z, level=None: logits(packed, 0 * z, level)
    )
    found = measure_latent_space(tiny_model, tiny_model.read(molecules[::5]), iwae=2)
    assert value(found, "shuffled-z gap, nats") == 0.0
    assert found.verdict.startswith("The decoder ignores its latent (posterior collapse)")


def test_noise_levels_run_from_a_language_model_to_the_sharpest(
    tiny_dataset: Any, molecules: list[str], tmp_path: Path
) -> None:
    sizes = {"embedding": 16, "encoder": 16, "decoder": 32, "latent": 8, "posterior": "levels"}
    dials = {
        "epochs": 3,
        "batch_size": 32,
        "learning_rate": 0.02,
        "warmup": 10,
        "ema": 0.9,
        "precision": "fp32",
    }
    state = begin(
        tiny_dataset, from_dict({"model": sizes, "training": dials}, "tests"), torch.device("cpu")
    )
    for _ in train(state, tiny_dataset):
        pass
    checkpoints.save(tmp_path, state, tiny_dataset, {}, best=True)
    codec = Codec.load(str(tmp_path))
    readings = codec.read(molecules[::5])
    found = measure_latent_space(codec, readings, iwae=2)
    assert found.verdict.startswith("At its highest noise level: the ")
    levels = [level for level, _ in found.levels]
    assert levels[0] == 0
    assert levels[-1] == pytest.approx(codec.saved.config.model.max_signal)
    kl = [figures["KL, nats"].value or 0.0 for _, figures in found.levels]
    np.testing.assert_allclose(
        kl, [-4 * math.log(1 - level**2) for level in levels], rtol=1e-4, atol=1e-4
    )
    assert kl[-1] == pytest.approx(value(found, "KL, nats"), rel=1e-4)
    blank = found.levels[0][1]
    assert blank["shuffled-z gap, nats"].value == pytest.approx(0.0, abs=1e-4)
    exact = codec.log_likelihood(codec.read([one.smiles for one in readings])).mean()
    assert blank["ELBO, nats"].value == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize(
    ("gap", "ways", "apart", "words"),
    [
        (0.9, 1.0, 0.0, "The decoder ignores its latent (posterior collapse)"),
        (0.9, 9.0, 9.0, "The decoder ignores its latent (posterior collapse)"),
        (1.1, 1.1, 4.9, "The decoder uses its latent"),
        (1.1, 1.3, 0.0, "Prior mismatch"),
        (1.1, 1.1, 5.1, "Prior mismatch"),
        (1.1, None, 5.1, "Prior mismatch"),
        (1.1, None, 0.0, "The decoder uses its latent"),
        (None, None, None, "No verdict"),
    ],
)
def test_the_verdict_follows_its_thresholds(
    gap: float | None, ways: float | None, apart: float | None, words: str
) -> None:
    assert verdict(gap, ways, apart, 100).startswith(words)
    assert verdict(gap, ways, apart, 49).startswith("No verdict")


@pytest.mark.parametrize(
    "given",
    [[], ["CCO"], ["CCO", "CCN"], ["CCO"] * 8, ["CCO", "CCN", "CCO"]],
    ids=["0", "1", "2", "equal", "3"],
)
def test_few_or_equal_molecules_get_absent_figures(tiny_model: Any, given: list[str]) -> None:
    found = measure_latent_space(tiny_model, tiny_model.read(given), iwae=2)
    for figures in found.groups.values():
        for figure in figures.values():
            assert figure.note if figure.value is None else math.isfinite(figure.value)
    assert found.verdict.startswith("No verdict")
    assert len(found.kl_per_dimension) in (0, tiny_model.latent)


def test_unreadable_molecules_are_counted_by_reason(tiny_model: Any) -> None:
    given = ["CCO", "C(", "", "CCN", "[Xe]", "C("]
    readings, unreadable = read_molecules(tiny_model, given)
    assert [one.smiles for one in readings] == ["CCO", "CCN"]
    assert unreadable["does not parse"] == 2
    assert sum(unreadable.values()) + len(readings) == len(given)
    assert read_molecules(tiny_model, given * 20, workers=2)[1] == {
        key: 20 * n for key, n in unreadable.items()
    }
    with pytest.raises(MoleculeError):
        tiny_model.read(["C("])


def test_latent_space_measures_in_batches_of_any_size(
    tiny_model: Any, molecules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = tiny_model.read(molecules[:30])
    q = tiny_model.posterior(readings)
    whole = likelihood_terms(tiny_model, readings, q, q.mean, 1, 0)
    monkeypatch.setattr(latent_diagnostics, "BATCH", 7)
    parts = likelihood_terms(tiny_model, readings, q, q.mean, 1, 0)
    np.testing.assert_allclose(parts.own, whole.own, rtol=0.02)
    np.testing.assert_allclose(parts.other, whole.other, rtol=0.02)
