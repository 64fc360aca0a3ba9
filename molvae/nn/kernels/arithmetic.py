"""Floating-point arithmetic that kernels are written with: exp and tanh, and numbers in bfloat16.

A kernel here is a plain loop over numpy arrays, compiled by numba, in one thread and with the
interpreter lock released, so that several Python threads can each work on rows of their own. It is
cut into short loops with few arrays each: numba says nothing about which arrays overlap, so LLVM
tests every pair before a vectorised loop, and gives up where there are many.

bfloat16 is unknown to numpy. Tensors of it come as uint16, the upper half of a float32's bits, and
are read and written by :func:`element` and :func:`set_element`; sums and functions are float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...runtime import compilation

Function = TypeVar("Function", bound=Callable[..., Any])
Array = NDArray[Any]  # float32, or uint16 that holds bfloat16, or indices
F, INT = np.float32, np.int32

FLAGS = frozenset({"contract", "arcp", "nsz"})
"""Licences for LLVM. No "nnan" and no "ninf": a diverged training must show up as NaN."""


def kernel(flags: frozenset[str] = FLAGS) -> Callable[[Function], Function]:
    """Compile arithmetic under the given licences to reorder it.

    Integers are not widened to 64 bits: float32 has 32, and vectors of both must have equally many.
    """
    return compilation.compiled(
        widening=False, makes_arrays=True, fastmath=set(flags), error_model="numpy"
    )


def array(tensor: Tensor) -> Array:
    """Return the memory of a CPU tensor as kernels take it: bfloat16 as uint16, all else as it
    is.
    """
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.uint16)
    result: Array = tensor.numpy()
    return result


def element(values: Array, index: int) -> Any:
    """Read an element as float32."""
    raise NotImplementedError("compiled code only")


def set_element(values: Array, index: int, value: Any) -> None:
    """Write a float32 to an element, rounded to nearest even where that is bfloat16."""
    raise NotImplementedError("compiled code only")


if compilation.KERNELS:
    from numba import types
    from numba.extending import overload

    def _element(values: Any, index: Any) -> Any:
        if values.dtype != types.uint16:
            return lambda values, index: values[index]
        # Times 2^16 puts the bits where a float32 has them. A shift would do, but numba shifts in
        # 64 bits, and LLVM does not always narrow that again.
        return lambda values, index: INT(INT(values[index]) * INT(65536)).view(np.float32)

    def _set_element(values: Any, index: Any, value: Any) -> Any:
        def narrowed(values: Any, index: Any, value: Any) -> None:
            # Half of the last place that is kept, less one where that place is even, carries over
            # exactly when the number is to be rounded up.
            bits = F(value).view(np.int32)
            odd = INT(bits >> INT(16)) & INT(1)
            values[index] = np.uint16(INT(INT(bits + INT(0x7FFF)) + INT(odd)) >> INT(16))

        def plain(values: Any, index: Any, value: Any) -> None:
            values[index] = value

        return narrowed if values.dtype == types.uint16 else plain

    overload(element, inline="always", strict=False)(_element)
    overload(set_element, inline="always", strict=False)(_set_element)


@kernel()
def put(values: Array, target: Array) -> None:
    """Copy float32 values to a row of any type."""
    for j in range(values.size):
        set_element(target, j, values[j])


@kernel()
def get(source: Array, values: Array) -> None:
    """Copy a row of any type to float32 values."""
    for j in range(values.size):
        values[j] = element(source, j)


@kernel()
def add(source: Array, values: Array) -> None:
    """Add a row of any type to float32 values."""
    for j in range(values.size):
        values[j] += element(source, j)


ONE, TWO = F(1), F(2)
LOG2E, LN2 = F(1 / math.log(2)), F(math.log(2))
EXPONENT_LIMIT = F(60)  # two such factors still multiply to a finite number
# Adding it leaves round(t) + 127 in the low bits, which is the exponent field of 2^round(t).
ROUNDER = F(3 * 2**22 + 127)
MANTISSA = INT(23)
# (2^f - 1) / f on [-1/2, 1/2]: least-squares fit reweighted to equal ripples, relative error 4e-7.
P0, P1, P2 = F(0.69314712286), F(0.24022351205), F(0.05550500378)
P3, P4 = F(0.00966624543), F(0.00133335381)


@kernel()
def power_parts(t: Any) -> Any:
    """Compute (s, p) with s = 2^k and s + s p = 2^t: p is small and keeps its digits near t = 0."""
    t = -EXPONENT_LIMIT if t < -EXPONENT_LIMIT else t  # written so that NaN passes
    t = EXPONENT_LIMIT if t > EXPONENT_LIMIT else t
    shifted = t + ROUNDER
    f = t - (shifted - ROUNDER)
    p = f * (P0 + f * (P1 + f * (P2 + f * (P3 + f * P4))))
    # The integer in the low bits moves to the exponent field: 2^k without a power.
    return INT(F(shifted).view(np.int32) << MANTISSA).view(np.float32), p


@kernel()
def exponential(x: Any) -> Any:
    """Compute exp(x) to about 1e-6 for |x| below 41, where it stops growing or falling."""
    s, p = power_parts(x * LOG2E)
    return s + s * p


@kernel(FLAGS | {"ninf"})
def inverse(x: Any) -> Any:
    """Compute 1 / x for finite x; may become an estimate with a Newton step."""
    return ONE / x


@kernel()
def hyperbolic_tangent(x: Any) -> Any:
    """Compute tanh(x) = (e^2x - 1) / (e^2x + 1) to about 1e-6 of its value, also near 0."""
    s, p = power_parts(x * (TWO * LOG2E))
    grown = s * p + (s - ONE)
    return grown * inverse(grown + TWO)
