"""A training that begins with the weights of a model, on molecules that may hold new symbols.

The model keeps its sizes and every one of its weights; new symbols get rows of their own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import Config, ModelConfig, from_dict
from ..datasets.dataset import Dataset
from ..errors import InputError, UsageError
from ..language.vocabulary import Vocabulary
from ..nn.model import MoleculeVAE
from ..storage.checkpoint import Saved
from .loop import TrainingState, assemble_state, steps_for
from .schedules import generator_of

NEW_SHARE = 1e-6
"""Largest probability of all new symbols together at a step, relative to the old ones': a molecule
of a thousand steps becomes less likely by a thousandth of a nat."""

SPREAD = 0.1
"""Standard deviation of new embeddings around the mean of the old, in that of the old ones."""

READING = ("max_heavy_atoms", "neutralise", "vocabulary")
"""Options of the data that belong to the model: how a molecule is read."""


def configure(model: Config, given: dict[str, dict[str, Any]]) -> Config:
    """The configuration of a training from a model: its sizes and its data options, else ``given``.

    The highest noise level is no size: the decoder gets the level as an input, and learns a new one
    from those it has. The table of environments may become finer, see :func:`grown`.

    UsageError names an option that would make it another model.
    """
    sizes = model.as_dict()["model"]
    del sizes["max_signal"]
    rows = given.get("model", {}).get("environment_rows", 0)
    if rows > 1 and (rows - 1) % (sizes["environment_rows"] - 1) == 0:
        del sizes["environment_rows"]
    kept = {"model": sizes, "data": {"vocabulary": model.data.vocabulary}}
    for section, values in kept.items():
        for name, value in given.get(section, {}).items():
            if name in values and value != values[name]:
                option = f"--{name.replace('_', '-')}"
                raise UsageError(
                    f"--from: {option} is {values[name]!r} in the model, and cannot become "
                    f"{value!r}"
                )
    reading = {name: getattr(model.data, name) for name in READING}
    sections = {"data": reading, "model": model.as_dict()["model"]}
    chosen = given | {name: values | given.get(name, {}) for name, values in sections.items()}
    return from_dict(chosen, "train")


def begin(saved: Saved, dataset: Dataset, config: Config, device: torch.device) -> TrainingState:
    """A training whose weights, and their average, are those of a model; the optimiser begins anew.

    Raises InputError unless the data set is written in the model's vocabulary or an extension of
    it."""
    max_steps = max(saved.model.max_steps, steps_for(dataset))
    check_vocabulary(saved.vocabulary, dataset.vocabulary, "the data set")
    model = grown(saved, config.model, dataset.vocabulary, max_steps, config.training.seed)
    return assemble_state(model.to(device), config, dataset.fingerprint)


def started_from(saved: Saved, name: str) -> dict[str, Any]:
    """The entry of a training's info on the model it began with."""
    copied = {key: saved.info.get(key) for key in ("step", "fingerprint", "molecules")}
    return {"model": Path(name).name} | copied


def check_vocabulary(model: Vocabulary, data: Vocabulary, name: str) -> None:
    """InputError unless ``data`` is the model's vocabulary or an extension; ``name`` is for it."""
    if model.places(data) is None:
        raise InputError(
            f"{name}: is written in other symbols than the model; give the file of the molecules "
            "itself, which is then written in the model's"
        )


def grown(
    saved: Saved, config: ModelConfig, vocabulary: Vocabulary, max_steps: int, seed: int
) -> MoleculeVAE:
    """A saved model with an extended vocabulary and longer molecules, its own rows unchanged.

    Its output for molecules of old symbols stays the same: a new step is embedded as the last old
    one, which was used for all later ones, and new symbols get next to no probability, see
    :func:`unlikely`."""
    old, places = saved.model, saved.vocabulary.places(vocabulary)
    if places is None:
        raise ValueError("the vocabulary is no extension of the model's")
    with torch.device("meta"):
        model = MoleculeVAE(config, len(vocabulary), max_steps)
    weights = {name: tensor.detach().cpu().clone() for name, tensor in old.state_dict().items()}
    generator = generator_of(seed, len(vocabulary))
    rows, added = torch.from_numpy(places), len(vocabulary) - len(places)
    for name in ("read.weight", "write.weight"):
        table = weights[name]  # new embeddings: the mean of the old ones, and noise
        noise = torch.randn(added, table.shape[1], generator=generator)
        new = table.mean(0) + SPREAD * table.std(0) * noise
        weights[name] = scattered(table, rows, new)
    if added:
        row, bias = unlikely(weights["output.weight"], weights["output.bias"], added)
        weights["output.weight"] = scattered(weights["output.weight"], rows, row)
        weights["output.bias"] = scattered(weights["output.bias"], rows, bias)
    if model.surroundings is not None:
        table = weights["surroundings.weight"].view(
            -1, old.config.environment_rows, config.embedding
        )
        # Hashes that shared a row begin with that row, and may now go separate ways.
        nothing, others = table.tensor_split([1], 1)
        others = others.repeat(1, (config.environment_rows - 1) // others.shape[1], 1)
        weights["surroundings.weight"] = torch.cat([nothing, others], 1).flatten(0, 1)
    steps = weights["step.weight"]
    weights["step.weight"] = torch.cat([steps, steps[-1:].expand(max_steps - len(steps), -1)])
    model.load_state_dict(weights, assign=True)
    return model.requires_grad_(True)


def scattered(old: Tensor, rows: Tensor, new: Tensor) -> Tensor:
    """A table ``(V + n, ...)``: ``old`` ``(V, ...)`` in ``rows`` ``(V,)``, ``new`` between."""
    table = old.new_empty(len(old) + len(new), *old.shape[1:])
    between = torch.ones(len(table), dtype=torch.bool)
    between[rows] = False
    table[rows], table[between] = old, new
    return table


def unlikely(weight: Tensor, bias: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Output rows ``(n, H)`` and biases ``(n,)`` of new symbols, from ``(V, H)`` and ``(V,)``.

    The row is the mean of the old rows, so whatever the hidden state, a new logit lies a constant
    below the mean of the old logits. exp is convex: V exp(mean) is at most the sum of the exp. So
    with that constant at log(NEW_SHARE V / n), the n new symbols together have at most NEW_SHARE of
    the probability of the old ones."""
    low = float(bias.mean()) + math.log(NEW_SHARE * len(bias) / count)
    return weight.mean(0).expand(count, -1), bias.new_full((count,), low)
