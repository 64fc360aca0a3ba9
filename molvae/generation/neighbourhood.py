"""Draws around points of the latent space, at noise levels of their own.

B draws, Z latent
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..nn import decoding
from ..nn.posterior import standard_normal
from ..nn.threads import Threads
from ..storage.known_molecules import KnownMolecules
from ..training.schedules import generator_of
from .codec import Codec, Latents
from .sampling import Filters, Sample, pairs_of, to_samples

PART = 128
"""Draws that a thread takes at a time."""


def highest_level(codec: Codec) -> float:
    """The level at which z is nearest to a posterior mean: 1, the mean itself, of a model whose
    posterior has one level."""
    return codec.saved.config.model.max_signal if codec.levels else 1.0


@torch.no_grad()
def draw_around(
    codec: Codec,
    means: Latents,
    levels: NDArray[np.float64],
    seed: int,
    first: int = 0,
    known: KnownMolecules | None = None,
) -> Sequence[Sample | str]:
    """Draw a molecule around each posterior mean ``(B, Z)``, at its noise level ``(B,)``.

    Each is a sample, or the reason why it is left out: its SELFIES is not canonical, or it is
    ``known``. A draw depends on the seed and on its number alone, from ``first`` on. Means are as
    :meth:`Codec.encode` gives them, at the highest level; z = a mu + sqrt(1 - a²) noise at level a,
    from N(0, I) at 0 to the posterior at the highest."""
    directions = codec.check_latents(means) / highest_level(codec)
    noise = standard_normal((len(means), codec.latent), generator_of(seed, first)).to(directions)
    level = torch.from_numpy(levels).to(directions)[:, None]
    z = level * directions + (1.0 - level**2).sqrt() * noise

    def draw(start: int) -> list[Sample | str]:
        part = slice(start, start + PART)
        rows: tuple[Tensor, Tensor] = z[part], level[part]
        alphabet = codec.vocabulary.alphabet
        written = decoding.write(codec.model, alphabet, rows[0], 1.0, seed, first + start, rows[1])
        return to_samples(list(pairs_of(written)), codec.vocabulary, Filters(True, known))

    with Threads(codec.model.device, len(z)) as threads:
        parts = threads.map(draw, range(0, len(z), PART))
    return [one for part in parts for one in part]
