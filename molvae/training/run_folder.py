"""A training as a folder: data prepared once, state saved as it goes, resumed."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import fields
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import torch

from ..config import SECTIONS, Config, DataConfig, to_toml
from ..datasets.dataset import Dataset
from ..datasets.prepare import prepare
from ..datasets.table_reader import open_table
from ..datasets.text_files import cell
from ..errors import InputError, UsageError
from ..language.vocabulary import Vocabulary
from ..runtime.atomic_folder import FORMAT, MANIFEST, replace_file
from ..runtime.bounded_files import read_bounded
from ..runtime.cache_folder import user_cache_folder
from ..runtime.folder_lock import HOLDER, LOCK, locked_folder
from ..storage import checkpoint, model_folder
from ..storage.checkpoint import Saved
from . import checkpoints, fine_tuning
from .distributed import ALONE, Group
from .loop import Epoch, Step, TrainingState, begin, train, validation_due
from .validation import Validation

SAVE_SECONDS = 300.0
"""A training is saved at least this often, besides at every epoch and every stop."""

OURS = ("BEST", "metrics.csv", "training.html", "config.toml", "rejected.csv", LOCK, HOLDER)
LARGEST_METRICS = 100_000_000
"""Bytes of metrics.csv, some 200 for an epoch."""
METRICS = ("epoch", "step", "seconds", "beta", "elbo", "reconstruction", "kl")
COLUMNS = (*METRICS, *(f"validation_{name}" for name in Validation._fields), "best")


def is_prepared(path: str | Path) -> bool:
    """True for a folder that ``molvae prepare`` made."""
    return (Path(path) / MANIFEST).is_file()


def cache_key(
    paths: Sequence[str | Path],
    config: DataConfig,
    column: str | None,
    base: Vocabulary | None = None,
) -> str:
    """A hash of the files' contents, the options, the versions, and a given vocabulary."""
    digest = sha256(repr((config, column, FORMAT, sorted(checkpoint.versions().items()))).encode())
    if base is not None:
        digest.update(json.dumps(base.to_json(), sort_keys=True).encode())
    for path in paths:
        digest.update(os.fsencode(Path(path).name) + b"\0")
        with open(path, "rb") as handle:
            file_digest(handle, lambda: digest)  # goes on with the hash so far
    return digest.hexdigest()[:32]


def open_dataset(
    paths: Sequence[str | Path],
    config: DataConfig,
    *,
    column: str | None = None,
    workers: int | None = None,
    cached: bool = True,
    base: Vocabulary | None = None,
    said: Callable[[str], object] = lambda _: None,
    progress: Callable[[int], object] = lambda _: None,
) -> tuple[Dataset, str]:
    """The data set in a prepared folder, or prepared from files; and the text of its
    ``rejected.csv``.

    Files are written in the vocabulary ``base``, extended as they need, if there is one; a prepared
    folder must have been. The data set is kept in the user's cache folder, so that the same files
    need not be read again."""
    if len(paths) == 1 and is_prepared(paths[0]):
        found = read_prepared(Path(paths[0]))
        if base is not None:
            fine_tuning.check_vocabulary(base, found[0].vocabulary, str(paths[0]))
        return found
    for path in paths:
        if is_prepared(path):
            raise UsageError(f"{path}: a prepared folder must be the only input")
    # A stream cannot be read twice.
    lasting = all(str(path) != "-" and Path(path).is_file() for path in paths)
    for path in paths if lasting else ():
        with open_table(path, column):  # what is no table is refused before all of it is hashed
            pass
    folder = user_cache_folder("prepared") if cached and lasting else None
    kept = folder and folder / cache_key(paths, config, column, base)
    if kept is not None and (before := read_cache(kept)):
        said(f"prepared before, read from {kept}")
        return before
    prepared = prepare(
        paths, config, column=column, workers=workers, base=base, said=said, progress=progress
    )
    rejected = prepared.rejected_csv()
    if kept is not None:
        try:
            if not kept.exists():
                prepared.dataset.save(kept, rejected=rejected)
        except OSError as error:
            said(f"the prepared data could not be kept for next time: {error}")
    return prepared.dataset, rejected


def read_cache(kept: Path) -> tuple[Dataset, str] | None:
    """The data set in a folder of the cache, if any; a damaged one is removed."""
    try:
        return read_prepared(kept) if is_prepared(kept) else None
    except (InputError, OSError):
        shutil.rmtree(kept, ignore_errors=True)
        return None


def read_prepared(path: Path) -> tuple[Dataset, str]:
    """A prepared folder and its rejected rows."""
    rejected = read_bounded(path / "rejected.csv").decode("utf-8", errors="replace")
    return Dataset.load(path), rejected


def check_new(run: Path, force: bool = False) -> None:
    """UsageError unless a new training may begin in the folder ``run``."""
    if run.exists() and not run.is_dir():
        raise UsageError(f"{run}: is a file; a training needs a folder of its own")
    hint = "choose another folder"
    if run.is_dir() and is_ours(run):
        # A training stopped before its first save holds nothing to lose.
        kept = not force and model_folder.steps_of(run)
        hint = "--resume goes on with it, --force starts it anew" if kept else ""
    if hint and run.is_dir() and any(run.iterdir()):
        raise UsageError(f"{run}: already exists and is not empty; {hint}")
    parent = next(path for path in (run, *run.absolute().parents) if path.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UsageError(f"{run}: cannot be written")


def create(
    run: Path,
    dataset: Dataset,
    config: Config,
    device: torch.device,
    *,
    force: bool = False,
    start: Saved | None = None,
    group: Group = ALONE,
) -> TrainingState:
    """A new training in the folder ``run``, perhaps from a model; ``force`` removes an earlier one.

    The first process of a group makes the folder.
    """
    if group.leads:
        clear(run, config, force)
    return (
        begin(dataset, config, device)
        if start is None
        else fine_tuning.begin(start, dataset, config, device)
    )


def clear(run: Path, config: Config, force: bool) -> None:
    """Make the folder of a new training, with its configuration in it; see :func:`check_new`."""
    check_new(run, force)
    run.mkdir(parents=True, exist_ok=True)
    with locked_folder(run):
        for path in run.iterdir():
            if path.name not in (LOCK, HOLDER):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        replace_file(run / "config.toml", to_toml(config).encode())


def is_ours(run: Path) -> bool:
    """True for a folder that holds nothing but what trainings write."""
    return all(
        name in OURS or model_folder.WRITTEN.fullmatch(name) or name.startswith(".tmp-")
        for name in os.listdir(run)
    )


def config_of(run: Path, given: dict[str, dict[str, Any]]) -> Config:
    """The configuration of the training in ``run``; UsageError if ``given`` options differ."""
    if not run.is_dir():
        raise UsageError(f"{run}: there is no training to resume")
    if not model_folder.steps_of(run):
        raise UsageError(f"{run}: there is no training to resume; it has not been saved yet")
    config = checkpoints.newest_info(run)[0]
    for name, values in given.items():
        for key, value in values.items():
            before = getattr(getattr(config, name), key)
            if before != value:
                raise UsageError(f"--resume: {key} was {before!r}, and cannot become {value!r} now")
    return config


def sections(given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Options by name, sorted into the configuration's sections."""
    return {
        name: {f.name: given[f.name] for f in fields(cls) if given.get(f.name) is not None}
        for name, cls in SECTIONS.items()
    }


def run_training(
    run: Path,
    state: TrainingState,
    dataset: Dataset,
    info: dict[str, Any],
    *,
    rejected: str = "",
    stopping: Callable[[], bool] = lambda: False,
    group: Group = ALONE,
) -> Iterator[Step | Epoch]:
    """Train in a folder and yield the records of :func:`.loop.train`, each after it was saved with
    more ``info``.

    Saves at every epoch, every few minutes, and when ``stopping`` returns True, which ends the
    iteration. The first process of a group saves for all, and all stop after the same step when one
    of them is to stop."""
    with locked_folder(run) if group.leads else nullcontext():
        if group.leads:
            checkpoints.clear_leftovers(run)
        if group.leads and rejected:
            replace_file(run / "rejected.csv", rejected.encode("utf-8", errors="replace"))
        metrics = [row for row in read_metrics(run) if int(row["step"]) <= state.validated_step]
        saved = time.monotonic()
        for record in train(state, dataset, group):
            # Between an epoch's last step and its validation nothing is saved: a step has one
            # folder only.
            whole = not validation_due(state, dataset)
            stop = whole and group.any(stopping())
            if group.leads and isinstance(record, Epoch):
                metrics.append(metrics_row(record))
                # Before the state: a row too many is dropped on resuming, one too few is lost.
                text = io.StringIO()
                writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(metrics)
                replace_file(run / "metrics.csv", text.getvalue().encode())
                checkpoints.save(
                    run, state, dataset, info | {"metrics": metrics[-1]}, best=record.best
                )
                saved = time.monotonic()
            elif group.leads and (stop or (whole and time.monotonic() - saved > SAVE_SECONDS)):
                checkpoints.save(run, state, dataset, info, best=not model_folder.best_name(run))
                saved = time.monotonic()
            yield record
            if stop:
                break
        # A launcher ends all processes as soon as one has ended: wait for the one that saves.
        group.wait()


def metrics_row(record: Epoch) -> dict[str, str]:
    """An epoch as cells of ``metrics.csv``."""
    values = (*(getattr(record, name) for name in METRICS), *record.validation, int(record.best))
    return dict(zip(COLUMNS, map(cell, values), strict=True))


def read_metrics(run: Path) -> list[dict[str, str]]:
    """The rows of a run's ``metrics.csv``; none if it has none."""
    try:
        text = read_bounded(run / "metrics.csv", LARGEST_METRICS).decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    return [row for row in rows if set(row) == set(COLUMNS)]
