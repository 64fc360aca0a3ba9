"""Our models and baselines by the same functions, beside the published rows of MOSES.

    python benchmarks/baselines.py --train moses_train.csv.gz --test moses_test.csv.gz \\
        --model autoencoder=runs/beta0 --model 'beta-VAE=runs/beta005' -n 30000 -o baselines.json

Every row of ours is the same number of samples, against the same test set, by molvae.evaluation; a
model's row also has what the published ones never say: exact reconstruction of held-out molecules,
and the verdict on its latent. Excess is FCD less that of as many random training molecules. The
rows below the line are those of the README of github.com/molecularsets/moses (Polykovskiy et al.,
arXiv 1811.12823), 30,000 samples each, mean of three runs; its row Train is the whole training set,
whose FCD is lower for its size alone. """

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from ngram import ngram_samples

from molvae.evaluation.distribution_metrics import random_molecules, with_fcd_excess
from molvae.evaluation.estimates import Figure, absent, aligned, number
from molvae.evaluation.latent_diagnostics import measure_latent_space, read_molecules
from molvae.evaluation.sample_report import (
    REFERENCE,
    Sets,
    as_json,
    canonical_alone,
    judge,
    prepare_sets,
    read_smiles,
)
from molvae.generation.codec import Codec
from molvae.generation.sampling import SamplingParams, sample

COLUMNS = {
    "valid": "Valid",
    "unique@1k": "U@1k",
    "unique@10k": "U@10k",
    "FCD/Test": "FCD",
    "FCD/Test excess": "excess",
    "SNN/Test": "SNN",
    "Frag/Test": "Frag",
    "Scaf/Test": "Scaf",
    "IntDiv": "IntDiv",
    "IntDiv2": "IntDiv2",
    "Filters": "Filters",
    "novelty": "Novelty",
    "canonical": "Canon.",
    "exact, greedy from the mean": "Rebuilt",
}

PUBLISHED_NAMES = (*list(COLUMNS)[:4], *list(COLUMNS)[5:12])
PUBLISHED = {
    "Train, whole": (1.0, 1.0, 1.0, 0.008, 0.6419, 1.0, 0.9907, 0.8567, 0.8508, 1.0, None),
    "HMM": (0.076, 0.623, 0.5671, 24.4661, 0.3876, 0.5754, 0.2065, 0.8466, 0.8104, 0.9024, 0.9994),
    "NGram": (
        0.2376,
        0.974,
        0.9217,
        5.5069,
        0.5209,
        0.9846,
        0.5302,
        0.8738,
        0.8644,
        0.9582,
        0.9694,
    ),
    "Combinatorial": (
        1.0,
        0.9983,
        0.9909,
        4.2375,
        0.4514,
        0.9912,
        0.4445,
        0.8732,
        0.8666,
        0.9557,
        0.9878,
    ),
    "CharRNN": (
        0.9748,
        1.0,
        0.9994,
        0.0732,
        0.6015,
        0.9998,
        0.9242,
        0.8562,
        0.8503,
        0.9943,
        0.8419,
    ),
    "AAE": (0.9368, 1.0, 0.9973, 0.5555, 0.6081, 0.991, 0.9022, 0.8557, 0.8499, 0.996, 0.7931),
    "VAE": (0.9767, 1.0, 0.9984, 0.099, 0.6257, 0.9994, 0.9386, 0.8558, 0.8498, 0.997, 0.6949),
    "JTN-VAE": (1.0, 1.0, 0.9996, 0.3954, 0.5477, 0.9965, 0.8964, 0.8551, 0.8493, 0.976, 0.9143),
    "LatentGAN": (
        0.8966,
        1.0,
        0.9968,
        0.2968,
        0.5371,
        0.9986,
        0.8867,
        0.8565,
        0.8505,
        0.9735,
        0.9498,
    ),
}
"""In the order of PUBLISHED_NAMES. MOSES's README gives its training set a novelty of 1, which it
is not.
"""

Row = dict[str, Figure]


def sample_row(samples: list[str], sets: Sets, options: argparse.Namespace) -> Row:
    """The figures of some samples, without a reference row of their own."""
    alone = sets._replace(train=None)
    table = judge(
        samples, alone, workers=options.workers, fcd=not options.no_fcd, seed=options.seed
    )
    return table.rows["samples"]


def model_row(
    folder: str, held_out: list[str], sets: Sets, options: argparse.Namespace
) -> tuple[Row, str]:
    """The figures of a model's samples, its reconstruction, and the verdict on its latent space."""
    codec = Codec.load(folder, options.device)
    drawn = list(
        sample(codec, options.n, SamplingParams(options.seed), None, workers=options.workers)
    )
    row = sample_row([one.smiles for one in drawn], sets, options)
    row["canonical"], _ = canonical_alone(drawn, iter(()))
    places = (
        np.random.default_rng(options.seed).permutation(len(held_out))[: options.limit].tolist()
    )
    readings, _ = read_molecules(codec, [held_out[place] for place in places], options.workers)
    space = measure_latent_space(
        codec, readings, iwae=options.iwae, seed=options.seed, workers=options.workers
    )
    return row | space.groups.get("Reconstruction", {}), space.verdict


def published_rows() -> dict[str, Row]:
    """The published figures, as if measured on 30,000 samples."""
    rows: dict[str, Row] = {}
    for name, values in PUBLISHED.items():
        pairs = zip(PUBLISHED_NAMES, values, strict=True)
        rows[name] = {
            key: absent(0, "not given") if value is None else Figure(value, 30_000)
            for key, value in pairs
        }
    return rows


def lines(rows: dict[str, Row]) -> list[list[str]]:
    """A line of cells for each row."""
    return [
        [name, *(number(row[key].value) if key in row else "" for key in COLUMNS)]
        for name, row in rows.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME=FOLDER", help="a model; several times"
    )
    parser.add_argument("-n", type=int, default=30_000, help="samples in each row")
    parser.add_argument(
        "--limit", type=int, default=2000, help="held-out molecules for the latent space"
    )
    parser.add_argument("--iwae", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-fcd", action="store_true")
    parser.add_argument("--no-ngram", action="store_true")
    parser.add_argument("-o", "--output", type=Path, help="JSON file of all figures")
    options = parser.parse_args()

    train, held_out = read_smiles(options.train), read_smiles(options.test)
    sets, _ = prepare_sets(held_out, train=train, workers=options.workers, fcd=not options.no_fcd)
    honest = sample_row(
        random_molecules(train, min(options.n, len(train)), options.seed), sets, options
    )
    rows: dict[str, Row] = {REFERENCE: honest}
    verdicts: dict[str, str] = {}
    if not options.no_ngram:
        samples = ngram_samples(train, options.n, seed=options.seed, workers=options.workers)
        rows["SELFIES n-gram"] = with_fcd_excess(sample_row(samples, sets, options), honest)
    for given in options.model:
        name, _, folder = given.rpartition("=")
        row, verdicts[name or folder] = model_row(folder, held_out, sets, options)
        rows[name or folder] = with_fcd_excess(row, honest)
    cells = [["", *COLUMNS.values()], *lines(rows), ["MOSES, published", *[""] * len(COLUMNS)]]
    print("\n".join(aligned([*cells, *lines(published_rows())])))
    for name, verdict in verdicts.items():
        print(f"\n{name}: {verdict}")
    if options.output:
        report: dict[str, Any] = {
            "rows": {name: as_json(row) for name, row in rows.items()},
            "verdicts": verdicts,
        }
        options.output.write_text(
            json.dumps(report, indent=1, allow_nan=False, ensure_ascii=False), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
