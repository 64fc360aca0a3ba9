"""The aggregate posterior of many molecules: information, and mismatch with the prior.

The average rate of a VAE is the mutual information between molecules and latents plus the
divergence of the aggregate posterior q(z) = E q(z|x) from the prior (Hoffman and Johnson 2016): the
first is what the latent says, the second is where prior draws land that no molecule has taught the
decoder.

    N molecules, Z latent
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..training.validation import ACTIVE
from .estimates import Figure, Figures, Floats, evenly

ALIVE = 0.1
"""Nats of KL above which a dimension is counted as used."""

PAIRED = 4_000
"""Molecules, at most, of which all pairs are taken for the MMD and the mutual information."""

AT_LEAST = "KL of aggregate to prior, nats, at least"
AT_MOST = "KL of aggregate to prior, nats, at most"

_ROWS = 256  # rows of a table of all pairs held at a time


class Posteriors(NamedTuple):
    """Mean and log-variance of every molecule's Gaussian posterior, one draw from each, and as many
    draws from the prior: each ``(N, Z)``, of two molecules at least."""

    means: Floats
    log_variances: Floats
    draws: Floats
    prior: Floats

    def kl(self) -> Floats:
        """KL(q(z|x) ‖ N(0, I)) of every molecule and dimension, in nats, ``(N, Z)``."""
        kl: Floats = 0.5 * (self.means**2 + np.exp(self.log_variances) - 1.0 - self.log_variances)
        return kl


def capacity(posteriors: Posteriors) -> Figures:
    """Mutual information of molecules and latents, active units, and KL over the dimensions."""
    n, latent = posteriors.means.shape
    figures = information(posteriors)
    figures["active units"] = Figure(
        int((posteriors.means.var(0, ddof=1) > ACTIVE).sum()),
        n,
        note=f"of {latent}: the variance of the posterior mean is above {ACTIVE}",
    )
    per_dimension = posteriors.kl().mean(0)
    figures["dimensions with KL"] = Figure(
        int((per_dimension > ALIVE).sum()), n, note=f"of {latent}: above {ALIVE} nats on average"
    )
    figures["KL of a dimension, largest"] = Figure(float(per_dimension.max()), n)
    figures["KL of a dimension, median"] = Figure(float(np.median(per_dimension)), n)
    return figures


def information(posteriors: Posteriors) -> Figures:
    """The rate split in two, with the posteriors of the set itself for the aggregate posterior.

    E log q(z|x) - log (1/N) Σ q(z|x') over one draw of each molecule. It cannot exceed ln N: the
    mutual information is a lower bound, and the rest of the rate, which is all called mismatch, an
    upper one."""
    chosen = evenly(len(posteriors.means), PAIRED)
    means, log_variances, draws, _ = (array[chosen] for array in posteriors)
    n = len(chosen)
    precision = np.exp(-log_variances)
    constant = (means**2 * precision + log_variances + math.log(2 * math.pi)).sum(1)
    own = np.empty(n)
    for start in range(0, n, _ROWS):
        rows = slice(start, start + _ROWS)
        z = draws[rows]
        # log N(z_i; mean_j, variance_j), (rows, N)
        density = -0.5 * ((z**2) @ precision.T - 2 * z @ (means * precision).T + constant)
        own[rows] = density.diagonal(start) - np.logaddexp.reduce(density, axis=1) + math.log(n)
    shared = max(0.0, float(own.mean()))
    rate = float(posteriors.kl().sum(1).mean())
    limit = math.log(n)
    near = " and as good as reached: no two molecules are confused" if shared > 0.95 * limit else ""
    return {
        "mutual information, nats": Figure(
            shared,
            n,
            note=f"within this set: a lower bound, at most ln {n:,} = {limit:.2f}{near}",
        ),
        AT_MOST: Figure(max(0.0, rate - shared), n, note="rate less mutual information"),
    }


def mismatch(posteriors: Posteriors) -> Figures:
    """The aggregate posterior beside the prior; the same of as many prior draws is in each note.

    Norm of the mean; Frobenius norm of the covariance less the identity, over √Z; unbiased squared
    maximum mean discrepancy with the kernel exp(-|a - b|² / 2Z); and the KL of the Gaussian with
    the same moments, which no distribution of these moments can go below, since the Gaussian has
    the largest entropy."""
    n, latent = posteriors.draws.shape
    draws, prior = posteriors.draws, posteriors.prior
    kernel = f"kernel exp(-|a - b|²/{2 * latent})"
    few, few_prior = draws[evenly(n, PAIRED)], prior[evenly(n, PAIRED)]
    # Two halves of the prior: as near as two samples of one distribution come by chance.
    chance = ""
    if len(few_prior) > 3:
        by_chance = mmd(few_prior[::2], few_prior[1::2])
        chance = f"; between halves of as many prior draws {by_chance:.2g}"
    return {
        "norm of mean": Figure(
            _norm_of_mean(draws), n, note=f"of as many prior draws {_norm_of_mean(prior):.2g}"
        ),
        "covariance deviation": Figure(
            _covariance_deviation(draws),
            n,
            note=f"|C - I| / √Z; of as many prior draws {_covariance_deviation(prior):.2g}",
        ),
        "MMD²": Figure(mmd(few, few_prior), len(few), note=f"to prior draws, {kernel}{chance}"),
        AT_LEAST: _moments_apart(posteriors),
    }


def _moments_apart(posteriors: Posteriors) -> Figure:
    """KL of the Gaussian with the aggregate's moments, less that of a perfect fit by chance."""
    variance = np.exp(posteriors.log_variances).mean(0)
    perfect = posteriors.prior * np.sqrt(np.maximum(0.0, 1.0 - variance))
    chance = _gaussian_kl(perfect, variance)
    apart = max(0.0, _gaussian_kl(posteriors.means, variance) - chance)
    note = f"by mean and covariance, above the {chance:.2g} that a perfect fit shows by chance"
    return Figure(apart, len(perfect), note=note)


def _norm_of_mean(z: Floats) -> float:
    return float(np.linalg.norm(z.mean(0)))


def _covariance_deviation(z: Floats) -> float:
    latent = z.shape[1]
    covariance = np.atleast_2d(np.cov(z.T))
    return float(np.linalg.norm(covariance - np.eye(latent)) / math.sqrt(latent))


def _gaussian_kl(means: Floats, variance: Floats) -> float:
    """KL(N(m, C) ‖ N(0, I)) in nats, m and C of ``means``, ``variance`` ``(Z,)`` added to C."""
    covariance = np.atleast_2d(np.cov(means.T)) + np.diag(variance)
    _, log_determinant = np.linalg.slogdet(covariance)
    nats = 0.5 * (
        np.trace(covariance) + (means.mean(0) ** 2).sum() - means.shape[1] - log_determinant
    )
    return max(0.0, float(nats))


def mmd(first: Floats, second: Floats) -> float:
    """Squared maximum mean discrepancy of two samples ``(N, Z)`` of two rows at least, unbiased.

    Gretton et al. 2012, with the kernel exp(-|a - b|² / 2Z): two draws from N(0, I) are about one
    width of it apart. About 0 for samples of one distribution, and a little below by chance."""
    return (
        _kernel_mean(first, first) + _kernel_mean(second, second) - 2 * _kernel_mean(first, second)
    )


def _kernel_mean(first: Floats, second: Floats) -> float:
    """Mean of the kernel over all pairs; of a sample with itself, over pairs of two draws."""
    squares = (second**2).sum(1)
    total = 0.0
    for start in range(0, len(first), _ROWS):
        rows = first[start : start + _ROWS]
        distances = (rows**2).sum(1)[:, None] + squares - 2 * rows @ second.T
        total += float(np.exp(-np.maximum(distances, 0.0) / (2 * first.shape[1])).sum())
    if first is second:
        return (total - len(first)) / (len(first) * (len(first) - 1))
    return total / (len(first) * len(second))
