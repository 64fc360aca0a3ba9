"""A training's folder: kept safe whatever happens to the process, and taken up again bit for
bit.
"""

from __future__ import annotations

import csv
import errno
import itertools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from molvae.config import DataConfig, from_dict, read_toml
from molvae.datasets.dataset import Dataset
from molvae.errors import InputError, TrainingError, UsageError
from molvae.storage import checkpoint, model_folder
from molvae.training import checkpoints, run_folder
from molvae.training.loop import Epoch

CPU = torch.device("cpu")


def start(run: Path, dataset: Dataset, config: Any) -> Any:
    return run_folder.create(run, dataset, config, CPU)


def finish(run: Path, state: Any, dataset: Dataset, **options: Any) -> list[Any]:
    return list(run_folder.run_training(run, state, dataset, {"data": dataset.report}, **options))


def weights(run: Path) -> dict[str, bytes]:
    """Content of the newest step of a run: its weights and its training state."""
    newest = model_folder.steps_of(run)[0]
    return {
        name: (newest / name).read_bytes() for name in ("model.safetensors", "training.safetensors")
    }


def metrics(run: Path) -> list[dict[str, str]]:
    """The rows of ``metrics.csv``, without what the clock says."""
    with open(run / "metrics.csv", newline="", encoding="utf-8") as handle:
        return [
            {key: value for key, value in row.items() if key != "seconds"}
            for row in csv.DictReader(handle)
        ]


@pytest.fixture
def config(make_config: Any) -> Any:
    """Three epochs of three steps."""
    return make_config(epochs=3, batch_size=100)


@pytest.fixture(scope="module")
def whole(
    tiny_dataset: Dataset, make_config: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Training of these options that nothing stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    config = make_config(epochs=3, batch_size=100)
    finish(run, start(run, tiny_dataset, config), tiny_dataset)
    return run


def test_a_training_leaves_states_metrics_and_options(
    whole: Path, config: Any, tiny_dataset: Dataset
) -> None:
    names = {path.name for path in whole.iterdir()}
    assert names >= {"BEST", "metrics.csv", "config.toml", "run.lock", "step-00000009"}
    assert len(model_folder.steps_of(whole)) <= 2
    assert from_dict(read_toml(whole / "config.toml")[0], "test") == config
    rows = metrics(whole)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["step"] for row in rows] == ["3", "6", "9"]
    best = max((row for row in rows if row["best"] == "1"), key=lambda row: int(row["step"]))
    assert model_folder.best_name(whole) == checkpoints.step_name(int(best["step"]))
    told = model_folder.load_info(whole / "step-00000009")[2]["metrics"]
    assert told["validation_elbo"] == rows[-1]["validation_elbo"]


@pytest.mark.parametrize("stop_after", range(1, 13))
def test_a_training_stopped_anywhere_resumes_to_the_same_end(
    tiny_dataset: Dataset, config: Any, tmp_path: Path, whole: Path, stop_after: int
) -> None:
    run = tmp_path / "run"
    seen = itertools.count(1)
    stop: list[bool] = []

    def stopping() -> bool:
        return bool(stop)

    state = start(run, tiny_dataset, config)
    for _ in run_folder.run_training(
        run, state, tiny_dataset, {"data": tiny_dataset.report}, stopping=stopping
    ):
        if next(seen) == stop_after:
            stop.append(True)
    # What is asked while a record is handled is done with the next: at most one step is in between.
    assert model_folder.steps_of(run)[0].name == checkpoints.step_name(state.step)
    resumed = checkpoints.resume(run, tiny_dataset, CPU)
    finish(run, resumed, tiny_dataset)
    assert metrics(run) == metrics(whole)
    assert weights(run) == weights(whole)


def test_stopping_twice_and_resuming_twice_changes_nothing(
    tiny_dataset: Dataset, config: Any, tmp_path: Path, whole: Path
) -> None:
    run = tmp_path / "run"
    state = start(run, tiny_dataset, config)
    for _ in range(20):
        finish(run, state, tiny_dataset, stopping=lambda: True)
        state = checkpoints.resume(run, tiny_dataset, CPU)
        if state.out_of_steps:
            break
    assert metrics(run) == metrics(whole)
    assert weights(run) == weights(whole)


def test_a_training_is_saved_every_few_minutes(
    tiny_dataset: Dataset, config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_folder, "SAVE_SECONDS", -1.0)
    run = tmp_path / "run"
    steps = []
    for record in run_folder.run_training(run, start(run, tiny_dataset, config), tiny_dataset, {}):
        if isinstance(record, Epoch):
            break
        steps.append(model_folder.steps_of(run)[0].name if model_folder.steps_of(run) else "")
    assert steps == ["step-00000001", "step-00000002", "step-00000002"], (
        "the last step waits for its validation"
    )


def test_metrics_of_an_unsaved_epoch_are_written_once(
    tiny_dataset: Dataset, config: Any, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    real, calls = checkpoints.save, itertools.count(1)

    def failing(*arguments: Any, **options: Any) -> Path:
        if next(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", "step")
        return real(*arguments, **options)

    state = start(run, tiny_dataset, config)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", failing)
        with pytest.raises(OSError, match="No space left"):
            finish(run, state, tiny_dataset)
    assert checkpoint.load(run).info["step"] == 3, "what was saved before is still there"
    finish(run, checkpoints.resume(run, tiny_dataset, CPU), tiny_dataset)
    assert metrics(run) == metrics(whole)
    assert weights(run) == weights(whole)


@pytest.mark.parametrize("nth", [1, 3, 6, 9, 12])
def test_a_disk_that_fails_at_any_write_leaves_the_state_before(
    tiny_dataset: Dataset,
    config: Any,
    tmp_path: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    nth: int,
) -> None:
    run = tmp_path / "run"
    state = start(run, tiny_dataset, config)
    records = run_folder.run_training(run, state, tiny_dataset, {"data": tiny_dataset.report})
    for record in records:
        if isinstance(record, Epoch):
            break
    real, calls = os.fsync, itertools.count(1)

    def failing(handle: int) -> None:
        if next(calls) >= nth:
            raise OSError(errno.EIO, "Input/output error")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match="Input/output"):
            list(records)
    assert not [path.name for path in run.iterdir() if path.name.startswith(".tmp-")]
    for step in model_folder.steps_of(run):
        checkpoint.load(step)
    finish(run, checkpoints.resume(run, tiny_dataset, CPU), tiny_dataset)
    assert metrics(run) == metrics(whole)
    assert weights(run) == weights(whole)
    assert model_folder.best_name(run) == model_folder.best_name(whole)


def test_two_trainers_never_share_a_folder(
    tiny_dataset: Dataset, config: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    first = run_folder.run_training(run, start(run, tiny_dataset, config), tiny_dataset, {})
    next(first)
    with pytest.raises(TrainingError, match=f"another training is using it .process {os.getpid()}"):
        finish(run, resumption_state(tiny_dataset, config), tiny_dataset)
    with pytest.raises(TrainingError, match="another training is using it"):
        run_folder.create(run, tiny_dataset, config, CPU, force=True)
    assert [path.name for path in run.iterdir() if path.name == "config.toml"], (
        "the second one changes nothing"
    )
    first.close()
    finish(run, run_folder.create(run, tiny_dataset, config, CPU, force=True), tiny_dataset)


def resumption_state(dataset: Dataset, config: Any) -> Any:
    from molvae.training.loop import begin

    return begin(dataset, config, CPU)


def test_a_folder_with_something_in_it_is_left_alone(
    whole: Path, tmp_path: Path, tiny_dataset: Dataset, config: Any
) -> None:
    with pytest.raises(UsageError, match="already exists and is not empty; --resume goes on"):
        run_folder.check_new(whole)
    run_folder.check_new(whole, force=True)
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").write_text("words")
    for force in (False, True):
        with pytest.raises(UsageError, match="choose another folder"):
            run_folder.create(other, tiny_dataset, config, CPU, force=force)
    assert (other / "chapter.tex").read_text() == "words"
    with pytest.raises(UsageError, match="is a file"):
        run_folder.check_new(other / "chapter.tex")
    with pytest.raises(UsageError, match="cannot be written"):
        run_folder.check_new(other / "chapter.tex" / "run")


def test_what_was_stopped_before_its_first_save_may_begin_again(
    tmp_path: Path, tiny_dataset: Dataset, config: Any
) -> None:
    run = tmp_path / "run"
    records = run_folder.run_training(run, start(run, tiny_dataset, config), tiny_dataset, {})
    next(records)
    records.close()
    with pytest.raises(UsageError, match="has not been saved yet"):
        run_folder.config_of(run, {})
    finish(run, start(run, tiny_dataset, config), tiny_dataset)


def test_options_given_anew_must_be_those_of_the_training(
    whole: Path, config: Any, tmp_path: Path
) -> None:
    assert (
        run_folder.config_of(whole, {"training": {"epochs": 3}, "model": {"latent": 8}}) == config
    )
    for given, words in (
        ({"training": {"epochs": 4}}, "epochs was 3, and cannot become 4"),
        ({"model": {"latent": 16}}, "latent was 8, and cannot become 16"),
    ):
        with pytest.raises(UsageError, match=words):
            run_folder.config_of(whole, given)
    for run in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="no training to resume"):
            run_folder.config_of(run, {})


def test_a_damaged_newest_step_leaves_the_options_readable(copied_run: Path) -> None:
    newest = model_folder.steps_of(copied_run)[0]
    older = copied_run / "step-00000001"
    if len(model_folder.steps_of(copied_run)) == 1:
        os.rename(newest, older)
        newest.mkdir()
    (newest / "config.json").write_text("{}")
    assert run_folder.config_of(copied_run, {}).model.latent == 8


CHILD = """
import json, sys, torch
from pathlib import Path
from molvae.training import checkpoints, run_folder
from molvae.config import from_dict
from molvae.datasets.dataset import Dataset
torch.set_num_threads(1)
run, data = Path(sys.argv[1]), Dataset.load(sys.argv[2])
config = from_dict(json.loads(sys.argv[3]), "test")
run_folder.SAVE_SECONDS = -1.0
try:
    state = checkpoints.resume(run, data, torch.device("cpu"))
except Exception:
    state = run_folder.create(run, data, config, torch.device("cpu"), force=True)
print("begun", flush=True)
for record in run_folder.run_training(run, state, data, {"data": data.report}):
    print("saved" if hasattr(record, "validation") else "step", record.step, flush=True)
"""


def test_a_training_killed_at_any_moment_loses_nothing_saved(
    tiny_dataset: Dataset, config: Any, tmp_path: Path
) -> None:
    data, run, whole = (tmp_path / name for name in ("prepared", "run", "whole"))
    tiny_dataset.save(data)
    given = str(data), json.dumps(config.as_dict())
    # The one that nothing stops runs in a process of its own too: sums depend on torch's threads.
    subprocess.run([sys.executable, "-c", CHILD, str(whole), *given], check=True)
    command = [sys.executable, "-c", CHILD, str(run), *given]
    chance = random.Random(0)
    told = 0
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "begun\n"
            time.sleep(chance.uniform(0.0, 0.15))
            child.kill()
            lines = [line.split() for line in child.stdout.read().splitlines()]
        told = max(
            [told, *(int(line[1]) for line in lines if line[0] == "saved" and len(line) == 2)]
        )
        found = [checkpoint.load(step).info["step"] for step in model_folder.steps_of(run)]
        assert max(found, default=0) >= told, "a step that was said to be saved is gone"
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert metrics(run) == metrics(whole)
    assert weights(run) == weights(whole)
    assert model_folder.best_name(run) == model_folder.best_name(whole)
    assert not list(run.glob(".tmp-*"))


def test_the_same_files_are_prepared_once(
    molecules_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy = tmp_path / "molecules.csv"
    copy.write_bytes(molecules_csv.read_bytes())
    said: list[str] = []
    data = DataConfig(vocabulary=64)
    first, rejected = run_folder.open_dataset([copy], data, workers=1, said=said.append)
    again, rejected_again = run_folder.open_dataset([copy], data, workers=1, said=said.append)
    assert len(said) == 2
    assert "prepared before" in said[1]
    assert (again.fingerprint, rejected_again) == (first.fingerprint, rejected)
    copy.write_bytes(molecules_csv.read_bytes() + b"CCO\n")
    assert len(run_folder.open_dataset([copy], data, workers=1)[0]) == len(first) + 1
    assert len(list((tmp_path / "cache" / "molvae" / "prepared").iterdir())) == 2
    for folder in (tmp_path / "cache" / "molvae" / "prepared").iterdir():
        (folder / "arrays.safetensors").write_bytes(b"")
    assert (
        run_folder.open_dataset([molecules_csv], data, workers=1)[0].fingerprint
        == first.fingerprint
    )
    for harm in ("rejected.csv", "report.json"):
        (found,) = (
            one for one in (tmp_path / "cache" / "molvae" / "prepared").iterdir() if reads(one)
        )
        (found / harm).unlink()
        for _ in range(2):
            run_folder.open_dataset([molecules_csv], data, workers=1, said=said.append)
        assert "prepared before" in said[-1], "what was damaged is made anew, and then read"


def reads(folder: Path) -> bool:
    """True if a folder of the cache is sound."""
    try:
        run_folder.read_prepared(folder)
    except (InputError, OSError):
        return False
    return True


def test_a_closed_cache_or_none_is_done_without(
    molecules_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    said: list[str] = []
    data = DataConfig(vocabulary=64)
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "closed"))
        patch.setattr(Path, "exists", forbidden)
        first = run_folder.open_dataset([molecules_csv], data, workers=1, said=said.append)[0]
    assert "could not be kept" in said[-1]
    monkeypatch.setattr(run_folder, "user_cache_folder", lambda _: None)
    assert (
        run_folder.open_dataset([molecules_csv], data, workers=1)[0].fingerprint
        == first.fingerprint
    )


def test_a_prepared_folder_is_the_only_input(
    tiny_dataset: Dataset, tmp_path: Path, molecules_csv: Path
) -> None:
    tiny_dataset.save(tmp_path / "prepared", rejected="source,line\n")
    dataset, rejected = run_folder.open_dataset([tmp_path / "prepared"], DataConfig())
    assert (dataset.fingerprint, rejected) == (tiny_dataset.fingerprint, "source,line\n")
    with pytest.raises(UsageError, match="must be the only input"):
        run_folder.open_dataset([tmp_path / "prepared", molecules_csv], DataConfig())
    with pytest.raises((InputError, UsageError)):
        run_folder.open_dataset([tmp_path / "missing"], DataConfig())
