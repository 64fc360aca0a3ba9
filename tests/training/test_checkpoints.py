"""Stopped trainings go on bit for bit, from the newest of their steps that is sound."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from molvae.datasets.dataset import Dataset
from molvae.errors import ModelError, TrainingError, UsageError
from molvae.nn import threads as threads_module
from molvae.storage import checkpoint, model_folder
from molvae.training import checkpoints, loop, run_folder
from molvae.training.loop import Epoch, Step, begin, train

CPU = torch.device("cpu")


def weights(model: torch.nn.Module) -> bytes:
    return b"".join(tensor.detach().numpy().tobytes() for tensor in model.state_dict().values())


def trained(dataset: Dataset, config: Any) -> tuple[bytes, bytes, list[Any]]:
    """Weights, averaged weights and epochs of a training that nothing stopped."""
    state = begin(dataset, config, CPU)
    records = list(train(state, dataset))
    return weights(state.model), weights(state.average), [untimed(one) for one in records]


def untimed(record: Step | Epoch) -> Any:
    """A record without what the clock says."""
    if isinstance(record, Epoch):
        return record._replace(seconds=0.0)
    return record._replace(molecules_per_second=0.0, seconds_left=0.0)


def stopped_and_resumed(
    dataset: Dataset, config: Any, records: int, run: Path
) -> tuple[bytes, bytes, list[Any]]:
    """Result of a training that was saved after some records and taken up again from the
    folder.
    """
    state = begin(dataset, config, CPU)
    told = []
    for record in train(state, dataset):
        told.append(untimed(record))
        if len(told) == records:
            break
    checkpoints.save(run, state, dataset, {}, best=True)
    state = checkpoints.resume(run, dataset, CPU)
    told += [untimed(record) for record in train(state, dataset)]
    return weights(state.model), weights(state.average), told


def test_the_best_and_the_newest_step_stay(
    tiny_dataset: Dataset, make_config: Any, tmp_path: Path
) -> None:
    state = begin(tiny_dataset, make_config(), CPU)
    for step, best in ((1, False), (2, True), (3, False), (12, False)):
        state.step = step
        checkpoints.save(tmp_path, state, tiny_dataset, {}, best=best)
    assert [path.name for path in model_folder.steps_of(tmp_path)] == [
        "step-00000012",
        "step-00000002",
    ]
    assert model_folder.locate(tmp_path).name == "step-00000002"


def test_weights_that_are_not_finite_are_never_written(
    tiny_dataset: Dataset, make_config: Any, tmp_path: Path
) -> None:
    state = begin(tiny_dataset, make_config(), CPU)
    with torch.no_grad():
        state.average.output.bias[3] = torch.nan
    with pytest.raises(TrainingError, match=r"output\.bias holds numbers that are not finite"):
        checkpoints.save(tmp_path, state, tiny_dataset, {}, best=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("cores", "precision"), [(1, "fp32"), (2, "fp32"), (2, "bf16")])
def test_a_resumed_training_ends_with_the_same_bits(
    tiny_dataset: Dataset,
    make_config: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    precision: str,
) -> None:
    monkeypatch.setattr(threads_module, "ROWS_PER_THREAD", 16)
    monkeypatch.setattr(threads_module, "default_workers", lambda: cores)
    config = make_config(epochs=2, batch_size=70, beta_schedule="cyclical", precision=precision)
    whole = trained(tiny_dataset, config)
    # Four steps an epoch: after the first, in mid-epoch, before and after the validation, in the
    # last epoch.
    for records in (1, 3, 4, 5, 7, 9):
        assert stopped_and_resumed(tiny_dataset, config, records, tmp_path / str(records)) == whole


def test_resuming_takes_the_newest_step_that_is_sound(
    tiny_dataset: Dataset, make_config: Any, tmp_path: Path
) -> None:
    config = make_config(epochs=1, batch_size=70)
    whole = trained(tiny_dataset, config)
    state = begin(tiny_dataset, config, CPU)
    for record in train(state, tiny_dataset):
        # The first is kept as the best, so that two steps are there.
        checkpoints.save(tmp_path, state, tiny_dataset, {}, best=record.step == 1)
        if record.step == 3:
            break
    newest = tmp_path / "step-00000003" / "training.safetensors"
    newest.write_bytes(newest.read_bytes()[:-10])
    said: list[str] = []
    state = checkpoints.resume(tmp_path, tiny_dataset, CPU, said=said.append)
    assert state.step == 1
    assert len(said) == 1
    assert "training.safetensors: damaged" in said[0]
    assert "step-00000001 before it is sound" in said[0]
    list(train(state, tiny_dataset))
    assert (weights(state.model), weights(state.average)) == whole[:2]
    checkpoints.save(tmp_path, state, tiny_dataset, {}, best=False)
    kept = {path.name for path in tmp_path.iterdir()}
    assert any(
        model_folder.WRITTEN.fullmatch(name) and name.startswith("damaged-") for name in kept
    ), "nothing is deleted"


def test_an_error_of_resuming_deletes_nothing(copied_run: Path, tiny_dataset: Dataset) -> None:
    for step in model_folder.steps_of(copied_run):
        (step / "state.json").write_bytes(b"{}")
    before = sorted(path.name for path in copied_run.iterdir())
    with pytest.raises(TrainingError, match=r"holds no training to resume .*state\.json: damaged"):
        checkpoints.resume(copied_run, tiny_dataset, CPU)
    assert sorted(path.name for path in copied_run.iterdir()) == before
    with pytest.raises(TrainingError, match="holds no training to resume"):
        checkpoints.resume(copied_run / "missing", tiny_dataset, CPU)


def test_other_data_is_refused(copied_run: Path, tiny_dataset: Dataset) -> None:
    ids = tiny_dataset.ids.copy()
    ids[0] = 3 if ids[0] != 3 else 4
    with pytest.raises(UsageError, match="was trained on other data"):
        checkpoints.resume(copied_run, replace(tiny_dataset, ids=ids), CPU)


def short(content: bytes) -> bytes:
    return save_tensors(load_tensors(content) | {"exp_avg.output.bias": torch.zeros(3)})


def no_weights(content: bytes) -> bytes:
    tensors = load_tensors(content)
    del tensors["weights.output.bias"]
    return save_tensors(tensors)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("training", short),
        ("training", no_weights),
        ("training", lambda _: pickle.dumps({})),
        ("state", lambda _: b"{}"),
        ("state", lambda _: b"[]"),
    ],
)
def test_a_model_loads_though_its_training_state_is_refused(
    copied_run: Path, rebuilt: Any, name: str, change: Any
) -> None:
    model = rebuilt(model_folder.steps_of(copied_run)[0], **{name: change})
    with pytest.raises(ModelError, match=r"does not fit its model|must hold exactly"):
        checkpoints.read_state(model, CPU)
    checkpoint.load(model)


def test_resuming_plans_the_same_steps(copied_run: Path, tiny_dataset: Dataset) -> None:
    state = checkpoints.resume(copied_run, tiny_dataset, CPU)
    assert state.out_of_steps
    assert list(train(state, tiny_dataset)) == []
    assert state.best > -np.inf
    assert loop.validation_due(state, tiny_dataset) is False


def test_resuming_names_a_best_step_that_was_only_saved(
    tiny_dataset: Dataset, make_config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    state = run_folder.create(run, tiny_dataset, make_config(epochs=3, batch_size=100), CPU)

    def failing(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    records = run_folder.run_training(run, state, tiny_dataset, {"data": tiny_dataset.report})
    next(record for record in records if isinstance(record, Epoch))
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "name_best", failing)
        with pytest.raises(OSError, match="No space"):
            list(records)
    saved = model_folder.steps_of(run)[0].name
    assert model_folder.best_name(run) != saved
    checkpoints.resume(run, tiny_dataset, CPU)
    assert model_folder.best_name(run) == saved


def test_an_absurd_step_keeps_no_training_from_going_on(
    copied_run: Path, tiny_dataset: Dataset
) -> None:
    """An empty folder of a number that no training reaches, beside the real ones."""
    newest = model_folder.steps_of(copied_run)[0]
    best = model_folder.locate(copied_run)
    (copied_run / "step-99999999999").mkdir()
    (copied_run / f"step-{10**30}").mkdir()  # no step's name
    assert model_folder.locate(copied_run) == best
    said: list[str] = []
    state = checkpoints.resume(copied_run, tiny_dataset, CPU, said=said.append)
    assert checkpoints.step_name(state.step) == newest.name
    assert "step-99999999999" in said[0]
    assert model_folder.steps_of(copied_run)[0] == newest
    assert (copied_run / f"step-{10**30}").is_dir()


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM])
def test_a_step_that_cannot_be_removed_is_no_step_and_goes_later(
    copied_run: Path,
    tiny_dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    newest, best = model_folder.steps_of(copied_run)[0], model_folder.locate(copied_run)
    old = copied_run / "step-00000001"
    shutil.copytree(best, old)
    before, calls = os.unlink, 0

    def unlink(*args: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(number, os.strerror(number))
        before(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink)
        checkpoints.prune(copied_run, newest)
    assert "cannot be removed now" in caplog.text
    assert not old.exists()
    assert set(model_folder.steps_of(copied_run)) == {newest, best}
    assert run_folder.is_ours(copied_run)
    checkpoints.prune(copied_run, newest)
    assert not list(copied_run.glob(".tmp-*"))


def test_a_best_that_is_lost_costs_no_step(copied_run: Path, tiny_dataset: Dataset) -> None:
    best = model_folder.locate(copied_run)
    (copied_run / "BEST").write_bytes(b"step-0000000\x11")
    checkpoints.prune(copied_run, model_folder.steps_of(copied_run)[0])
    assert best.is_dir()
    said: list[str] = []
    checkpoints.resume(copied_run, tiny_dataset, CPU, said=said.append)
    assert (copied_run / "BEST").read_text() == best.name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", -1),
        ("step", "9"),
        ("step", True),
        ("total_steps", 1.5),
        ("best", "good"),
        ("sums", [0.0]),
        ("sums", None),
        ("seconds", -1.0),
        ("fingerprint", 3),
        ("since_best", 10**400),
    ],
)
def test_a_counter_that_cannot_be_is_refused(
    tiny_run: Path, rebuilt: Any, name: str, value: Any
) -> None:
    def change(content: bytes) -> bytes:
        return json.dumps(json.loads(content) | {name: value}).encode()

    model = rebuilt(model_folder.locate(tiny_run), state=change)
    with pytest.raises(ModelError, match=f"{name} cannot be"):
        checkpoints.read_state(model, CPU)
