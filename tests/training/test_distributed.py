"""Two processes train as one does: the same gradients, the same records, one folder, one end.

The tests share one pair of processes, which run :func:`child` below and leave what they found in
files."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from molvae.config import Config, from_dict
from molvae.datasets.dataset import Dataset
from molvae.errors import TrainingError, UsageError
from molvae.nn.posterior import standard_normal
from molvae.nn.threads import Threads
from molvae.runtime.ranks import World, world
from molvae.storage import model_folder
from molvae.training import checkpoints, distributed, loop, loss, run_folder, schedules
from molvae.training.distributed import ALONE, Group

CPU = torch.device("cpu")
BATCHES = (range(3, 14), range(1))
"""Rows of a batch that two processes cannot halve, and of one with less than a molecule for
each.
"""


def config_of(path: Path) -> Config:
    return from_dict(json.loads(path.read_text()), "test")


def with_levels(config: Config) -> Config:
    return replace(config, model=replace(config.model, posterior="levels"))


def gradients_of(dataset: Dataset, config: Config, group: Group) -> dict[str, torch.Tensor]:
    """The gradients and sums of some batches, by names."""
    found = {}
    for kind in (config, with_levels(config)):
        state = loop.begin(dataset, kind, CPU)
        for number, rows in enumerate(BATCHES):
            shape = (2, len(rows), kind.model.latent)
            noise = standard_normal(shape, schedules.generator_of(0, number))
            levels = schedules.levels_of_step(kind, number, len(rows))
            batch = loss.Part(
                dataset.training_rows[rows.start : rows.stop], noise, 0.5, len(rows), levels
            )
            with Threads(CPU, len(rows)) as threads:
                terms = loss.batch_terms(state.model, dataset, batch, 0.0, threads, group)
            name = f"{kind.model.posterior}.{number}"
            sums = torch.tensor([terms.log_likelihood, terms.kl], dtype=torch.float64)
            found |= {f"{name}.sums": sums} | {
                f"{name}.{i}": g for i, g in enumerate(terms.gradients)
            }
    return found


def records_of(dataset: Dataset, config: Config, group: Group) -> list[Any]:
    """The records of a training."""
    return list(loop.train(loop.begin(dataset, config, CPU), dataset, group))


def train_in(run: Path, state: Any, dataset: Dataset, group: Group, stop_at: int = 0) -> int:
    """Train in a folder; the last process asks for a stop at a step, and all tell at which they
    stopped.
    """

    def stopping() -> bool:
        return state.step == stop_at and not group.leads

    list(run_folder.run_training(run, state, dataset, {}, stopping=stopping, group=group))
    return int(state.step)


def told(error: type[Exception], work: Any) -> str:
    """Words of a piece of work that fails; nothing if it does not."""
    try:
        work()
    except error as problem:
        return f"{type(problem).__name__}: {problem}"
    return ""


def child(folder: Path) -> None:
    """Do the work of one of the two processes."""
    torch.set_num_threads(1)
    dataset, config = Dataset.load(folder / "prepared"), config_of(folder / "config.json")
    found: dict[str, Any] = {}
    with distributed.joined(CPU) as group:
        rank = group.world.rank
        save_file(gradients_of(dataset, config, group), folder / f"gradients-{rank}.safetensors")
        # One process has a slow clock: what hangs on time must be the same all the same.
        began, real = time.monotonic(), time.monotonic
        time.monotonic = lambda: began + (real() - began) * (1 + 9 * rank)
        loop.MEASURED_STEPS = (1, 2)
        timed = replace(config, training=replace(config.training, minutes=0.001))
        found["timed"] = records_of(dataset, timed, group)
        found["records"] = records_of(dataset, config, group)
        run = folder / "run"
        state = run_folder.create(run, dataset, config, CPU, group=group)
        found["stopped"] = train_in(run, state, dataset, group, stop_at=4)
        found["saved"] = [path.name for path in model_folder.steps_of(run)]
        with group.first_alone():
            state = checkpoints.resume(run, dataset, CPU)
        found["ended"] = train_in(run, state, dataset, group)

        found["first"], found["any"] = (
            group.first(rank + 0.5),
            [group.any(rank == 1), group.any(False)],
        )
        with group.first_alone():
            found["seen"] = sorted(path.name for path in folder.glob("mark-*"))
            time.sleep(0.2 * group.leads)
            (folder / f"mark-{rank}").touch()
        group.check_same("0" * 64, "molecules")
        found["other"] = told(TrainingError, lambda: group.check_same(f"{rank}" * 64, "molecules"))
        found["failed"] = told(TrainingError, lambda: fail_first(group))
        group.wait()
        (folder / f"found-{rank}.json").write_text(json.dumps(found))
        if not group.leads:
            os._exit(3)  # as if killed
        found["lost"] = told(TrainingError, group.wait)
        (folder / f"found-{rank}.json").write_text(json.dumps(found))


def fail_first(group: Group) -> None:
    """The first process fails where the others wait for it."""
    with group.first_alone():
        raise TrainingError("no such file") if group.leads else AssertionError("it went on")


@pytest.fixture(scope="module")
def config(make_config: Any) -> Config:
    """Two epochs of three steps."""
    return make_config(epochs=2, batch_size=100)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def left(
    tiny_dataset: Dataset,
    config: Config,
    two_processes: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder that two processes have left."""
    folder = tmp_path_factory.mktemp("two")
    tiny_dataset.save(folder / "prepared")
    (folder / "config.json").write_text(json.dumps(config.as_dict()))
    first, second = two_processes(sys.executable, __file__, folder)
    assert first.code == 0, first.err
    assert second.code == 3, second.err
    return folder


@pytest.fixture(scope="module")
def found(left: Path) -> list[dict[str, Any]]:
    """Findings of each of the two."""
    return [json.loads((left / f"found-{rank}.json").read_text()) for rank in (0, 1)]


def test_the_gradients_of_two_processes_are_those_of_one(
    left: Path, tiny_dataset: Dataset, config: Config
) -> None:
    alone = gradients_of(tiny_dataset, config, ALONE)
    together = [load_file(left / f"gradients-{rank}.safetensors") for rank in (0, 1)]
    assert together[0].keys() == together[1].keys() == alone.keys()
    for name, gradient in alone.items():
        assert torch.equal(together[0][name], together[1][name]), "two processes would drift apart"
        torch.testing.assert_close(together[0][name], gradient, rtol=1e-3, atol=1e-5)
    assert any(float(gradient.abs().max()) > 0.1 for gradient in alone.values())


def test_the_records_of_two_processes_are_those_of_one(
    found: list[dict[str, Any]], tiny_dataset: Dataset, config: Config
) -> None:
    first, second = (one["records"] for one in found)
    assert first == second, "seconds and speed included"
    clocks = {"seconds", "molecules_per_second", "seconds_left"}
    alone = records_of(tiny_dataset, config, ALONE)
    assert len(first) == len(alone) == 8
    for mine, wanted in zip(first, alone, strict=True):
        for value, (name, expected) in zip(mine, wanted._asdict().items(), strict=True):
            if name == "validation":
                assert value[:3] == pytest.approx(expected[:3], rel=1e-3)
                assert value[3:5] == pytest.approx(expected[3:5], abs=0.02)
            elif name not in clocks:
                assert value == pytest.approx(expected, rel=1e-3), name


def test_the_first_clock_decides_for_both_how_long_to_train(found: list[dict[str, Any]]) -> None:
    first, second = (one["timed"] for one in found)
    assert first == second
    assert first[-1][1] > 2


def test_a_stop_in_one_process_stops_both_at_one_step(
    found: list[dict[str, Any]], left: Path
) -> None:
    assert [one["stopped"] for one in found] == [4, 4]
    assert found[0]["saved"][0] == found[1]["saved"][0] == "step-00000004"
    assert not [path for path in (left / "run").iterdir() if path.name.startswith("damaged")]


def test_two_processes_resume_to_the_same_end(
    found: list[dict[str, Any]], left: Path, tiny_dataset: Dataset, config: Config, tmp_path: Path
) -> None:
    assert [one["ended"] for one in found] == [6, 6]
    state = run_folder.create(tmp_path / "run", tiny_dataset, config, CPU)
    list(run_folder.run_training(tmp_path / "run", state, tiny_dataset, {}))
    rows = [run_folder.read_metrics(run) for run in (left / "run", tmp_path / "run")]
    assert [row["epoch"] for row in rows[0]] == ["1", "2"]
    for together, alone in zip(*rows, strict=True):
        for name in ("elbo", "validation_elbo"):
            assert float(together[name]) == pytest.approx(float(alone[name]), rel=1e-3)


def test_numbers_of_the_first_and_flags_of_any_reach_all(
    found: list[dict[str, Any]],
) -> None:
    assert [one["first"] for one in found] == [0.5, 0.5]
    assert [one["any"] for one in found] == [[True, False]] * 2


def test_what_the_first_one_does_alone_the_other_finds_done(found: list[dict[str, Any]]) -> None:
    assert [one["seen"] for one in found] == [[], ["mark-0"]]


def test_other_data_in_another_process_are_told_there(found: list[dict[str, Any]]) -> None:
    assert [one["other"] for one in found] == [
        "",
        "TrainingError: process 1 has other molecules than process 0: all need the same files",
    ]


def test_a_failure_of_the_first_one_ends_the_wait_of_the_other(found: list[dict[str, Any]]) -> None:
    assert found[1]["failed"].startswith("LostError: the first process")


def test_the_death_of_a_process_ends_the_wait_of_the_others(found: list[dict[str, Any]]) -> None:
    assert found[0]["lost"].startswith(
        "LostError: another process of this training ended or did not answer"
    )


def test_alone_everything_is_as_it_was() -> None:
    gradients = [torch.ones(2), torch.ones(3)]
    assert ALONE.add_gradients(gradients) is gradients
    assert ALONE.leads
    assert list(range(5))[ALONE.share] == [0, 1, 2, 3, 4]
    assert (ALONE.first(2.5), ALONE.any(True), ALONE.any(False)) == (2.5, True, False)
    with pytest.raises(ZeroDivisionError), ALONE.first_alone():
        raise ZeroDivisionError


def test_every_member_is_the_share_of_one_process() -> None:
    members = list(range(7))
    shares = [members[Group(World(rank, 3)).share] for rank in range(3)]
    assert sorted(member for share in shares for member in share) == members


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"WORLD_SIZE": "many"}, "WORLD_SIZE must be a whole number, not 'many'"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK 2 must be below its WORLD_SIZE 2"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "not where they meet .*MASTER_ADDR"),
    ],
)
def test_an_environment_that_tells_nonsense_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name in (
        "RANK",
        "WORLD_SIZE",
        "LOCAL_RANK",
        "LOCAL_WORLD_SIZE",
        "MASTER_ADDR",
        "MASTER_PORT",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=words), distributed.joined(CPU):
        pass


def test_processes_of_one_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    from molvae.nn import threads as threads_module

    monkeypatch.setattr(threads_module, "default_workers", lambda: 12)
    counts = {}
    for size in ("1", "4", "50"):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", size)
        assert world().local_size == int(size)
        counts[size] = Threads(CPU, 10_000).count
    assert counts == {"1": 12, "4": 3, "50": 1}


if __name__ == "__main__":
    child(Path(sys.argv[1]))
