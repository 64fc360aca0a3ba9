"""Decoder inputs: the compiled sum equals the plain one, in values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from molvae.nn.input_embedder import InputEmbedder
from molvae.runtime import compilation

WAYS = pytest.mark.parametrize("compiled", [pytest.param(True, marks=pytest.mark.compiled), False])
SIZES = (4, 1, 7, 3)
HASHES, NUMBERS = 2, 9
SYMBOLS, STEPS, WIDTH = 5, 6, 10


def places(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random symbols, steps and feature values of ``count`` positions, many values being 0."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, SIZES, (count, len(SIZES))) * rng.integers(0, 2, (count, len(SIZES)))
    values = np.concatenate([values, rng.integers(0, 4 * NUMBERS, (count, HASHES))], axis=1)
    symbols, steps = rng.integers(0, SYMBOLS, count), rng.integers(0, STEPS, count)
    return (
        torch.from_numpy(symbols),
        torch.from_numpy(steps),
        torch.from_numpy(values.astype(np.int16)),
    )


def tables(kind: torch.dtype = torch.float32) -> list[Tensor]:
    """Random embeddings of symbols, steps, features and hashes."""
    generator = torch.Generator().manual_seed(0)
    rows = (SYMBOLS, STEPS, sum(SIZES), HASHES * NUMBERS)
    return [
        torch.randn(n, WIDTH, generator=generator, dtype=torch.float64).to(kind).requires_grad_()
        for n in rows
    ]


def made(weights: list[Tensor]) -> InputEmbedder:
    """The quick sum of such embeddings."""
    symbols, steps, features, hashed = weights
    return InputEmbedder(symbols, steps, features, SIZES, hashed)


def looked_up(symbols: Tensor, steps: Tensor, values: Tensor, weights: list[Tensor]) -> Tensor:
    """The definition: every embedding looked up, and summed."""
    total = weights[0][symbols] + weights[1][steps]
    start = 0
    for feature, size in enumerate(SIZES):
        total = total + weights[2][start + values[:, feature].long()]
        start += size
    for number in range(HASHES):
        hashed = values[:, len(SIZES) + number].long()
        folded = torch.where(hashed > 0, 1 + (hashed - 1) % (NUMBERS - 1), 0)
        total = total + weights[3][number * NUMBERS + folded]
    return total


@WAYS
def test_the_sum_and_its_gradients_are_those_of_lookups(
    compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "KERNELS", compiled)
    asked, ours, exact = places(40), tables(), tables(torch.float64)
    found = made(ours)(*asked, torch.float32)
    wanted = looked_up(*asked, exact)
    assert torch.allclose(found.double(), wanted, atol=1e-5)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    gradients = torch.autograd.grad((found * weight).sum(), ours)
    for gradient, right in zip(
        gradients, torch.autograd.grad((wanted * weight).sum(), exact), strict=True
    ):
        assert torch.allclose(gradient.double(), right, atol=1e-4)


@pytest.mark.compiled
def test_a_bf16_sum_is_the_fp32_sum_rounded_once() -> None:
    asked, weights = places(40), tables()
    sums = made(weights)
    assert torch.equal(sums(*asked, torch.bfloat16), sums(*asked, torch.float32).bfloat16())


def test_no_position_has_no_row() -> None:
    weights = tables()
    symbols, steps, values = (part[:0] for part in places(3))
    found = made(weights)(symbols, steps, values, torch.float32)
    assert found.shape == (0, WIDTH)
    assert all(not gradient.any() for gradient in torch.autograd.grad(found.sum(), weights))


@WAYS
def test_there_may_be_no_hashes(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "KERNELS", compiled)
    (symbols, steps, values), weights = places(40), tables()
    with torch.no_grad():
        weights[3].zero_()
    values = values[:, : len(SIZES)].contiguous()
    found = InputEmbedder(*weights[:3], SIZES)(symbols, steps, values, torch.float32)  # type: ignore[arg-type]
    whole = torch.cat([values, values.new_zeros(40, HASHES)], 1)
    assert torch.allclose(found, made(weights)(symbols, steps, whole, torch.float32))
