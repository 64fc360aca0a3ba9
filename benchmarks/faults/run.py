"""Try every fault that a training or a command may meet, and count what is lost.

    python benchmarks/faults/run.py --rounds 200
    python benchmarks/faults/run.py --most 2

Prints the seed and a table; a trial in which anything was lost is told on stderr with its
parameters, and the exit code is then 1. Linux only. Not tried, of the list of faults: power loss,
running out of memory (F20), limits of processes and descriptors (F28), and what the test suite
holds already (F10, F23 to F27, F29)."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import click
import commands
import trainings
from harness import Harness, Result, harness


def faults(lab: Harness, rounds: int) -> Iterator[Result]:
    """All rows; ``rounds`` are kills at random moments, from which the other numbers follow."""
    few = max(1, rounds // 50)
    yield from trainings.kills(lab, rounds)
    yield from trainings.refusals(lab)
    yield from trainings.damage(lab, 50, 500)
    yield from trainings.fallbacks(lab)
    yield from trainings.rivals(lab, 5 * few)
    yield from trainings.stops(lab, few)
    yield from commands.interruptions(lab, few)
    yield from commands.streams(lab)
    yield from commands.scorers(lab)
    yield from commands.folders(lab)


@click.command(help=__doc__)
@click.option("--seed", default=0, show_default=True, help="Of delays and places.")
@click.option("--rounds", default=200, show_default=True, help="Kills at random moments.")
@click.option("--most", default=0, show_default=True, help="Trials of a row, at random; 0: all.")
@click.option("--only", metavar="REGEX", default="", help="Rows whose fault this matches.")
def main(seed: int, rounds: int, most: int, only: str) -> None:
    """Print a row for every fault as it is done."""
    began, lost = time.monotonic(), []
    with harness(seed, most, only) as lab:
        print(f"seed {seed}; a training of {lab.calls} calls that reach the disk\n")
        print("| | fault | trials | lost | seconds |\n|---|---|---|---|---|", flush=True)
        last = time.monotonic()
        for row in faults(lab, rounds):
            took, last = time.monotonic() - last, time.monotonic()
            cells = (row.number, row.fault, row.tries, len(row.lost), f"{took:.0f}")
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
            lost += row.lost
            for problem in row.lost:
                print(f"lost: {problem}", file=sys.stderr, flush=True)
    print(f"\n{time.monotonic() - began:.0f} seconds, {len(lost)} losses")
    raise SystemExit(1 if lost else 0)


if __name__ == "__main__":
    main()
