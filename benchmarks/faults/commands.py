"""Faults of commands that write a table: streams, signals, kills, scorers, folders."""

from __future__ import annotations

import csv
import ctypes
import io
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import Harness, Result, say
from trainings import trials

from molvae.datasets.dataset import Dataset
from molvae.errors import MolvaeError

PRECIOUS = "precious\n"


def verbs(lab: Harness) -> dict[str, tuple[object, ...]]:
    """A command line of each verb that writes to ``-o``, by its name."""
    model = ("-m", lab.whole, "--device", "cpu")
    return {
        "sample": ("sample", *model, "-n", 400),
        "score": ("score", lab.table, "--workers", 2),
        "encode": ("encode", lab.table, *model),
        "decode": ("decode", latents(lab), *model, "--greedy"),
        "prepare": ("prepare", lab.table, "--workers", 2),
    }


def give_up_override() -> None:
    """Give up the right of root to write whatever a file's mode says (capset, Linux).

    Another user would not do: root's modules may be where only root can read them."""
    if os.getuid() != 0:
        return
    version = (ctypes.c_uint32 * 2)(0x20080522, 0)  # the third version of the call, this process
    held = (ctypes.c_uint32 * 6)()  # twice: effective, permitted, inheritable
    libc = ctypes.CDLL(None, use_errno=True)
    for call in (libc.capget, libc.capset):
        if call(version, held):
            raise OSError(ctypes.get_errno(), "capabilities")
        for place in (0, 1):
            held[place] &= ~(1 << 1)  # CAP_DAC_OVERRIDE is bit 1


def latents(lab: Harness) -> Path:
    """A file of vectors."""
    path = lab.folder / "latents.csv"
    width = lab.config.model.latent
    rows = [",".join(f"{lab.chance.gauss(0, 1):.3f}" for _ in range(width)) for _ in range(300)]
    if not path.exists():
        names = ",".join(f"z{place + 1}" for place in range(width))
        path.write_text("\n".join([names, *rows]) + "\n")
    return path


def left_in(folder: Path) -> list[str]:
    """Files that a command should not have left in a folder."""
    return [f"left behind: {path.name}" for path in folder.iterdir() if path.name != "old.csv"]


def problems_of_dataset(folder: Path) -> list[str]:
    """Problem of a prepared data set, if it is not whole."""
    try:
        Dataset.load(folder)
    except MolvaeError as error:
        return [f"{folder.name} is not whole: {error}"]
    return []


def workers_of(process: int) -> list[int]:
    """The processes that one has started."""
    found = []
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        found += [int(child) for child in children.read_text().split()]
    return found


def ended(process: int) -> bool:
    """True once a process is gone."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def interruptions(lab: Harness, rounds: int) -> Iterator[Result]:
    """Signals and kill -9 to commands that write a file in place of an older one.

    What is there afterwards is the older file, or the whole new one: a signal may come between the
    last rename and the end of the process."""
    lines, whole = verbs(lab), dict[str, bytes]()
    for verb, line in lines.items():
        output = lab.new_run().with_suffix(".csv" if verb != "prepare" else "")
        code, said = lab.forked(lab.command(*line, "-o", output))
        if code:
            raise SystemExit(f"undisturbed {verb} ended with {code}: {said[-300:]}")
        if verb != "prepare":
            whole[verb] = output.read_bytes()

    def stopped(one: tuple[str, str, int, float]) -> list[str]:
        verb, name, times, delay = one
        number = getattr(signal, name)
        folder = Path(lab.new_run()).parent
        output = folder / ("new" if verb == "prepare" else "old.csv")
        if verb != "prepare":
            output.write_text(PRECIOUS)
        children: list[int] = []

        def work() -> object:
            say("begun")
            return lab.command(*lines[verb], "-o", output, *force)()

        def send(process: int, words: io.BufferedReader) -> None:
            words.readline()  # not before that: what runs after a fork is not the command's
            time.sleep(delay)
            children.extend(workers_of(process))
            for _ in range(times):
                os.kill(process, number)
                time.sleep(0.02)

        force = () if verb == "prepare" else ("--force",)
        code, said = lab.forked(work, send)
        found = [f"a traceback: {said[-3000:]}"] if "Traceback" in said else []
        # Before the command has run a line the system itself ends it, which shells say as 128 more.
        expected = {-number} if number == signal.SIGKILL else {-number, 128 + number}
        if code not in {0, *expected}:
            found.append(f"it ended with {code}: {said[-300:]}")
        if verb == "prepare":
            if output.exists():
                found += problems_of_dataset(output)
                shutil.rmtree(output)
        elif code and output.read_bytes() not in (PRECIOUS.encode(), whole[verb]):
            found.append("the older file is gone")
        if number != signal.SIGKILL and code:
            found += left_in(folder)
        until = time.monotonic() + 5
        while not all(map(ended, children)) and time.monotonic() < until:
            time.sleep(0.05)
        found += [f"process {one} lives on" for one in children if not ended(one)]
        shutil.rmtree(folder)
        return found

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    each = [
        (verb, name, times, round(lab.chance.uniform(0.0, 0.6), 3))
        for _ in range(rounds)
        for verb in lines
        for name in names
        for times in (1, 2)
    ]
    yield from trials(lab, "F14", "signals to commands, once and twice", each, stopped)
    killed = [
        (verb, "SIGKILL", 1, round(lab.chance.uniform(0.0, 0.6), 3))
        for _ in range(4 * rounds)
        for verb in lines
    ]
    yield from trials(lab, "F3, F22", "kill -9 of a command", killed, stopped)


def streams(lab: Harness) -> Iterator[Result]:
    """Readers that leave, and standard output that is closed or full."""
    lines = {verb: line for verb, line in verbs(lab).items() if verb != "prepare"}

    def head(verb: str) -> list[str]:
        ours, theirs = os.pipe()

        def work() -> object:
            os.close(ours)
            os.dup2(theirs, 1)
            os.close(theirs)
            return lab.command(*lines[verb])()

        def take_a_line(process: int, words: io.BufferedReader) -> None:
            os.close(theirs)
            with open(ours, "rb") as reader:
                reader.readline()

        code, said = lab.forked(work, take_a_line)
        return [] if code in (0, 141) and "Traceback" not in said else [f"{code}: {said[-300:]}"]

    yield from trials(lab, "F15", "a reader that leaves, as head does", list(lines), head)

    def lost(one: tuple[str, str]) -> list[str]:
        verb, place = one

        def work() -> object:
            if place == "closed":
                import sys

                os.close(1)
                sys.stdout = None  # type: ignore[assignment]
            else:
                os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
            return lab.command(*lines[verb])()

        code, said = lab.forked(work)
        return [] if code == 1 and "Traceback" not in said else [f"{code}: {said[-300:]}"]

    each = [(verb, place) for verb in lines for place in ("closed", "full")]
    yield from trials(lab, "F16, F17", "standard output closed, or full", each, lost)


SCORER = """
import os, signal, sys, time
def f(mol):
    n = mol.GetNumHeavyAtoms()
    if n % 3 == 0:
        {act}
    return 1.0
"""
ACTS = {
    "raises SystemExit": "raise SystemExit",
    "raises KeyboardInterrupt": "raise KeyboardInterrupt",
    "returns text": "return 'text'",
    "kills its process": "os.kill(os.getpid(), signal.SIGKILL)",
    "exits": "os._exit(3)",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "hangs": "time.sleep(10**6)",
    "hangs in RDKit": "from rdkit import Chem; Chem.MolToSmiles(Chem.MolFromSmiles('C' * 100_000))",
}


def scorers(lab: Harness) -> Iterator[Result]:
    """Scorers that do anything but score: every other row is as without them."""
    table = lab.folder / "chains.csv"
    sizes = range(1, 10)
    table.write_text("smiles\n" + "\n".join("C" * size for size in sizes) + "\n")

    def odd(act: str) -> list[str]:
        folder = Path(lab.new_run()).parent
        (folder / "own.py").write_text(SCORER.format(act=ACTS[act]))
        output = folder / "new.csv"
        line = ("score", table, "--scores", "hbd", "--scorer", f"{folder / 'own.py'}:f")
        code, said = lab.forked(
            lab.command(*line, "--scorer-timeout", 2, "--workers", 2, "-o", output)
        )
        found = [] if code == 0 else [f"it ended with {code}: {said[-300:]}"]
        rows = list(csv.DictReader(output.open())) if output.exists() else []
        if len(rows) != len(sizes):
            found.append(f"{len(rows)} rows of {len(sizes)}")
        for row, size in zip(rows, sizes, strict=False):
            if (row["status"] == "ok") != bool(size % 3) or (row["f"] == "1.0") != bool(size % 3):
                found.append(f"row {size}: {row}")
        shutil.rmtree(folder)
        return found

    yield from trials(lab, "F21", "a scorer that does anything but score", list(ACTS), odd)


def folders(lab: Harness) -> Iterator[Result]:
    """Folders that cannot be written to, or are gone before the end."""

    def bound_by_modes(work: Callable[[], object]) -> Callable[[], object]:
        """Without root's right to write where a folder's mode forbids it."""

        def run() -> object:
            give_up_override()
            return work()

        return run

    def read_only(verb: str) -> list[str]:
        folder = Path(lab.new_run()).parent
        for shown in (lab.folder, folder):
            shown.chmod(0o555 if shown == folder else 0o755)
        line = verbs(lab).get(verb) or ("train", lab.table)
        code, said = lab.forked(bound_by_modes(lab.command(*line, "-o", folder / "new")))
        wrong = code not in (1, 2) or "Traceback" in said or "cannot be written" not in said
        found = [f"{code}: {said[-300:]}"] if wrong else []
        folder.chmod(0o755)
        return found + left_in(folder)

    each = ["train", "prepare", "sample", "score", "encode"]
    yield from trials(lab, "F18", "a folder that is read-only", each, read_only)

    def gone(verb: str) -> list[str]:
        folder = Path(lab.new_run()).parent

        def remove(process: int, words: io.BufferedReader) -> None:
            until = time.monotonic() + 20
            while not list(folder.glob(".tmp-*")) and time.monotonic() < until:
                time.sleep(0.005)
            shutil.rmtree(folder, ignore_errors=True)

        code, said = lab.forked(lab.command(*verbs(lab)[verb], "-o", folder / "new.csv"), remove)
        return [] if code == 1 and "Traceback" not in said else [f"{code}: {said[-300:]}"]

    yield from trials(lab, "F18", "a folder that is gone", ["sample", "score"], gone)
