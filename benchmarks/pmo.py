"""The twenty PMO tasks that need RDKit alone: what `molvae optimize` finds in 10,000 calls.

    python benchmarks/pmo.py -m druglike --mutate -o pmo.csv
    python benchmarks/pmo.py --table pmo.csv

The first command appends a row for every task and seed to a CSV file and leaves out those that are
in it, so that it may be stopped, or run for some tasks at a time. The second prints the table.
`--random` scores draws of the prior instead, the baseline. AUC is the area under the mean of the
ten best scores so far, over the calls (see pmo_tasks.py). Beside ours stands what was published:
`pmo_published.csv`, from the spreadsheet of PMO (Gao et al., 2022, five seeds), the table of
InVirtuoGen (Mol GA, three seeds) and the results of AustinT/basic-mol-bo-workshop2024 (a Gaussian
process with offspring of mol_ga, five seeds; the tenth best score in place of the mean of ten)."""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from pathlib import Path

import click
import numpy as np
from pmo_tasks import CHANGED, TASKS, Task, auc_top10
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molvae.chem.properties import Conditions
from molvae.generation.codec import Codec
from molvae.generation.sampling import SamplingParams, sample
from molvae.optimisation.objectives import objective_of
from molvae.optimisation.search import Search, optimise
from molvae.storage import pretrained

PUBLISHED = Path(__file__).with_name("pmo_published.csv")
HEADER = ("method", "task", "seed", "calls", "auc", "top1", "top10", "seconds", "best")


def searched(codec: Codec, task: Task, calls: int, seed: int, mutate: bool) -> dict[str, float]:
    """Scores of the molecules that a search calls, in order."""

    def score(mol: Chem.Mol) -> float:
        return task(mol)

    objective = objective_of((), (), (), [score])
    search = Search(codec, objective, Conditions(), seed, 1, mutate)
    for _ in optimise(search, calls):
        pass
    return {call.smiles: value for call, value in zip(search.calls, search.scores(), strict=True)}


def random_draws(codec: Codec, task: Task, calls: int, seed: int) -> dict[str, float]:
    """Scores of as many distinct draws of the prior."""
    with BlockLogs():
        return {
            one.smiles: task(Chem.MolFromSmiles(one.smiles))
            for one in sample(codec, calls, SamplingParams(seed), workers=1)
        }


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows written so far."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def print_table(rows: list[dict[str, str]]) -> None:
    """Mean over seeds of each task and method, its standard deviation, sums, and what was
    published for other methods."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        found[row["task"], row["method"]].append(float(row["auc"]))
    for row in rows_of(PUBLISHED):
        for method, value in list(row.items())[1:]:
            found[row["task"], method].append(float(value))
    methods = list(dict.fromkeys(method for _, method in found))
    print("| task | " + " | ".join(methods) + " |\n|---|" + "---|" * len(methods))
    for task in TASKS:
        cells = [found[task, method] for method in methods]
        shown = [
            "-" if not c else f"{np.mean(c):.3f}" + (f" ± {np.std(c):.3f}" if len(c) > 1 else "")
            for c in cells
        ]
        print(f"| {task} | " + " | ".join(shown) + " |")
    for title, some in (
        (f"sum of {len(TASKS)}", list(TASKS)),
        (
            f"sum of the {len(TASKS) - len(CHANGED)} unchanged",
            [t for t in TASKS if t not in CHANGED],
        ),
    ):
        sums = [
            f"{sum(np.mean(found[task, method]) for task in some):.3f}"
            if all(found[task, method] for task in some)
            else "-"
            for method in methods
        ]
        print(f"| {title} | " + " | ".join(sums) + " |")


@click.command(help=__doc__)
@click.option("-m", "--model", default=pretrained.DEFAULT, show_default=True, metavar="MODEL")
@click.option("-o", "--output", type=Path, metavar="FILE.csv")
@click.option("--task", "tasks", multiple=True, type=click.Choice(list(TASKS)), help="Some only.")
@click.option("--calls", type=int, default=10_000, show_default=True)
@click.option("--seeds", type=int, default=3, show_default=True, help="Seeds from 0 on.")
@click.option("--mutate", is_flag=True, help="With offspring of graphs.")
@click.option("--random", "blind", is_flag=True, help="Draws of the prior instead.")
@click.option("--table", type=Path, metavar="FILE.csv", help="Print what a file holds.")
def main(
    model: str, output: Path | None, tasks: tuple[str, ...], calls: int, seeds: int, mutate: bool,
    blind: bool, table: Path | None,
) -> None:  # fmt: skip
    """Run what is missing, or print the table."""
    if table is not None:
        print_table(rows_of(table))
        return
    if output is None:
        raise click.UsageError("give -o or --table")
    method = f"{model} " + ("random" if blind else "and graphs" if mutate else "alone")
    there = {(row["method"], row["task"], int(row["seed"])) for row in rows_of(output)}
    codec = Codec.load(str(pretrained.find(model)))
    for seed in range(seeds):
        for name in tasks or TASKS:
            if (method, name, seed) in there:
                continue
            began = time.perf_counter()
            scores = (
                random_draws(codec, TASKS[name], calls, seed)
                if blind
                else searched(codec, TASKS[name], calls, seed, mutate)
            )
            values = list(scores.values())
            ten = sorted(values, reverse=True)[:10]
            row = (
                *(method, name, seed, len(values), round(auc_top10(values, calls), 4)),
                *(round(ten[0], 4), round(float(np.mean(ten)), 4)),
                *(round(time.perf_counter() - began), max(scores, key=scores.__getitem__)),
            )
            fresh = not output.exists()
            with output.open("a", encoding="utf-8", newline="") as handle:
                write = csv.writer(handle)
                if fresh:
                    write.writerow(HEADER)
                write.writerow(row)
            print(*row, flush=True)


if __name__ == "__main__":
    main()
