"""Products of matrices of any height against float64."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from molvae.nn.kernels.products import (
    BLOCK,
    in_type,
    linear,
    product,
    tanh_linear,
    transposed_product,
)

HEIGHTS = [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 1, 3 * BLOCK]
KINDS = [torch.float32, torch.bfloat16]


def random(kind: torch.dtype, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(kind)


def away(value: Tensor, expected: Tensor) -> float:
    return ((value.double() - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", HEIGHTS)
def test_product_is_right_in_every_row_whatever_their_number(kind: torch.dtype, rows: int) -> None:
    a, b = random(kind, rows, 40), random(kind, 40, 24)
    expected = a.double() @ b.double()
    for mine, right in zip(product(a, b), expected, strict=True):
        assert away(mine, right) < 1e-2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", HEIGHTS)
def test_product_adds_once_to_what_is_there(kind: torch.dtype, rows: int) -> None:
    a, b, there = random(kind, rows, 40), random(kind, 40, 24), random(kind, rows, 24)
    expected = there.double() + a.double() @ b.double()
    out = product(a, b, there, add=True)
    assert out is there
    for mine, right in zip(out, expected, strict=True):
        assert away(mine, right) < 1e-2


@pytest.mark.parametrize("rows", HEIGHTS)
def test_product_does_not_read_what_it_overwrites(rows: int) -> None:
    a, b = random(torch.bfloat16, rows, 40), random(torch.bfloat16, 40, 24)
    out = torch.full((rows, 24), torch.nan, dtype=torch.bfloat16)
    assert torch.equal(product(a, b, out), product(a, b))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", HEIGHTS)
def test_transposed_product_is_right_whatever_the_number_of_rows(
    kind: torch.dtype, rows: int
) -> None:
    a, b = random(kind, rows, 48), random(kind, rows, 20)
    out = torch.zeros(30, 24)
    transposed_product(a[:, 8:38], b, out[:, 2:22])
    assert away(out[:, 2:22], a[:, 8:38].double().T @ b.double()) < 5e-3
    assert out[:, :2].eq(0).all()
    assert out[:, 22:].eq(0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", HEIGHTS)
def test_linear_layer_of_two_inputs_is_that_of_both_in_one(kind: torch.dtype, rows: int) -> None:
    left, right, weight, bias = (
        random(kind, rows, 40),
        random(kind, rows, 8),
        random(torch.float32, 24, 48),
        torch.ones(24),
    )
    inputs = [part.requires_grad_() for part in (left, right, weight, bias)]
    exact = [part.detach().double().requires_grad_() for part in inputs]
    expected = torch.cat(exact[:2], 1) @ exact[2].T + exact[3]
    slope = random(kind, rows, 24)
    mine = linear(*inputs)
    assert mine.dtype == kind
    assert away(mine, expected) < 1e-2
    wanted = torch.autograd.grad(expected, exact, slope.double())
    for gradient, other in zip(torch.autograd.grad(mine, inputs, slope), wanted, strict=True):
        assert away(gradient, other) < 1e-2


def test_gradients_of_the_linear_layer_are_exact_in_float64() -> None:
    inputs = [
        random(torch.float64, *shape).requires_grad_() for shape in ((5, 3), (5, 2), (4, 5), (4,))
    ]
    assert torch.autograd.gradcheck(linear, inputs)


@pytest.mark.parametrize("rows", [3, 130])
def test_the_tangent_of_a_linear_layer_is_torchs(rows: int) -> None:
    a, weight, bias = (
        random(torch.float32, rows, 33),
        random(torch.float32, 48, 33),
        random(torch.float32, 48),
    )
    expected = (a.double() @ weight.double().T + bias.double()).tanh()
    torch.testing.assert_close(
        tanh_linear(a, weight, bias).double(), expected, rtol=2e-5, atol=2e-6
    )


def optimised(weight: nn.Parameter) -> None:
    weight.requires_grad_(True).grad = torch.ones_like(weight)
    torch.optim.AdamW([weight], lr=0.1, fused=True).step()


def loaded(weight: nn.Parameter) -> None:
    layer = nn.Linear(8, 4, bias=False)
    layer.weight = weight
    layer.load_state_dict({"weight": torch.ones(4, 8)})


def averaged(weight: nn.Parameter) -> None:
    weight.lerp_(torch.ones_like(weight), 0.5)


CHANGES: list[Callable[[nn.Parameter], None]] = [optimised, loaded, averaged]


@pytest.mark.parametrize("change", CHANGES)
def test_a_weight_in_another_type_follows_every_change(
    change: Callable[[nn.Parameter], None],
) -> None:
    weight = nn.Parameter(random(torch.float32, 4, 8), requires_grad=False)
    before = in_type(weight, torch.bfloat16)
    assert in_type(weight, torch.bfloat16) is before  # made once
    assert in_type(weight, torch.float32).data_ptr() == weight.data_ptr()
    twin = copy.deepcopy(weight)
    change(weight)
    for kind in (torch.bfloat16, torch.float16):
        assert torch.equal(in_type(weight, kind), weight.detach().to(kind))
    assert torch.equal(in_type(twin, torch.bfloat16), before)
