"""Trainings side by side at equal time.

    python benchmarks/ablations.py prepared/ --minutes 10 '' 'grammar=none'
    'decoder=640,batch_size=256'

Every arm is a set of options over the defaults, as ``name=value`` separated by commas; an empty arm
is the defaults. Arms run one after the other, with the same seed and data. Prints one table of what
each reached: on the held-out molecules, and in samples, whose FCD to the held-out molecules is
shown as its excess over that of as many molecules of the training set. (Needs the extra ``eval``.)
"""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from molvae.api import configured
from molvae.datasets.dataset import Dataset, Rows
from molvae.evaluation.fcd import chemnet_moments, frechet_distance
from molvae.generation import sampling
from molvae.generation.codec import Codec
from molvae.generation.reader import Sample, molecules_of
from molvae.runtime.process_pool import default_workers
from molvae.storage.checkpoint import Saved
from molvae.training import run_folder
from molvae.training.loop import Epoch, TrainingState, begin, train

SAMPLES = 10_240
CORES = default_workers()
COLUMNS = (
    *(
        "arm",
        "weights",
        "steps",
        "molecules/s",
        "exact",
        "log p(x given z)",
        "KL",
        "shuffling z costs",
        "log p(x), level 0",
    ),
    *("canonical", "FCD excess", "of canonical ones"),
)


def parse(arm: str) -> dict[str, Any]:
    """Options of an arm; values are written as in TOML, text without quotes allowed."""
    options: dict[str, Any] = {}
    for part in filter(None, arm.split(",")):
        name, _, value = part.partition("=")
        try:
            options[name.strip()] = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            options[name.strip()] = value.strip()
    return options


def smiles_of(dataset: Dataset, rows: Rows) -> list[str]:
    """Canonical SMILES of molecules of a data set."""
    ids = [dataset.ids[dataset.offsets[row] : dataset.offsets[row + 1]] for row in rows]
    written = [(one, 0.0) for one in ids]
    return [one.smiles for one in molecules_of(written, dataset.vocabulary)]


def samples(state: TrainingState, dataset: Dataset) -> list[Sample]:
    """Draws from the prior, as they come."""
    codec = Codec(Saved(Path("arm"), state.average, dataset.vocabulary, state.config, {}))
    return list(sampling.sample(codec, SAMPLES, filters=None))


class Judge:
    """The held-out molecules as a reference, and what molecules of the training set score against
    it.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.reference = chemnet_moments(smiles_of(dataset, dataset.validation_rows), CORES)
        rows = np.random.default_rng(0).choice(dataset.training_rows, SAMPLES, replace=False)
        self.moments = chemnet_moments(smiles_of(dataset, rows), CORES)

    def excess(self, smiles: Sequence[str]) -> float:
        """FCD of molecules over that of as many honest ones, whose bias falls as one over their
        number.
        """
        moments = chemnet_moments(smiles, CORES)
        floor = frechet_distance(self.moments, self.reference)
        grown = (
            floor
            * (1 / moments.count + 1 / self.reference.count)
            / (1 / SAMPLES + 1 / self.reference.count)
        )
        return frechet_distance(moments, self.reference) - grown


def row(arm: str, dataset: Dataset, judge: Judge, options: dict[str, Any]) -> list[str]:
    """Train one arm and say what it reached, as a row of the table."""
    state = begin(dataset, configured(options), torch.device("cpu"))
    last = [record for record in train(state, dataset) if isinstance(record, Epoch)][-1]
    v = last.validation
    drawn = [one for one in samples(state, dataset) if one.smiles]
    kept = [one.smiles for one in drawn if one.canonical]
    speed = state.step * state.config.training.batch_size / state.seconds
    return [
        arm or "defaults",
        f"{state.model.weight_count:,}",
        f"{state.step:,}",
        f"{speed:,.0f}",
        f"{v.exact:.1%}",
        f"{v.reconstruction:.2f}",
        f"{v.kl:.1f}",
        f"{v.shuffled_gap:.1f}",
        "-" if v.unconditional is None else f"{v.unconditional:.2f}",
        f"{len(kept) / SAMPLES:.3f}",
        f"{judge.excess([one.smiles for one in drawn]):.2f}",
        f"{judge.excess(kept):.2f}" if len(kept) > 1000 else "-",
    ]


@click.command(help=__doc__)
@click.argument("data")
@click.argument("arms", nargs=-1, required=True)
@click.option("--minutes", type=float, default=10.0, show_default=True, help="Time of every arm.")
def main(data: str, arms: tuple[str, ...], minutes: float) -> None:
    """Run the arms and print the table."""
    dataset, _ = run_folder.open_dataset([data], configured({}).data)
    print(f"{platform.machine()}, {CORES} cores, torch {torch.__version__}")
    print(
        f"{data}: {len(dataset.training_rows):,} molecules, {minutes:g} minutes an arm, "
        f"{SAMPLES:,} samples\n"
    )
    judge = Judge(dataset)
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---" * len(COLUMNS) + "|", flush=True)
    for arm in arms:
        print(
            f"| {' | '.join(row(arm, dataset, judge, {'minutes': minutes, **parse(arm)}))} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
