"""Growth of time and memory with the number of molecules: every verb that takes many, at powers
of ten.

    python benchmarks/growth.py molecules.csv.gz -m model/ --largest 1e6

Every size is a run of the installed command in a process of its own. A molecule's time is that of
the molecules beyond the size before, so starting is not in it; memory is what is resident at its
highest, of the process itself and together with its workers (what they share is counted in each).
The goal is one time per molecule at every size, and one memory, for all but prepare and optimize;
optimize is measured in calls of its score, train in molecules that pass by, a thousand an epoch. A
file that is too short is repeated: prepare then counts most rows as seen before."""

from __future__ import annotations

import csv
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import click

from molvae.datasets.table_reader import open_table
from molvae.runtime.process_pool import default_workers

COMMAND = str(Path(sys.executable).with_name("molvae"))
CORES = default_workers()
VERBS = (
    *("prepare", "train", "sample", "sample --all", "score", "encode", "decode --greedy"),
    *("analogs", "likelihood", "optimize"),
)
OF_MODELS = ("sample", "encode", "decode", "analogs", "likelihood", "optimize")
SMALLEST = 1_000
PASSED = 1_000
"""Molecules of a training: its sizes are those that pass by, so 10^5 are a hundred epochs."""
SMALL = ("--encoder", "32", "--decoder", "64", "--latent", "16", "--environment-rows", "64")
LOOKS = 0.05  # seconds between two looks at the memory


class Cost(NamedTuple):
    """Cost of a run: seconds, and MB at the highest, of the process alone and of all together."""

    seconds: float
    alone: float
    together: float


def status_of(process: int) -> dict[str, str]:
    """Status of a process, as the kernel gives it; nothing once it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split(":", 1) for line in lines)


def megabytes(process: int, entry: str) -> float:
    """One of the kernel's figures of memory."""
    return int(status_of(process).get(entry, "0 kB").split()[0]) / 1024


def descendants(process: int) -> Iterator[int]:
    """The processes below one; any of its threads may have begun them."""
    try:
        threads = os.listdir(f"/proc/{process}/task")
    except OSError:
        return
    for thread in threads:
        try:
            begun = Path(f"/proc/{process}/task/{thread}/children").read_text().split()
        except OSError:
            continue
        for child in map(int, begun):
            yield child
            yield from descendants(child)


def measured(*args: str) -> Cost:
    """Run the command and watch its memory."""
    began, alone, together = time.perf_counter(), 0.0, 0.0
    with tempfile.TemporaryFile("w+") as said:
        run = subprocess.Popen(
            [COMMAND, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
        )
        while run.poll() is None:
            alone = max(alone, megabytes(run.pid, "VmHWM"))
            together = max(
                together, sum(megabytes(one, "VmRSS") for one in (run.pid, *descendants(run.pid)))
            )
            time.sleep(LOOKS)
        seconds = time.perf_counter() - began
        if run.returncode:
            said.seek(0)
            raise click.ClickException(f"molvae {' '.join(args)}: {said.read().strip()}")
    return Cost(seconds, alone, together)


def write_rows(source: list[str], count: int, path: Path) -> None:
    """``count`` molecules as CSV, over and over the same ones where there are fewer."""
    with open(path, "w", newline="", encoding="utf-8") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        rows.writerow(["smiles"])
        rows.writerows([one] for one in itertools.islice(itertools.cycle(source), count))


def repeat_rows(path: Path, count: int) -> None:
    """Repeat the rows of a CSV file until there are ``count``."""
    header, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(header)
        handle.writelines(itertools.islice(itertools.cycle(rows), count))


def cost_of(
    verb: str, count: int, source: list[str], model: str, scores: str, folder: Path
) -> Cost:
    """Cost of one verb for so many molecules."""
    if verb.startswith("sample"):
        return measured(*verb.split(), "-m", model, "-n", str(count), "-o", "/dev/null")
    path = folder / "molecules.csv"
    if verb == "train":
        write_rows(source, PASSED, path)
        passes = ("--epochs", str(count // PASSED))
        return measured("train", str(path), "-o", str(folder / "run"), *SMALL, *passes)
    of_model = ("-m", model, "-o", "/dev/null")
    if verb == "analogs":
        return measured("analogs", source[0], "-n", str(count), *of_model)
    if verb == "optimize":
        return measured("optimize", "--maximize", "qed", "--calls", str(count), *of_model)
    if verb.startswith("decode"):
        write_rows(source, min(count, 1000), path)
        measured("encode", str(path), "-m", model, "-o", str(folder / "latents.csv"))
        repeat_rows(folder / "latents.csv", count)
        return measured(*verb.split(), str(folder / "latents.csv"), *of_model)
    write_rows(source, count, path)
    if verb == "encode":
        return measured(verb, str(path), "-m", model, "-o", str(folder / "latents.npz"))
    if verb in OF_MODELS:
        return measured(verb, str(path), *of_model)
    if verb == "score":
        return measured("score", str(path), "--scores", scores, "-o", "/dev/null")
    return measured("prepare", str(path), "-o", str(folder / f"prepared{count}"))


def sizes(largest: int) -> list[int]:
    """The smallest size, which is mostly starting, then every power of ten from 10,000 to the
    largest.
    """
    powers = itertools.takewhile(
        lambda size: size <= largest, (10**power for power in itertools.count(4))
    )
    return [SMALLEST, *powers]


@click.command(help=__doc__)
@click.argument("molecules")
@click.option("-m", "--model", metavar="FOLDER", help="Trained model to sample from.")
@click.option(
    "--largest", type=float, default=1e5, show_default=True, help="Molecules of the largest run."
)
@click.option(
    "--scores",
    default="all",
    show_default=True,
    help="What to score, as `molvae score --scores` takes it.",
)
@click.option(
    "--only",
    "chosen",
    type=click.Choice(VERBS),
    multiple=True,
    help="Measure this alone; repeatable.",
)
def main(
    molecules: str, model: str | None, largest: float, scores: str, chosen: tuple[str, ...]
) -> None:
    """Run everything and print the table as it grows."""
    verbs = chosen or VERBS
    if model is None and any(verb.startswith(OF_MODELS) for verb in verbs):
        raise click.UsageError("--model is needed; --only prepare --only score do without")
    with open_table(molecules) as table:
        source = [record.smiles for record in itertools.islice(table, int(largest))]
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("rdkit", "selfies", "numpy", "numba", "torch")
    )
    print(f"{platform.machine()}, {CORES} cores, python {platform.python_version()}, {versions}")
    repeated = (
        f"; the file's {len(source):,} are repeated beyond that" if len(source) < largest else ""
    )
    print(f"up to {largest:,.0f} molecules{repeated}\n")
    print(
        "| verb | molecules | seconds | microseconds a further molecule | MB at most, process "
        "| with its workers |"
    )
    print("|---|---|---|---|---|---|")
    for verb in verbs:
        before = (0, 0.0)
        for count in sizes(int(largest)):
            with tempfile.TemporaryDirectory() as folder:
                cost = cost_of(verb, count, source, str(model), scores, Path(folder))
            further = (
                f"{(cost.seconds - before[1]) / (count - before[0]) * 1e6:,.0f}"
                if before[0]
                else ""
            )
            memory = f"{cost.alone:,.0f} | {cost.together:,.0f}"
            print(
                f"| {verb} | {count:,} | {cost.seconds:,.1f} | {further} | {memory} |", flush=True
            )
            before = (count, cost.seconds)


if __name__ == "__main__":
    main()
