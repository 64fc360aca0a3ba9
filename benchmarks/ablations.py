"""Trainings side by side at equal time.

    python benchmarks/ablations.py prepared/ --minutes 10 '' 'grammar=false' 'decoder=640,embedding=192'

Every arm is a set of options over the defaults, as ``name=value`` separated by commas; an empty arm is the
defaults. Arms run one after the other, with the same seed and data. Prints one table: what each reached on the
held-out molecules.
"""

from __future__ import annotations

import os
import platform
import tomllib
from typing import Any

import click
import torch

from molvae import runs
from molvae.api import configured
from molvae.dataset import Dataset
from molvae.training import Epoch, begin, train


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


@click.command(help=__doc__)
@click.argument("data")
@click.argument("arms", nargs=-1, required=True)
@click.option("--minutes", type=float, default=10.0, show_default=True, help="Time of every arm.")
def main(data: str, arms: tuple[str, ...], minutes: float) -> None:
    """Run the arms and print the table."""
    dataset, _ = runs.open_dataset([data], configured({}).data)
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, torch {torch.__version__}")
    print(f"{data}: {len(dataset.training_rows):,} molecules, {minutes:g} minutes an arm\n")
    print("| arm | weights | steps | molecules/s | ELBO | reconstruction | KL | exact | symbols right |")
    print("|---" * 9 + "|")
    for arm in arms:
        print(row(arm, dataset, {"minutes": minutes, **parse(arm)}), flush=True)


def row(arm: str, dataset: Dataset, options: dict[str, Any]) -> str:
    """Train one arm and say what it reached, as a row of the table."""
    state = begin(dataset, configured(options), torch.device("cpu"))
    weights = sum(p.numel() for p in state.model.parameters())
    last = [record for record in train(state, dataset) if isinstance(record, Epoch)][-1]
    speed = state.step * state.config.training.batch_size / state.seconds
    v = last.validation
    return (
        f"| {arm or 'defaults'} | {weights:,} | {state.step:,} | {speed:,.0f} | {v.elbo:.2f} | {v.reconstruction:.2f} "
        f"| {v.kl:.2f} | {v.exact:.1%} | {v.symbol_accuracy:.2%} |"
    )


if __name__ == "__main__":
    main()
