"""Faults of a training and of its files; F1 to F30 are the numbers of the list of faults."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from harness import BUSY, CPU, IO_ERROR, NO_SPACE, Harness, Result, fail_at, kill_at, tell

from molvae.errors import MolvaeError
from molvae.runtime.atomic_folder import MANIFEST
from molvae.storage import checkpoint, model_folder
from molvae.training import checkpoints, run_folder

WRITES = ("fsync", "mkdir")
RESUMED = (*model_folder.MODEL_FILES, *model_folder.STATE_FILES, MANIFEST)
"""Files that a training reads to go on; hashes of training molecules are written anew."""

FILES = (*RESUMED, model_folder.KNOWN)


def trials(
    lab: Harness, number: str, fault: str, each: list[Any], trial: Callable[[Any], list[str]]
) -> Iterator[Result]:
    """A row: one trial for each parameter, or for some of them; none if it is not asked for."""
    if not re.search(lab.only, fault):
        return
    each = lab.chance.sample(each, lab.most) if 0 < lab.most < len(each) else each
    lost = [f"{fault}, {one}: {problem}" for one in each for problem in trial(one)]
    yield Result(number, fault, len(each), lost)


def kills(lab: Harness, rounds: int) -> Iterator[Result]:
    """kill -9 at random moments, and before every call by which a save reaches the disk."""

    def at_random(delay: float) -> list[str]:
        run = lab.new_run()

        def shoot(process: int, words: io.BufferedReader) -> None:
            words.readline()
            time.sleep(delay)
            os.kill(process, signal.SIGKILL)

        _, said = lab.forked(lambda: lab.train(run), shoot)
        return lab.problems_after(run, said)

    def at_call(number: int) -> list[str]:
        run = lab.new_run()
        _, said = lab.forked(lambda: lab.train(run, kill_at(number)))
        return lab.problems_after(run, said)

    began = time.monotonic()
    lab.forked(lambda: lab.train(lab.new_run()))
    longest = time.monotonic() - began
    delays = [round(lab.chance.uniform(0.0, longest), 4) for _ in range(rounds)]
    yield from trials(lab, "F1", "kill -9 at a random moment", delays, at_random)
    numbers = list(range(1, lab.calls + 1))
    yield from trials(lab, "F1, F2", "kill -9 before a call of a save", numbers, at_call)


def refusals(lab: Harness) -> Iterator[Result]:
    """A disk that is full, fails, or will not let go of a file."""

    def refused(names: tuple[str, ...], kind: int, lasting: bool) -> Callable[[int], list[str]]:
        def trial(number: int) -> list[str]:
            run = lab.new_run()
            hook = fail_at(number, kind, names, lasting)
            code, said = lab.forked(lambda: lab.train(run, hook))
            found = [] if code in (0, 1) else [f"it ended with {code}: {said[-300:]}"]
            return [*found, *lab.problems_after(run, said)]

        return trial

    numbers = list(range(1, lab.calls + 1))
    yield from trials(
        lab, "F4", "disk full from a write on", numbers, refused(WRITES, NO_SPACE, True)
    )
    failing = refused(("fsync", "rename", "replace"), IO_ERROR, False)
    yield from trials(lab, "F5", "I/O error at a sync or rename", numbers, failing)
    held = refused(("unlink", "rmdir", "rename"), BUSY, False)
    yield from trials(lab, "F30", "a file that is held while it is removed", numbers, held)


def damage(lab: Harness, cuts: int, flips: int) -> Iterator[Result]:
    """Files cut short, and files with a bit flipped, of the newest step."""
    good = {}
    newest = model_folder.steps_of(lab.whole)[0]
    for name in FILES:
        good[name] = (newest / name).read_bytes()
    right = weights_of(newest)

    def harmless(name: str, content: bytes) -> list[str]:
        run = lab.copy_of(lab.whole)
        step = run / newest.name
        (step / name).write_bytes(content)
        try:
            checkpoints.read_state(step, CPU)
            model_folder.load_known(step)
            silent = weights_of(step) != right
        except MolvaeError:
            silent = False
        shutil.rmtree(run.parent)
        return ["another model was loaded in silence"] if silent else []

    places = [
        (name, len(content) * cut // cuts) for name, content in good.items() for cut in range(cuts)
    ]
    yield from trials(
        lab,
        "F6",
        "a model file cut short",
        places,
        lambda one: harmless(one[0], good[one[0]][: one[1]]),
    )

    def flipped(one: tuple[str, int]) -> list[str]:
        name, bit = one
        content = bytearray(good[name])
        content[bit // 8] ^= 1 << bit % 8
        return harmless(name, bytes(content))

    names = [lab.chance.choice(FILES) for _ in range(flips)]
    bits = [(name, lab.chance.randrange(8 * len(good[name]))) for name in names]
    yield from trials(lab, "F7", "a bit flipped in a model file", bits, flipped)


def weights_of(step: Path) -> bytes:
    """The weights of a step as they are loaded."""
    tensors = checkpoint.load(step).model.state_dict().values()
    return b"".join(tensor.numpy().tobytes() for tensor in tensors)


def fallbacks(lab: Harness) -> Iterator[Result]:
    """A newest step that is damaged, a BEST that is, all steps that are, and shuffled clocks."""

    def stopped() -> Path:
        """A run of two steps at least."""
        run = lab.new_run()
        lab.forked(lambda: lab.train(run, kill_at(lab.calls * 2 // 3)))
        return run

    def newest_cut(name: str) -> list[str]:
        run = stopped()
        steps = model_folder.steps_of(run)
        if len(steps) < 2:
            shutil.copytree(steps[0], run / "step-00000000")
        content = (steps[0] / name).read_bytes()
        (steps[0] / name).write_bytes(content[: len(content) // 2])
        code, said = lab.forked(lambda: lab.train(run))
        ended = code == 0 and lab.state_of(run) == lab.ending
        kept = [one for one in run.iterdir() if one.name.startswith("damaged-")]
        shutil.rmtree(run.parent)
        return [] if ended and len(kept) == 1 else [f"{code}, {len(kept)} kept: {said[-300:]}"]

    yield from trials(lab, "F6", "resuming past a newest step cut short", list(RESUMED), newest_cut)

    def best_flipped(bit: int) -> list[str]:
        run = lab.copy_of(lab.whole)
        content = bytearray((run / "BEST").read_bytes())
        content[bit // 8] ^= 1 << bit % 8
        (run / "BEST").write_bytes(content)
        same = model_folder.locate(run).name == model_folder.locate(lab.whole).name
        return [] if same else ["another step is taken for the best"]

    bits = list(range(0, 8 * len((lab.whole / "BEST").read_bytes()), 3))
    yield from trials(lab, "F7", "a bit flipped in BEST", bits, best_flipped)

    def all_bad(name: str) -> list[str]:
        run = lab.copy_of(lab.whole)
        for step in model_folder.steps_of(run):
            (step / name).write_bytes(b"")
        before = sorted(path for path in run.rglob("*"))
        try:
            checkpoints.resume(run, lab.dataset, CPU)
            return ["it was resumed"]
        except MolvaeError:
            return [] if sorted(run.rglob("*")) == before else ["something was removed"]

    yield from trials(lab, "F8", "all steps damaged", list(RESUMED), all_bad)

    def old_clock(number: int) -> list[str]:
        run = stopped()
        for place, step in enumerate(model_folder.steps_of(run)):
            os.utime(step, (place * 10**8, place * 10**8))
        return lab.problems_after(run, "")

    yield from trials(lab, "F12", "times of steps in reverse", [1], old_clock)


def rivals(lab: Harness, rounds: int) -> Iterator[Result]:
    """Two trainers in one folder, and a reader beside a trainer."""

    def two(number: int) -> list[str]:
        run = lab.new_run()
        other: list[tuple[int, str]] = []

        def start_another(process: int, words: io.BufferedReader) -> None:
            words.readline()
            time.sleep(lab.chance.uniform(0.0, 0.05))
            other.append(lab.forked(lambda: second(lab, run)))

        code, said = lab.forked(lambda: lab.train(run), start_another)
        found = []
        late = "calls" in other[0][1]  # the first one had ended already
        if not late and (other[0][0] != 1 or "another training is using it" not in other[0][1]):
            found.append(f"the second trainer ended with {other[0]}")
        return [*found, *([f"the first: {said}"] if code else []), *lab.problems_after(run, said)]

    yield from trials(lab, "F9", "two trainers in one folder", list(range(rounds)), two)

    def reader(number: int) -> list[str]:
        run, found, reads = lab.new_run(), [], 0

        def read(process: int, words: io.BufferedReader) -> None:
            nonlocal reads
            while b"saved" not in words.readline():
                pass
            os.set_blocking(words.fileno(), False)
            while os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                words.read()
                try:
                    checkpoint.load(run)
                    reads += 1
                except MolvaeError as error:
                    found.append(str(error))
            os.set_blocking(words.fileno(), True)

        lab.forked(lambda: lab.train(run), read)
        return found[:3] + ([] if reads else ["nothing was read"])

    yield from trials(
        lab, "F11", "a reader while steps are saved and pruned", list(range(rounds)), reader
    )


def second(lab: Harness, run: Path) -> None:
    """A second trainer: it goes on with what the first one has saved, or begins anew."""
    if model_folder.steps_of(run):
        lab.train(run)
        return
    run_folder.create(run, lab.dataset, lab.config, CPU, force=True)
    lab.train(run)


def stops(lab: Harness, rounds: int) -> Iterator[Result]:
    """Signals, once and twice, to the command line as it trains; a stop in between; bad numbers."""
    options = [
        f"--{key.replace('_', '-')}={value}"
        for section in (lab.config.data, lab.config.model, lab.config.training)
        for key, value in vars(section).items()
        if key in ("vocabulary", "validation", "embedding", "encoder", "decoder", "latent")
        or key in ("epochs", "batch_size", "learning_rate", "warmup", "ema", "precision")
    ]

    def train(run: Path, *more: str) -> Callable[[], object]:
        given = options if "--resume" not in more else []
        return lab.command("train", lab.table, "-o", run, "--device", "cpu", *given, *more)

    whole = lab.new_run()
    code, said = lab.forked(train(whole))
    if code:
        yield Result("F13", "the command itself", 1, [said[-300:]])
        return
    ending = lab.state_of(whole)

    def signalled(one: tuple[str, int, float]) -> list[str]:
        name, times, delay = one
        number = getattr(signal, name)
        run = lab.new_run()

        def send(process: int, words: io.BufferedReader) -> None:
            while b"weights on" not in (line := words.readline()) and line:
                pass
            time.sleep(delay)
            for _ in range(times):
                os.kill(process, number)
                time.sleep(0.02)

        code, said = lab.forked(train(run), send)
        found = []
        if code not in (0, 128 + number):
            found.append(f"it ended with {code}: {said[-300:]}")
        if "Traceback" in said:
            found.append(f"a traceback: {said[-300:]}")
        if model_folder.steps_of(run):
            code, said = lab.forked(train(run, "--resume"))
        else:
            code, said = lab.forked(train(run, "--force"))
        if code or lab.state_of(run) != ending:
            found.append(f"resumed, it ended with {code}, elsewhere: {said[-300:]}")
        if left := [path.name for path in run.iterdir() if path.name.startswith(".tmp-")]:
            found.append(f"left behind: {', '.join(left)}")
        shutil.rmtree(run.parent)
        return found

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1")
    each = [
        (name, times, round(lab.chance.uniform(0.0, 0.3), 3))
        for _ in range(rounds)
        for name in names
        for times in (1, 2)
    ]
    yield from trials(lab, "F13, F14", "signals to train, once and twice", each, signalled)

    def paused(number: int) -> list[str]:
        run = lab.new_run()

        def stop_and_go(process: int, words: io.BufferedReader) -> None:
            words.readline()
            os.kill(process, signal.SIGSTOP)
            time.sleep(0.2)
            os.kill(process, signal.SIGCONT)

        code, said = lab.forked(lambda: lab.train(run), stop_and_go)
        return lab.problems_after(run, said) if not code else [said[-300:]]

    yield from trials(lab, "F14", "SIGSTOP, then SIGCONT", [1], paused)

    def not_finite(step: int) -> list[str]:
        """A weight becomes NaN, as by a batch that is not finite: stopped, and never written."""
        run = lab.new_run()

        def work() -> None:
            run_folder.SAVE_SECONDS = -1.0
            state = run_folder.create(run, lab.dataset, lab.config, CPU, force=True)
            for record in run_folder.run_training(
                run, state, lab.dataset, {"data": lab.dataset.report}
            ):
                tell(run, record.step)
                if record.step == step:
                    with torch.no_grad():
                        next(state.model.parameters()).fill_(float("nan"))

        code, said = lab.forked(work)
        found = [] if code == 1 and "finite" in said else [f"it ended with {code}: {said[-300:]}"]
        return [*found, *lab.problems_after(run, said)]

    yield from trials(lab, "F19", "weights that become NaN", [1, 2, 4], not_finite)

    def vanishing(number: int) -> list[str]:
        run = lab.new_run()

        def remove(process: int, words: io.BufferedReader) -> None:
            while b"saved" not in words.readline():
                pass
            shutil.rmtree(run, ignore_errors=True)

        code, said = lab.forked(lambda: lab.train(run), remove)
        return [] if code in (0, 1) and "Traceback" not in said else [f"{code}: {said[-300:]}"]

    yield from trials(lab, "F18", "a folder that vanishes", [1, 2, 3], vanishing)
