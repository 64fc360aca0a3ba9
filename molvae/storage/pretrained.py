"""The trained models that come with molvae, by their names.

Each is a model folder (:mod:`molvae.storage.checkpoint`) in ``data/models/``, installed with the
package ``molvae_data``. Free of torch, because the command line looks here before it loads any.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from ..errors import UsageError
from ..runtime.atomic_folder import MANIFEST
from . import hub

DEFAULT = "druglike"
"""The model to use where none is named."""

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def home() -> Path:
    """The folder of the shipped models, which need not be there; ModuleNotFoundError where molvae
    has no data.
    """
    return Path(str(files("molvae_data"))) / "models"


def names() -> tuple[str, ...]:
    """The names of the shipped models: the default first, the others in order."""
    try:
        folders = [
            path
            for path in home().iterdir()
            if NAME.fullmatch(path.name) and (path / MANIFEST).is_file()
        ]
    except (OSError, ModuleNotFoundError):
        return ()
    return tuple(sorted((path.name for path in folders), key=lambda name: (name != DEFAULT, name)))


def default() -> str | None:
    """The name of the model that is meant where none is named, if it is shipped."""
    return DEFAULT if DEFAULT in names() else None


def folder_of(name: str) -> Path:
    """The folder of a shipped model; UsageError lists those there are."""
    if name not in names():
        raise UsageError(f"{name}: there is no shipped model of this name; {listing()}")
    return home() / name


def find(model: str | Path | None = None) -> Path:
    """The folder that is meant by a model's name or its path, by none the default; UsageError if
    there is none.

    A text that is the name of a shipped model means that model everywhere; a folder of the
    same name is meant by a path with a separator, such as ``./druglike``, or by a ``Path``. Whether
    other folders exist is not looked at. A text ``hf:owner/name`` is the only one that reaches for
    the network (:mod:`molvae.storage.hub`)."""
    if model is None:
        if default() is None:
            raise UsageError(
                f"no model is named, and {listing()}; "
                "train one (molvae train molecules.csv -o model/) and name its folder"
            )
        return folder_of(DEFAULT)
    if isinstance(model, str) and model.startswith(hub.PREFIX):
        return hub.fetch(model)
    return folder_of(model) if isinstance(model, str) and model in names() else Path(model)


def listing() -> str:
    """The shipped models by name, as part of a sentence."""
    return (
        f"shipped with molvae: {', '.join(names())}"
        if names()
        else "none is shipped with this molvae"
    )
