"""molvae proposes new molecules: a SELFIES variational autoencoder to train, sample, interpolate
and score.

>>> import molvae
>>> molvae.score(["CCO"], ["tpsa"])["TPSA"].tolist()
[20.23]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Model, load, train
    from .chem.scoring import score
    from .errors import MolvaeError

__all__ = ["Model", "MolvaeError", "load", "score", "train"]

_HOMES = {
    "Model": "api",
    "load": "api",
    "train": "api",
    "score": "chem.scoring",
    "MolvaeError": "errors",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that ``import molvae`` loads no
    torch.
    """
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
