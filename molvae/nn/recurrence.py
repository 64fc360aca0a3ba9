"""All steps of a GRU layer on a CPU as one differentiable function, around the compiled kernels.

Two ways with the same results: torch's products with a kernel after each, on any processor and in
fp32; or products and gates together in blocks, in bf16, where the processor has what `blocks`
needs. Weight gradients are one product each, after the steps. See `gru` for the layout and for what
the letters mean."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .kernels import blocked_gru, blocks
from .kernels import gates as gate_kernels
from .products import STEP, array, by_units, has_blocks, packed, product, transposed_product

Precision = Literal["fp32", "bf16"]


class Kept(NamedTuple):
    """What the backward pass needs; the first two are overwritten by it."""

    gates: Tensor  # (N, 3H) r, z, n's recurrent share
    candidate: Tensor  # (N, H) n
    owners: Tensor  # (N,) the row of what is fixed that each packed row got
    carried: Tensor  # (N + 1, H) the state each step began with
    sizes: list[int]
    blocked: bool


def fits_blocks(x: Tensor, h0: Tensor, kind: torch.dtype) -> bool:
    """Whether this processor and these sizes allow the way in blocks."""
    whole = x.shape[1] % 32 == 0 and h0.shape[1] % 32 == 0 and len(x) >= 32
    return kind == torch.bfloat16 and whole and has_blocks()


def step_rows(alive: int, there: int) -> int:
    """How many rows a step's product takes: those ``alive`` and, where as many are ``there``, some
    of later steps.

    What comes of these is not read. So there are few shapes to compile kernels for, see
    `products.BLOCK`."""
    taken = -(-alive // STEP) * STEP
    return taken if taken <= there else alive


def run(
    x: Tensor,
    h0: Tensor,
    w_x: Tensor,
    w_h: Tensor,
    fixed: Tensor,
    owners: Tensor,
    bias: Tensor,
    sizes: list[int],
) -> tuple[Tensor, Tensor, Kept]:
    """Outputs (N, H), last states (B, H) float32 and what to keep.

    x, w_x, w_h and fixed (R, 3H), of which every packed row gets that of its owner (N), in the type
    of the products; bias (H) float32: n's recurrent share."""
    total, rows, size = len(x), len(h0), h0.shape[1]
    blocked = fits_blocks(x, h0, x.dtype)
    gates = x.new_empty(total, 3 * size) if blocked else product(x, w_x.t())
    candidate, outputs, carried = (x.new_empty(n, size) for n in (total, total, total + 1))
    carried[:rows] = h0
    state = h0.clone(memory_format=torch.contiguous_format)
    kept = Kept(gates, candidate, owners, carried, sizes, blocked)
    results: Any = [array(part) for part in (state, outputs, carried)]
    if blocked:
        weights = (packed(w_x.t()), packed(w_h.t()))
        block = array(torch.zeros(4096))
        inputs = [array(part) for part in (by_units(fixed), owners, bias, gates, candidate)]
        everything: Any = (
            blocks.layout(),
            np.array(sizes),
            array(x.contiguous()),
            *weights,
            *inputs,
            *results,
            block,
        )
        blocked_gru.forward(*everything)
        return outputs, state, kept
    recurrent = x.new_empty(step_rows(rows, rows + STEP), 3 * size)
    memory: Any = [array(part) for part in (gates, candidate, recurrent, fixed, owners, bias)]
    place = 0
    for alive, following in zip(sizes, [*sizes[1:], 0], strict=True):
        taken = step_rows(alive, len(carried) - place)
        torch.mm(carried[place : place + taken], w_h.t(), out=recurrent[:taken])
        gate_kernels.forward(place, alive, following, *memory, *results)
        place += alive
    return outputs, state, kept


def run_back(kept: Kept, w_h: Tensor, slope: Tensor, state: Tensor) -> None:
    """Turn what was kept into gate gradients, and state (B, H) from the last states' gradient into
    h0's.

    slope (N, H) or (1, H): gradient of the outputs, in the type of the products.
    """
    gates, candidate, _, carried, sizes, blocked = kept
    if blocked:
        memory = [
            array(part) for part in (gates, candidate, carried, slope, state, torch.zeros(4096))
        ]
        blocked_gru.backward(blocks.layout(), np.array(sizes), packed(w_h), *memory)
        return
    rows, start = sizes[0], len(gates)
    recurrent = gates.new_zeros(step_rows(rows, rows + STEP) + 1, state.shape[1])
    memory = [array(part) for part in (gates, candidate, recurrent, carried, slope, state)]
    for alive, following in zip(reversed(sizes), [0, *reversed(sizes[1:])], strict=True):
        start -= alive
        steps: Any = (start, alive, following, *memory)
        gate_kernels.backward(*steps)
        taken = step_rows(alive, len(gates) - start)
        torch.mm(gates[start : start + taken], w_h, out=recurrent[:taken])
    state.add_(recurrent[:rows])


class Recurrence(torch.autograd.Function):
    """(x, constant, h0, W_ih, W_hh, b_ih, b_hh, sizes, owners, precision) -> outputs in x's type,
    last states.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, constant: Tensor | None, h0: Tensor,
        w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, sizes: list[int], owners: Tensor, precision: Precision,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        ctx.set_materialize_grads(False)
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        size, width = h0.shape[1], x.shape[1]
        operand, weights, w_h = x.to(kind), w_ih.to(kind), w_hh.to(kind)
        w_x, w_c = weights[:, :width], weights[:, width:]
        fixed = b_ih.clone()[None]  # (1, 3H), or (R, 3H) where there is a constant
        fixed[0, : 2 * size] += b_hh[: 2 * size]
        fixed = (
            fixed.to(kind)
            if constant is None
            else torch.addmm(fixed.to(kind), constant.to(kind), w_c.t())
        )
        outputs, state, ctx.kept = run(
            operand, h0, w_x, w_h, fixed, owners, b_hh[2 * size :], sizes
        )
        ctx.fixed_shape = fixed.shape
        ctx.save_for_backward(operand, constant, w_x, w_c, w_h)
        ctx.x_type = x.dtype
        return outputs.to(x.dtype), state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor | None, last: Tensor | None) -> tuple[Any, ...]:
        x, constant, w_x, w_c, w_h = ctx.saved_tensors
        kept: Kept = ctx.kept
        del ctx.kept  # overwritten: a second backward must fail
        gates, candidate, rows, size = (
            kept.gates,
            kept.candidate,
            kept.sizes[0],
            kept.candidate.shape[1],
        )
        state = (
            torch.zeros(rows, size)
            if last is None
            else last.clone(memory_format=torch.contiguous_format)
        )
        slope = gates.new_zeros(1, size) if slope is None else slope.to(gates.dtype).contiguous()
        run_back(kept, w_h, slope, state)

        fixed, bias = gates.new_empty(ctx.fixed_shape), torch.zeros(4 * size)
        owners = array(kept.owners)
        gate_kernels.fixed_gradient(array(gates), array(candidate), owners, array(fixed), array(bias))
        reset_update = gates[:, : 2 * size]
        d_x = d_constant = None
        if ctx.needs_input_grad[0]:
            d_x = product(reset_update, w_x[: 2 * size])
            d_x = product(candidate, w_x[2 * size :], d_x, add=True).to(ctx.x_type)
        d_ih, d_hh = torch.empty(3 * size, x.shape[1] + w_c.shape[1]), torch.empty(3 * size, size)
        d_w_x, d_w_c = d_ih[:, : x.shape[1]], d_ih[:, x.shape[1] :]
        transposed_product(reset_update, x, d_w_x[: 2 * size])
        transposed_product(candidate, x, d_w_x[2 * size :])
        transposed_product(gates, kept.carried[:-1], d_hh)
        if constant is not None:
            d_constant = torch.mm(fixed, w_c).to(constant.dtype)
            transposed_product(fixed, constant.to(fixed.dtype), d_w_c)
        d_b_hh = torch.cat([bias[: 2 * size], bias[3 * size :]])
        return d_x, d_constant, state, d_ih, d_hh, bias[: 3 * size], d_b_hh, None, None, None
