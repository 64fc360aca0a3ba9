"""The public face: ``molvae.load``, ``molvae.train`` and what a loaded model does.

import molvae
model = molvae.load()  # a model that comes with molvae; or molvae.load("model/"), one of your own
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

from .config import SECTIONS, Config, from_dict, nearest
from .errors import UsageError
from .generation import interpolation, sampling
from .generation.codec import Codec
from .generation.interpolation import Point
from .generation.sampling import Sample
from .storage import checkpoint, model_folder, pretrained
from .training import fine_tuning, run_folder


class Model(Codec):
    """A trained model, ready for use; made by :func:`load`."""

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        level: float | None = None,
        learned: bool = False,
        seed: int = 0,
        novel: bool = False,
        keep_all: bool = False,
        consistent: bool = True,
    ) -> list[Sample]:
        """``n`` distinct valid molecules from the prior; ``novel`` leaves out those that the model
        was last trained on: of one trained with ``start``, not those of the model that it began
        with.

        An exported or shipped model knows these by a filter: one novel molecule in a hundred is
        left out with them. ``keep_all`` gives the first ``n`` draws as they are, and without
        ``consistent`` slips of the model are kept; ``level`` is for models with several noise
        levels; ``learned`` draws z from the prior learned in training. See
        :func:`molvae.generation.sampling.sample`."""
        known = model_folder.load_known(self.saved.path) if novel else None
        drawn = {"temperature": temperature, "level": level, "learned": learned, "seed": seed}
        kept = {"keep_all": keep_all, "consistent": consistent, "known": known}
        return list(sampling.sample(self, n, **drawn, **kept, workers=1))  # type: ignore[arg-type]

    def interpolate(
        self, start: str, end: str, *, steps: int = 11, path: str = "slerp"
    ) -> list[Point]:
        """The molecules between two, which stand first and last; see
        :func:`molvae.generation.interpolation.interpolate`.
        """
        return interpolation.interpolate(self, start, end, steps=steps, path=path)


def load(model: str | Path | None = None, device: str = "cpu") -> Model:
    """The model in a folder, the best one of a training, or one that is shipped with molvae, by its
    name.

    Without a name the shipped ``moses``. A text that names a shipped model means that one;
    ``"./moses"`` or a ``Path`` means the folder. ModelError says what is wrong with a folder,
    UsageError that no model is shipped."""
    return Model.load(str(pretrained.find(model)), device)


def train(
    data: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    column: str | None = None,
    device: str = "cpu",
    force: bool = False,
    start: str | Path | None = None,
    **options: Any,
) -> Model:
    """Train on files of SMILES (or one prepared folder), leave the training in ``output``, return
    its best model.

    It begins with the weights of the model ``start``, if one is named, and adds the symbols that it
    lacks. ``options`` are those of the command line and of :mod:`molvae.config`, such as
    ``epochs=5``; UsageError names one that does not exist."""
    paths = [data] if isinstance(data, (str, Path)) else list(data)
    config, saved = configured(options), None
    if start is not None:
        saved = checkpoint.load(pretrained.find(start))
        config = fine_tuning.configure(saved.config, run_folder.sections(options))
    base = None if saved is None else saved.vocabulary
    dataset, rejected = run_folder.open_dataset(paths, config.data, column=column, base=base)
    state = run_folder.create(
        Path(output), dataset, config, torch.device(device), force=force, start=saved
    )
    info = {
        "data": dataset.report,
        "fingerprint": dataset.fingerprint,
        "molecules": len(dataset.training_rows),
    }
    info |= {} if saved is None else {"started_from": fine_tuning.origin(saved, str(start))}
    for _ in run_folder.run_training(Path(output), state, dataset, info, rejected=rejected):
        pass
    return load(Path(output), device)


def configured(options: dict[str, Any]) -> Config:
    """A configuration from options by name."""
    known = [field.name for section in SECTIONS.values() for field in fields(section)]
    for name in options:
        if name not in known:
            raise UsageError(f'train: there is no option "{name}"; {nearest(name, known)}')
    return from_dict(run_folder.sections(options), "train")
