"""Strangeness of molecules to a model: likelihood of molecules, and whether it rebuilds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .codec import Codec
from .reader import Reading
from .rebuilding import rebuild


class Likelihood(NamedTuple):
    """A molecule as the model reads it; log p(x), and log p(x|z) at the mean of its posterior, both
    in nats; and whether decoding that mean gives it back."""

    smiles: str
    log_p: float
    reconstruction: float
    rebuilt: bool


def likelihoods(codec: Codec, readings: Sequence[Reading], seed: int = 0) -> list[Likelihood]:
    """The likelihoods of molecules, in their order; ``seed`` is for models with one level."""
    if not readings:
        return []
    written = rebuild(codec, codec.encode_readings(readings))
    log_p = codec.log_likelihood(readings, seed=seed).tolist()
    own = codec.reconstruction(readings).tolist()
    rebuilt = [a.smiles == b.smiles for a, b in zip(readings, written, strict=True)]
    names = [one.smiles for one in readings]
    return list(map(Likelihood, names, log_p, own, rebuilt))
