"""A stopped training taken up again, from the newest of its saved steps that is sound.

Knows what :func:`molvae.storage.checkpoint.save` wrote; nothing of how training goes.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from ..config import Config
from ..datasets.dataset import Dataset
from ..errors import ModelError, TrainingError, UsageError
from ..language.vocabulary import Vocabulary
from ..runtime.atomic_folder import read_folder, read_json
from ..storage.checkpoint import COUNTERS, Saved, load, name_best
from ..storage.model_folder import FORMAT, STATE_FILES, load_info, steps_of
from .loop import State, assemble


def resume(
    run: Path,
    dataset: Dataset,
    device: torch.device,
    said: Callable[[str], object] = lambda _: None,
) -> State:
    """The newest state of a run that verifies, ready to go on; TrainingError if there is none,
    UsageError if the data are others.

    A newer one that is damaged is renamed out of the way, not deleted, and ``said`` is told of it.
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
                f"--resume: {run} was trained on other data ({counts}); give the same files and options"
            )
        for other, problem in damaged.items():
            other.rename(run / f"damaged-{secrets.token_hex(4)}-{other.name}")
            said(f"{problem}; {folder.name} before it is sound")
        if load_info(folder)[2].get("metrics", {}).get("best") == "1":
            name_best(run, folder)  # what saved it may have ended before it said so
        return state
    found = f" ({'; '.join(damaged.values())})" if damaged else ""
    raise TrainingError(f"{run}: holds no training to resume{found}")


def newest_info(run: Path) -> tuple[Config, Vocabulary, dict[str, Any]]:
    """Configuration, vocabulary and info of a run, from the newest of its steps that can be
    read.
    """
    problem: ModelError | None = None
    for folder in steps_of(run):
        try:
            return load_info(folder)
        except ModelError as error:
            problem = problem or error
    raise problem or ModelError(f"{run}: holds no step of a training")


def read_state(folder: Path, device: torch.device) -> State:
    """The training state in a step folder; ModelError says what is wrong with it."""
    saved = load(folder, device)
    files = read_folder(folder, STATE_FILES, kind="model", version=FORMAT)
    counters = read_json(files["state.json"], "state.json")
    try:
        return restore(saved, counters, load_tensors(files["training.safetensors"]))
    except (SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(
            f"{folder}: its training state does not fit its model ({error})"
        ) from error


def restore(saved: Saved, counters: dict[str, Any], tensors: dict[str, Tensor]) -> State:
    """A training state from what :func:`molvae.storage.checkpoint.save` wrote."""
    model = saved.model.requires_grad_(True)
    state = assemble(model, saved.config, counters["fingerprint"])
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
