"""Gain of beginning with a trained model: held-out figures against epochs, beside a
training from nothing.

    python benchmarks/finetuning.py zinc250k.csv.gz --from moses --rows 2000 --rows 20000 --epochs
    10

For every number of rows, molecules drawn at random from the file, a tenth of them held out; both
trainings see the same ones in the same order and last as many epochs. The one from nothing learns
merges of its own and has the same sizes. The one from the model keeps its vocabulary and adds the
symbols it lacks. Prints one table."""

from __future__ import annotations

import os
import platform
from dataclasses import replace

import click
import torch

from molvae.api import configured
from molvae.config import Config
from molvae.storage import checkpoint, pretrained
from molvae.training import fine_tuning, run_folder
from molvae.training.loop import Epoch, TrainingState, begin, train

CPU = torch.device("cpu")


def config_for(model: Config, rows: int, epochs: int, rate: float) -> Config:
    """The sizes of a model, and a training that suits some thousand molecules."""
    options = {
        "rows": rows,
        "validation": 0.1,
        "epochs": epochs,
        "batch_size": 128,
        "learning_rate": rate,
        "warmup": 50,
    }
    return replace(configured({**options, "ema": 0.99}), model=model.model)


def told(name: str, rows: int, epochs: int, state: TrainingState, records: list[Epoch]) -> None:
    """Rows of the table, for the epochs in which it doubles and the last."""
    for record in records:
        if record.epoch & (record.epoch - 1) and record.epoch != epochs:
            continue
        v = record.validation
        blank = "-" if v.unconditional is None else f"{v.unconditional:.2f}"
        cells = (
            f"{rows:,}",
            name,
            f"{state.model.weight_count:,}",
            str(record.epoch),
            f"{v.exact:.1%}",
            f"{v.reconstruction:.2f}",
            blank,
        )
        print(f"| {' | '.join(cells)} |", flush=True)


@click.command(help=__doc__)
@click.argument("file")
@click.option(
    "--from",
    "start",
    default="moses",
    show_default=True,
    help="Folder or name of the trained model.",
)
@click.option(
    "--rows",
    "sizes",
    type=int,
    multiple=True,
    default=(2_000,),
    show_default=True,
    help="Several may be given.",
)
@click.option("--epochs", type=int, default=10, show_default=True, help="Epochs of both trainings.")
@click.option(
    "--rate", type=float, default=1e-3, show_default=True, help="Learning rate of both trainings."
)
def main(file: str, start: str, sizes: tuple[int, ...], epochs: int, rate: float) -> None:
    """Train both ways for every number of rows and print the table."""
    saved = checkpoint.load(pretrained.find(start), CPU)
    print(
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, torch {torch.__version__}\n"
    )
    print(
        "| molecules | training | weights | epochs | exact | log p(x given z) | log p(x), level 0 |"
    )
    print("|---" * 7 + "|")
    for rows in sizes:
        config = config_for(saved.config, rows, epochs, rate)
        plain, _ = run_folder.open_dataset([file], config.data)
        state = begin(plain, config, CPU)
        told(
            "from nothing",
            rows,
            epochs,
            state,
            [one for one in train(state, plain) if isinstance(one, Epoch)],
        )
        extended, _ = run_folder.open_dataset([file], config.data, base=saved.vocabulary)
        state = fine_tuning.begin(saved, extended, config, CPU)
        told(
            f"from {start}",
            rows,
            epochs,
            state,
            [one for one in train(state, extended) if isinstance(one, Epoch)],
        )


if __name__ == "__main__":
    main()
