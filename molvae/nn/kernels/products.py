"""Matrix products where torch's own are slow: tall bf16 ones, and fp32 ones on AMD's processors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ...runtime import compilation
from . import gates
from .arithmetic import array

BLOCK = 64
"""Tall matrices are taken in whole blocks of this many rows: torch's bf16 products (oneDNN) compile
a kernel for every shape they meet, a millisecond each, and batches seldom have the same number of
positions twice."""

STEP = 16
"""The rows of one step are filled up to a multiple of this, for the same reason."""


def fast_in_bf16(device: torch.device) -> bool:
    """True where the device multiplies bf16 in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def whole_blocks(a: Tensor) -> int:
    """Count the rows of a tall matrix that make whole blocks; all where blocks would gain
    nothing.
    """
    whole = len(a) // BLOCK * BLOCK
    return whole if whole and a.dtype == torch.bfloat16 and a.device.type == "cpu" else len(a)


def filled(rows: int) -> int:
    """Return ``rows`` filled up to whole blocks, of :data:`STEP` rows where they are fewer than
    one.
    """
    block = BLOCK if rows > BLOCK else STEP
    return -(-rows // block) * block


def product(a: Tensor, b: Tensor, out: Tensor | None = None, *, add: bool = False) -> Tensor:
    """Compute a @ b, into out or added to it: a (N, K), b (K, M), out (N, M), new unless given."""
    out = a.new_empty(len(a), b.shape[1]) if out is None else out
    whole, beta = whole_blocks(a), 1 if add else 0
    if whole == len(a):
        return torch.addmm(out, a, b, beta=beta, out=out)
    # Some rows are multiplied twice, which is less work than a kernel for a shape of their own.
    last = torch.addmm(out[-BLOCK:], a[-BLOCK:], b, beta=beta)
    torch.addmm(out[:whole], a[:whole], b, beta=beta, out=out[:whole])
    out[whole:] = last[whole - len(a) :]
    return out


def transposed_product(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Compute out = a^T @ b: a (N, M), b (N, K), fp32 or both bf16 -> out (M, K) float32."""
    whole = whole_blocks(a)
    if whole == len(a):
        out.copy_(torch.mm(a.t(), b))
        return
    total = torch.mm(a[:whole].t(), b[:whole])
    ends = [part.new_zeros(BLOCK, part.shape[1]) for part in (a, b)]
    for end, part in zip(ends, (a, b), strict=True):
        end[: len(part) - whole] = part[whole:]
    out.copy_(total.addmm_(ends[0].t(), ends[1]))


def in_type(weight: Tensor, kind: torch.dtype) -> Tensor:
    """A weight in the type of the products, without gradients; kept, where it needs none, until the
    weight changes.

    To make all of a decoder anew takes a fifth of the time of writing 256 molecules with it. What
    changes a tensor in place counts up its version, but for fused optimisers, which change weights
    with gradients alone."""
    if weight.dtype == kind or weight.requires_grad:
        return weight.detach().to(kind)
    version = weight._version
    before, made = weight.__dict__.get("in_type", (-1, weight))
    if before != version or made.dtype != kind:
        made = weight.detach().to(kind)
        weight.__dict__["in_type"] = version, made
    return made  # type: ignore[no-any-return]


def wide_linear(a: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute a @ weight^T + bias (N, M) in fp32: a (N, K), weight (M, K), bias (M).

    By oneDNN where torch has it: MKL, which torch takes for fp32, runs at half its rate on AMD's
    processors.
    """
    onednn = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    plain = not a.dtype == weight.dtype == torch.float32 or a.device.type != "cpu"
    if onednn is None or plain or len(a) < BLOCK or not compilation.KERNELS:
        return functional.linear(a, weight, bias)
    weight = weight.contiguous()  # of a part of a matrix oneDNN takes a thousand times as long
    whole = len(a) // BLOCK * BLOCK
    out: Tensor = onednn(a[:whole], weight, bias, "none", [], "")
    if whole == len(a):
        return out
    last: Tensor = onednn(a[-BLOCK:], weight, bias, "none", [], "")  # as in `product`
    return torch.cat([out, last[whole - len(a) :]])


def tanh_linear(a: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute tanh(a @ weight^T + bias) (N, M) without gradients: a (N, K), weight (M, K), bias
    (M).
    """
    out = wide_linear(a, weight, bias)
    if not compilation.KERNELS or out.device.type != "cpu" or out.dtype != torch.float32:
        return out.tanh()
    gates.tangents(array(out).reshape(-1))
    return out


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        narrow, size = weight.to(left.dtype), left.shape[1]
        weights = narrow[:, :size], narrow[:, size:]
        ctx.save_for_backward(left, right, *weights)
        if left.dtype != torch.bfloat16:
            return wide_linear(torch.cat([left, right], 1), narrow, bias.to(left.dtype))
        out = bias.to(left.dtype).repeat(len(left), 1)
        for part, columns in zip((left, right), weights, strict=True):
            product(part, columns.t(), out, add=True)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, ...]:
        left, right, *weights = ctx.saved_tensors
        d_out = d_out.contiguous()
        exact = torch.promote_types(d_out.dtype, torch.float32)
        size, shape = left.shape[1], (d_out.shape[1], left.shape[1] + right.shape[1])
        d_weight = torch.empty(shape, dtype=exact, device=d_out.device)
        for part, columns in ((left, d_weight[:, :size]), (right, d_weight[:, size:])):
            transposed_product(d_out, part, columns)
        d_left, d_right = product(d_out, weights[0]), product(d_out, weights[1])
        return d_left, d_right, d_weight, d_out.sum(0, dtype=exact)


def linear(left: Tensor, right: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute [left, right] @ weight^T + bias (N, M), both inputs of one type, sums in fp32.

    left (N, A), right (N, B), weight (M, A + B), bias (M).
    """
    result: Tensor = _Linear.apply(left, right, weight, bias)  # type: ignore[no-untyped-call]
    return result
