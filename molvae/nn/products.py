"""Tensors as the compiled kernels see them, and the matrix products that torch is slow at.

Knows memory and number formats, not what the numbers mean.
"""

from __future__ import annotations

import ctypes
import functools
import pathlib
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .kernels import elementwise, panels, stepping

BLOCK = 64
"""Rows of tall matrices are taken in whole blocks of this many. torch's bf16 products compile a
kernel for every shape they meet, a millisecond each, and batches seldom have the same number of
positions twice."""

STEP = 16
"""The same of the rows of one step."""


def array(tensor: Tensor) -> elementwise.Array:
    """The tensor's memory as the kernels take it: float32, or bfloat16 as uint16; integers as they
    are.
    """
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.uint16)
    result: elementwise.Array = tensor.numpy()
    return result


@functools.cache
def has_tiles() -> bool:
    """Whether the processor has bf16 tile registers (AMX) and the system lets this process use
    them.
    """
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    start = getattr(torch.cpu, "_init_amx", None)
    return bool(elementwise.AVAILABLE and supported and start and supported() and start())


@functools.cache
def has_blocks() -> bool:
    """Whether products can be taken in `blocks` here."""
    return has_tiles() if elementwise.TILES else elementwise.NATIVE_BF16


def has_vectors(*sizes: int) -> bool:
    """Whether products of these sizes can be taken on vector registers here, of bf16 and of bytes:
    see `stepping`.
    """
    whole = all(size and size % 32 == 0 for size in sizes)
    return has_blocks() and elementwise.NATIVE_BYTES and not elementwise.TILES and whole


def by_units(gates: Tensor) -> Tensor:
    """Gates (B, 3H) as (H / 32, B, 96): for 32 units and a row what r, z and n get, in one
    piece.
    """
    rows, size = len(gates), gates.shape[1] // 3
    return gates.view(rows, 3, size // 32, 32).permute(2, 0, 1, 3).reshape(size // 32, rows, 96)


@functools.cache
def mkl_product() -> Any | None:
    """MKL's bf16 product as torch carries it, or None where it is not there or the processor has no
    AMX.

    torch multiplies bf16 with oneDNN, which is slow when the left operand is transposed, as in
    every weight gradient, and rounds the result to bf16; MKL is faster there and gives fp32."""
    path = pathlib.Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    if not path.exists() or not has_tiles():
        return None
    product = getattr(ctypes.CDLL(str(path)), "cblas_gemm_bf16bf16f32", None)
    if product is not None:
        number, real, memory = ctypes.c_int, ctypes.c_float, ctypes.c_void_p
        product.argtypes = [number] * 6 + [
            real,
            memory,
            number,
            memory,
            number,
            real,
            memory,
            number,
        ]
        product.restype = None
    return product


def flat(tensor: Tensor) -> elementwise.Array:
    """The memory of a matrix from its first number to its last, whatever lies between its rows."""
    length = (len(tensor) - 1) * tensor.stride(0) + tensor.shape[1]
    return array(tensor.as_strided((length,), (1,)))


def packed(b: Tensor) -> elementwise.Array:
    """A bf16 matrix (K, M) as panels, the right operand of blocks; 32 divides M, zeros fill up
    K.
    """
    depth = -(-len(b) // 32) * 32
    memory = torch.empty(depth * b.shape[1], dtype=torch.bfloat16)
    if b.stride(0) == 1 and depth == len(b):
        panels.pack_transposed(flat(b.t()), b.stride(1), b.shape[1], depth, array(memory))
    else:
        b = b if b.stride(1) == 1 else b.contiguous()
        panels.pack(flat(b), b.stride(0), len(b), b.shape[1], memory.view(torch.uint32).numpy())
    return array(memory)


def packed_bytes(weight: Tensor) -> tuple[elementwise.Array, elementwise.Array, elementwise.Array]:
    """weight^T, weight (M, K) between its largest numbers in 255 steps for each of its rows, for
    products with a state in bytes: its panels, what sums start from (M) int32, and what they are
    multiplied by (M)."""
    steps = weight.abs().amax(1, keepdim=True).clamp(min=1e-30) / 127
    numbers = (weight / steps).round().to(torch.int8)
    starts = -stepping.ZERO * numbers.sum(1, dtype=torch.int32)
    panels = packed(
        numbers.view(torch.bfloat16).t()
    )  # words of four bytes are packed as words of two bf16 are
    return panels, array(starts), array(steps[:, 0] / stepping.STEPS)


def whole_blocks(a: Tensor) -> int:
    """How many rows of a tall matrix make whole blocks; all of them where blocks would gain
    nothing.
    """
    whole = len(a) // BLOCK * BLOCK
    return whole if whole and a.dtype == torch.bfloat16 and a.device.type == "cpu" else len(a)


def filled(rows: int) -> int:
    """``rows`` and as many more as fill whole blocks, of :data:`STEP` rows where there are fewer
    than a block.
    """
    block = BLOCK if rows > BLOCK else STEP
    return -(-rows // block) * block


def product(a: Tensor, b: Tensor, out: Tensor | None = None, *, add: bool = False) -> Tensor:
    """out = a @ b, or out += a @ b with ``add``: a (N, K), b (K, M), out (N, M), new unless it is
    given.
    """
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
    """out = a^T @ b: a (N, M), b (N, K), fp32 or both bf16, rows contiguous -> out (M, K)
    float32.
    """
    mkl = mkl_product() if a.dtype == torch.bfloat16 and a.device.type == "cpu" else None
    if mkl is not None and out.numel():
        row_major, plain, transposed = 101, 111, 112
        operands = (
            a.data_ptr(),
            a.stride(0),
            b.data_ptr(),
            b.stride(0),
            0.0,
            out.data_ptr(),
            out.stride(0),
        )
        mkl(row_major, transposed, plain, *out.shape, len(a), 1.0, *operands)
        return
    whole = whole_blocks(a)
    if whole == len(a):
        out.copy_(torch.mm(a.t(), b))
        return
    total = torch.mm(a[:whole].t(), b[:whole])
    ends = [part.new_zeros(BLOCK, part.shape[1]) for part in (a, b)]
    for end, part in zip(ends, (a, b), strict=True):
        end[: len(part) - whole] = part[whole:]
    out.copy_(total.addmm_(ends[0].t(), ends[1]))


def wide_linear(a: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """a @ weight^T + bias (N, M) in fp32: a (N, K), weight (M, K), bias (M).

    By oneDNN where torch has it: MKL, which torch takes for fp32, runs at half its rate on AMD's
    processors."""
    onednn = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    weight = weight.contiguous()  # of a part of a matrix it takes a thousand times as long
    if (
        onednn is None
        or len(a) < BLOCK
        or not (a.dtype == weight.dtype == torch.float32 and a.device.type == "cpu")
    ):
        return functional.linear(a, weight, bias)
    whole = len(a) // BLOCK * BLOCK
    out: Tensor = onednn(a[:whole], weight, bias, "none", [], "")
    if whole == len(a):
        return out
    last: Tensor = onednn(a[-BLOCK:], weight, bias, "none", [], "")  # as in `product`
    return torch.cat([out, last[whole - len(a) :]])


class PackedLinear:
    """[left, right] @ weight^T + bias with bf16 operands and fp32 sums and results, on vector
    registers.

    weight (M, A + B), bias (M); its weights are copies.
    """

    def __init__(self, weight: Tensor, bias: Tensor, left: int) -> None:
        self.columns, more = len(weight), -len(weight) % 32
        narrow = functional.pad(weight.detach().bfloat16(), (0, 0, 0, more))
        self.weights = packed(narrow[:, :left].t()), packed(narrow[:, left:].t())
        self.bias = array(functional.pad(bias.detach(), (0, more)))

    def __call__(self, left: Tensor, right: Tensor) -> Tensor:
        """(N, M) float32 of left (N, A) and right (N, B), bf16; 32 divides A and B, and 8 divides
        N.
        """
        if len(left) % stepping.ROWS or len(left) != len(right):
            raise ValueError(f"{len(left)} and {len(right)} rows do not make whole blocks")
        out = torch.empty(len(left), self.columns)
        block = array(torch.empty(stepping.PLANE))
        stepping.linear(array(left), array(right), *self.weights, self.bias, array(out), block)
        return out


def tanh_linear(a: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """tanh(a @ weight^T + bias) (N, M) without gradients: a (N, K), weight (M, K), bias (M)."""
    out = wide_linear(a, weight, bias)
    if not elementwise.AVAILABLE or out.device.type != "cpu" or out.dtype != torch.float32:
        return out.tanh()
    stepping.tangents(array(out))
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
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, ...]:
        left, right, *weights = ctx.saved_tensors
        slope = slope.contiguous()
        exact = torch.promote_types(slope.dtype, torch.float32)
        d_weight = torch.empty(
            slope.shape[1], left.shape[1] + right.shape[1], dtype=exact, device=slope.device
        )
        size = left.shape[1]
        for part, columns in ((left, d_weight[:, :size]), (right, d_weight[:, size:])):
            transposed_product(slope, part, columns)
        return (
            product(slope, weights[0]),
            product(slope, weights[1]),
            d_weight,
            slope.sum(0, dtype=exact),
        )


def linear(left: Tensor, right: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[left, right] @ weight^T + bias, (N, M): left (N, A), right (N, B) of one type, weight (M, A
    + B), bias (M).
    """
    result: Tensor = _Linear.apply(left, right, weight, bias)  # type: ignore[no-untyped-call]
    return result
