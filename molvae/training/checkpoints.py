"""Save the state of a training as a step folder, and resume from the newest one that is sound."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ..config import Config
from ..datasets.dataset import Dataset
from ..errors import ModelError, TrainingError, UsageError
from ..language.vocabulary import Vocabulary
from ..runtime.atomic_folder import (
    JSON_LIMIT,
    commit_folder,
    read_folder,
    read_json,
    remove_folder,
    replace_file,
)
from ..storage import known_molecules
from ..storage.checkpoint import Saved, load, read_weights, versions
from ..storage.model_folder import (
    KNOWN,
    STATE_FILES,
    WEIGHTS,
    best_name,
    best_step,
    is_best,
    load_info,
    metadata_files,
    steps_of,
)
from .loop import TrainingState, assemble_state

TENSORS, STATE = STATE_FILES
COUNTERS = tuple(one.name for one in fields(TrainingState))[4:]
"""What is saved of a training besides its models, optimiser and configuration."""


def step_name(step: int) -> str:
    """The name of a step's folder.

    >>> step_name(1234)
    'step-00001234'
    """
    return f"step-{step:08d}"


def save(
    run: Path, state: TrainingState, dataset: Dataset, info: dict[str, Any], *, best: bool
) -> Path:
    """Commit the state as a step folder of ``run``; all but the best and the newest go.

    ``info`` is more for its ``info.json``."""
    folder = run / step_name(state.step)
    if not folder.exists():
        of_data = {
            "data": dataset.report,
            "fingerprint": state.fingerprint,
            "molecules": len(dataset.training_rows),
        }
        info = of_data | info
        info |= {"step": state.step, "versions": versions(), "max_steps": state.model.max_steps}
        counters = {name: getattr(state, name) for name in COUNTERS}
        counters["best"] = None if math.isinf(state.best) else state.best
        files = {
            WEIGHTS: save_tensors(finite(state.average.state_dict())),
            **metadata_files(state.config, dataset.vocabulary, info),
            "training.safetensors": save_tensors(finite(training_tensors(state))),
            "state.json": json.dumps(counters, indent=1).encode(),
            KNOWN: known_molecules.to_bytes(known_molecules.SortedHashes(np.sort(dataset.hashes))),
        }
        commit_folder(folder, files, kind="model")
    if best:
        name_best(run, folder)
    prune(run, folder)
    return folder


def prune(run: Path, newest: Path) -> None:
    """Remove all steps but the best one and ``newest``, and what removing has left behind before.

    One that cannot be removed is named in a warning, and tried again at the next save."""
    best, _ = best_step(run)
    keep = {newest.name, best_name(run), best.name if best else ""}
    for other in steps_of(run):
        if other.name not in keep:
            remove_folder(other)
    clear_leftovers(run)


def clear_leftovers(run: Path) -> None:
    """Remove what a process that was killed had half written or half removed."""
    for path in run.glob(".tmp-*"):
        remove_folder(path)


def name_best(run: Path, folder: Path) -> None:
    """Have the step ``folder`` be the best one of ``run``."""
    replace_file(run / "BEST", folder.name.encode())


def finite(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, contiguous and on the CPU; a non-finite one is never written."""
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise TrainingError(f"{name} holds numbers that are not finite: nothing was saved")
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def training_tensors(state: TrainingState) -> dict[str, Tensor]:
    """Raw weights and the optimiser's moments, by the names of the parameters."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in state.model.named_parameters():
        tensors[f"weights.{name}"] = parameter
        for key, value in state.optimiser.state.get(parameter, {}).items():
            tensors[f"{key}.{name}"] = value
    return tensors


def resume(
    run: Path,
    dataset: Dataset,
    device: torch.device,
    said: Callable[[str], object] = lambda _: None,
) -> TrainingState:
    """The newest state of a run that verifies; TrainingError without one.

    UsageError if the data are others. A newer state that is damaged is renamed, not deleted, and
    ``said`` gets a note on it.
    """
    damaged: dict[Path, str] = {}
    for folder in steps_of(run) if run.is_dir() else []:
        try:
            state = read_state(folder, device)
        except ModelError as error:
            damaged[folder] = str(error)
            continue
        if state.fingerprint != dataset.fingerprint:
            before, now = load_info(folder)[2].get("molecules"), len(dataset.training_rows)
            counts = (
                f"{before} molecules to train on, here {now}"
                if before != now
                else "as many molecules, but others"
            )
            raise UsageError(
                f"--resume: {run} was trained on other data ({counts}); give the same files and "
                "options"
            )
        for other, problem in damaged.items():
            other.rename(run / f"damaged-{secrets.token_hex(4)}-{other.name}")
            said(f"{problem}; {folder.name} before it is sound")
        best, problem = best_step(run)
        if is_best(folder):
            best = folder  # the process that saved it may have ended before it did so
        elif problem:
            said(problem)
        if best is not None and (problem or best == folder):
            name_best(run, best)
        return state
    found = f" ({'; '.join(damaged.values())})" if damaged else ""
    raise TrainingError(f"{run}: holds no training to resume{found}")


def newest_info(run: Path) -> tuple[Config, Vocabulary, dict[str, Any]]:
    """Configuration, vocabulary and info of a run, from its newest step that can be read."""
    problem: ModelError | None = None
    for folder in steps_of(run):
        try:
            return load_info(folder)
        except ModelError as error:
            problem = problem or error
    raise problem or ModelError(f"{run}: holds no step of a training")


def read_state(folder: Path, device: torch.device) -> TrainingState:
    """The training state in a step folder; ModelError names what is wrong with it."""
    saved = load(folder, device)
    # Raw weights and two moments, and a number for the steps of each.
    content = read_weights(folder, TENSORS, saved.model, copies=4)
    state = read_folder(folder, (STATE,), kind="model", largest=JSON_LIMIT)
    counters = read_json(state[STATE], STATE)
    check_counters(counters)
    try:
        return restore(saved, counters, load_tensors(content))
    except (SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(
            f"{folder}: its training state does not fit its model ({error})"
        ) from error


def check_counters(counters: Any) -> None:
    """ModelError unless all counters of a training are there and can be what they count."""
    if not isinstance(counters, dict) or set(counters) != set(COUNTERS):
        raise ModelError(f"{STATE}: must hold exactly {', '.join(COUNTERS)}")
    for name, value in counters.items():
        if name == "fingerprint":
            sound = isinstance(value, str)
        elif name == "sums":
            sound = isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))
        elif name == "best":
            sound = value is None or _is_number(value)
        else:
            whole = name not in ("seconds", "measured_seconds")
            sound = _is_number(value, whole) and 0 <= value < 1e15
        if not sound:
            raise ModelError(f"{STATE}: {name} cannot be {value!r:.60}")


def _is_number(value: Any, whole: bool = False) -> bool:
    return type(value) in ((int,) if whole else (int, float)) and abs(value) < 1e300


def restore(saved: Saved, counters: dict[str, Any], tensors: dict[str, Tensor]) -> TrainingState:
    """A training state from what :func:`save` wrote."""
    model = saved.model.requires_grad_(True)
    state = assemble_state(model, saved.config, counters["fingerprint"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"weights.{name}"])
            shapes = {"step": (), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}
            state.optimiser.state[parameter] = {
                key: tensors[f"{key}.{name}"].view(shape).to(model.device)
                for key, shape in shapes.items()
                if f"{key}.{name}" in tensors
            }
    for name in COUNTERS:
        setattr(state, name, counters[name])
    state.best = -math.inf if counters["best"] is None else counters["best"]
    return state
