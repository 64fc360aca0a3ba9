"""All steps of a GRU layer on a CPU as one differentiable function: torch's products, gate kernels
between them.

Weight gradients are one product each, after the steps. Layout and letters are those of `gru`.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from . import gates as kernels
from .arithmetic import array
from .products import STEP, product, transposed_product

Precision = Literal["fp32", "bf16"]


def step_rows(alive: int, there: int) -> int:
    """Return how many rows a step's product takes: those ``alive``, filled up where ``there`` are
    more.

    The others belong to later steps, and their products are not read. So there are few shapes that
    oneDNN compiles a kernel for, see `products.BLOCK`.
    """
    taken = -(-alive // STEP) * STEP
    return taken if taken <= there else alive


class GRUFunction(torch.autograd.Function):
    """Map (x, constant, h0, W_ih, W_hh, b_ih, b_hh, batch_sizes, static_row, precision) to outputs
    in x's type and last states."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, constant: Tensor, h0: Tensor,
        w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor,
        batch_sizes: list[int], static_row: Tensor, precision: Precision,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        ctx.set_materialize_grads(False)
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        size, width = h0.shape[1], x.shape[1]
        operand, weights, w_h = x.to(kind), w_ih.to(kind), w_hh.to(kind)
        w_x, w_c = weights[:, :width], weights[:, width:]
        bias = b_ih.clone()
        bias[: 2 * size] += b_hh[: 2 * size]
        static = torch.addmm(bias.to(kind), constant.to(kind), w_c.t())  # (R, 3H)

        gates = product(operand, w_x.t())
        candidate, outputs = operand.new_empty(len(x), size), operand.new_empty(len(x), size)
        h_prev, rows = operand.new_empty(len(x) + 1, size), len(h0)
        h_prev[:rows] = h0
        state = h0.clone(memory_format=torch.contiguous_format)
        recurrent = operand.new_empty(step_rows(rows, rows + STEP), 3 * size)
        bias_n = b_hh[2 * size :]
        inputs = [array(part) for part in (gates, candidate, recurrent, static, static_row, bias_n)]
        results, start = [array(part) for part in (state, outputs, h_prev)], 0
        for alive, following in zip(batch_sizes, [*batch_sizes[1:], 0], strict=True):
            taken = step_rows(alive, len(h_prev) - start)
            torch.mm(h_prev[start : start + taken], w_h.t(), out=recurrent[:taken])
            kernels.forward(start, alive, following, *inputs, *results)
            start += alive
        # gates (N, 3H): r, z, n's recurrent share; candidate (N, H): n; h_prev (N + 1, H): the
        # state that each step began with. The backward pass overwrites the first two.
        ctx.saved = gates, candidate, h_prev
        ctx.batch_sizes, ctx.static_row, ctx.static_shape = batch_sizes, static_row, static.shape
        ctx.save_for_backward(operand, constant, w_x, w_c, w_h)
        ctx.x_type = x.dtype
        return outputs.to(x.dtype), state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor | None, d_last: Tensor | None) -> tuple[Any, ...]:
        x, constant, w_x, w_c, w_h = ctx.saved_tensors
        gates, candidate, h_prev = ctx.saved
        del ctx.saved  # overwritten: a second backward must fail
        rows, size, start = ctx.batch_sizes[0], candidate.shape[1], len(gates)
        state = torch.zeros(rows, size)
        if d_last is not None:
            state = d_last.clone(memory_format=torch.contiguous_format)
        d_outputs = gates.new_zeros(1, size) if d_outputs is None else d_outputs
        d_outputs = d_outputs.to(gates.dtype).contiguous()
        recurrent = gates.new_empty(step_rows(rows, rows + STEP), size)
        memory = [array(part) for part in (gates, candidate, recurrent, h_prev, d_outputs, state)]
        backwards = ctx.batch_sizes[::-1]
        for alive, following in zip(backwards, [0, *backwards[:-1]], strict=True):
            start -= alive
            kernels.backward(start, alive, following, *memory)
            taken = step_rows(alive, len(gates) - start)
            torch.mm(gates[start : start + taken], w_h, out=recurrent[:taken])
        state.add_(recurrent[:rows])

        static, bias = gates.new_empty(ctx.static_shape), torch.zeros(4 * size)
        parts = [array(part) for part in (gates, candidate, ctx.static_row, static, bias)]
        kernels.static_gradient(*parts)
        reset_update = gates[:, : 2 * size]
        d_x = None
        if ctx.needs_input_grad[0]:
            d_x = product(reset_update, w_x[: 2 * size])
            d_x = product(candidate, w_x[2 * size :], d_x, add=True).to(ctx.x_type)
        d_ih = torch.empty(3 * size, x.shape[1] + w_c.shape[1])
        d_hh = torch.empty(3 * size, size)
        d_w_x, d_w_c = d_ih[:, : x.shape[1]], d_ih[:, x.shape[1] :]
        transposed_product(reset_update, x, d_w_x[: 2 * size])
        transposed_product(candidate, x, d_w_x[2 * size :])
        transposed_product(gates, h_prev[:-1], d_hh)
        d_constant = torch.mm(static, w_c).to(constant.dtype)
        transposed_product(static, constant.to(static.dtype), d_w_c)
        d_b_hh = torch.cat([bias[: 2 * size], bias[3 * size :]])
        return d_x, d_constant, state, d_ih, d_hh, bias[: 3 * size], d_b_hh, None, None, None
