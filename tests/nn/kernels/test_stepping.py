"""Steps of a layer one by one, as sampling takes them, are those of the layer, whoever stands
beside a row.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from molvae.nn.gru import GRU, Precision, Stepper, combine
from molvae.nn.kernels import elementwise
from molvae.nn.products import has_vectors

needs_bytes = pytest.mark.skipif(
    not has_vectors(32, 64), reason="the processor has no products of bytes"
)


def layer(inputs: int, constant: int, hidden: int, precision: Precision = "fp32") -> GRU:
    torch.manual_seed(0)
    made = GRU(inputs, constant, hidden, precision)
    for bias in (made.bias_ih_l0, made.bias_hh_l0):
        nn.init.normal_(bias, std=0.3)
    return made


def arguments(layer: GRU, sizes: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, constants, and states between -1 and 1."""
    generator = torch.Generator().manual_seed(1)
    shapes = (
        (sum(sizes), layer.input_size),
        (sizes[0], layer.constant_size),
        (sizes[0], layer.hidden_size),
    )
    x, constant, h0 = (torch.randn(*shape, generator=generator) for shape in shapes)
    return x, constant, h0.tanh()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    ("rows", "inputs", "hidden"),
    [(5, 6, 16), (16, 32, 64), (264, 64, 128), (264, 64, 32), (8, 32, 96)],
)
def test_stepping_equals_running(
    precision: Precision,
    compiled: bool,
    rows: int,
    inputs: int,
    hidden: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elementwise, "AVAILABLE", compiled)
    mine = layer(inputs, 3, hidden, precision)
    sizes = [rows] * 3
    x, constant, h0 = arguments(mine, sizes)
    outputs, last = mine(x, constant, h0, sizes)
    stepper = Stepper(mine)
    state, fixed = stepper.begin(h0), stepper.fixed(constant.flip(0))
    for now in x.detach().to(stepper.kind).split(rows):
        operand = stepper(now, state, fixed, torch.arange(rows).flip(0))
    tolerance = 1e-6 if precision == "fp32" else 2e-2
    torch.testing.assert_close(state.h, last, rtol=0, atol=tolerance)
    torch.testing.assert_close(operand.float(), state.h, rtol=0, atol=1e-2)
    torch.testing.assert_close(state.h, outputs[-rows:], rtol=0, atol=tolerance)


@needs_bytes
def test_a_state_in_bytes_is_rounded_and_nothing_else() -> None:
    mine = layer(32, 3, 64, "bf16")
    with torch.no_grad():
        mine.bias_ih_l0.zero_()  # what is fixed is told in bf16, which is exact for 0
        mine.bias_hh_l0[:128] = 0.0
        mine.weight_hh_l0[5] = 0.0  # has no largest number
    x, _, h0 = arguments(mine, [24])
    stepper = Stepper(mine)
    state, fixed = stepper.begin(h0), stepper.fixed(torch.zeros(24, 3))
    rounded = (state.h * 127).round().double() / 127
    exact = mine.weight_hh_l0.detach().double()
    steps = exact.abs().amax(1, keepdim=True).clamp(min=1e-9) / 127
    recurrent = rounded @ ((exact / steps).round() * steps).T + mine.bias_hh_l0.detach().double()
    inputs = (
        x.detach().bfloat16().double() @ mine.weight_ih_l0[:, :32].detach().bfloat16().double().T
    )
    expected = combine(inputs, recurrent, state.h.double())
    stepper(x.detach().bfloat16(), state, fixed, torch.arange(24))
    torch.testing.assert_close(state.h.double(), expected, rtol=0, atol=1e-5)


@needs_bytes
def test_a_state_that_no_byte_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="between -1 and 1"):
        Stepper(layer(32, 3, 64, "bf16")).begin(torch.full((8, 64), 1.01))


def test_what_is_fixed_for_one_row_is_fixed_for_all() -> None:
    mine = layer(6, 3, 16)
    x, constant, h0 = arguments(mine, [4])
    stepper = Stepper(mine)
    one, each = stepper.begin(h0), stepper.begin(h0)
    stepper(x.detach(), one, stepper.fixed(constant[:1]), torch.arange(4))
    stepper(x.detach(), each, stepper.fixed(constant[:1].expand(4, -1)), torch.arange(4))
    torch.testing.assert_close(one.h, each.h)


@needs_bytes
@pytest.mark.parametrize("hidden", [64, 96])
def test_other_rows_of_a_step_do_not_touch_a_row(hidden: int) -> None:
    mine = layer(32, 3, hidden, "bf16")
    x, constant, h0 = arguments(mine, [264])
    stepper = Stepper(mine)
    fixed = stepper.fixed(constant)
    together = stepper.begin(h0)
    stepper(x.bfloat16(), together, fixed, torch.arange(264))
    for some in (torch.arange(200, 208), torch.tensor([263, 0, 5, 17, 128, 127, 9, 130])):
        alone = stepper.begin(h0[some])
        stepper(x[some].bfloat16(), alone, fixed, some)
        assert torch.equal(alone.h, together.h[some])


@needs_bytes
def test_a_diverged_state_shows_in_what_follows_it() -> None:
    mine = layer(32, 3, 64, "bf16")
    x, constant, h0 = arguments(mine, [8])
    h0[3, 5] = torch.nan
    stepper = Stepper(mine)
    state = stepper.begin(h0)
    operand = stepper(x.bfloat16(), state, stepper.fixed(constant), torch.arange(8))
    assert operand[3, 5].isnan()
    assert not operand[[0, 1, 2, 4, 5, 6, 7]].isnan().any()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_rows_are_no_steps(precision: Precision) -> None:
    mine = layer(32, 3, 64, precision)
    assert Stepper(mine).begin(torch.zeros(0, 64)).h.shape == (0, 64)
