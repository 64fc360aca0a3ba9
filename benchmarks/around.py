"""Paths between held-out molecules, and analogs of them: how smooth, how many, how fast.

    python benchmarks/around.py heldout.smi -m druglike --pairs 200 --leads 200

Paths have eleven points, the ends included. Neighbour similarity is Tanimoto of Morgan fingerprints
(radius 2, 2048 bits) of molecules that follow each other; worst is that of the largest step of each
path, averaged over paths; Spearman is of the place on the path and the similarity to its start
(median). Analogs: leads for which as many as asked for were found inside the window, and how
different they are: 1 less the mean Tanimoto similarity of all pairs. Seconds, and processor
seconds, are those of all divided by their number, once the model is loaded: on each core is a path
or a lead. Windows: of molecules with canonical SELFIES, the share that is new and inside a window
that holds a twentieth of those of the prior, as `molvae sample --with` draws them and from the
prior, and how different both kinds are. `--skip` passes over molecules, so that choices are made on
others than those reported."""

from __future__ import annotations

import math
import os
import random
import time
from itertools import pairwise

import click
import numpy as np

from molvae.chem.fingerprints import LEAD_BITS, fingerprint_of_text, mean_similarities, tanimoto
from molvae.chem.properties import Condition, Conditions
from molvae.datasets.table_reader import open_table
from molvae.errors import MoleculeError
from molvae.generation.analogs import Wanted, analogs_of_each
from molvae.generation.codec import Codec
from molvae.generation.conditional import Hits, sample_within
from molvae.generation.interpolation import Points, interpolate, paths_of_each
from molvae.generation.reader import Reading, read_all
from molvae.generation.sampling import Filters, SamplingParams, sample
from molvae.storage import pretrained

PLACES = (
    ("qed", 0.95, 1.0),
    ("logp", 0.95, 1.0),
    ("logp", 0.475, 0.525),
    ("molwt", 0.0, 0.05),
    ("tpsa", 0.95, 1.0),
    ("fsp3", 0.95, 1.0),
)
"""Properties and the quantiles of their windows."""


def processor_seconds() -> float:
    """Seconds of all cores so far, of this process and of workers that have ended."""
    return sum(os.times()[:4])


def ranks(values: list[float]) -> np.ndarray:
    """The rank of each value; equal ones share theirs."""
    found = np.array(values)
    return np.array([(found < one).sum() + ((found == one).sum() - 1) / 2 for one in found])


def spearman(values: list[float]) -> float:
    """Rank correlation of values with their places; 0 where all are equal."""
    if len(set(values)) == 1:
        return 0.0
    return float(np.corrcoef(np.arange(len(values)), ranks(values))[0, 1])


def diversity(smiles: list[str]) -> float:
    """1 less the mean Tanimoto similarity of all pairs of different molecules."""
    count = len(smiles)
    if count < 2:
        return 0.0
    bits = np.stack([fingerprint_of_text(one, LEAD_BITS) for one in smiles])
    plain, _ = mean_similarities(bits)
    return float(1 - (plain.mean() * count - 1) / (count - 1))


def paths(codec: Codec, readings: list[Reading], count: int) -> None:
    """Walk between pairs of molecules and print what the paths are like."""
    means, worst, orders, exact, distinct = [], [], [], 0, []
    began, busy = time.perf_counter(), processor_seconds()
    pairs = list(zip(readings[:count], readings[count : 2 * count], strict=True))
    found = paths_of_each(codec, ((one.smiles, other.smiles) for one, other in pairs))
    for (one, other), path in zip(pairs, found, strict=True):
        assert isinstance(path, Points)
        molecules = [point.smiles for point in path]
        steps = [tanimoto(a, b) for a, b in pairwise(molecules)]
        means.append(float(np.mean(steps)))
        worst.append(min(steps))
        orders.append(spearman([tanimoto(molecules[0], each) for each in molecules]))
        exact += (molecules[0], molecules[-1]) == (one.smiles, other.smiles)
        distinct.append(len(set(molecules)))
    spent, busy = (time.perf_counter() - began) / count, (processor_seconds() - busy) / count
    print("| paths | neighbours | worst | Spearman | ends exact | distinct | seconds | processor |")
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {count} | {np.mean(means):.3f} | {np.mean(worst):.3f} | {np.median(orders):.3f} | "
        f"{exact / count:.1%} | {np.mean(distinct):.1f} | {spent:.2f} | {busy:.2f} |\n"
    )


def leads(codec: Codec, readings: list[Reading], wanted: Wanted, n: int, title: str) -> None:
    """Look for analogs of molecules and print how many were found."""
    full, found, draws, apart = 0, [], [], []
    began, busy = time.perf_counter(), processor_seconds()
    for one in analogs_of_each(codec, (reading.smiles for reading in readings), n, wanted):
        if isinstance(one, MoleculeError):  # no ring, no scaffold
            continue
        full += len(one.analogs) == n
        found.append(len(one.analogs))
        draws.append(one.draws)
        apart.append([analog.smiles for analog in one.analogs])
    spent, busy = time.perf_counter() - began, processor_seconds() - busy
    different = np.mean([diversity(some) for some in apart if len(some) > 1] or [0.0])
    each = max(1, len(found))
    print("| leads | asked for | all found | found | draws | seconds | processor | diversity |")
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {len(found)} | {n} {title} | {full / each:.1%} | {np.mean(found):.1f} | "
        f"{np.mean(draws):,.0f} | {spent / each:.2f} | {busy / each:.2f} | {different:.3f} |\n",
        flush=True,
    )


def windows(codec: Codec, n: int, seed: int) -> None:
    """Draw inside windows of several properties and print how many of the molecules hit."""
    some = list(sample(codec, 4096, SamplingParams(seed + 1), Filters(), workers=1))
    print("| window | of the prior | of chosen | draws | found | seconds | diversity | prior's |")
    print("|---|---|---|---|---|---|---|---|")
    for name, low, high in PLACES:
        every = Conditions((Condition(name, -math.inf, math.inf),))
        values = [every.values(one.smiles)[0] for one in some]
        bounds = [float(np.nanquantile(values, place)) for place in (low, high)]
        window = Condition(
            name, bounds[0] if low > 0 else -math.inf, bounds[1] if high < 1 else math.inf
        )
        hits, began = Hits(), time.perf_counter()
        conditions, params = Conditions((window,)), SamplingParams(seed)
        found = list(sample_within(codec, n, conditions, params, hits=hits))
        spent = time.perf_counter() - began
        theirs = [
            one.smiles
            for one, value in zip(some, values, strict=True)
            if window.low <= value <= window.high
        ]
        print(
            f"| {name} {window.low:.4g} to {window.high:.4g} | "
            f"{hits.yielded[-1] / hits.tried[-1]:.1%} | "
            f"{hits.yielded[:-1].sum() / max(1, hits.tried[:-1].sum()):.1%} | "
            f"{hits.draws:,} | {len(found)} | {spent:.1f} | "
            f"{diversity([one.smiles for one in found]):.3f} | {diversity(theirs):.3f} |",
            flush=True,
        )
    print()


@click.command(help=__doc__)
@click.argument("molecules")
@click.option("-m", "--model", required=True, metavar="MODEL")
@click.option("--pairs", type=int, default=200, show_default=True)
@click.option("--leads", "count", type=int, default=200, show_default=True)
@click.option(
    "--windows", "inside", type=int, default=500, show_default=True, help="Molecules a window."
)
@click.option("--skip", type=int, default=0, help="Molecules to pass over.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice of molecules.")
def main(
    molecules: str, model: str, pairs: int, count: int, inside: int, skip: int, seed: int
) -> None:
    """Measure all and print the tables."""
    codec = Codec.load(str(pretrained.find(model)))
    with open_table(molecules) as table:
        rows = [record.smiles for record in table]
    random.Random(seed).shuffle(rows)
    found = read_all(codec.reader, rows[skip : skip + 3 * max(2 * pairs, count, 10)])
    readings = [one for one in found if isinstance(one, Reading)]
    interpolate(codec, readings[-1].smiles, readings[-2].smiles)  # compiled before it is timed
    if inside:
        windows(codec, inside, seed)
    if pairs:
        paths(codec, readings, pairs)
    if count:
        some = readings[:count]
        leads(codec, some, Wanted(0.4, 0.7), 50, "inside 0.4:0.7")
        leads(
            codec, some, Wanted(0.4, 0.9, keep_scaffold=True), 20, "inside 0.4:0.9, scaffold kept"
        )


if __name__ == "__main__":
    main()
