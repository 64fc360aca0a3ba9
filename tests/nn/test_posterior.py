"""The latent is drawn and paid for as the mathematics says."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Independent, Normal, kl_divergence

from molvae.nn.posterior import (
    Gaussian,
    GaussianPosterior,
    LevelPosterior,
    free_kl,
    prior_log_density,
    standard_normal,
)
from molvae.training.schedules import kl_weight


def some_posterior(rows: int = 5, latent: int = 3, seed: int = 0) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = standard_normal((rows, latent), generator).double()
    return Gaussian(mean, standard_normal((rows, latent), generator).double())


def as_normal(q: Gaussian) -> Normal:
    return Normal(q.mean, (0.5 * q.log_variance).exp())


def test_the_kl_is_that_of_torch_distributions() -> None:
    q = some_posterior()
    torch.testing.assert_close(q.kl(), kl_divergence(as_normal(q), Normal(0.0, 1.0)))


def test_the_kl_is_zero_for_the_prior_and_positive_elsewhere() -> None:
    assert torch.equal(Gaussian(torch.zeros(2, 3), torch.zeros(2, 3)).kl(), torch.zeros(2, 3))
    assert bool((some_posterior(100).kl() > 0).all())


def test_the_kl_is_the_mean_of_the_log_ratio_over_draws() -> None:
    q = some_posterior(rows=2)
    generator = torch.Generator().manual_seed(1)
    ratios = []
    for _ in range(200):
        noise = torch.randn((500, *q.mean.shape), generator=generator, dtype=torch.float64)
        z = q.draw(noise)
        ratios.append((q.log_density(z) - prior_log_density(z)).mean(0))
    estimates = torch.stack(ratios)
    error = estimates.std(0) / math.sqrt(len(estimates))
    assert bool(((estimates.mean(0) - q.kl().sum(-1)).abs() < 5 * error).all())


def test_log_densities_are_those_of_torch_distributions() -> None:
    q, z = some_posterior(), some_posterior(seed=1).mean
    torch.testing.assert_close(q.log_density(z), Independent(as_normal(q), 1).log_prob(z))
    torch.testing.assert_close(
        prior_log_density(z), Normal(0.0, 1.0).log_prob(z).sum(-1).to(z.dtype)
    )


def test_without_noise_the_draw_is_the_mean() -> None:
    q = some_posterior()
    assert torch.equal(q.draw(torch.zeros_like(q.mean)), q.mean)


def test_gradients_through_the_draw_equal_finite_differences() -> None:
    q, noise = some_posterior(), some_posterior(seed=2).mean

    def loss(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        drawn = Gaussian(mean, log_variance)
        return (drawn.draw(noise).sin() * drawn.draw(noise)).sum() + drawn.kl().sum()

    assert torch.autograd.gradcheck(
        loss, (q.mean.requires_grad_(), q.log_variance.requires_grad_())
    )


def test_gradients_through_the_posterior_are_finite_differences() -> None:
    layer = GaussianPosterior(4, 3).double()
    summary, noise = some_posterior(latent=4).mean.requires_grad_(), some_posterior(seed=2).mean

    def loss(x: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        q = layer(x)
        return q.draw(noise).square().sum() + q.kl().sum()

    assert torch.autograd.gradcheck(loss, (summary, *layer.parameters()))


def test_the_log_variance_stays_within_bounds() -> None:
    layer = GaussianPosterior(2, 2)
    with torch.no_grad():
        layer.log_variance.weight.fill_(1e6)
    for x in (torch.full((1, 2), 1e6), torch.full((1, 2), -1e6)):
        assert bool(torch.isfinite(layer(x).kl()).all())


@given(st.integers(1, 6), st.integers(1, 5), st.floats(0.0, 3.0), st.integers(0, 1000))
def test_free_bits_charge_each_dimension_its_mean_or_the_floor(
    rows: int, latent: int, free: float, seed: int
) -> None:
    kl = some_posterior(rows, latent, seed).kl()
    charged = free_kl(kl, free)
    assert charged.shape == (rows,)
    wanted = (
        sum(max(free, float(kl[:, i].mean())) for i in range(latent))
        if free
        else float(kl.sum() / rows)
    )
    assert float(charged.mean()) == pytest.approx(wanted)


def test_without_free_bits_every_molecule_pays_its_own_kl() -> None:
    kl = some_posterior().kl()
    assert torch.equal(free_kl(kl, 0.0), kl.sum(-1))


def test_a_dimension_below_the_floor_feels_no_pull() -> None:
    kl = torch.tensor([[0.1, 5.0], [0.3, 7.0]], requires_grad=True)
    free_kl(kl, 1.0).sum().backward()
    assert kl.grad is not None
    assert kl.grad[:, 0].tolist() == [0.0, 0.0]
    assert kl.grad[:, 1].tolist() == [1.0, 1.0]


PROGRESS = st.floats(0.0, 1.0)


@given(
    PROGRESS,
    st.floats(0.0, 10.0),
    st.sampled_from(["constant", "linear", "cyclical"]),
    PROGRESS,
    st.integers(1, 9),
)
def test_the_kl_weight_lies_between_zero_and_beta(
    progress: float, beta: float, schedule: str, warmup: float, cycles: int
) -> None:
    assert 0.0 <= kl_weight(progress, beta, schedule, warmup, cycles) <= beta


@given(PROGRESS, st.floats(0.01, 1.0))
def test_the_linear_schedule_rises_evenly_to_beta_and_stays(progress: float, warmup: float) -> None:
    weight = kl_weight(progress, 2.0, "linear", warmup, 4)
    assert weight == pytest.approx(2.0 * min(1.0, progress / warmup))


@given(st.integers(1, 8), st.floats(0.0, 0.99), st.floats(0.1, 1.0))
def test_the_cyclical_schedule_begins_each_cycle_at_zero(
    cycles: int, within: float, warmup: float
) -> None:
    first = kl_weight(within / cycles, 1.0, "cyclical", warmup, cycles)
    for cycle in range(cycles):
        again = kl_weight((cycle + within) / cycles, 1.0, "cyclical", warmup, cycles)
        assert again == pytest.approx(first, abs=1e-6) or within < 1e-6
    assert first == pytest.approx(min(1.0, within / warmup), abs=1e-6)


def test_the_constant_schedule_and_no_warmup_are_beta_throughout() -> None:
    assert kl_weight(0.0, 0.3, "constant", 0.5, 4) == kl_weight(0.0, 0.3, "linear", 0.0, 4) == 0.3


def known_means(count: int = 4000, latent: int = 3) -> torch.Tensor:
    """Means with a centre and correlations, in any numbers."""
    mixing = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.7, -0.4], [0.0, 0.0, 0.3]])
    return torch.randn(
        count, latent, generator=torch.Generator().manual_seed(0)
    ) @ mixing + torch.tensor([2.0, 0, -1])


def test_the_learned_prior_has_the_moments_of_posterior_draws() -> None:
    tenant, means = GaussianPosterior(5, 3), known_means()
    posteriors = Gaussian(means, torch.full_like(means, math.log(0.25)))
    variance = posteriors.log_variance.exp().mean(0)
    tenant.aggregate.fit(means.mean(0), means.T.cov(), variance, tenant.max_signal)
    noise = torch.randn(100_000, 3, generator=torch.Generator().manual_seed(1))
    drawn, real = tenant.prior(noise, learned=True), posteriors.draw(noise[: len(means)])
    torch.testing.assert_close(drawn.mean(0), real.mean(0), rtol=0, atol=0.05)
    torch.testing.assert_close(drawn.T.cov(), real.T.cov(), rtol=0, atol=0.05)


@pytest.mark.parametrize("level", [0.0, 0.5, 0.9])
def test_the_learned_prior_of_a_level_has_its_moments(level: float) -> None:
    tenant, mu = LevelPosterior(5, 3, 0.9), known_means()
    moments = 0.9 * mu.mean(0), (0.9 * mu).T.cov(), torch.full((3,), 1 - 0.9**2)
    tenant.aggregate.fit(*moments, tenant.max_signal)
    noise = torch.randn(100_000, 3, generator=torch.Generator().manual_seed(1))
    drawn = tenant.prior(noise, learned=True, level=level)
    real = level * mu + math.sqrt(1 - level**2) * noise[: len(mu)]
    torch.testing.assert_close(drawn.mean(0), real.mean(0), rtol=0, atol=0.05)
    torch.testing.assert_close(drawn.T.cov(), real.T.cov(), rtol=0, atol=0.05)


@pytest.mark.parametrize("tenant", [GaussianPosterior(5, 3), LevelPosterior(5, 3, 0.9)])
def test_before_any_fit_every_prior_is_standard_normal(
    tenant: GaussianPosterior | LevelPosterior,
) -> None:
    noise = torch.randn(10, 3, generator=torch.Generator().manual_seed(1))
    assert tenant.prior(noise) is noise
    if isinstance(tenant, GaussianPosterior):
        torch.testing.assert_close(tenant.prior(noise, learned=True), noise)
    else:
        torch.testing.assert_close(tenant.prior(noise, learned=True, level=0.0), noise)
