"""A model folder: weights, configuration, vocabulary and metrics, verified before anything is trusted.

    run/                      what ``molvae train -o run/`` leaves
      step-00001234/          committed whole, named by its manifest; the best step and the last one stay
        weights.safetensors   the averaged weights: this is the model
        config.json  vocabulary.json  info.json
        training.safetensors  raw weights, optimiser moments      ⎫ only needed to resume;
        state.json            counters of the training            ⎭ a shipped model lacks them
        known.safetensors     hashes of the training molecules, for ``sample --novel``
      BEST                    the name of the best step's folder

Nothing is ever unpickled or executed, and shapes are compared with the configuration before memory is taken.
"""

from __future__ import annotations

import json
import math
import platform
import re
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from . import config as configuration
from .config import Config
from .dataset import Dataset
from .errors import ModelError, TrainingError, UsageError
from .folder import MANIFEST, commit_folder, manifest_of, read_folder, read_json, replace_file
from .model import MoleculeVAE
from .training import State
from .vocabulary import Vocabulary

FORMAT = 1
MODEL_FILES = ("weights.safetensors", "config.json", "vocabulary.json", "info.json")
STATE_FILES = ("training.safetensors", "state.json")
STEP_NAME = re.compile(r"step-\d{8,12}")
WRITTEN = re.compile(r"(damaged-[0-9a-f]{8}-)?" + STEP_NAME.pattern)
"""Names of folders that only a training makes."""

LARGEST_MODEL = 4_000_000_000
"""Weights, in numbers, that a folder may ask for."""

COUNTERS = ("step", "total_steps", "validated_step", "best", "since_best", "seconds", "measured_seconds", "sums")


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
    """Commit the state as a step folder of ``run``; the best one and the newest stay, older ones go."""
    folder = run / step_name(state.step)
    if not folder.exists():
        info = info | {"step": state.step, "versions": versions(), "max_steps": state.model.max_steps}
        counters = {name: getattr(state, name) for name in COUNTERS} | {"fingerprint": state.fingerprint}
        counters["best"] = None if math.isinf(state.best) else state.best
        known = {"hashes": torch.from_numpy(np.sort(dataset.hashes).view(np.int64))}
        files = {
            "weights.safetensors": save_tensors(finite(state.average.state_dict())),
            "config.json": json.dumps(state.config.as_dict(), indent=1).encode(),
            "vocabulary.json": json.dumps(dataset.vocabulary.to_json(), indent=1).encode(),
            "info.json": json.dumps(info, indent=1).encode(),
            "training.safetensors": save_tensors(finite(training_tensors(state))),
            "state.json": json.dumps(counters, indent=1).encode(),
            "known.safetensors": save_tensors(known),
        }
        commit_folder(folder, files, kind="model", version=FORMAT)
    if best:
        replace_file(run / "BEST", folder.name.encode())
    keep = {folder.name, best_name(run)}
    for other in steps_of(run):
        if other.name not in keep:
            shutil.rmtree(other, ignore_errors=True)
    return folder


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


def steps_of(run: Path) -> list[Path]:
    """The step folders of a run, newest first."""
    folders = [path for path in run.iterdir() if STEP_NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(folders, key=lambda path: int(path.name[5:]), reverse=True)


def best_name(run: Path) -> str:
    """The name in BEST, or nothing if there is none or it is not a step's name."""
    try:
        name = (run / "BEST").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return name if STEP_NAME.fullmatch(name) else ""


def locate(path: str | Path) -> Path:
    """The model folder itself: ``path`` if it is one, else the best step of the run that ``path`` is."""
    path = Path(path)
    if (path / MANIFEST).is_file():
        return path
    if not path.is_dir():
        raise ModelError(f"{path}: there is no such model folder")
    candidates = [path / best_name(path)] if best_name(path) else []
    for folder in [*candidates, *steps_of(path)]:
        try:
            manifest_of(folder, kind="model", version=FORMAT)
        except ModelError:
            continue
        return folder
    raise ModelError(f"{path}: not a molvae model: it holds neither a {MANIFEST} nor a step of a training")


def load_info(path: str | Path) -> tuple[Config, Vocabulary, dict[str, Any]]:
    """Configuration, vocabulary and info of a model, without reading its weights."""
    return parse(read_folder(locate(path), MODEL_FILES[1:], kind="model", version=FORMAT), path)


def describe(path: str | Path) -> dict[str, dict[str, Any]]:
    """What a model is, in sections: data, sizes, vocabulary, training, metrics, versions."""
    config, vocabulary, info = load_info(path)
    data = info.get("data", {})
    sources = [f"{source['name']} ({source['rows']:,} rows)" for source in data.get("sources", [])]
    return {
        "model": {"folder": str(locate(path)), "step": info.get("step"), **config.as_dict()["model"]},
        "data": {
            "sources": ", ".join(sources),
            "molecules": data.get("molecules"),
            "trained on": info.get("molecules"),
            "fingerprint": info.get("fingerprint"),
            # The dial may be 0, for all rows; what counts is how many there were.
            **config.as_dict()["data"] | {"rows": data.get("rows")},
        },
        "vocabulary": {
            "ids": len(vocabulary),
            "symbols": list(vocabulary.symbols),
            "merges": len(vocabulary.merges),
            "longest molecule": info["max_steps"] - 1,
        },
        "training": config.as_dict()["training"],
        "metrics": info.get("metrics", {}),
        "versions": info.get("versions", {}),
    }


def parse(files: dict[str, bytes], path: str | Path) -> tuple[Config, Vocabulary, dict[str, Any]]:
    """The JSON files of a model folder, checked."""
    vocabulary = Vocabulary.from_json(read_json(files["vocabulary.json"], "vocabulary.json"))
    try:
        config = configuration.from_dict(read_json(files["config.json"], "config.json"), f"{path}/config.json")
    except UsageError as error:
        raise ModelError(str(error)) from error
    info = read_json(files["info.json"], "info.json")
    if not isinstance(info, dict) or not isinstance(info.get("max_steps"), int):
        raise ModelError(f"{path}: info.json lacks max_steps")
    if not 1 < info["max_steps"] <= 100_000:
        raise ModelError(f"{path}: info.json: max_steps cannot be {info['max_steps']}")
    return config, vocabulary, info


def load(path: str | Path, device: torch.device | None = None) -> Saved:
    """The model in a folder, or the best one of a run; ModelError says what is wrong with it."""
    folder = locate(path)
    files = read_folder(folder, MODEL_FILES, kind="model", version=FORMAT)
    config, vocabulary, info = parse(files, folder)
    with torch.device("meta"):
        model = MoleculeVAE(config.model, len(vocabulary), info["max_steps"])
    if sum(p.numel() for p in model.parameters()) > LARGEST_MODEL:
        raise ModelError(f"{folder}: its configuration asks for more weights than any model may have")
    compare_shapes(folder / "weights.safetensors", model)
    weights = load_tensors(files["weights.safetensors"])
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{folder}: the weight {name} holds numbers that are not finite")
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, assign=True)
    model.requires_grad_(False).eval()
    return Saved(folder, model.to(device or torch.device("cpu")), vocabulary, config, info)


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
        raise ModelError(f"{weights}: the weight {name} is {'missing' if name in wanted else 'one too many'}")
    for name, shape in wanted.items():
        if found[name] != shape:
            raise ModelError(f"{weights}: the weight {name} has shape {found[name]}, its configuration says {shape}")
        if kinds[name] not in ("F32", "F16", "BF16"):
            raise ModelError(f"{weights}: the weight {name} is of the type {kinds[name]}, which no weight has")


def known_hashes(path: str | Path) -> NDArray[np.uint64]:
    """Sorted hashes of the molecules a model was trained on; ModelError if the folder does not hold them."""
    folder = locate(path)
    content = read_folder(folder, ("known.safetensors",), kind="model", version=FORMAT)["known.safetensors"]
    return load_tensors(content)["hashes"].numpy().view(np.uint64)
