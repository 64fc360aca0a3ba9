"""Two checkouts side by side in one run: training, sampling, preparing and starting, by commands.

    git worktree add ../before COMMIT
    python benchmarks/two_trees.py ../before . --data molecules.csv.gz

Each figure is of a command of the command line, run in turn by either checkout, several times; the
best of each is shown, so that a busy machine is unjust to none. Both use the packages of this
environment and numba caches of their own. "First command" has an empty cache.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

RUN = "import sys; from molvae_cli.main import main; sys.exit(main())"


class Tree:
    """A checkout, whose commands run from links to its packages."""

    def __init__(self, path: str, work: Path) -> None:
        self.work = work
        for name, folder in (("molvae", "molvae"), ("molvae_cli", "cli"), ("molvae_data", "data")):
            (work / name).symlink_to(Path(path).resolve() / folder)
        self.cache = work / "numba"

    def run(self, *arguments: str, cache: Path | None = None) -> float:
        """Run a command; return its seconds."""
        env = os.environ | {"PYTHONPATH": str(self.work), "XDG_CACHE_HOME": str(self.work)}
        env["NUMBA_CACHE_DIR"] = str(cache or self.cache)
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", RUN, *arguments], env=env, cwd=self.work, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return time.perf_counter() - began


def train(tree: Tree, rows: int) -> float:
    """Molecules a second of an epoch at the size of `moses`, without starting and preparing."""
    tree.run(
        "train", "prepared", "-o", "run", "--force", "--epochs", "1", "--batch-size", "512",
        "--decoder", "640",
    )  # fmt: skip
    with open(tree.work / "run" / "metrics.csv", newline="") as handle:
        last = list(csv.DictReader(handle))[-1]
    return rows / float(last["seconds"])


def prepare(tree: Tree, rows: int) -> float:
    """Rows a second, starting included."""
    number = next(tree.numbers)  # type: ignore[attr-defined]
    return rows / tree.run("prepare", "data.csv", "-o", f"prepared-{number}")


def sample(tree: Tree, count: int) -> float:
    """Distinct molecules a second, starting included."""
    return count / tree.run("sample", "-m", "moses", "-n", str(count))


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("--data", required=True, metavar="CSV", help="Gzipped file with a column of SMILES.")
@click.option("--rows", default=60_000, show_default=True, help="Molecules to prepare and train.")
@click.option("--count", default=20_000, show_default=True, help="Molecules to sample.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--only", multiple=True, type=click.Choice(["train", "sample", "prepare", "start"]))
def main(
    before: str, after: str, data: str, rows: int, count: int, rounds: int, only: tuple[str, ...]
) -> None:
    """Print a table of the checkouts BEFORE and AFTER."""
    with tempfile.TemporaryDirectory() as folder:
        trees = []
        for name, path in (("before", before), ("after", after)):
            work = Path(folder) / name
            work.mkdir()
            trees.append(Tree(path, work))
            with gzip.open(data, "rt") as handle, open(work / "data.csv", "w") as out:
                out.writelines(itertools.islice(handle, rows + 1))
        works = {
            "train": ("training, molecules/s", lambda tree: train(tree, rows), max),
            "sample": ("sample, distinct molecules/s", lambda tree: sample(tree, count), max),
            "prepare": ("prepare, rows/s", lambda tree: prepare(tree, rows), max),
            "start": ("1,000 samples, s", lambda tree: tree.run("sample", "-n", "1000"), min),
        }
        chosen = only or tuple(works)
        first = [tree.run("sample", "-n", "10") for tree in trees]
        for tree in trees:
            tree.numbers = itertools.count()  # type: ignore[attr-defined]
            if {"train", "prepare"} & set(chosen):
                tree.run("prepare", "data.csv", "-o", "prepared")
            if "train" in chosen:
                train(tree, rows)  # compiles
            if "sample" in chosen:
                sample(tree, 1000)
        print("| | before | after | after / before |\n|---|---|---|---|")
        print(f"| first command, s | {first[0]:.1f} | {first[1]:.1f} | {first[1] / first[0]:.2f} |")
        for key in chosen:
            label, work, best = works[key]
            found = [[work(tree) for tree in trees] for _ in range(rounds)]
            old, new = (best(figures) for figures in zip(*found, strict=True))
            print(f"| {label} | {old:,.4g} | {new:,.4g} | {new / old:.2f} |", flush=True)


if __name__ == "__main__":
    main()
