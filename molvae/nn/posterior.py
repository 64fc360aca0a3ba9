"""Posteriors over the latent z, their reparameterised draws and their KL to the prior, in nats.

The encoder's summary of a molecule becomes a posterior q(z|x); a draw is z = mean + sigma * noise,
so that gradients reach the encoder (Kingma & Welling 2014), and the KL to the prior N(0, I) is
exact. Noise is an argument, never drawn here. There are two:

- :class:`GaussianPosterior`, the textbook's: a mean and a variance for each molecule;
- :class:`LevelPosterior`, the default: a direction for each molecule, and a noise level that is
  chosen, so that the KL is a constant of the level.

    B batch, F features of the summary, Z latent, C conditioning vector of the decoder
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

LOG_VARIANCE_RANGE = (-14.0, 4.0)
"""Bounds of the posterior's log-variance: beyond them exp() only makes trouble."""


Level = float | Tensor | None
"""Noise level a of a :class:`LevelPosterior`, the signal's share of z: one for all, one per
molecule ``(B, 1)``, or None for the model's ``max_signal``. 0 is unconditional, 0.866 nearly
deterministic."""


class Gaussian(NamedTuple):
    """A diagonal Gaussian per molecule: ``mean`` and ``log_variance``, each ``(B, Z)``."""

    mean: Tensor
    log_variance: Tensor

    def draw(self, noise: Tensor) -> Tensor:
        """Return z = mean + sigma * noise, (B, Z); ``noise`` is standard normal, or 0 for the
        mean.
        """
        return self.mean + (0.5 * self.log_variance).exp() * noise

    def kl(self) -> Tensor:
        """Return KL(q(z|x) ‖ N(0, I)) of every dimension, in nats, (B, Z)."""
        return 0.5 * (self.mean**2 + self.log_variance.exp() - 1.0 - self.log_variance)

    def log_density(self, z: Tensor) -> Tensor:
        """Return log q(z|x) in nats, (B,)."""
        scaled = (z - self.mean) ** 2 / self.log_variance.exp()
        return -0.5 * (scaled + self.log_variance + LOG_TWO_PI).sum(-1)


LOG_TWO_PI = 1.8378770664093453


def prior_log_density(z: Tensor) -> Tensor:
    """Return log N(z; 0, I) in nats, (B,)."""
    return -0.5 * (z**2 + LOG_TWO_PI).sum(-1)


class Aggregate(nn.Module):
    """The aggregate posterior, the average of q(z|x) over molecules, as the one Gaussian with its
    mean and covariance.

    Of all Gaussian priors it leaves the smallest gap between the latents that the decoder was
    trained on and those it is sampled from (Tomczak & Welling 2018). N(0, I) until fitted.
    """

    mean: Tensor  # (Z,) of the posterior means
    covariance: Tensor  # (Z, Z) of the posterior means
    variance: Tensor  # (Z,) average posterior variance

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("covariance", torch.zeros(latent, latent))
        self.register_buffer("variance", torch.ones(latent))

    @torch.no_grad()
    def fit(self, mean: Tensor, covariance: Tensor, variance: Tensor, signal: float) -> None:
        """Take the mean ``(Z,)`` and covariance ``(Z, Z)`` of posterior means at the level
        ``signal``, and their average variance ``(Z,)``."""
        self.mean.copy_(mean / signal)
        self.covariance.copy_(covariance / signal**2)
        self.variance.copy_(variance)

    def draw(self, noise: Tensor, scale: float = 1.0, variance: float | None = None) -> Tensor:
        """Draw (B, Z) from the aggregate of scaled means, with another variance around them if
        given.
        """
        around = self.variance if variance is None else torch.full_like(self.variance, variance)
        covariance = scale**2 * self.covariance.double() + around.double().diag()
        factor: Tensor = torch.linalg.cholesky(covariance).to(noise.dtype)
        return scale * self.mean + noise @ factor.T


class GaussianPosterior(nn.Module):
    """The amortised Gaussian posterior of the textbook: a linear layer gives each molecule its mean
    and log-variance.

    The decoder's conditioning vector is z itself, so ``C = Z``.
    """

    def __init__(self, features: int, latent: int) -> None:
        super().__init__()
        self.latent, self.max_signal = latent, 1.0
        self.code_size = latent
        self.mean = nn.Linear(features, latent)
        self.log_variance = nn.Linear(features, latent)
        self.aggregate = Aggregate(latent)
        # A posterior that begins narrow lets the decoder find the latent useful before the KL
        # presses.
        nn.init.zeros_(self.log_variance.weight)
        nn.init.constant_(self.log_variance.bias, -3.0)

    def forward(self, summary: Tensor, level: Level = None) -> Gaussian:
        """Return the posterior of each molecule, from its summary (B, F); it has one level only."""
        return Gaussian(self.mean(summary), self.log_variance(summary).clamp(*LOG_VARIANCE_RANGE))

    def code(self, z: Tensor, level: Level = None) -> Tensor:
        """Return the decoder's conditioning vector for ``z`` (B, Z): (B, C)."""
        return z

    def prior(self, noise: Tensor, learned: bool = False, level: float | None = None) -> Tensor:
        """Draw (B, Z) from N(0, I), or from the aggregate posterior, by standard normal
        ``noise``.
        """
        return self.aggregate.draw(noise) if learned else noise


class LevelPosterior(nn.Module):
    """Several noise levels in one model: z = a mu + sqrt(1 - a²) eps, with mu on the sphere of
    radius sqrt(Z).

    The decoder's conditioning vector is ``[a z, a]``, so ``C = Z + 1``. Every level a has an ELBO
    of its own, whose KL is the same for all molecules, -Z/2 log(1 - a²) nats: nothing pushes it
    towards collapse, and there is no weight to tune. At ``max_signal`` molecules are rebuilt; at
    level 0 the decoder learns nothing of z, the KL is 0, and p(x|z) is the exact p(x) of a language
    model; between them lie analogs. Related to the committed rates of delta-VAE (Razavi et al.
    2019) and the multi-rate VAE (Bae et al. 2023).
    """

    def __init__(self, features: int, latent: int, max_signal: float) -> None:
        super().__init__()
        self.latent, self.max_signal = latent, max_signal
        self.code_size = latent + 1
        self.direction = nn.Linear(features, latent)
        self.aggregate = Aggregate(latent)

    def forward(self, summary: Tensor, level: Level = None) -> Gaussian:
        """Return the posterior of each molecule at ``level``, from its summary (B, F)."""
        mu = functional.normalize(self.direction(summary), dim=-1) * math.sqrt(self.latent)
        a = self.levels(mu, level)
        return Gaussian(a * mu, torch.log1p(-(a**2)).expand_as(mu))

    def code(self, z: Tensor, level: Level = None) -> Tensor:
        """Return the decoder's conditioning vector for ``z`` (B, Z) at ``level``: (B, C)."""
        a = self.levels(z, level)
        return torch.cat([a * z, a], dim=-1)

    def prior(self, noise: Tensor, learned: bool = False, level: float | None = None) -> Tensor:
        """Draw (B, Z) from N(0, I), or from the aggregate posterior at ``level``, by standard
        normal ``noise``."""
        a = self.max_signal if level is None else level
        return self.aggregate.draw(noise, a, 1.0 - a**2) if learned else noise

    def levels(self, like: Tensor, level: Level) -> Tensor:
        """Return the level of every molecule, (B, 1); ``max_signal`` where none is named."""
        if isinstance(level, Tensor):
            return level.to(like)
        return like.new_full((len(like), 1), self.max_signal if level is None else level)


def drawn_levels(
    uniform: Tensor,
    max_signal: float,
    reconstruction_fraction: float,
    unconditional_fraction: float,
    exponent: float = 2.0,
) -> Tensor:
    """Return levels to train at, (B, 1), from uniform draws (B,): max_signal, 0, or between.

    Those between are max_signal * u**exponent: their density rises like a at 0.5, and falls like
    1 / sqrt(a) at 2.
    """
    left = max(1e-9, 1.0 - reconstruction_fraction - unconditional_fraction)
    between = (uniform - reconstruction_fraction - unconditional_fraction) / left
    middle = max_signal * between.clamp(min=0.0) ** exponent
    highest = torch.full_like(uniform, max_signal)
    return torch.where(uniform < reconstruction_fraction, highest, middle)[:, None]


def free_kl(kl: Tensor, free_bits: float) -> Tensor:
    """Return the KL that the loss charges for, per molecule (B,), of ``kl`` (B, Z).

    A dimension whose mean KL over the batch is below ``free_bits`` nats costs just those nats, so
    that nothing pushes it towards collapse (Kingma et al. 2016)."""
    if free_bits <= 0.0:
        return kl.sum(-1)
    charged = kl.mean(0).clamp(min=free_bits).sum()
    return charged.expand(kl.shape[0])


def standard_normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw noise for :meth:`Gaussian.draw`, on the generator's own device."""
    return torch.randn(shape, generator=generator, device=generator.device)
