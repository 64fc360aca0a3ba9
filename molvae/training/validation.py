"""Held-out figures of a model: the ELBO and its two terms, exact reconstruction, active units.

Noise is seeded: the same weights and rows give the same figures.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..datasets.dataset import Batch, Dataset, Rows
from ..nn.model import MoleculeVAE, Packed, cross_entropy
from ..nn.posterior import Gaussian, standard_normal
from ..nn.threads import Threads
from .distributed import ALONE, Group

ACTIVE = 0.01
"""Variance over molecules of a posterior mean above which its dimension is active (Burda 2015)."""

BATCH = 512

SUMS = 7
"""Sums that :func:`figures` gives."""


class Validation(NamedTuple):
    """Means per molecule; the ELBO and its terms in nats."""

    elbo: float
    reconstruction: float
    kl: float
    exact: float
    symbol_accuracy: float
    active_units: int
    shuffled_gap: float
    """Loss of log p(x|z), at the posterior's mean, with the z of another molecule: the shuffled-z
    gap. Near zero, the decoder ignores its latent."""
    unconditional: float | None = None
    """log p(x) at noise level 0, where the posterior has levels."""


@torch.no_grad()
def figures(model: MoleculeVAE, batch: Batch, noise: Tensor) -> tuple[Tensor, Gaussian]:
    """Sums over a batch, and its posterior.

    The sums: log-likelihood, KL, molecules rebuilt exactly, right symbols, symbols, shuffled gap,
    log-likelihood at level 0.

    A molecule whose every symbol is the likeliest one, given the true prefix and the posterior's
    mean, is what greedy decoding writes: so one pass counts molecules rebuilt exactly."""
    packed = Packed.from_batch(batch, model.device)
    posterior = model.encode(packed)
    likelihood = model.log_likelihood(packed, posterior.draw(noise))
    logits = model.logits(packed, posterior.mean)
    gap = -packed.per_molecule(cross_entropy(logits, packed.targets))
    gap = gap - model.log_likelihood(packed, posterior.mean.roll(1, 0))
    right = logits.argmax(-1) == packed.targets  # (N,)
    wrong = packed.per_molecule((~right).double())
    blank = 0 * likelihood
    if model.config.posterior == "levels":
        blank = model.log_likelihood(packed, 0 * noise, 0.0)
    columns = (likelihood, posterior.kl(), wrong == 0, right, right >= 0, gap, blank)
    return torch.stack([column.double().sum().cpu() for column in columns]), posterior


def validate(
    model: MoleculeVAE,
    dataset: Dataset,
    rows: Rows,
    threads: Threads,
    group: Group = ALONE,
    *,
    noisy: bool = True,
) -> Validation:
    """The figures of ``rows`` of a data set; z is drawn once for the ELBO, its mean rebuilds.

    Unless ``noisy``, for a model that was trained without noise, z is the mean throughout.

    Batches are divided among the processes of a group, which all get the same figures. The model's
    learned prior is fitted to the posteriors on the way."""
    model.eval()
    latent, generator = model.config.latent, torch.Generator().manual_seed(0)
    by_length = rows[np.argsort(dataset.lengths[rows], kind="stable")]
    batches = [by_length[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    # Noise for every batch, also those of other processes: figures depend on no division.
    noise = [standard_normal((len(batch), latent), generator) * noisy for batch in batches]

    def sums_of(part: tuple[Rows, Tensor]) -> Tensor:
        sums, q = figures(
            model, dataset.batch(part[0], model.config.prefix_features), part[1].to(model.device)
        )
        means, variances = q.mean.double().cpu(), q.log_variance.double().exp().cpu()
        return torch.cat([sums, means.sum(0), variances.sum(0), (means.T @ means).flatten()])

    parts = threads.map(sums_of, list(zip(batches, noise, strict=True))[group.share])
    total = torch.stack(
        [torch.zeros(SUMS + 2 * latent + latent**2, dtype=torch.float64), *parts]
    ).sum(0)
    likelihood, kl, exact, right, symbols, gap, blank, *moments = group.add_numbers(total).tolist()
    count = len(rows)
    mean, variance, *second = (torch.tensor(moments, dtype=torch.float64) / count).view(
        2 + latent, latent
    )
    covariance = (torch.stack(second) - mean.outer(mean)) * (count / max(1, count - 1))
    model.posterior.aggregate.fit(mean, covariance, variance, model.posterior.max_signal)
    return Validation(
        elbo=(likelihood - kl) / count,
        reconstruction=likelihood / count,
        kl=kl / count,
        exact=exact / count,
        symbol_accuracy=right / symbols,
        active_units=int((covariance.diag() > ACTIVE).sum()),
        shuffled_gap=gap / count,
        unconditional=blank / count if model.config.posterior == "levels" else None,
    )
