"""The loss of a batch and its gradients, whole or in parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from molvae.datasets.dataset import Dataset
from molvae.nn.model import Packed
from molvae.nn.posterior import standard_normal
from molvae.training import loop
from molvae.training.loop import begin
from molvae.training.loss import Part, terms

CPU = torch.device("cpu")


@pytest.fixture
def state(tiny_dataset: Dataset, make_config: Any) -> loop.TrainingState:
    return begin(tiny_dataset, make_config(), CPU)


def part_of(rows: Any, samples: int = 1, beta: float = 0.5, seed: int = 0) -> Part:
    noise = standard_normal((samples, len(rows), 8), torch.Generator().manual_seed(seed))
    return Part(np.asarray(rows), noise, beta, len(rows))


def test_the_terms_of_a_part_are_sums_of_nats_per_molecule(
    state: loop.TrainingState, tiny_dataset: Dataset
) -> None:
    part = part_of([3, 100, 250])
    batch = tiny_dataset.batch(part.rows, state.model.config.prefix_features)
    packed = Packed.from_batch(batch, CPU)
    q = state.model.encode(packed)
    likelihood = state.model.log_likelihood(packed, q.draw(part.noise[0][batch.order])).sum()
    found = terms(state.model, tiny_dataset, 0.0, part)
    assert found.log_likelihood == pytest.approx(float(likelihood.detach()), rel=1e-5)
    assert found.kl == pytest.approx(float(q.kl().sum().detach()), rel=1e-5)
    loss = (0.5 * q.kl().sum() - likelihood) / 3
    for mine, gradient in zip(
        torch.autograd.grad(loss, state.model.parameters()), found.gradients, strict=True
    ):
        torch.testing.assert_close(gradient, mine, rtol=1e-3, atol=1e-5)


def test_parts_of_a_batch_add_up_to_the_whole(
    state: loop.TrainingState, tiny_dataset: Dataset
) -> None:
    whole = part_of(range(10))
    parts = [
        Part(whole.rows[i::3], whole.noise[:, i::3], whole.beta, whole.total) for i in range(3)
    ]
    found = terms(state.model, tiny_dataset, 0.0, whole)
    shares = [terms(state.model, tiny_dataset, 0.0, part) for part in parts]
    assert sum(share.log_likelihood for share in shares) == pytest.approx(
        found.log_likelihood, rel=1e-5
    )
    for place, gradient in enumerate(found.gradients):
        total = sum(share.gradients[place] for share in shares)
        torch.testing.assert_close(total, gradient, rtol=1e-3, atol=1e-5)


def test_several_draws_of_z_are_averaged(state: loop.TrainingState, tiny_dataset: Dataset) -> None:
    several = part_of(range(6), samples=3)
    singles = [
        terms(state.model, tiny_dataset, 0.0, several._replace(noise=several.noise[i : i + 1]))
        for i in range(3)
    ]
    found = terms(state.model, tiny_dataset, 0.0, several)
    mean = np.mean([single.log_likelihood for single in singles])
    assert found.log_likelihood == pytest.approx(float(mean), rel=1e-5)
    for place, gradient in enumerate(found.gradients):
        average = torch.stack([single.gradients[place] for single in singles]).mean(0)
        torch.testing.assert_close(gradient, average, rtol=1e-3, atol=1e-5)
