"""What a decoder is told, as vectors: the quick sum equals the plain one, in values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from molvae import kernels
from molvae.embeddings import Sums

SIZES = (4, 1, 7, 3)
SYMBOLS, STEPS, WIDTH = 5, 6, 10


def places(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random symbols, steps and feature values of ``count`` positions, many values being 0."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, SIZES, (count, len(SIZES))) * rng.integers(0, 2, (count, len(SIZES)))
    symbols, steps = rng.integers(0, SYMBOLS, count), rng.integers(0, STEPS, count)
    return torch.from_numpy(symbols), torch.from_numpy(steps), torch.from_numpy(values.astype(np.uint8))


def tables(kind: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """Random embeddings of symbols, steps and features."""
    generator = torch.Generator().manual_seed(0)
    rows = (SYMBOLS, STEPS, sum(SIZES))
    drawn = [torch.randn(n, WIDTH, generator=generator, dtype=torch.float64).to(kind).requires_grad_() for n in rows]
    return drawn[0], drawn[1], drawn[2]


def looked_up(symbols: Tensor, steps: Tensor, values: Tensor, weights: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The definition: every embedding looked up, and summed."""
    total = weights[0][symbols] + weights[1][steps]
    start = 0
    for feature, size in enumerate(SIZES):
        total = total + weights[2][start + values[:, feature].long()]
        start += size
    return total


@pytest.mark.parametrize("compiled", [True, False])
def test_the_sum_and_its_gradients_are_those_of_lookups(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "AVAILABLE", compiled)
    asked, ours, exact = places(40), tables(), tables(torch.float64)
    found = Sums(*ours, SIZES)(*asked, torch.float32)
    wanted = looked_up(*asked, exact)
    assert torch.allclose(found.double(), wanted, atol=1e-5)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    gradients = torch.autograd.grad((found * weight).sum(), ours)
    for gradient, right in zip(gradients, torch.autograd.grad((wanted * weight).sum(), exact), strict=True):
        assert torch.allclose(gradient.double(), right, atol=1e-4)


def test_a_bf16_sum_is_the_fp32_sum_rounded_once() -> None:
    asked, weights = places(40), tables()
    sums = Sums(*weights, SIZES)
    assert torch.equal(sums(*asked, torch.bfloat16), sums(*asked, torch.float32).bfloat16())


def test_no_position_has_no_row() -> None:
    weights = tables()
    symbols, steps, values = (part[:0] for part in places(3))
    found = Sums(*weights, SIZES)(symbols, steps, values, torch.float32)
    assert found.shape == (0, WIDTH)
    assert all(not gradient.any() for gradient in torch.autograd.grad(found.sum(), weights))
