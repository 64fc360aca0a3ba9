"""Time that the matrix products of `molvae.chem.fingerprints` save, beside RDKit's similarities.

    python benchmarks/own_code_chem.py

Measures pairs of fingerprints a second on one core, ours and `BulkTanimotoSimilarity`, and the
seconds that one sample takes in all other figures of `molvae evaluate` (description, FCD, filters),
each in processor time on molecules of the shipped sample of MOSES. From these follows the share
that the nearest neighbours (SNN) have in the whole command at its usual size: 30,000 samples
against the 176,074 molecules of the MOSES test set. Prints one row of a Markdown table."""

from __future__ import annotations

import argparse
import csv
import gzip
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from molvae.chem.fingerprints import BITS, RADIUS, nearest_similarity, packed_fingerprint
from molvae.evaluation.distribution_metrics import evaluate_samples
from molvae.evaluation.reference_statistics import reference_set

MOSES = Path(__file__).parent.parent / "data" / "moses_sample.csv.gz"
COLUMNS = (
    "own code",
    "beside it",
    "own, million pairs/s",
    "library",
    "SNN with own code, core seconds",
    "with the library",
    "all else",
    "share saved of the command",
)


def seconds(work: Callable[[], object]) -> float:
    """Processor time of some work, that of its ended worker processes included."""

    def spent() -> float:
        usage = [
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        return sum(one.ru_utime + one.ru_stime for one in usage)

    before = spent()
    work()
    return spent() - before


def main() -> None:
    """Measure and print the row."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=30_000, help="samples of the command")
    parser.add_argument("--references", type=int, default=176_074, help="molecules of the test set")
    parser.add_argument("--measured", type=int, default=1_000, help="samples measured here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with gzip.open(MOSES, "rt") as lines:
        smiles = [row[0] for row in csv.reader(lines)][1:]
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    theirs = [generator.GetFingerprint(mol) for mol in mols]
    packed = np.stack([packed_fingerprint(mol) for mol in mols])

    def with_library(count: int) -> list[float]:
        return [max(DataStructs.BulkTanimotoSimilarity(one, theirs)) for one in theirs[:count]]

    assert np.allclose(nearest_similarity(packed[:50], packed), with_library(50))
    own = 2_000 * len(mols) / seconds(lambda: nearest_similarity(packed[:2_000], packed))
    library = 200 * len(mols) / seconds(lambda: with_library(200))
    few, others = smiles[: options.measured], reference_set(smiles[-100:], workers=1)
    rest = seconds(lambda: evaluate_samples(few, others, workers=1)) / len(few) * options.samples
    pairs = options.samples * options.references
    saved = (pairs / library - pairs / own) / (pairs / library + rest)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    print(
        f"| Tanimoto by matrix products | `BulkTanimotoSimilarity` | {own / 1e6:.1f} | "
        f"{library / 1e6:.2f} | {pairs / own:,.0f} | {pairs / library:,.0f} | {rest:,.0f} | "
        f"{saved:.0%} |"
    )


if __name__ == "__main__":
    main()
