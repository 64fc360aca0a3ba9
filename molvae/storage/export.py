"""Export a trained model: weights in half precision or less, a filter of its training molecules,
and a card.

The files that only resuming needs stay behind. The folder is committed and verified as every model
folder is (:mod:`molvae.storage.model_folder`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from ..errors import ModelError, UsageError
from ..runtime.atomic_folder import commit_folder
from . import checkpoint, known_molecules, model_folder
from .known_molecules import BloomFilter, SortedHashes
from .model_card import write_card
from .model_folder import CARD, KNOWN, WEIGHTS

HALF = torch.float16
"""Type that weights are stored in: an eighth of bfloat16's rounding error, and no trained weight
comes near its largest number, 65,504. Loading makes float32 of it again."""

EIGHT_BITS = torch.float8_e4m3fn
"""Type that the table of atom environments is stored in: a position sums ten of its rows, which are
most of a model's weights."""


def export_model(
    run: str | Path,
    folder: str | Path,
    *,
    licence: str = "",
    text: str = "",
    temperature: float | None = None,
) -> Path:
    """Write the model in ``run``, or the best one of a run, as the new folder ``folder``.

    ``licence`` and ``text`` go into its card; ``temperature`` is the one that it is drawn at unless
    another is named, None for the one that it has. ModelError if the model cannot be read,
    UsageError if the folder is there already."""
    target = Path(folder)
    if target.exists():
        raise UsageError(f"{target}: already exists; choose a new folder")
    saved = checkpoint.load(run)
    if temperature is not None:
        model = replace(saved.config.model, temperature=temperature)
        saved = replace(saved, config=replace(saved.config, model=model))
    weights, trained = rounded(saved.model), [name for name, _ in saved.model.named_parameters()]
    molecules = model_folder.load_known(run)
    if isinstance(molecules, SortedHashes):
        molecules = BloomFilter.of(molecules.hashes)
    data = saved.info.get("data", {})
    # The folders of the training files are somebody's own.
    sources = [one | {"name": Path(one["name"]).name} for one in data.get("sources", [])]
    info = {"metrics": {}, "versions": {}} | saved.info
    info |= {
        "data": data | {"sources": sources},
        "exported": {
            "licence": licence or saved.info.get("exported", {}).get("licence", ""),
            "weights": saved.model.weight_count,
            "precision": " and ".join(
                sorted({str(weights[name].dtype).removeprefix("torch.") for name in trained})
            ),
            "known": "Bloom filter",
            "known by mistake": round(molecules.false_positive_rate, 6),
        },
    }
    card = write_card(target.absolute().name, saved.config, saved.vocabulary, info, molecules, text)
    files = {
        WEIGHTS: save_tensors(weights),
        **model_folder.metadata_files(saved.config, saved.vocabulary, info),
        KNOWN: known_molecules.to_bytes(molecules),
        CARD: card.encode("utf-8", "backslashreplace"),
    }
    commit_folder(target, files, kind="model")
    return target


def rounded(model: nn.Module) -> dict[str, Tensor]:
    """The model's tensors, what was trained in half precision or less; ModelError for a weight too
    large for it.

    Buffers stay as they are: a fitted covariance may not survive rounding as one.
    """
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    for name, _ in model.named_parameters():
        tensors[name] = tensors[name].to(EIGHT_BITS if name == "surroundings.weight" else HALF)
        if not bool(torch.isfinite(tensors[name].float()).all()):
            raise ModelError(f"the weight {name} holds numbers too large for half precision")
    return tensors
