"""The loop climbs the ELBO, the same way however it is cut into threads."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molvae.datasets.dataset import Dataset
from molvae.errors import TrainingError
from molvae.nn import threads as threads_module
from molvae.nn.model import Packed
from molvae.nn.threads import Threads
from molvae.training import checkpoints, loop, loss
from molvae.training.loop import Epoch, Step, begin, train

CPU = torch.device("cpu")


def weights(model: torch.nn.Module) -> bytes:
    return b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())


def test_the_seed_alone_decides_the_first_weights(tiny_dataset: Dataset, make_config: Any) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = begin(tiny_dataset, make_config(seed=0), CPU)
    assert torch.equal(torch.random.get_rng_state(), before), (
        "the library must leave the global generator alone"
    )
    torch.manual_seed(2)
    assert weights(begin(tiny_dataset, make_config(seed=0), CPU).model) == weights(first.model)
    assert weights(begin(tiny_dataset, make_config(seed=1), CPU).model) != weights(first.model)


def test_the_same_seed_trains_the_same_weights(tiny_dataset: Dataset, make_config: Any) -> None:
    ends = []
    for seed in (0, 0, 1):
        state = begin(tiny_dataset, make_config(seed=seed), CPU)
        list(itertools.islice(train(state, tiny_dataset), 4))
        ends.append(weights(state.model))
    assert ends[0] == ends[1] != ends[2]


def test_beta_zero_is_an_autoencoder_without_noise(tiny_dataset: Dataset, make_config: Any) -> None:
    state = begin(tiny_dataset, make_config(beta=0.0), CPU)
    rows = np.arange(8)
    packed = Packed.from_batch(tiny_dataset.batch(rows, state.model.config.prefix_features), CPU)
    mean = float(
        state.model.log_likelihood(packed, state.model.encode(packed).mean).mean().detach()
    )
    with Threads(CPU, 8) as threads:
        step = loop.one_step(state, tiny_dataset, rows, threads)
    assert step.beta == 0.0
    assert step.reconstruction == pytest.approx(mean, rel=1e-5)


def test_records_come_for_every_step_and_every_epoch(
    tiny_dataset: Dataset, make_config: Any
) -> None:
    state = begin(tiny_dataset, make_config(epochs=2, batch_size=100), CPU)
    records = list(train(state, tiny_dataset))
    kinds = [type(record) for record in records]
    assert kinds == [Step, Step, Step, Epoch] * 2
    assert [record.step for record in records] == [1, 2, 3, 3, 4, 5, 6, 6]
    assert [record.epoch for record in records] == [1] * 4 + [2] * 4
    for record in records:
        assert record.elbo == pytest.approx(record.reconstruction - record.kl)
    steps = [record for record in records if isinstance(record, Step)]
    sizes = [100, 100, 70]
    for epoch, first in ((records[3], 0), (records[7], 3)):
        mean = np.average([one.elbo for one in steps[first : first + 3]], weights=sizes)
        assert epoch.elbo == pytest.approx(float(mean), rel=1e-5)
    assert all(one.molecules_per_second > 0 and one.seconds_left >= 0 for one in steps)
    assert steps[-1].seconds_left == 0
    assert list(train(state, tiny_dataset)) == [], "a finished training has nothing left to do"


def test_training_improves_the_elbo(tiny_dataset: Dataset, make_config: Any) -> None:
    state = begin(tiny_dataset, make_config(epochs=3), CPU)
    epochs = [record for record in train(state, tiny_dataset) if isinstance(record, Epoch)]
    assert epochs[-1].elbo > epochs[0].elbo + 5
    assert epochs[-1].validation.reconstruction > epochs[0].validation.reconstruction
    assert state.best == max(
        one.validation.reconstruction - 0.005 * one.validation.kl for one in epochs
    )


def test_patience_ends_a_training_that_gets_no_better(
    tiny_dataset: Dataset, make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = begin(tiny_dataset, make_config(epochs=50, batch_size=270, patience=2), CPU)
    real = loop.validate
    worse = itertools.count()
    monkeypatch.setattr(
        loop,
        "validate",
        lambda *args, **options: real(*args, **options)._replace(
            reconstruction=-1000.0 - next(worse)
        ),
    )
    epochs = [record for record in train(state, tiny_dataset) if isinstance(record, Epoch)]
    assert [epoch.best for epoch in epochs] == [True, False, False]


def test_minutes_fix_the_number_of_steps_once_the_speed_is_known(
    tiny_dataset: Dataset, make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "MEASURED_STEPS", (2, 4))
    state = begin(tiny_dataset, make_config(minutes=1e-9, batch_size=100), CPU)
    steps = [record for record in train(state, tiny_dataset) if isinstance(record, Step)]
    assert [step.total_steps for step in steps] == [0, 0, 0, 5, 5]
    assert state.out_of_steps


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds to be added to a clock that goes on by a thousandth whenever it is looked at; steps
    are timed from the fourth on."""
    clock, more = itertools.count(0.0, 0.001), [0.0]
    monkeypatch.setattr(loop, "MEASURED_STEPS", (3, 9))
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(clock) + more[0])
    return more


def test_minutes_count_what_comes_with_every_epoch_too(
    tiny_dataset: Dataset, make_config: Any, waited: list[float]
) -> None:
    state = begin(
        tiny_dataset, make_config(minutes=100, batch_size=100), CPU
    )  # three steps an epoch
    for record in train(state, tiny_dataset):
        waited[0] += 3.0 if isinstance(record, Epoch) else 0.0  # a slow disk
        if state.total_steps:
            break
    assert state.total_steps == pytest.approx(6000 / 1.0, rel=0.05)


def test_a_pause_at_the_beginning_hardly_changes_the_steps(
    tiny_dataset: Dataset, make_config: Any, waited: list[float]
) -> None:
    state = begin(tiny_dataset, make_config(minutes=10, batch_size=100), CPU)
    for record in train(state, tiny_dataset):
        if isinstance(record, Step):
            waited[0] += 3.0 if record.step == 5 else 0.15  # 12 s of 600 are measured
        if state.total_steps:
            break
    assert state.total_steps == pytest.approx(600 / 0.15, rel=0.3)  # 600 / 0.625 by six steps


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_gradients_that_are_not_finite_change_no_weight(
    tiny_dataset: Dataset, make_config: Any, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    state = begin(tiny_dataset, make_config(), CPU)
    real = loss.terms

    def broken(*arguments: Any) -> Any:
        found = real(*arguments)
        return found._replace(gradients=(found.gradients[0] * bad, *found.gradients[1:]))

    monkeypatch.setattr(loss, "terms", broken)
    before = weights(state.model), weights(state.average)
    with pytest.raises(TrainingError, match="not finite ten times in a row, up to step 10"):
        list(train(state, tiny_dataset))
    assert (weights(state.model), weights(state.average)) == before


def test_a_bad_likelihood_leaves_a_state_that_resumes(
    tiny_dataset: Dataset, make_config: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = begin(tiny_dataset, make_config(batch_size=100), CPU)
    real, calls = loss.batch_terms, itertools.count(1)

    def broken(*arguments: Any) -> Any:
        found = real(*arguments)
        bad = math.nan if next(calls) == 1 else 1.0
        return found._replace(
            log_likelihood=found.log_likelihood * bad,
            gradients=tuple(one * bad for one in found.gradients),
        )

    monkeypatch.setattr(loop, "batch_terms", broken)
    for _ in itertools.islice(train(state, tiny_dataset), 2):
        pass
    assert state.sums[2] == 100
    checkpoints.save(tmp_path, state, tiny_dataset, {}, best=True)
    assert checkpoints.resume(tmp_path, tiny_dataset, CPU).sums == state.sums


def test_the_mark_of_a_state_is_that_of_its_weights_and_its_step(
    tiny_dataset: Dataset, make_config: Any
) -> None:
    one, other = (begin(tiny_dataset, make_config(), CPU) for _ in range(2))
    assert one.mark == other.mark
    other.step += 1
    assert one.mark != other.mark
    other.step -= 1
    with torch.no_grad():
        next(other.model.parameters()).view(-1)[0] += 1e-6
    assert one.mark != other.mark


def test_gradients_are_clipped_to_their_norm(tiny_dataset: Dataset, make_config: Any) -> None:
    state = begin(tiny_dataset, make_config(clip=1e-6), CPU)
    moments = []
    with Threads(CPU, 8) as threads:
        step = loop.one_step(state, tiny_dataset, np.arange(8), threads)
        for values in state.optimiser.state.values():
            moments.append(float(values["exp_avg"].square().sum()))
    assert step.gradient_norm > 1
    assert math.sqrt(sum(moments)) <= 1.01e-7, "AdamW keeps a tenth of the first gradient"


@pytest.mark.parametrize("count", [1, 2])
def test_weights_move_by_adamw_and_the_average_follows(
    tiny_dataset: Dataset, make_config: Any, count: int
) -> None:
    state = begin(tiny_dataset, make_config(ema=0.9, clip=1e6, weight_decay=0.1), CPU)
    state.step = 1000  # past the first steps, in which the average forgets quickly
    copy = begin(tiny_dataset, make_config(weight_decay=0.1), CPU)
    generator = torch.Generator().manual_seed(0)
    averages = [one.clone() for one in state.average.parameters()]
    threads = Threads(CPU, 0)
    threads.count = count
    with threads:
        for _ in range(3):
            gradients = [
                torch.randn(one.shape, generator=generator) for one in state.model.parameters()
            ]
            for weight, gradient in zip(copy.model.parameters(), gradients, strict=True):
                weight.grad = gradient.clone()
            for group in copy.optimiser.param_groups:
                group["lr"] = 0.01
            copy.optimiser.step()
            loop.update(state, gradients, torch.tensor(1.0), 0.01, threads)
            for average, weight in zip(averages, copy.model.parameters(), strict=True):
                average.lerp_(weight.detach(), 0.1)
    torch.testing.assert_close(list(state.model.parameters()), list(copy.model.parameters()))
    torch.testing.assert_close(list(state.average.parameters()), averages)


def test_the_average_moves_towards_the_weights(tiny_dataset: Dataset, make_config: Any) -> None:
    state = begin(tiny_dataset, make_config(ema=0.0), CPU)
    next(train(state, tiny_dataset))
    assert weights(state.average) == weights(state.model)


def test_two_threads_train_as_one_does(
    tiny_dataset: Dataset, make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []
    monkeypatch.setattr(threads_module, "ROWS_PER_THREAD", 16)
    for cores in (1, 2):
        monkeypatch.setattr(threads_module, "default_workers", lambda cores=cores: cores)
        state = begin(tiny_dataset, make_config(), CPU)
        records = list(itertools.islice(train(state, tiny_dataset), 5))
        ends.append([record.elbo for record in records])
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)


def test_threads_keep_the_order_and_pass_errors_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads_module, "default_workers", lambda: 3)
    before = torch.get_num_threads()
    with Threads(CPU, 10_000) as threads:
        assert threads.count == 3
        assert threads.map(lambda x: x * x, range(20)) == [x * x for x in range(20)]
        assert threads.submit(max, 1, 2).result() == 2
        with pytest.raises(ZeroDivisionError):
            threads.map(lambda x: 1 / x, [1, 0])
    assert torch.get_num_threads() == before
    assert Threads(CPU, 1).count == 1
    assert Threads(torch.device("meta"), 10_000).count == 1


def test_nothing_to_train_on_is_said(tiny_dataset: Dataset, make_config: Any) -> None:
    from dataclasses import replace

    empty = replace(tiny_dataset, validation=np.ones(len(tiny_dataset), bool))
    with pytest.raises(TrainingError, match="no molecule to train on"):
        begin(empty, make_config(), CPU)
