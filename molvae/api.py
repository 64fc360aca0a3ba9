"""The public face: ``molvae.load``, ``molvae.train`` and what a loaded model does.

import molvae
model = molvae.load("model/")
model.sample(10)
model.decode(model.encode(["CCO"]))
model.interpolate("CCO", "c1ccccc1")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from . import checkpoint, interpolation, runs, sampling
from .codec import Codec
from .config import SECTIONS, Config, from_dict, nearest
from .errors import UsageError
from .interpolation import Point
from .sampling import Sample


class Model(Codec):
    """A trained model, ready for use; made by :func:`load`."""

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        level: float | None = None,
        seed: int = 0,
        novel: bool = False,
        keep_all: bool = False,
    ) -> list[Sample]:
        """``n`` distinct valid molecules from the prior; ``novel`` leaves out those of the training set.

        ``keep_all`` gives the first ``n`` draws as they are; ``level`` is for models with several noise levels. See
        :func:`molvae.sampling.sample`.
        """
        known = checkpoint.known_hashes(self.saved.path) if novel else None
        drawn = sampling.sample(
            self, n, temperature=temperature, level=level, seed=seed, keep_all=keep_all, known=known, workers=1
        )
        return list(drawn)

    def interpolate(
        self, start: str, end: str, *, steps: int = 11, path: str = "slerp", dense: bool = False
    ) -> list[Point]:
        """The molecules between two, which stand first and last; see :func:`molvae.interpolation.interpolate`."""
        return interpolation.interpolate(self, start, end, steps=steps, path=path, dense=dense)


def load(path: str | Path, device: str = "cpu") -> Model:
    """The model in a folder, or the best one of a training; ModelError says what is wrong with it."""
    return Model.load(str(path), device)


def train(
    data: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    column: str | None = None,
    device: str = "cpu",
    force: bool = False,
    **options: Any,
) -> Model:
    """Train on files of SMILES (or one prepared folder), leave the training in ``output``, return its best model.

    ``options`` are those of the command line and of :mod:`molvae.config`, such as ``epochs=5``; UsageError
    names one that does not exist.
    """
    paths = [data] if isinstance(data, (str, Path)) else list(data)
    config = configured(options)
    dataset, rejected = runs.open_dataset(paths, config.data, column=column)
    state = runs.create(Path(output), dataset, config, torch.device(device), force=force)
    for _ in runs.run_training(Path(output), state, dataset, {"data": dataset.report}, rejected=rejected):
        pass
    return load(output, device)


def configured(options: dict[str, Any]) -> Config:
    """A configuration from options by name."""
    known = [field.name for section in SECTIONS.values() for field in fields(section)]
    for name in options:
        if name not in known:
            raise UsageError(f'train: there is no option "{name}"; {nearest(name, known)}')
    return from_dict(runs.sections(options), "train")
