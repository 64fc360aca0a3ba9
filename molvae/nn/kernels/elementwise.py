"""What the arithmetic around the matrix products is compiled from: loads and stores, and functions.

A kernel makes one pass over its arrays, in one thread, with the interpreter lock released, so that
several Python threads can each work on rows of their own. Arrays are C-contiguous float32, uint16
that holds bfloat16 bits, or bytes; functions, and sums of all but bytes, are always float32. Knows
numpy arrays and numba, not torch, layers or molecules. Compilation happens at the first call and is
kept on disk."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

try:  # where it is asked whether numba is there; without it the layers alone run, in their plain torch form
    import numba
    from llvmlite import binding, ir  # type: ignore[import-untyped]
    from numba.core.cgutils import create_struct_proxy
    from numba.extending import intrinsic

    from ...runtime import compilation
except ImportError:  # pragma: no cover - depends on the installation
    AVAILABLE = NATIVE_BF16 = NATIVE_BYTES = TILES = False
else:
    AVAILABLE = True

Function = TypeVar("Function", bound=Callable[..., Any])
Array = NDArray[Any]  # float32, uint16 holding bfloat16, uint8, or places in other arrays
F = np.float32

# No "nnan" and no "ninf": a diverged training must show up as NaN, not as a plausible number.
EXACT = frozenset({"contract", "arcp", "nsz"})


def compiled(flags: frozenset[str] = EXACT) -> Callable[[Function], Function]:
    """Compile arithmetic under the given licences to reorder it; where numba is missing, leave it
    as it is.
    """
    if not AVAILABLE:
        return lambda function: function
    # integers are not widened: float32 is in 32 bits too, and vectors of both must have equally
    # many
    return compilation.compiled(widening=False, fastmath=set(flags), error_model="numpy")


# ---- loads and stores that widen and narrow, and that the vectoriser can trust
# ----------------------- numba says nothing about aliasing, so LLVM would test every pair of arrays
# and give up on kernels with this many. Each array of a kernel is therefore given a scope number;
# scopes never overlap in memory.
SCOPES = 10

if AVAILABLE:
    # What numba compiles for, which may be told to be less than the processor.
    _TOLD = any(map(os.environ.get, ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")))
    _HOST = {} if _TOLD else binding.get_host_cpu_features()
    # Elsewhere LLVM would call a runtime routine that is not there.
    NATIVE_BF16 = bool(_HOST.get("avx512bf16"))
    NATIVE_BYTES = bool(_HOST.get("avx512vnni"))
    TILES = bool(_HOST.get("amx-bf16"))

    class _BFloat(ir.types._BaseFloatType):  # type: ignore[misc]
        intrinsic_name = "bf16"

        def __str__(self) -> str:
            return "bfloat"

    _BFloat._create_instance()
    BFLOAT = _BFloat()
    _I8, _I16, _I32, _F32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.FloatType()

    def _mark(builder: Any, access: Any, scope: int) -> None:
        module = builder.module
        domain = module.add_metadata(["molvae"])
        scopes = [module.add_metadata([f"molvae {number}", domain]) for number in range(SCOPES)]
        access.set_metadata("alias.scope", module.add_metadata([scopes[scope]]))
        access.set_metadata(
            "noalias", module.add_metadata([s for s in scopes if s is not scopes[scope]])
        )
        # Full-width registers: the gates are bound by arithmetic, and the products beside them use
        # them too.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')

    def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
        proxy: Any = create_struct_proxy
        return builder.gep(proxy(kind)(context, builder, value=array).data, [index])

    def _load(typing: Any, array: Any, index: Any, scope: Any) -> Any:
        """Element `index` of the flattened array as float32."""
        number, half = scope.literal_value, array.dtype.bitwidth == 16

        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            value = builder.load(_address(context, builder, array, args[0], args[1]))
            _mark(builder, value, number)
            if not half:
                return value
            return builder.bitcast(builder.shl(builder.zext(value, _I32), _I32(16)), _F32)

        return numba.float32(array, numba.int64, scope), generate

    def _store(typing: Any, array: Any, index: Any, scope: Any, value: Any) -> Any:
        """Write a float32 to element `index` of the flattened array, rounded to nearest even for
        bfloat16, and for bytes, of a number from 0 on, down."""
        number, half, byte = (
            scope.literal_value,
            array.dtype.bitwidth == 16,
            array.dtype.bitwidth == 8,
        )

        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            value = args[3]
            if byte:
                value = builder.fptoui(value, _I8)
            elif half and NATIVE_BF16:
                value = builder.bitcast(builder.fptrunc(value, BFLOAT), _I16)
            elif half:
                bits = builder.bitcast(value, _I32)
                odd = builder.and_(builder.lshr(bits, _I32(16)), _I32(1))
                bits = builder.add(builder.add(bits, _I32(0x7FFF)), odd)
                value = builder.trunc(builder.lshr(bits, _I32(16)), _I16)
            access = builder.store(value, _address(context, builder, array, args[0], args[1]))
            _mark(builder, access, number)
            return context.get_dummy_value()

        return numba.void(array, numba.int64, scope, numba.float32), generate

    load: Any = intrinsic(prefer_literal=True)(_load)
    store: Any = intrinsic(prefer_literal=True)(_store)

else:  # pragma: no cover - depends on the installation
    load = store = None


# ---- functions
# ---------------------------------------------------------------------------------------
ONE, TWO = F(1), F(2)
LOG2E, LN2 = F(1 / math.log(2)), F(math.log(2))
EXPONENT_LIMIT = F(60)  # two such factors still multiply to a finite number
# Adding it leaves round(t) + 127 in the low bits, which is the exponent field of 2^round(t).
ROUNDER = F(3 * 2**22 + 127)
MANTISSA = np.int32(23)
# (2^f - 1) / f on [-1/2, 1/2]: least-squares fit reweighted to equal ripples, relative error 4e-7.
P0, P1, P2, P3, P4 = (
    F(0.69314712286),
    F(0.24022351205),
    F(0.05550500378),
    F(0.00966624543),
    F(0.00133335381),
)


@compiled()
def power_parts(t: Any) -> Any:
    """(s, p) with s = 2^k and s + s*p = 2^t: p is small and keeps its digits where t is near 0."""
    t = -EXPONENT_LIMIT if t < -EXPONENT_LIMIT else t  # written so that NaN passes
    t = EXPONENT_LIMIT if t > EXPONENT_LIMIT else t
    shifted = t + ROUNDER
    f = t - (shifted - ROUNDER)
    p = f * (P0 + f * (P1 + f * (P2 + f * (P3 + f * P4))))
    return np.int32(F(shifted).view(np.int32) << MANTISSA).view(np.float32), p


@compiled()
def exponential(x: Any) -> Any:
    """exp(x) to about 1e-6 for |x| below 41, where it stops growing or falling."""
    s, p = power_parts(x * LOG2E)
    return s + s * p


@compiled(EXACT | {"ninf"})
def inverse(x: Any) -> Any:
    """1 / x for finite x; may become an estimate with a Newton step."""
    return ONE / x


@compiled()
def hyperbolic_tangent(x: Any) -> Any:
    """tanh(x) to about 1e-6 of its value, also near 0: (e^2x - 1) / (e^2x + 1)."""
    s, p = power_parts(x * (TWO * LOG2E))
    grown = s * p + (s - ONE)
    return grown * inverse(grown + TWO)
