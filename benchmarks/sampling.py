"""Compare noise levels, temperatures and priors to sample a model at, judged on molecules held out
of its training.

    python benchmarks/sampling.py -m model/ --data prepared/ --level 0 --level 0.3 --temperature 1
    --temperature 0.9

For every combination 10,240 draws: the share with canonical SELFIES, and the FCD to the held-out
molecules of the prepared data set, as its excess over that of as many molecules of its training
set; raw, and of as many canonical draws. Nothing here may be given a test set: it is for choosing.
(Needs the extra ``eval``.)"""

from __future__ import annotations

import itertools
import os
import platform

import click
import torch
from ablations import SAMPLES, Judge

from molvae.api import configured
from molvae.generation import sampling
from molvae.generation.codec import Codec
from molvae.storage import pretrained
from molvae.training import run_folder


@click.command(help=__doc__)
@click.option("-m", "--model", required=True, metavar="MODEL", help="Model to sample from.")
@click.option(
    "--data", required=True, metavar="FOLDER", help="Prepared data set it was trained on."
)
@click.option(
    "--level", "levels", type=float, multiple=True, help="Noise level; several may be given."
)
@click.option(
    "--temperature",
    "temperatures",
    type=float,
    multiple=True,
    default=(1.0,),
    help="Several may be given.",
)
@click.option("--learned", is_flag=True, help="Also draw z from the learned prior.")
def main(
    model: str, data: str, levels: tuple[float, ...], temperatures: tuple[float, ...], learned: bool
) -> None:
    """Measure every combination and print the table."""
    codec = Codec.load(str(pretrained.find(model)))
    dataset, _ = run_folder.open_dataset([data], configured({}).data)
    judge = Judge(dataset)
    print(
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, torch {torch.__version__}\n"
    )
    print("| level | temperature | prior | canonical | FCD excess | of canonical ones | unique |")
    print("|---" * 7 + "|")
    chosen = levels or ((0.0,) if codec.levels else (None,))
    for level, temperature, trained in itertools.product(
        chosen, temperatures, (False, True) if learned else (False,)
    ):
        found = sampling.sample(
            codec, 2 * SAMPLES, sampling.SamplingParams(0, temperature, level, trained), None
        )
        drawn = [one for one in found if one.smiles]
        kept = [one.smiles for one in drawn if one.canonical]
        raw = [one.smiles for one in drawn[:SAMPLES]]
        cells = [
            "-" if level is None else f"{level:g}",
            f"{temperature:g}",
            "learned" if trained else "normal",
            f"{len(kept) / len(drawn):.3f}",
            f"{judge.excess(raw):.3f}",
            f"{judge.excess(kept[:SAMPLES]):.3f}",
            f"{len(set(raw)) / len(raw):.4f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
