"""Tensors as the compiled kernels see them, and the one matrix product torch is slow at.

Knows memory and number formats, not what the numbers mean.
"""

from __future__ import annotations

import ctypes
import functools
import pathlib
from typing import Any

import torch
from torch import Tensor

from . import kernels


def array(tensor: Tensor) -> kernels.Array:
    """The tensor's memory as the kernels take it: float32, or bfloat16 as uint16; integers as they are."""
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.uint16)
    result: kernels.Array = tensor.numpy()
    return result


@functools.cache
def has_tiles() -> bool:
    """Whether the processor has bf16 tile registers (AMX) and the system lets this process use them."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    start = getattr(torch.cpu, "_init_amx", None)
    return bool(kernels.AVAILABLE and supported and start and supported() and start())


@functools.cache
def mkl_product() -> Any | None:
    """MKL's bf16 product as torch carries it, or None where it is not there or the processor has no AMX.

    torch multiplies bf16 with oneDNN, which is slow when the left operand is transposed, as in every weight
    gradient, and rounds the result to bf16; MKL is faster there and gives fp32.
    """
    path = pathlib.Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    if not path.exists() or not has_tiles():
        return None
    product = getattr(ctypes.CDLL(str(path)), "cblas_gemm_bf16bf16f32", None)
    if product is not None:
        number, real, memory = ctypes.c_int, ctypes.c_float, ctypes.c_void_p
        product.argtypes = [number] * 6 + [real, memory, number, memory, number, real, memory, number]
        product.restype = None
    return product


def transposed_product(a: Tensor, b: Tensor, out: Tensor) -> None:
    """out = a^T @ b: a (N, M), b (N, K), fp32 or both bf16, rows contiguous -> out (M, K) float32."""
    product = mkl_product() if a.dtype == torch.bfloat16 else None
    if product is None or not out.numel():
        out.copy_(torch.mm(a.t(), b))
        return
    row_major, plain, transposed = 101, 111, 112
    operands = (a.data_ptr(), a.stride(0), b.data_ptr(), b.stride(0), 0.0, out.data_ptr(), out.stride(0))
    product(row_major, transposed, plain, *out.shape, len(a), 1.0, *operands)
