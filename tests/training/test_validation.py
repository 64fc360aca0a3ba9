"""Held-out figures are what the model does with molecules it does not learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from molvae.datasets.dataset import Dataset
from molvae.nn.model import Packed
from molvae.nn.threads import Threads
from molvae.training.loop import Epoch, begin, train
from molvae.training.validation import figures, validate

CPU = torch.device("cpu")


def test_an_autoencoder_is_validated_without_noise_too(
    tiny_dataset: Dataset, make_config: Any
) -> None:
    state = begin(tiny_dataset, make_config(beta=0.0, epochs=1), CPU)
    *_, last = train(state, tiny_dataset)
    assert isinstance(last, Epoch)
    rows = tiny_dataset.validation_rows
    packed = Packed.from_batch(tiny_dataset.batch(rows, state.average.config.prefix_features), CPU)
    mean = state.average.log_likelihood(packed, state.average.encode(packed).mean).mean()
    assert last.validation.reconstruction == pytest.approx(float(mean), rel=1e-5)


def test_validation_is_repeatable_and_adds_up(tiny_model: Any, tiny_dataset: Dataset) -> None:
    with Threads(CPU, 1) as threads:
        first = validate(tiny_model.model, tiny_dataset, tiny_dataset.training_rows, threads)
        again = validate(
            tiny_model.model, tiny_dataset, tiny_dataset.training_rows[::-1].copy(), threads
        )
    assert first.elbo == pytest.approx(first.reconstruction - first.kl)
    assert again[:6] == pytest.approx(first[:6], rel=0.05, abs=0.02)
    assert first.unconditional is again.unconditional is None
    assert 0 <= first.exact <= first.symbol_accuracy <= 1
    assert 0 <= first.active_units <= 8


def test_the_shuffled_z_gap_is_what_the_decoder_reads(memorised: Any, few: list[str]) -> None:
    packed, batch = memorised.packed(memorised.read(few))
    sums, q = figures(memorised.model, batch, torch.zeros(len(few), 8))
    with torch.no_grad():
        own = memorised.model.log_likelihood(packed, q.mean).sum()
        neighbours = memorised.model.log_likelihood(packed, q.mean.roll(1, 0)).sum()
    assert float(sums[5]) == pytest.approx(float(own - neighbours), rel=1e-4)
    assert sums[5] > len(few)


def test_exact_is_the_share_that_greedy_decoding_rebuilds(memorised: Any, few: list[str]) -> None:
    readings = memorised.read(few)
    packed, batch = memorised.packed(readings)
    sums, q = figures(memorised.model, batch, torch.zeros(len(few), 8))
    rebuilt = memorised.decode(memorised.encode(few))
    assert int(sums[2]) == sum(a == b for a, b in zip(rebuilt, few, strict=True)) == len(few)
    assert q.mean.shape == (len(few), 8)
    assert sums[4] == len(packed.targets)


def test_one_molecule_can_be_validated_and_trained_on(
    tiny_dataset: Dataset, make_config: Any
) -> None:
    alone = Dataset(
        tiny_dataset.vocabulary,
        tiny_dataset.ids[: tiny_dataset.lengths[0]],
        tiny_dataset.lengths[:1],
        tiny_dataset.hashes[:1],
        np.zeros(1, bool),
        {},
    )
    state = begin(alone, make_config(epochs=2), CPU)
    epochs = [record for record in train(state, alone) if isinstance(record, Epoch)]
    assert len(epochs) == 2
    assert epochs[-1].validation.active_units == 0
