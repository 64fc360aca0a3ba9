"""A model with its weights, in and out of its folder: committed whole, verified before anything is
trusted.

What the folder holds is told in :mod:`molvae.storage.model_folder`. Nothing is ever unpickled or
executed, and shapes are compared with the configuration before memory is taken."""

from __future__ import annotations

import json
import math
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..config import Config
from ..datasets.dataset import Dataset
from ..errors import ModelError, TrainingError
from ..language.vocabulary import Vocabulary
from ..nn.model import MoleculeVAE
from ..runtime.atomic_folder import commit_folder, read_folder, replace_file
from ..training.loop import State
from . import known_molecules
from .model_folder import FORMAT, KNOWN, MODEL_FILES, best_name, locate, parse, steps_of

LARGEST_MODEL = 4_000_000_000
"""Weights, in numbers, that a folder may ask for."""

COUNTERS = (
    "step",
    "total_steps",
    "validated_step",
    "best",
    "since_best",
    "seconds",
    "measured_seconds",
    "sums",
)


@dataclass(frozen=True)
class Saved:
    """A model as read from its folder."""

    path: Path
    model: MoleculeVAE
    vocabulary: Vocabulary
    config: Config
    info: dict[str, Any]


def versions() -> dict[str, str]:
    """Versions of what decides a model's numbers and molecules."""
    packages = ("molvae", "torch", "rdkit", "selfies", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def step_name(step: int) -> str:
    """The name of a step's folder.

    >>> step_name(1234)
    'step-00001234'
    """
    return f"step-{step:08d}"


def save(run: Path, state: State, dataset: Dataset, info: dict[str, Any], *, best: bool) -> Path:
    """Commit the state as a step folder of ``run``; the best one and the newest stay, older ones
    go.
    """
    folder = run / step_name(state.step)
    if not folder.exists():
        info = info | {
            "step": state.step,
            "versions": versions(),
            "max_steps": state.model.max_steps,
        }
        counters = {name: getattr(state, name) for name in COUNTERS} | {
            "fingerprint": state.fingerprint
        }
        counters["best"] = None if math.isinf(state.best) else state.best
        files = {
            "weights.safetensors": save_tensors(finite(state.average.state_dict())),
            "config.json": json.dumps(state.config.as_dict(), indent=1).encode(),
            "vocabulary.json": json.dumps(dataset.vocabulary.to_json(), indent=1).encode(),
            "info.json": json.dumps(info, indent=1).encode(),
            "training.safetensors": save_tensors(finite(training_tensors(state))),
            "state.json": json.dumps(counters, indent=1).encode(),
            KNOWN: known_molecules.to_bytes(known_molecules.SortedHashes(np.sort(dataset.hashes))),
        }
        commit_folder(folder, files, kind="model", version=FORMAT)
    if best:
        name_best(run, folder)
    keep = {folder.name, best_name(run)}
    for other in steps_of(run):
        if other.name not in keep:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def name_best(run: Path, folder: Path) -> None:
    """Have the step ``folder`` be the best one of ``run``."""
    replace_file(run / "BEST", folder.name.encode())


def finite(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, contiguous and on the CPU; a non-finite one is never written."""
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise TrainingError(f"{name} holds numbers that are not finite: nothing was saved")
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def training_tensors(state: State) -> dict[str, Tensor]:
    """Raw weights and the optimiser's moments, by the names of the parameters."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in state.model.named_parameters():
        tensors[f"weights.{name}"] = parameter
        for key, value in state.optimiser.state.get(parameter, {}).items():
            tensors[f"{key}.{name}"] = value
    return tensors


def load(path: str | Path, device: torch.device | None = None) -> Saved:
    """The model in a folder, or the best one of a run; ModelError says what is wrong with it."""
    folder = locate(path)
    files = read_folder(folder, MODEL_FILES, kind="model", version=FORMAT)
    config, vocabulary, info = parse(files, folder)
    with torch.device("meta"), Undrawn():
        model = MoleculeVAE(config.model, len(vocabulary), info["max_steps"])
    if model.weight_count > LARGEST_MODEL:
        raise ModelError(
            f"{folder}: its configuration asks for more weights than any model may have"
        )
    compare_shapes(folder / "weights.safetensors", model)
    weights = {
        name: tensor.float() for name, tensor in load_tensors(files["weights.safetensors"]).items()
    }
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{folder}: the weight {name} holds numbers that are not finite")
    model.load_state_dict(weights, assign=True)
    model.requires_grad_(False).eval()
    return Saved(folder, model.to(device or torch.device("cpu")), vocabulary, config, info)


class Undrawn(TorchFunctionMode):
    """Where new weights are not drawn, because those of a file take their place.

    On the meta device there is nothing to draw, but torch would import its compiler to find that
    out: a second."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func is nn.init.normal_:
            return args[0] if args else named["tensor"]
        return func(*args, **named)


def compare_shapes(weights: Path, model: MoleculeVAE) -> None:
    """ModelError unless the file holds exactly the model's tensors, by the shapes in its header."""
    wanted = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    try:
        with safe_open(weights, framework="pt") as handle:
            slices = {name: handle.get_slice(name) for name in handle.keys()}  # noqa: SIM118
            found = {name: list(one.get_shape()) for name, one in slices.items()}
            kinds = {name: one.get_dtype() for name, one in slices.items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{weights}: not readable ({error})") from error
    for name in sorted(wanted.keys() ^ found.keys()):
        raise ModelError(
            f"{weights}: the weight {name} is {'missing' if name in wanted else 'one too many'}"
        )
    for name, shape in wanted.items():
        if found[name] != shape:
            raise ModelError(
                f"{weights}: the weight {name} has shape {found[name]}, its configuration says {shape}"
            )
        if kinds[name] not in ("F32", "F16", "BF16", "F8_E4M3"):
            raise ModelError(
                f"{weights}: the weight {name} is of the type {kinds[name]}, which no weight has"
            )
