"""``molvae train``: a file of molecules in, a model out."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from .options import chosen_device, column_option, device_option, dials, force_option, workers_option
from .output import clock, live, note, note_terminal, on_terminal, progress
from .prepare import summary


@click.command(
    epilog="""\b
Examples:
  molvae train molecules.csv -o model/
  molvae train prepared/ -o model/ --epochs 30 --beta 0.1
  molvae train molecules.csv.gz -o model/ --minutes 20
  molvae train molecules.csv -o model/ --config recipe.toml
  molvae train molecules.csv -o model/ --resume"""
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Folder of the training and its model.")
@click.option("--config", "config_file", metavar="TOML", help="File of options; those given here win over it.")
@click.option("--resume", is_flag=True, help="Go on with the training in the folder.")
@click.option("--cache/--no-cache", default=True, help="Keep what was prepared for the next training.")
@force_option
@column_option
@workers_option
@device_option
@dials("data", "model", "training")
def train(
    files: tuple[str, ...],
    output: str,
    config_file: str | None,
    resume: bool,
    cache: bool,
    force: bool,
    column: str | None,
    workers: int | None,
    device: str,
    **given: Any,
) -> int:
    """Train a model on molecules.

    FILE is CSV, TSV, SMI or SDF, each also gzipped, several of them, or one folder that molvae prepare made.
    The folder keeps the best and the last state, metrics.csv, config.toml and rejected.csv. Ctrl-C saves and
    stops; --resume goes on. Nats are per molecule, summed over its symbols.
    """
    import torch

    from molvae import resumption, runs
    from molvae.config import from_dict, read_toml

    options = read_toml(config_file) if config_file else {}
    for name, values in runs.sections(given).items():
        options[name] = options.get(name, {}) | values
    config = from_dict(options, "train")
    run, place = Path(output), chosen_device(device)
    if resume:
        config = runs.config_of(run, options)
    else:
        runs.check_new(run, force)
    note_terminal(*files)
    with progress("molecules read", None) as advance:
        dataset, rejected = runs.open_dataset(
            files, config.data, column=column, workers=workers, cached=cache, said=note, progress=advance
        )
    for line in summary(dataset):
        note(line)
    if resume:
        state = resumption.resume(run, dataset, torch.device(place), said=note)
        note(f"going on from step {state.step:,}" if not state.out_of_steps else "already complete")
    else:
        state = runs.create(run, dataset, config, torch.device(place), force=force)
    weights = sum(parameter.numel() for parameter in state.model.parameters())
    note(f"{weights:,} weights on {place}, {state.model.precision} products")
    with stop_on_signal() as caught:
        info = {"data": dataset.report, "fingerprint": dataset.fingerprint, "molecules": len(dataset.training_rows)}
        for record in runs.run_training(run, state, dataset, info, rejected=rejected, stopping=lambda: bool(caught)):
            tell(record)
    if caught:
        note(f"Stopped and saved at step {state.step:,}; molvae train --resume goes on")
        return 128 + caught[0]
    note(f"Done: {output} (molvae sample -m {output} -n 10)")
    return 0


def tell(record: Any) -> None:
    """A record as a progress line that is overwritten, or an epoch's line that stays."""
    terminal = on_terminal()
    if hasattr(record, "validation"):
        figures = record.validation
        if terminal:
            live("")
        blank = "" if figures.unconditional is None else f", log p(x) {figures.unconditional:.2f} at level 0"
        note(
            f"epoch {record.epoch}  step {record.step:,}  {clock(record.seconds)}  "
            f"ELBO {record.elbo:.2f} = {record.reconstruction:.2f} - KL {record.kl:.2f}  |  "
            f"held out: ELBO {figures.elbo:.2f} = {figures.reconstruction:.2f} - KL {figures.kl:.2f} nats, "
            f"exact {figures.exact:.1%}, {figures.active_units} active units{blank}{'  best' if record.best else ''}"
        )
        if figures.kl < 1.0 and record.beta > 0:
            note("Warning: the KL has collapsed: the decoder ignores its latent. Lower --beta, or give --free-bits")
    elif terminal and record.step % 5 == 0:
        total = f"/{record.total_steps:,}" if record.total_steps else ""
        left = f"{clock(record.seconds_left)} left" if record.total_steps else ""
        live(
            f"epoch {record.epoch}  step {record.step:,}{total}  ELBO {record.elbo:.2f} = "
            f"{record.reconstruction:.2f} - KL {record.kl:.2f} nats  "
            f"{record.molecules_per_second:,.0f} molecules/s  {left}"
        )


@contextmanager
def stop_on_signal() -> Iterator[list[int]]:
    """Note SIGINT and SIGTERM in the list instead of dying of the first; a second SIGINT ends at once."""
    caught: list[int] = []

    def note_signal(number: int, _: Any) -> None:
        if caught and number == signal.SIGINT:
            raise KeyboardInterrupt
        caught.append(number)

    before = {number: signal.signal(number, note_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
