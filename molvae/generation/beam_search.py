"""Several molecules for one latent: beam search.

Greedy decoding takes the likeliest symbol at every step and may miss the likeliest molecule. A beam
keeps several prefixes and offers several molecules.

    B latents, Z latent, W width of the beam, A active prefixes, V vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..language.prefix_features import Prefixes
from ..language.vocabulary import END, Ids
from ..nn.decoding import Decoder
from ..nn.threads import Threads
from .reader import Sample, molecules_of

if TYPE_CHECKING:
    from .codec import Codec, Floats, Ints

WIDTH = 5
BATCH = 640
"""Prefixes searched together: as many as keep their logits within some tens of MB."""


class _Prefixes(NamedTuple):
    """Prefixes of equal length: ids ``(A, t)``, latent and log-likelihood of each ``(A,)``."""

    ids: Ids
    owners: Ints
    scores: Floats


def beam_search(codec: Codec, z: Tensor, width: int = WIDTH) -> list[list[Sample]]:
    """At most ``width`` different molecules for every latent ``(B, Z)``, the likeliest first.

    A molecule that several strings of symbols spell counts once, with the likelihood of the
    likeliest; its SELFIES is the one that it encodes to, if that is in the beam, or else the
    likeliest. Ends as soon as no prefix can still overtake the ``width`` best molecules, since a
    likelihood only falls."""
    parts = torch.split(z, max(1, BATCH // width))
    # Each latent is as much work as its beam is wide.
    with torch.no_grad(), Threads(codec.model.device, width * len(z)) as threads:
        return [
            found
            for part in threads.map(lambda part: _search(codec, part, width), parts)
            for found in part
        ]


@torch.no_grad()
def _search(codec: Codec, z: Tensor, width: int) -> list[list[Sample]]:
    ended: list[list[tuple[Ids, float]]] = [[] for _ in range(len(z))]
    active = _Prefixes(np.zeros((len(z), 0), np.uint16), np.arange(len(z)), np.zeros(len(z)))
    model, last = codec.model, torch.full((len(z),), END)
    decoder = Decoder(model, model.posterior.code(z))
    place = Prefixes(codec.vocabulary, len(z), model.config.prefix_features)
    for step in range(model.max_steps):
        features = torch.from_numpy(place.features(np.arange(len(last)))).to(z.device)
        logits = decoder(
            last.to(z.device), step, features, torch.from_numpy(active.owners).to(z.device)
        )
        totals = active.scores[:, None] + logits.double().log_softmax(-1).cpu().numpy()  # (A, V)
        for row, owner in enumerate(active.owners):
            ended[owner].append((active.ids[row], float(totals[row, END])))
        for owner in np.unique(active.owners):
            ended[owner] = sorted(ended[owner], key=lambda one: -one[1])[:width]
        if step == model.max_steps - 1:
            break  # as in greedy decoding, a molecule of so many steps ends here
        totals[:, END] = -np.inf
        bounds = np.array([found[-1][1] if len(found) == width else -np.inf for found in ended])
        before, active = _best_continuations(active, totals, bounds, width)
        if not len(before):
            break
        last = torch.from_numpy(active.ids[:, -1].astype(np.int64))
        decoder.keep(before.to(z.device))
        place.keep(before.numpy())
        place.advance(np.arange(len(last)), last.numpy())
    return [_molecules(codec, found) for found in ended]


def _best_continuations(
    active: _Prefixes, totals: Floats, bounds: Floats, width: int
) -> tuple[Tensor, _Prefixes]:
    """The ``width`` likeliest continuations of each latent's prefixes, of those above its bound,
    and the row ``(A,)`` of the prefix that each continues."""
    vocabulary = totals.shape[1]
    owners, first = np.unique(active.owners, return_index=True)
    slots = np.arange(len(active.owners)) - np.repeat(first, np.diff([*first, len(active.owners)]))
    table = np.full((len(owners), width * vocabulary), -np.inf)
    table.reshape(len(owners), width, vocabulary)[np.searchsorted(owners, active.owners), slots] = (
        totals
    )
    best = np.argpartition(-table, min(width, table.shape[1]) - 1, axis=1)[:, :width]  # (owners, W)
    scores = np.take_along_axis(table, best, axis=1)
    rows, places = np.nonzero(
        scores > np.maximum(bounds[owners], np.finfo(np.float64).min)[:, None]
    )
    slot, symbol = np.divmod(best[rows, places], vocabulary)
    before = first[rows] + slot
    ids = np.concatenate([active.ids[before], symbol[:, None].astype(np.uint16)], axis=1)
    return torch.from_numpy(before), _Prefixes(ids, owners[rows], scores[rows, places])


def _molecules(codec: Codec, found: Sequence[tuple[Ids, float]]) -> list[Sample]:
    """The molecules that strings of symbols mean, each once; without those that have no atoms."""
    molecules: dict[str, Sample] = {}
    for one in molecules_of(found, codec.vocabulary):
        before = molecules.setdefault(one.smiles, one)
        if one.canonical:
            molecules[one.smiles] = one._replace(log_likelihood=before.log_likelihood)
    molecules.pop("", None)
    return list(molecules.values())
