"""How many molecules a second a model gets through, each job measured over a few seconds.

Runs the same code as the commands do, from text to text, workers and threads included, after a
short run that compiles and warms up. What it measures depends on the machine and on what else runs
there."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from ..chem import scoring
from ..datasets.dataset import Dataset
from ..datasets.prepare import prepare
from ..errors import MolvaeError
from ..generation import sampling
from ..generation.codec import Codec, Reading
from ..runtime.process_pool import default_workers
from ..training.loop import Step, begin, train
from .estimates import Figure, absent

SECONDS = 3.0
"""How long each job is measured, about."""

PREPARED = 4_000
"""Molecules, at most, that are prepared and then trained on."""

WARM_UP = 100
_NONE = "no molecule that the model can read"

Figures = dict[str, Figure]


def machine(codec: Codec, workers: int | None = None) -> dict[str, str | int]:
    """What the figures were measured on: cores, threads, precision, and the sizes of the model."""
    device = codec.model.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {
        "device": f"{device} ({name})",
        "cores": default_workers(),
        "worker processes": default_workers() if workers is None else workers,
        "torch threads": torch.get_num_threads(),
        "precision": codec.model.precision,
        "weights": codec.model.weight_count,
        "latent": codec.latent,
        "decoder": codec.saved.config.model.decoder,
        "vocabulary": len(codec.vocabulary),
    }


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def measure(
    codec: Codec,
    smiles: Sequence[str],
    readings: Sequence[Reading],
    *,
    workers: int | None = None,
    seconds: float = SECONDS,
    said: Callable[[str], object] = lambda _: None,
) -> Figures:
    """Molecules per second of every job, with ``smiles`` as they stand in a file and ``readings``
    of some.
    """
    figures: Figures = {}
    said("speed: prepare")
    figures["prepare"], dataset = preparing(codec, smiles[:PREPARED], workers)
    said("speed: training step")
    if dataset is None:
        figures["training step"] = absent(0, figures["prepare"].note)
    else:
        figures["training step"] = training(codec, dataset, seconds)
    said("speed: sampling")
    figures["sampling to canonical SMILES"] = sampling_speed(codec, workers, seconds)
    said("speed: encoding")
    some = [reading.smiles for reading in readings]
    if not some:
        names = ("encoding", "encoding, the network alone", "scoring")
        return figures | {name: absent(0, _NONE) for name in names}
    figures["encoding"] = _rate(lambda part: len(codec.encode(part)), some, 512, seconds)
    figures["encoding"] = dataclasses.replace(
        figures["encoding"], note="SMILES to vectors, in one process"
    )
    figures["encoding, the network alone"] = _rate(
        lambda part: len(codec.encode_readings(part)), list(readings), 512, seconds
    )
    said("speed: scoring")
    figures["scoring"] = scoring_speed(some, workers, seconds)
    return figures


def _rate(work: Callable[[list[Any]], int], items: list[Any], size: int, seconds: float) -> Figure:
    """Items a second, taken round and round in parts of ``size``, until the time is over."""
    work(items[:WARM_UP])
    began, done = time.perf_counter(), 0
    source = itertools.cycle(items)
    while (passed := time.perf_counter() - began) < seconds:
        done += work(list(itertools.islice(source, size)))
    return Figure(done / passed, done)


def _until(stream: Iterable[object], seconds: float) -> Figure:
    """Items a second that a stream yields, its start included, until the time is over or it
    ends.
    """
    began, done = time.perf_counter(), 0
    for _ in stream:
        done += 1
        if time.perf_counter() - began >= seconds:
            break
    return Figure(done / (time.perf_counter() - began), done)


def preparing(
    codec: Codec, smiles: Sequence[str], workers: int | None
) -> tuple[Figure, Dataset | None]:
    """File to data set, rejected rows included in the count; and the data set, if there is one."""
    config = codec.saved.config.data
    with tempfile.TemporaryDirectory(prefix="molvae-") as folder:
        few, all_of_them = Path(folder, "few.csv"), Path(folder, "all.csv")
        for path, rows in ((few, smiles[:WARM_UP]), (all_of_them, smiles)):
            with open(path, "w", newline="", encoding="utf-8", errors="replace") as handle:
                csv.writer(handle).writerows([["smiles"], *([row] for row in rows)])
        try:
            prepare([few], config, column="1", workers=1)
            began = time.perf_counter()
            dataset = prepare([all_of_them], config, column="1", workers=workers).dataset
        except MolvaeError as error:
            return absent(0, str(error).splitlines()[0].replace(f"{folder}/", "")), None
        return Figure(
            len(smiles) / (time.perf_counter() - began), len(smiles), note="file to data set"
        ), dataset


def training(codec: Codec, dataset: Dataset, seconds: float) -> Figure:
    """Optimiser steps of a fresh model with this model's sizes and options, the first ones not
    counted.
    """
    config = codec.saved.config
    options = dataclasses.replace(config.training, epochs=1_000_000, minutes=0.0, patience=0)
    state = begin(dataset, dataclasses.replace(config, training=options), codec.model.device)
    batch = min(options.batch_size, len(dataset.training_rows))
    speeds: list[float] = []
    began, warm = time.perf_counter(), False
    for record in train(state, dataset):
        if not isinstance(record, Step):
            continue
        if warm:
            speeds.append(record.molecules_per_second)
            if time.perf_counter() - began > seconds:
                break
        elif record.step == 3:
            began, warm = time.perf_counter(), True
    note = f"{len(speeds):,} steps of {batch:,} molecules, {state.model.precision}"
    return Figure(statistics.median(speeds), len(speeds) * batch, note=note)


def sampling_speed(codec: Codec, workers: int | None, seconds: float) -> Figure:
    """Draws from the prior to canonical SMILES, empty and repeated ones included, the start of
    workers too.
    """
    list(sampling.sample(codec, WARM_UP, keep_all=True, workers=1))
    drawn = sampling.sample(codec, 10_000_000, keep_all=True, workers=workers)
    try:
        return _until(drawn, seconds)
    finally:
        drawn.close()  # type: ignore[attr-defined]


def scoring_speed(smiles: Sequence[str], workers: int | None, seconds: float) -> Figure:
    """The default properties and alerts of ``molvae score``."""
    plan = scoring.plan_scores()
    rows = scoring.stream(((one, None) for one in itertools.cycle(smiles)), plan, workers)
    try:
        figure = _until(rows, seconds)
    finally:
        rows.close()  # type: ignore[attr-defined]
    return dataclasses.replace(figure, note=f"{len(plan.columns)} properties and alerts")
