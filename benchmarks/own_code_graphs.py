"""Edits of graphs by molvae and by mol_ga: milliseconds an edit, and what a search gains.

    python benchmarks/own_code_graphs.py

Both make offspring of the same molecules of the shipped sample of MOSES on one core. Then a search
is run with either, as `molvae optimize --mutate` does it, for a task of PMO (perindopril); its
processor time and the mean of its ten best scores are printed, a row of a Markdown table each.
Needs mol_ga, of the extra `bench`."""

from __future__ import annotations

import csv
import gzip
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from mol_ga.graph_ga.gen_candidates import graph_ga_blended_generation
from pmo import searched
from pmo_tasks import TASKS
from rdkit.rdBase import BlockLogs

from molvae.chem.molecule import canonical, parse
from molvae.errors import MoleculeError
from molvae.generation.codec import Codec
from molvae.optimisation import search
from molvae.optimisation.graph_mutations import MUTATED, offspring
from molvae.storage import pretrained

MOSES = Path(__file__).parent.parent / "data" / "moses_sample.csv.gz"
TASK = "perindopril_mpo"


def by_mol_ga(parents: Sequence[str], count: int, seed: int) -> dict[str, tuple[str, ...]]:
    """Offspring as :func:`offspring` gives them, by mol_ga."""
    rng, found = random.Random(seed), dict[str, tuple[str, ...]]()
    with BlockLogs():
        chosen = rng.choices(list(parents), k=count)
        made = graph_ga_blended_generation(chosen, count, rng, frac_graph_ga_mutate=MUTATED)
    for smiles in sorted(made):  # a set of texts has no order of its own
        try:
            found[canonical(parse(smiles))] = ()
        except MoleculeError:  # such as two fragments
            continue
    return found


@click.command(help=__doc__)
@click.option("--calls", default=500, show_default=True, help="Calls of each search.")
@click.option("--edits", default=500, show_default=True, help="Offspring that are timed.")
def main(calls: int, edits: int) -> None:
    """Measure both and print the rows."""
    torch.set_num_threads(1)
    with gzip.open(MOSES, "rt") as lines:
        parents = [row[0] for row in csv.reader(lines)][1:51]
    codec = Codec.load(str(pretrained.find(pretrained.DEFAULT)))
    ways: dict[str, Callable[[Sequence[str], int, int], dict[str, tuple[str, ...]]]]
    ways = {"molvae": offspring, "mol_ga": by_mol_ga}
    print("| edits by | ms an edit | seconds of a search | its ten best |\n|---|---|---|---|")
    for name, way in ways.items():
        way(parents, 20, 1)
        began = time.process_time()
        made = len(way(parents, edits, 0))
        took = 1e3 * (time.process_time() - began) / made
        search.offspring = way
        began = time.process_time()
        scores = searched(codec, TASKS[TASK], calls, 0, True)
        spent = time.process_time() - began
        best = np.mean(sorted(scores.values())[-10:])
        print(f"| {name} | {took:.2f} | {spent:.0f} | {best:.3f} |", flush=True)


if __name__ == "__main__":
    main()
