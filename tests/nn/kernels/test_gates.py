"""The gate kernels against one GRU step of plain torch, its values and its gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from molvae.nn.gru import combine
from molvae.nn.kernels import gates
from molvae.nn.kernels.arithmetic import array

pytestmark = pytest.mark.compiled
ROWS, HIDDEN = 5, 19


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def arrays(*tensors: Tensor) -> Any:
    return [array(tensor) for tensor in tensors]


def plain(x: Tensor, recurrent: Tensor, static: Tensor, bias: Tensor, h: Tensor) -> Tensor:
    shifted = torch.cat([recurrent[:, : 2 * HIDDEN], recurrent[:, 2 * HIDDEN :] + bias], 1)
    return combine(x + static, shifted, h)


@pytest.mark.parametrize("shared", [True, False])
def test_a_sampling_step_is_that_of_torch(shared: bool) -> None:
    x, recurrent = random(ROWS, 3 * HIDDEN), random(ROWS, 3 * HIDDEN, seed=1)
    static, bias, h = random(1 if shared else 3, 3 * HIDDEN), random(HIDDEN), random(ROWS, HIDDEN)
    static_row = torch.tensor([2, 0, 1, 2, 2])
    seen = static if shared else static[static_row]
    expected = plain(x, recurrent, seen, bias, h)
    narrow = torch.empty_like(h, dtype=torch.bfloat16)
    gates.step(*arrays(x, recurrent, static, static_row, bias, h, narrow))
    torch.testing.assert_close(h, expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(narrow, h.bfloat16())


def test_one_step_and_its_reverse_are_those_of_torch() -> None:
    x, recurrent = random(ROWS, 3 * HIDDEN), random(ROWS, 3 * HIDDEN, seed=1)
    static, bias, h = random(2, 3 * HIDDEN), random(HIDDEN), random(ROWS, HIDDEN)
    static_row = torch.tensor([1, 0, 1, 1, 0])
    leaves = [part.clone().requires_grad_() for part in (x, recurrent, static, bias, h)]
    expected = plain(leaves[0], leaves[1], leaves[2][static_row], leaves[3], leaves[4])
    slope = random(ROWS, HIDDEN, seed=2)
    d_x, d_recurrent, d_static, d_bias, d_h = torch.autograd.grad(expected, leaves, slope)

    kept, candidate, state = x.clone(), torch.empty(ROWS, HIDDEN), h.clone()
    outputs, h_prev = torch.empty(ROWS, HIDDEN), torch.cat([h, torch.empty(1, HIDDEN)])
    inputs = arrays(kept, candidate, recurrent, static, static_row, bias, state, outputs, h_prev)
    gates.forward(0, ROWS, 0, *inputs)
    torch.testing.assert_close(outputs, expected.detach(), rtol=1e-5, atol=1e-6)
    assert torch.equal(outputs, state)

    direct, nothing = torch.zeros(ROWS, HIDDEN), torch.empty(ROWS, HIDDEN)
    h_prev[:ROWS] = h
    gates.backward(0, ROWS, 0, *arrays(kept, candidate, nothing, h_prev, slope, direct))
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(kept, d_recurrent, **close)
    found = torch.cat([kept[:, : 2 * HIDDEN], candidate], 1)
    torch.testing.assert_close(found, d_x, **close)
    torch.testing.assert_close(direct, d_h, **close)

    sums, biases = torch.empty(2, 3 * HIDDEN), torch.zeros(4 * HIDDEN)
    gates.static_gradient(*arrays(kept, candidate, static_row, sums, biases))
    torch.testing.assert_close(sums, d_static, **close)
    torch.testing.assert_close(biases[3 * HIDDEN :], d_bias, **close)
    torch.testing.assert_close(biases[: 3 * HIDDEN], d_static.sum(0), **close)


def test_tangents_are_torchs() -> None:
    values = 5 * random(1000)
    expected = values.double().tanh()
    gates.tangents(array(values))
    torch.testing.assert_close(values.double(), expected, rtol=1e-6, atol=1e-7)
