"""Several noise levels in one model: the second tenant of the posterior."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molvae.config import DataConfig, from_dict
from molvae.datasets.dataset import Dataset
from molvae.datasets.prepare import prepare
from molvae.errors import UsageError
from molvae.generation import sampling
from molvae.generation.codec import Codec
from molvae.nn.model import Packed
from molvae.nn.posterior import LevelPosterior, drawn_levels
from molvae.training import checkpoints
from molvae.training.loop import Epoch, begin, train

CPU = torch.device("cpu")
SIZES = {"embedding": 16, "encoder": 16, "decoder": 32, "latent": 8, "posterior": "levels"}


@pytest.fixture(scope="module")
def levelled(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    """A tiny model with levels, trained for a few epochs, saved and loaded."""
    dials = {
        "epochs": 6,
        "batch_size": 32,
        "learning_rate": 0.02,
        "warmup": 10,
        "ema": 0.9,
        "precision": "fp32",
    }
    state = begin(tiny_dataset, from_dict({"model": SIZES, "training": dials}, "tests"), CPU)
    last = [record for record in train(state, tiny_dataset) if isinstance(record, Epoch)][-1]
    run = tmp_path_factory.mktemp("levels")
    checkpoints.save(
        run, state, tiny_dataset, {"unconditional": last.validation.unconditional}, best=True
    )
    return Codec.load(str(run))


def test_beta_and_free_bits_do_nothing_with_levels(
    tiny_dataset: Dataset,
) -> None:
    weights = []
    for changed in (
        {},
        {"beta": 0.0},
        {"beta": 1.0, "beta_schedule": "constant"},
        {"free_bits": 0.7},
    ):
        config = from_dict({"model": SIZES, "training": {"batch_size": 32} | changed}, "tests")
        state = begin(tiny_dataset, config, CPU)
        for _ in itertools.islice(train(state, tiny_dataset), 3):
            pass
        weights.append(torch.cat([one.detach().flatten() for one in state.model.parameters()]))
    assert all(torch.equal(other, weights[0]) for other in weights[1:])


@pytest.mark.parametrize("level", [0.0, 0.3, 0.7, 0.866])
def test_the_kl_of_a_level_is_the_same_for_every_molecule(level: float) -> None:
    torch.manual_seed(0)
    posterior = LevelPosterior(5, 16, 0.866)
    q = posterior(torch.randn(7, 5), level)
    assert q.kl().sum(-1).tolist() == pytest.approx([-8 * math.log(1 - level**2)] * 7, abs=1e-4)
    assert q.mean.norm(dim=-1).tolist() == pytest.approx([level * 4] * 7, abs=1e-5)


def test_the_decoder_gets_nothing_of_z_at_level_zero() -> None:
    posterior = LevelPosterior(5, 16, 0.866)
    code = posterior.code(torch.randn(7, 16), 0.0)
    assert code.shape == (7, 17)
    assert not code.any()


def test_levels_are_drawn_in_the_shares_asked_for() -> None:
    levels = drawn_levels(torch.linspace(0, 1, 10_001), 0.8, 0.4, 0.35)[:, 0]
    assert (
        (levels == 0.8).float().mean().item(),
        (levels == 0).float().mean().item(),
    ) == pytest.approx((0.4, 0.35), abs=0.001)
    assert levels.min() >= 0
    assert levels.max() <= 0.8 + 1e-6
    assert drawn_levels(torch.rand(100), 0.8, 0.0, 1.0).max() == 0


def test_the_power_tells_how_many_of_the_others_are_low() -> None:
    for power, below in ((0.5, 0.25), (1.0, 0.5), (2.0, 0.5**0.5)):
        levels = drawn_levels(torch.linspace(0, 1, 10_001), 0.8, 0.0, 0.0, power)
        assert (levels < 0.4).float().mean().item() == pytest.approx(below, abs=0.001)


def test_a_model_learns_to_rebuild_other_spellings(
    molecules_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = prepare([molecules_csv], DataConfig(vocabulary=64, spellings=2), workers=1).dataset
    asked: list[Any] = []
    batch = Dataset.batch
    monkeypatch.setattr(
        Dataset,
        "batch",
        lambda self, rows, grammar: (asked.append(rows), batch(self, rows, grammar))[1],
    )
    config = from_dict(
        {
            "model": SIZES,
            "training": {
                "epochs": 1,
                "reconstruction_fraction": 0.6,
                "unconditional_fraction": 0.2,
            },
        },
        "test",
    )
    for record in train(begin(dataset, config, CPU), dataset):
        assert not isinstance(record, Epoch) or math.isfinite(record.reconstruction)
    rows = np.concatenate(asked)
    assert (rows >= len(dataset)).mean() == pytest.approx(0.4, abs=0.1), (
        "two of three at the sharpest level"
    )


def test_a_model_with_levels_saves_loads_samples_and_walks(
    levelled: Codec, molecules: list[str]
) -> None:
    from molvae.generation.interpolation import interpolate

    drawn = list(sampling.sample(levelled, 20, workers=1))
    assert len({one.smiles for one in drawn}) == 20
    sharp = list(sampling.sample(levelled, 20, sampling.SamplingParams(level=0.8), workers=1))
    assert [one.selfies for one in sharp] != [one.selfies for one in drawn]
    points = interpolate(levelled, molecules[0], molecules[1], steps=3)
    assert points[0].smiles != points[-1].smiles


def test_log_likelihood_at_level_zero_is_exact(levelled: Codec, molecules: list[str]) -> None:
    readings = levelled.read(molecules[:4])
    packed, batch = levelled.packed(readings)
    blank = levelled.model.log_likelihood(packed, torch.randn(4, 8), 0.0)
    wanted = np.empty(4)
    wanted[batch.order] = blank.numpy()
    assert levelled.log_likelihood(levelled.read(molecules[:4])).tolist() == pytest.approx(
        wanted.tolist(), abs=1e-4
    )


def test_validation_reports_the_language_model(levelled: Codec) -> None:
    value: Any = levelled.saved.info["unconditional"]
    assert -200 < value < 0


def test_a_level_that_cannot_be_is_refused_in_words(levelled: Codec, tiny_model: Any) -> None:
    with pytest.raises(UsageError, match=r"between 0 and 0\.866"):
        list(sampling.sample(levelled, 1, sampling.SamplingParams(level=0.9), workers=1))
    with pytest.raises(UsageError, match="has one only"):
        list(sampling.sample(tiny_model, 1, sampling.SamplingParams(level=0.5), workers=1))


def test_molecules_at_level_0_are_not_read_and_change_nothing(tiny_dataset: Any) -> None:
    config = from_dict({"model": SIZES, "training": {"precision": "fp32"}}, "tests")
    model = begin(tiny_dataset, config, torch.device("cpu")).model
    packed = Packed.from_batch(
        tiny_dataset.batch(tiny_dataset.training_rows[:9], "rings"), torch.device("cpu")
    )
    level = torch.tensor([0.0, 0.866, 0.3, 0.0, 0.0, 0.5, 0.0, 0.866, 0.0])[:, None]
    some = model.encode(packed, level)
    every = model.posterior(
        model.summary(packed.inputs[packed.sizes[0] :], packed.reversed_inputs, packed.sizes[1:]),
        level,
    )
    for ours, plain in zip(some, every, strict=True):
        torch.testing.assert_close(ours, plain)
    weights = [
        p
        for name, p in model.named_parameters()
        if "encoder" in name or "direction" in name or "read" in name
    ]
    loss = torch.randn(some.mean.shape, generator=torch.Generator().manual_seed(0))
    ours_back = torch.autograd.grad((some.mean * loss).sum(), weights)
    for ours, plain in zip(
        ours_back, torch.autograd.grad((every.mean * loss).sum(), weights), strict=True
    ):
        torch.testing.assert_close(ours, plain)
    blank = model.encode(packed, torch.zeros(9, 1))
    assert not blank.mean.any()
    assert not blank.log_variance.any()


def test_the_learned_prior_changes_all_levels_but_0(
    levelled: Codec,
) -> None:
    assert levelled.model.posterior.aggregate.covariance.any()

    def smiles(level: float, learned: bool) -> list[str]:
        params = sampling.SamplingParams(level=level, learned=learned)
        drawn = sampling.sample(levelled, 30, params, None, workers=1)
        return [one.smiles for one in drawn]

    assert smiles(0.0, True) == smiles(0.0, False)
    assert smiles(0.8, True) != smiles(0.8, False)
