"""Held-out figures of a model: the ELBO and its two terms, exact reconstruction, active units.

Knows no files; noise is seeded, so the same weights and rows give the same figures.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .categorical import cross_entropy
from .dataset import Batch, Dataset, Rows
from .model import MoleculeVAE, Packed
from .posterior import standard_normal
from .threads import Threads

ACTIVE = 0.01
"""Variance over molecules of a posterior mean above which its dimension counts as active (Burda et al. 2015)."""

BATCH = 512


class Validation(NamedTuple):
    """Means per molecule; the ELBO and its terms in nats."""

    elbo: float
    reconstruction: float
    kl: float
    exact: float
    symbol_accuracy: float
    active_units: int
    shuffled_gap: float
    """What log p(x|z) loses, at the posterior's mean, when each molecule is given its neighbour's z: near zero, the
    decoder ignores its latent."""
    unconditional: float | None = None
    """log p(x) at noise level 0, where the posterior has levels."""


@torch.no_grad()
def figures(model: MoleculeVAE, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over a batch, and its means ``(B, Z)``.

    The sums: log-likelihood, KL, molecules rebuilt exactly, right symbols, symbols, shuffled gap, log-likelihood at
    level 0.

    A molecule whose every symbol is the likeliest one, given the true prefix and the posterior's mean, is
    what greedy decoding writes: so one pass tells whether it is rebuilt exactly.
    """
    packed = Packed.from_batch(batch, model.device)
    posterior = model.encode(packed)
    likelihood = model.log_likelihood(packed, posterior.draw(noise))
    logits = model.logits(packed, posterior.mean)
    gap = -packed.per_molecule(cross_entropy(logits, packed.targets))
    gap = gap - model.log_likelihood(packed, posterior.mean.roll(1, 0))
    right = logits.argmax(-1) == packed.targets  # (N,)
    wrong = packed.per_molecule((~right).double())
    blank = model.log_likelihood(packed, 0 * noise, 0.0) if model.config.posterior == "levels" else 0 * likelihood
    rebuilt = (wrong == 0).sum()
    kl = posterior.kl().double().sum()
    sums = (likelihood.double().sum(), kl, rebuilt, right.sum(), len(right), gap.double().sum(), blank.double().sum())
    return torch.tensor([float(value) for value in sums], dtype=torch.float64), posterior.mean


def validate(model: MoleculeVAE, dataset: Dataset, rows: Rows, threads: Threads) -> Validation:
    """The figures of ``rows`` of a data set; z is drawn once for the ELBO, its mean rebuilds."""
    model.eval()
    batches = list(dataset.in_order(rows, BATCH, model.config.grammar))
    generator = torch.Generator().manual_seed(0)
    latent = model.config.latent
    noise = [standard_normal((len(batch), latent), generator).to(model.device) for batch in batches]
    parts = threads.map(lambda part: figures(model, *part), zip(batches, noise, strict=True))
    likelihood, kl, exact, right, symbols, gap, blank = torch.stack([sums for sums, _ in parts]).sum(0).tolist()
    means = torch.cat([mean for _, mean in parts])
    variance = means.var(0) if len(means) > 1 else means[0] * 0
    count = len(rows)
    return Validation(
        elbo=(likelihood - kl) / count,
        reconstruction=likelihood / count,
        kl=kl / count,
        exact=exact / count,
        symbol_accuracy=right / symbols,
        active_units=int((variance > ACTIVE).sum()),
        shuffled_gap=gap / count,
        unconditional=blank / count if model.config.posterior == "levels" else None,
    )
