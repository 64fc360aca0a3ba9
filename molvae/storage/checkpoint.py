"""A trained model read from its folder, verified before anything is trusted.

:mod:`molvae.storage.model_folder` lists the files of the folder. Nothing is ever unpickled or
executed, and the configuration bounds the memory that is taken.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..config import Config
from ..errors import ModelError
from ..language.vocabulary import Vocabulary
from ..nn.model import MoleculeVAE
from .model_folder import WEIGHTS, load_info, locate, name_in, verified_files

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn)
"""Types that weights are stored in."""

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


def load_step(folder: Path, device: torch.device | None) -> Saved:
    """The model in a folder; ModelError says what is wrong with it."""
    config, vocabulary, info = load_info(folder)
    with torch.device("meta"), SkipInitialisation():
        model = MoleculeVAE(config.model, len(vocabulary), info["max_steps"])
    if model.weight_count > LARGEST_MODEL:
        raise ModelError(
            f"{folder}: its configuration asks for more weights than any model may have"
        )
    path = folder / name_in(folder, WEIGHTS)
    try:
        tensors = load_tensors(read_weights(folder, WEIGHTS, model))
    except SafetensorError as error:
        raise ModelError(f"{path}: not readable ({error})") from error
    compare_shapes(tensors, model, str(path))
    weights = {name: tensor.float() for name, tensor in tensors.items()}
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
    return verified_files(folder, (name,), largest)[name]


class SkipInitialisation(TorchFunctionMode):
    """Leave new weights undrawn, because those of a file take their place.

    On the meta device there is nothing to draw, but torch would import its compiler to find that
    out: a second."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func is nn.init.normal_:
            return args[0] if args else named["tensor"]
        return func(*args, **named)


def compare_shapes(tensors: dict[str, Tensor], model: MoleculeVAE, name: str) -> None:
    """ModelError, which says ``name``, unless a file holds exactly the model's tensors."""
    wanted = model.state_dict()
    for key in sorted(wanted.keys() ^ tensors.keys()):
        raise ModelError(
            f"{name}: the weight {key} is {'missing' if key in wanted else 'one too many'}"
        )
    for key, tensor in tensors.items():
        if tensor.shape != wanted[key].shape:
            raise ModelError(
                f"{name}: the weight {key} has shape {list(tensor.shape)}, "
                f"its configuration says {list(wanted[key].shape)}"
            )
        if tensor.dtype not in FLOATS:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ModelError(f"{name}: the weight {key} is of the type {kind}, which no weight has")
