"""A trained model read from its folder, verified before anything is trusted.

:mod:`molvae.storage.model_folder` lists the files of the folder. Nothing is ever unpickled or
executed, and shapes are compared with the configuration before memory is taken.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from torch import nn
from torch.overrides import TorchFunctionMode

from ..config import Config
from ..errors import ModelError
from ..language.vocabulary import Vocabulary
from ..nn.model import MoleculeVAE
from ..runtime.atomic_folder import read_folder
from .model_folder import FORMAT, load_info, locate

HEADER = 1_000_000
"""Bytes that names and shapes of tensors may take in a file of weights."""

LARGEST_MODEL = 4_000_000_000
"""Weights, in numbers, that a folder may ask for."""


@dataclass(frozen=True)
class Saved:
    """A model as read from its folder."""

    path: Path
    model: MoleculeVAE
    vocabulary: Vocabulary
    config: Config
    info: dict[str, Any]


def versions() -> dict[str, str]:
    """Versions of the packages that decide a model's numbers and molecules."""
    packages = ("molvae", "torch", "rdkit", "selfies", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def load(path: str | Path, device: torch.device | None = None) -> Saved:
    """The model in a folder, or the best one of a run; ModelError says what is wrong with it."""
    folder = locate(path)
    try:
        return load_step(folder, device)
    except ModelError:
        # A training that goes on meanwhile may have removed the step for a better one.
        if locate(path) == folder:
            raise
        return load(path, device)


def load_step(folder: Path, device: torch.device | None = None) -> Saved:
    """The model in a folder; ModelError says what is wrong with it."""
    config, vocabulary, info = load_info(folder)
    with torch.device("meta"), SkipInitialisation():
        model = MoleculeVAE(config.model, len(vocabulary), info["max_steps"])
    if model.weight_count > LARGEST_MODEL:
        raise ModelError(
            f"{folder}: its configuration asks for more weights than any model may have"
        )
    content = read_weights(folder, "weights.safetensors", model)
    compare_shapes(folder / "weights.safetensors", model)
    weights = {name: tensor.float() for name, tensor in load_tensors(content).items()}
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{folder}: the weight {name} holds numbers that are not finite")
    model.load_state_dict(weights, assign=True)
    model.requires_grad_(False).eval()
    return Saved(folder, model.to(device or torch.device("cpu")), vocabulary, config, info)


def read_weights(folder: Path, name: str, model: MoleculeVAE, copies: int = 1) -> bytes:
    """A verified file of at most ``copies`` numbers of 32 bits for each of a model's weights."""
    numbers = sum(tensor.numel() for tensor in model.state_dict().values())
    largest = 4 * copies * numbers + HEADER
    return read_folder(folder, (name,), kind="model", version=FORMAT, largest=largest)[name]


class SkipInitialisation(TorchFunctionMode):
    """Leave new weights undrawn, because those of a file take their place.

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
            found = {name: (one.get_shape(), one.get_dtype()) for name, one in slices.items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{weights}: not readable ({error})") from error
    for name in sorted(wanted.keys() ^ found.keys()):
        raise ModelError(
            f"{weights}: the weight {name} is {'missing' if name in wanted else 'one too many'}"
        )
    for name, (shape, kind) in found.items():
        if list(shape) != wanted[name]:
            raise ModelError(
                f"{weights}: the weight {name} has shape {list(shape)}, "
                f"its configuration says {wanted[name]}"
            )
        if kind not in ("F32", "F16", "BF16", "F8_E4M3"):
            raise ModelError(
                f"{weights}: the weight {name} is of the type {kind}, which no weight has"
            )
