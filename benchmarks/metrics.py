"""Check molvae.evaluation.distribution_metrics against the published MOSES figures, and time it.

    python benchmarks/metrics.py --train moses_train.csv.gz --test moses_test.csv.gz --count 100000

Draws random training molecules, measures them against the full test set, and prints every figure
beside the row "Train" of the MOSES repository, which is the whole training set against the test
set. FCD falls and Scaf rises with the number of molecules, so those two reach the published row
only in its size; SNN, Frag, IntDiv and IntDiv2 do not depend on it and must agree within their
intervals."""

from __future__ import annotations

import argparse
import gzip
import resource
import time
from pathlib import Path

from molvae.chem.molecule import smiles_hashes
from molvae.evaluation.distribution_metrics import evaluate_samples, random_molecules
from molvae.evaluation.estimates import Figure
from molvae.evaluation.fcd import chemnet_moments, fcd_installed, frechet_distance
from molvae.evaluation.reference_statistics import reference_set
from molvae.runtime.process_pool import default_workers

# github.com/molecularsets/moses, README and data/samples/train_metrics.csv, read in 2026
PUBLISHED_TRAIN = {
    "valid": 1.0,
    "unique@1k": 1.0,
    "unique@10k": 1.0,
    "FCD/Test": 0.008,
    "SNN/Test": 0.6419,
    "Frag/Test": 1.0,
    "Scaf/Test": 0.9907,
    "IntDiv": 0.8567,
    "IntDiv2": 0.8508,
    "Filters": 1.0,
}


def read(path: Path) -> list[str]:
    """The SMILES of a MOSES file: one column with a heading."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as lines:
        return [line.split(",")[0].strip() for line in lines][1:]


def peak_gigabytes() -> tuple[float, float]:
    """Peak resident memory of this process, and of the largest worker that has ended, in GB."""
    usage = (
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    own, largest_worker = (kilobytes / 1e6 for kilobytes in usage)
    return own, largest_worker


class Stopwatch:
    """Seconds passed, and seconds of processor time spent by this process and the workers that have
    ended.
    """

    def __init__(self) -> None:
        self.start, self.spent = time.perf_counter(), self._processor()

    @staticmethod
    def _processor() -> float:
        usages = [
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    def __str__(self) -> str:
        passed, spent = time.perf_counter() - self.start, self._processor() - self.spent
        return f"{passed:.1f} s, {spent:.1f} s of processor time"


def print_figures(figures: dict[str, Figure]) -> None:
    print(f"{'figure':<14} {'value':>10} {'low':>9} {'high':>9} {'n':>8}  {'published':>9}  note")
    for name, figure in figures.items():
        cells = [
            "-" if number is None else f"{number:.5f}"
            for number in (figure.value, figure.low, figure.high, PUBLISHED_TRAIN.get(name))
        ]
        value, low, high, published = cells
        print(
            f"{name:<14} {value:>10} {low:>9} {high:>9} {figure.n:>8}  {published:>9}  "
            f"{figure.note}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--test-scaffolds", type=Path)
    parser.add_argument(
        "--count", type=int, default=30_000, help="random training molecules to measure"
    )
    parser.add_argument("--cache", type=Path, help="folder for the statistics of the test sets")
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-fcd", action="store_true")
    options = parser.parse_args()
    fcd = fcd_installed() and not options.no_fcd

    train, test = read(options.train), read(options.test)
    watch = Stopwatch()
    prepared = reference_set(test, cache_folder=options.cache, workers=options.workers, fcd=fcd)
    print(f"statistics of {len(test):,} test molecules: {watch}")
    if options.cache:
        watch = Stopwatch()
        prepared = reference_set(test, cache_folder=options.cache, workers=options.workers, fcd=fcd)
        print(f"the same from the cache: {watch}")
    second = None
    if options.test_scaffolds:
        second = reference_set(
            read(options.test_scaffolds),
            cache_folder=options.cache,
            workers=options.workers,
            fcd=fcd,
        )

    samples = random_molecules(train, options.count, options.seed)
    known = smiles_hashes(train)
    watch = Stopwatch()
    figures = evaluate_samples(
        samples,
        prepared,
        test_scaffolds=second,
        train=known,
        workers=options.workers,
        fcd=fcd,
        seed=options.seed,
    )
    own, largest_worker = peak_gigabytes()
    print(f"{options.count:,} samples, seed {options.seed}, {options.workers} workers: {watch}")
    print(f"peak memory: {own:.2f} GB, and at most {largest_worker:.2f} GB for each worker")
    print_figures(figures)
    if fcd and prepared.moments is not None:
        print("\nFCD of the first n of them, and n x FCD / (1 + n / N):")
        for size in (1_000, 3_000, 10_000):
            if size < options.count:
                distance = frechet_distance(
                    chemnet_moments(samples[:size], options.workers), prepared.moments
                )
                constant = distance * size / (1 + size / prepared.moments.count)
                print(f"{size:>8,} {distance:.4f} {constant:.0f}")


if __name__ == "__main__":
    main()
