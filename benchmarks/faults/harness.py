"""Shared by all faults: a tiny training, forked trials of it, and what must hold after each.

A trial is a fork of this process, which has imported and compiled everything, so that it starts in
milliseconds; it runs on one thread, because others would not survive a fork.

Nothing in molvae knows of the faults: the forked process replaces functions of ``os``."""

from __future__ import annotations

import errno
import gzip
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from molvae_cli import start

from molvae.config import from_dict
from molvae.datasets.prepare import prepare
from molvae.errors import MolvaeError
from molvae.storage import checkpoint, model_folder
from molvae.training import checkpoints, run_folder

CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {
    "data": {"vocabulary": 64, "validation": 0.1},
    "model": {"embedding": 8, "encoder": 8, "decoder": 16, "latent": 4},
    "training": {
        "epochs": 2,
        "batch_size": 40,
        "learning_rate": 0.02,
        "warmup": 3,
        "ema": 0.9,
        "precision": "fp32",
    },
}
CALLS = ("fsync", "rename", "replace", "unlink", "rmdir", "mkdir")
"""Functions of ``os`` by which a save reaches the disk: before each of them a trial may end."""


class Result(NamedTuple):
    """A row of the table: what was done, how often, and the trials in which anything was lost."""

    number: str
    fault: str
    tries: int
    lost: list[str]


class Harness:
    """A tiny data set and what a training on it ends with when nothing disturbs it."""

    def __init__(self, folder: Path, seed: int, most: int, only: str) -> None:
        torch.set_num_threads(1)
        self.folder, self.chance = folder, random.Random(seed)
        self.most, self.only = most, only
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        self.table = folder / "molecules.csv"
        with gzip.open(ROOT / "data" / "moses_sample.csv.gz", "rt", encoding="ascii") as handle:
            rows = sorted(handle.read().split()[1:], key=lambda row: (len(row), row))[:120]
        self.table.write_text("smiles\n" + "\n".join(rows) + "\n", encoding="ascii")
        self.config = from_dict(OPTIONS, "faults")
        self.dataset = prepare([self.table], self.config.data, workers=1).dataset
        self.whole = folder / "whole"
        options: Any = (self.dataset, {"data": self.dataset.report})
        state = run_folder.create(folder / "warm", self.dataset, self.config, CPU)
        list(run_folder.run_training(folder / "warm", state, *options))
        code, said = self.forked(lambda: self.train(self.whole))
        if code:
            raise SystemExit(f"the undisturbed training failed: {said}")
        self.calls = int(said.split()[-1])
        self.ending = self.state_of(self.whole)
        if self.ending != self.state_of(folder / "warm"):
            raise SystemExit("a forked training ends elsewhere than one that is not")

    def train(self, run: Path, on_call: Callable[[int, str], None] | None = None) -> None:
        """Train in ``run``, from its newest step if there is one, saving at every step.

        Says each step once it is saved, and at the end how many calls reached the disk.
        ``on_call`` is called before each of these with its number and name."""
        calls = watched_calls(on_call or (lambda number, name: None))
        run_folder.SAVE_SECONDS = -1.0
        if run.is_dir() and model_folder.steps_of(run):
            state = checkpoints.resume(run, self.dataset, CPU)
        else:
            state = run_folder.create(run, self.dataset, self.config, CPU, force=True)
        say("begun")
        for record in run_folder.run_training(
            run, state, self.dataset, {"data": self.dataset.report}
        ):
            tell(run, record.step)
        say(f"calls {calls[0]}")

    def state_of(self, run: Path) -> tuple[bytes, ...]:
        """State that a training ended with, bit for bit."""
        newest = model_folder.steps_of(run)[0]
        names = ("model.safetensors", "training.safetensors")
        return (newest.name.encode(), *((newest / name).read_bytes() for name in names))

    def new_run(self) -> Path:
        """A folder that is not there yet."""
        return Path(tempfile.mkdtemp(dir=self.folder)) / "run"

    def copy_of(self, run: Path) -> Path:
        """A copy of a run, to be damaged."""
        return Path(shutil.copytree(run, self.new_run()))

    def problems_after(self, run: Path, said: str) -> list[str]:
        """Losses by a fault in a training: nothing, if all promises hold.

        ``said`` is what the training had said before it ended."""
        found = []
        steps = [int(line.split()[1]) for line in said.splitlines() if line.startswith("saved ")]
        for step in model_folder.steps_of(run) if run.is_dir() else []:
            try:
                checkpoint.load(step)
            except MolvaeError as error:
                found.append(f"a step under its name does not verify: {error}")
        kept = [int(one.name[5:]) for one in model_folder.steps_of(run)] if run.is_dir() else []
        if steps and max(kept, default=0) < max(steps):
            found.append(f"step {max(steps)} was said to be saved, the newest is {max(kept)}")
        code, words = self.forked(lambda: self.train(run))
        if code:
            return [*found, f"it could not be resumed: {words[-300:]}"]
        if self.state_of(run) != self.ending:
            found.append("the resumed training ended elsewhere")
        if model_folder.best_name(run) != model_folder.best_name(self.whole):
            found.append("another step is the best one")
        if left := [path.name for path in run.iterdir() if path.name.startswith(".tmp-")]:
            found.append(f"left behind: {', '.join(left)}")
        shutil.rmtree(run.parent, ignore_errors=True)
        return found

    def forked(
        self,
        work: Callable[[], object],
        meanwhile: Callable[[int, io.BufferedReader], object] | None = None,
    ) -> tuple[int, str]:
        """Run ``work`` in a fork: its exit code, below zero for a signal, and what it has said.

        ``meanwhile`` is called in this process with the number of the other one and its words."""
        sys.stdout.flush()
        ours, theirs = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(ours)
            for number in (1, 2):
                os.dup2(theirs, number)
            sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
            sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
            code = 70
            try:
                code = work() or 0  # type: ignore[assignment]
            except SystemExit as stop:
                code = int(stop.code or 0)
            except (MolvaeError, OSError) as error:
                say(f"Error: {error}")
                code = 1
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.close(theirs)
        with open(ours, "rb") as words:
            if meanwhile is not None:
                meanwhile(process, words)
            said = words.read().decode(errors="replace")
        _, status = os.waitpid(process, 0)
        return os.waitstatus_to_exitcode(status), said

    def command(self, *args: object) -> Callable[[], object]:
        """The installed command as work for :meth:`forked`."""

        def work() -> None:
            torch.set_num_threads(1)
            start([str(arg) for arg in args])

        return work


def say(text: str) -> None:
    """Write a line at once."""
    os.write(1, f"{text}\n".encode())


def tell(run: Path, step: int) -> None:
    """Say that a step is saved, if it is: not before an epoch's last one has been validated."""
    if (run / checkpoints.step_name(step)).is_dir():
        say(f"saved {step}")


def watched_calls(on_call: Callable[[int, str], None]) -> list[int]:
    """Have ``on_call`` see every call of ``CALLS`` before it is made; returns their count."""
    count = [0]

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            count[0] += 1
            on_call(count[0], name)
            return real(*args, **named)

        return call

    for name in CALLS:
        setattr(os, name, watched(name, getattr(os, name)))
    return count


def kill_at(number: int) -> Callable[[int, str], None]:
    """Die before call ``number``."""

    def on_call(at: int, name: str) -> None:
        if at == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_call


def fail_at(number: int, kind: int, names: tuple[str, ...], lasting: bool) -> Any:
    """Have call ``number`` fail if it is one of ``names``; ``lasting`` has all later ones fail."""

    def on_call(at: int, name: str) -> None:
        if name in names and (at == number or (lasting and at > number)):
            raise OSError(kind, os.strerror(kind))

    return on_call


@contextmanager
def harness(seed: int, most: int, only: str) -> Iterator[Harness]:
    """A harness in a folder that is removed at the end; ``most`` trials of a row, 0 for all, of the
    rows whose fault ``only`` matches.
    """
    with tempfile.TemporaryDirectory(prefix="molvae-faults-") as folder:
        yield Harness(Path(folder), seed, most, only)


NO_SPACE, IO_ERROR, BUSY = errno.ENOSPC, errno.EIO, errno.EBUSY
