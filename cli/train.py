"""``molvae train``: a file of molecules in, a model out."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from .options import (
    chosen_device,
    column_option,
    config_options,
    device_option,
    force_option,
    workers_option,
)
from .output import clock, live, note, note_terminal, on_terminal, progress
from .pages import command_line
from .prepare import summary


@click.command(
    epilog="""\b
Examples:
  molvae train molecules.csv -o model/
  molvae train prepared/ -o model/ --epochs 30 --posterior gaussian --beta 0.1
  molvae train molecules.csv.gz -o model/ --minutes 20
  molvae train molecules.csv -o model/ --config recipe.toml
  molvae train molecules.csv -o model/ --resume
  molvae train mine.csv -o mine/ --from model/ --learning-rate 5e-4
  torchrun --nproc-per-node 4 $(which molvae) train molecules.csv -o model/"""
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-o", "--output", required=True, metavar="FOLDER", help="Folder of the training and its model."
)
@click.option(
    "--config",
    "config_file",
    metavar="TOML",
    help="File of options, of one training or of several stages in turn; those given here win.",
)
@click.option(
    "--from",
    "start",
    metavar="MODEL",
    help="Begin with the weights of this model (a folder, or a shipped one's name), and add the "
    "symbols it lacks.",
)
@click.option("--resume", is_flag=True, help="Go on with the training in the folder.")
@click.option(
    "--cache/--no-cache", default=True, help="Keep what was prepared for the next training."
)
@force_option
@column_option
@workers_option
@device_option
@config_options("data", "model", "training")
def train(
    files: tuple[str, ...],
    output: str,
    config_file: str | None,
    start: str | None,
    resume: bool,
    cache: bool,
    force: bool,
    column: str | None,
    workers: int | None,
    device: str,
    **given: Any,
) -> int:
    """Train a model on molecules.

    FILE is CSV, TSV, SMI or SDF, each also gzipped, several of them, or one folder that molvae
    prepare made. The folder keeps the best and the last state, metrics.csv, config.toml,
    rejected.csv, and training.html, a page of curves that is renewed every epoch. Ctrl-C saves and
    stops; --resume goes on. Nats are per molecule, summed over its symbols.

    Started by torchrun, several processes divide every batch among them, one on each GPU or on some
    of the cores."""
    import torch

    from molvae.config import from_dict, read_toml
    from molvae.storage import model_folder
    from molvae.training import distributed, run_folder

    stages: list[dict[str, Any]] = read_toml(config_file, note) if config_file else [{}]
    for options in stages:
        for name, values in run_folder.sections(given).items():
            options[name] = options.get(name, {}) | values
        from_dict(options, "train")
    place = torch.device(chosen_device(device))
    folders = model_folder.stage_folders(Path(output), len(stages))
    if not resume:
        for folder in folders:
            run_folder.check_new(folder, force)
    reading = {"column": column, "workers": workers, "cached": cache}
    with distributed.joined(place) as group:
        try:
            for folder, options in zip(folders, stages, strict=True):
                again = resume and (folder == folders[0] or folder.is_dir())
                if len(stages) > 1 and group.leads:
                    note(f"{folder.name} of {len(stages)}")
                request = Request(files, folder, options, start, again, force, reading)
                if code := train_stage(request, place, group):
                    return code
                start = f"{folder}/"
        except distributed.LostError:
            if group.leads:
                raise
            return 1
        if group.leads:
            note(f"Done: {output} (molvae sample -m {shlex.quote(output.rstrip('/') + '/')} -n 10)")
    return 0


class Request(NamedTuple):
    """Request of one stage: files, the folder, options by section, the model to begin with.

    ``reading`` are options of reading the files."""

    files: tuple[str, ...]
    run: Path
    options: Any
    start: str | None
    resume: bool
    force: bool
    reading: dict[str, Any]


def train_stage(request: Request, place: Any, group: Any) -> int:
    """Train in one folder to its end, or until a signal comes; the exit code."""
    from molvae.pages.training_report import renew
    from molvae.training import checkpoints, run_folder

    say = note if group.leads else discard
    with group.first_alone():
        plan = plan_training(request, group)
        note_terminal(*request.files)
        with progress("molecules read", None, shown=group.leads) as advance:
            dataset, rejected = run_folder.open_dataset(
                request.files,
                plan.config.data,
                base=plan.base,
                said=say,
                progress=advance,
                **request.reading,
            )
        for line in summary(dataset):
            say(line)
        if request.resume:
            state = checkpoints.resume(request.run, dataset, place, said=say)
            done = state.out_of_steps
            say("already complete" if done else f"going on from step {state.step:,}")
        else:
            state = run_folder.create(
                request.run,
                dataset,
                plan.config,
                place,
                force=request.force,
                start=plan.start,
                group=group,
            )
        if plan.start is not None:
            new = plan.base.unknown(dataset.vocabulary.symbols)
            symbols = f"; new symbols: {' '.join(new)}" if new else ", no new symbols"
            say(f"beginning with {plan.start.path}{symbols}")
        processes = f", {group.world.size} processes" if group.world.size > 1 else ""
        products = f"{state.model.precision} products{processes}"
        say(f"{state.model.weight_count:,} weights on {place}, {products}")
    group.check_same(dataset.fingerprint, "molecules")
    if group.world.size > 1:  # hashing a large model takes its time
        group.check_same(state.mark, "weights")
    info = {"started_from": plan.origin} if plan.origin else {}
    with stop_on_signal() as caught:
        records = run_folder.run_training(
            request.run,
            state,
            dataset,
            info,
            rejected=rejected,
            stopping=lambda: bool(caught),
            group=group,
        )
        for record in records:
            if group.leads:
                report(record)
                if hasattr(record, "validation"):
                    renew(request.run, command_line())
    if not caught and state.out_of_steps:
        return 0
    say(f"Stopped and saved at step {state.step:,}; molvae train --resume goes on")
    # A process that another one's signal has stopped ends as that one does on SIGTERM.
    return 128 + (caught[0] if caught else signal.SIGTERM)


class Plan(NamedTuple):
    """Options of a training, and the model it begins or began with, if any."""

    config: Any
    start: Any = None
    """The model, as read from its folder."""
    base: Any = None
    """The vocabulary that molecules are written in, extended as they need."""
    origin: dict[str, Any] | None = None
    """The model's entry in the info of the training."""


def plan_training(request: Request, group: Any) -> Plan:
    """The options, checked before any molecule is read."""
    from molvae.config import from_dict
    from molvae.errors import UsageError
    from molvae.storage import checkpoint, pretrained
    from molvae.training import checkpoints, fine_tuning, run_folder

    run, options, start = request.run, request.options, request.start
    if group.world.size > 1 and "-" in request.files:
        raise UsageError("several processes cannot all read standard input: give a file")
    if request.resume:
        config = run_folder.config_of(run, options)
        _, vocabulary, info = checkpoints.newest_info(run)
        origin = info.get("started_from")
        if start is not None and origin is None:
            raise UsageError(
                f"--from {start}: the training in {run} did not begin with a model; leave it out"
            )
        return Plan(config, base=vocabulary if origin else None, origin=origin)
    if group.leads:
        run_folder.check_new(run, request.force)
    if start is None:
        return Plan(from_dict(options, "train"))
    model = pretrained.find(start)
    if run.resolve() in (model.resolve(), *model.resolve().parents):
        raise UsageError(
            f"{run}: holds the model that the training is to begin with; choose another folder"
        )
    saved = checkpoint.load(model)
    config = fine_tuning.configure(saved.config, options)
    return Plan(config, saved, saved.vocabulary, fine_tuning.started_from(saved, start))


def discard(_: object) -> None:
    """Notes of a process that is not the first."""


def report(record: Any) -> None:
    """A record as a progress line that is overwritten, or an epoch's line that stays."""
    terminal = on_terminal()
    if hasattr(record, "validation"):
        figures = record.validation
        if terminal:
            live("")
        unconditional = (
            ""
            if figures.unconditional is None
            else f", log p(x) {figures.unconditional:.2f} at level 0"
        )
        note(
            f"epoch {record.epoch}  step {record.step:,}  {clock(record.seconds)}  "
            f"ELBO {record.elbo:.2f} = {record.reconstruction:.2f} - KL {record.kl:.2f}  |  "
            f"held out: ELBO {figures.elbo:.2f} = {figures.reconstruction:.2f} - "
            f"KL {figures.kl:.2f} nats, exact {figures.exact:.1%}, {figures.active_units} active "
            f"units{unconditional}{'  best' if record.best else ''}"
        )
        if figures.kl < 1.0 and record.beta > 0:
            note(
                "Warning: the KL has collapsed: the decoder ignores its latent. Lower --beta, or "
                "give --free-bits"
            )
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
    """Note signals that stop in the list instead of dying of the first; a second SIGINT ends at
    once. SIGUSR1 is what schedulers send before the end of a job's time.
    """
    from molvae.runtime.signals import STOPS, answered

    caught: list[int] = []

    def note_signal(number: int, _: Any) -> None:
        if caught and number == signal.SIGINT:
            raise KeyboardInterrupt
        caught.append(number)

    more = (signal.SIGUSR1,) if hasattr(signal, "SIGUSR1") else ()
    with answered(note_signal, STOPS + more):
        yield caught
