"""The arithmetic that surrounds the matrix products, compiled: loads and stores, functions, GRU gates.

Each kernel makes one pass over its arrays, in one thread, with the interpreter lock released, so that
several Python threads can each work on rows of their own. Arrays are C-contiguous float32, or uint16
that holds bfloat16 bits; sums and functions are always float32. Knows numpy arrays and numba, not torch,
layers or molecules. Compilation happens at the first call and is kept on disk.
"""

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

    from . import compilation
except ImportError:  # pragma: no cover - depends on the installation
    AVAILABLE = NATIVE_BF16 = NATIVE_BYTES = TILES = False
else:
    AVAILABLE = True

Function = TypeVar("Function", bound=Callable[..., Any])
Array = NDArray[Any]  # float32, or uint16 holding bfloat16
F = np.float32

# No "nnan" and no "ninf": a diverged training must show up as NaN, not as a plausible number.
EXACT = frozenset({"contract", "arcp", "nsz"})


def compiled(flags: frozenset[str] = EXACT) -> Callable[[Function], Function]:
    """Compile arithmetic under the given licences to reorder it; where numba is missing, leave it as it is."""
    if not AVAILABLE:
        return lambda function: function
    # integers are not widened: float32 is in 32 bits too, and vectors of both must have equally many
    return compilation.compiled(widening=False, fastmath=set(flags), error_model="numpy")


# ---- loads and stores that widen and narrow, and that the vectoriser can trust -----------------------
# numba says nothing about aliasing, so LLVM would test every pair of arrays and give up on kernels with
# this many. Each array of a kernel is therefore given a scope number; scopes never overlap in memory.
SCOPES = 10

if AVAILABLE:
    # What numba compiles for, which may be told to be less than the processor.
    _TOLD = any(map(os.environ.get, ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")))
    _HOST = {} if _TOLD else binding.get_host_cpu_features()
    # Elsewhere LLVM would call a runtime routine that is not there.
    NATIVE_BF16 = bool(_HOST.get("avx512bf16")) and binding.llvm_version_info[0] >= 20
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
        access.set_metadata("noalias", module.add_metadata([s for s in scopes if s is not scopes[scope]]))
        # Full-width registers: the gates are bound by arithmetic, and the products beside them use them too.
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
        """Write a float32 to element `index` of the flattened array, rounded to nearest even for bfloat16, and for
        bytes, of a number from 0 on, down."""
        number, half, byte = scope.literal_value, array.dtype.bitwidth == 16, array.dtype.bitwidth == 8

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


# ---- functions ---------------------------------------------------------------------------------------
ONE, TWO = F(1), F(2)
LOG2E, LN2 = F(1 / math.log(2)), F(math.log(2))
EXPONENT_LIMIT = F(60)  # two such factors still multiply to a finite number
# Adding it leaves round(t) + 127 in the low bits, which is the exponent field of 2^round(t).
ROUNDER = F(3 * 2**22 + 127)
MANTISSA = np.int32(23)
# (2^f - 1) / f on [-1/2, 1/2]: least-squares fit reweighted to equal ripples, relative error 4e-7.
P0, P1, P2, P3, P4 = F(0.69314712286), F(0.24022351205), F(0.05550500378), F(0.00966624543), F(0.00133335381)


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


# ---- GRU gates ---------------------------------------------------------------------------------------


@compiled()
def gru_forward(
    start: int, alive: int, following: int,
    gates: Array, candidate: Array, recurrent: Array, fixed: Array, owners: Array, bias: Array,
    state: Array, outputs: Array, carried: Array,
) -> None:  # fmt: skip
    """One step of rows start..start+alive of the packed arrays, in place.

    gates (N, 3H): the input's share of r, z, n on entry; r, z and the recurrent share of n on return.
    recurrent (alive, 3H): h @ W_hh^T of these rows. fixed (R, 3H): what is added, of which packed row i
    gets row owners[i] (N).
    bias (H): the bias inside n's recurrent share. state (B, H): h, replaced. candidate (N, H): n.
    outputs (N, H): h. carried (N + 1, H): h again, for rows that go on, where the next step's rows begin
    (start + alive); `following` of them do. The last row of carried takes what goes nowhere.
    """
    size = state.shape[1]
    for i in range(alive):
        g, q, c = (start + i) * 3 * size, i * 3 * size, owners[start + i] * 3 * size
        o, s = (start + i) * size, i * size
        k = (start + alive + i if i < following else carried.shape[0] - 1) * size
        for j in range(size):
            xr = load(gates, g + j, 0) + load(recurrent, q + j, 3) + load(fixed, c + j, 4)
            xz = load(gates, g + size + j, 1) + load(recurrent, q + size + j, 3)
            xz += load(fixed, c + size + j, 4)
            u, v = ONE + exponential(-xr), ONE + exponential(-xz)
            both = inverse(u * v)  # one division for two sigmoids
            r, z = both * v, both * u
            hn = load(recurrent, q + 2 * size + j, 3) + load(bias, j, 5)
            xn = load(gates, g + 2 * size + j, 2) + load(fixed, c + 2 * size + j, 4)
            n = hyperbolic_tangent(xn + r * hn)
            h = n + z * (load(state, s + j, 6) - n)
            store(gates, g + j, 0, r)
            store(gates, g + size + j, 1, z)
            store(gates, g + 2 * size + j, 2, hn)
            store(candidate, o + j, 7, n)
            store(state, s + j, 6, h)
            store(outputs, o + j, 8, h)
            store(carried, k + j, 9, h)


@compiled()
def gru_backward(
    start: int, alive: int, following: int,
    gates: Array, candidate: Array, recurrent: Array, carried: Array, slope: Array, state: Array,
) -> None:  # fmt: skip
    """The reverse of `gru_forward` for one step, in place.

    gates (N, 3H): r, z and n's recurrent share on entry; their gradients on return. candidate (N, H): n on
    entry, the gradient of n's input share on return. carried (N + 1, H): the state each step began with.
    recurrent (B + 1, H): what comes back through W_hh from the next step, for the first `following` rows;
    its last row is 0. slope (N or 1, H): gradient of the outputs, one row of 0 if there is none.
    state (B, H): on entry the direct share of the next step's gradient, on return that of this one.
    """
    size = state.shape[1]
    given = 0 if slope.shape[0] == 1 else 1
    for i in range(alive):
        g, o, s = (start + i) * 3 * size, (start + i) * size, i * size
        q = (i if i < following else recurrent.shape[0] - 1) * size
        d = o * given
        for j in range(size):
            dh = load(state, s + j, 6) + load(recurrent, q + j, 3) + load(slope, d + j, 4)
            r, z, hn = load(gates, g + j, 0), load(gates, g + size + j, 1), load(gates, g + 2 * size + j, 2)
            n = load(candidate, o + j, 7)
            kept = dh * z
            dn = (dh - kept) * (ONE - n * n)
            dhn = dn * r
            store(gates, g + j, 0, dhn * hn * (ONE - r))
            store(gates, g + size + j, 1, kept * (load(carried, o + j, 9) - n) * (ONE - z))
            store(gates, g + 2 * size + j, 2, dhn)
            store(candidate, o + j, 7, dn)
            store(state, s + j, 6, kept)


@compiled()
def gru_fixed_gradient(gates: Array, candidate: Array, owners: Array, fixed: Array, bias: Array) -> None:
    """Sum gate gradients: over the packed rows of each owner (N) into fixed (R, 3H), over all rows into bias (4H).

    The first 3H of bias, 0 on entry, are the input's share; the last H are n's recurrent share.
    """
    size, count = candidate.shape[1], owners.size
    ends, order = np.zeros(fixed.shape[0] + 1, np.int64), np.empty(count, np.int64)
    for i in range(count):  # rows in the order of their owners, so that sums stand in the nearest cache
        ends[owners[i] + 1] += 1
    for r in range(fixed.shape[0]):
        ends[r + 1] += ends[r]
    for i in range(count):
        order[ends[owners[i]]] = i
        ends[owners[i]] += 1
    total = np.zeros(3 * size, np.float32)
    for r in range(fixed.shape[0]):
        total[:] = F(0)
        for place in range(ends[r - 1] if r else 0, ends[r]):
            g, o = order[place] * 3 * size, order[place] * size
            for j in range(2 * size):
                store(total, j, 2, load(total, j, 2) + load(gates, g + j, 0))
            for j in range(size):
                store(total, 2 * size + j, 2, load(total, 2 * size + j, 2) + load(candidate, o + j, 1))
            for j in range(size):
                store(bias, 3 * size + j, 4, load(bias, 3 * size + j, 4) + load(gates, g + 2 * size + j, 0))
        for j in range(3 * size):
            value = load(total, j, 2)
            store(fixed, r * 3 * size + j, 3, value)
            store(bias, j, 4, load(bias, j, 4) + value)


@compiled()
def gru_step(
    gates: Array, recurrent: Array, fixed: Array, owners: Array, bias: Array,
    state: Array, narrow: Array,
) -> None:  # fmt: skip
    """One step without memory of the gates, for sampling.

    gates, recurrent (B, 3H): shares of the input and of the state. fixed (R, 3H): row i gets row owners[i], or the
    only one there is. bias (3H): the recurrent share's. state (B, H): replaced, as is narrow (B, H), its copy in
    the type of the next matrix product.
    """
    size = state.shape[1]
    for i in range(state.shape[0]):
        g, s = i * 3 * size, i * size
        c = (owners[i] if fixed.shape[0] > 1 else 0) * 3 * size
        for j in range(size):
            xr = load(gates, g + j, 0) + load(recurrent, g + j, 3) + load(fixed, c + j, 4) + load(bias, j, 5)
            xz = load(gates, g + size + j, 0) + load(recurrent, g + size + j, 3)
            xz += load(fixed, c + size + j, 4) + load(bias, size + j, 5)
            u, v = ONE + exponential(-xr), ONE + exponential(-xz)
            both = inverse(u * v)
            hn = load(recurrent, g + 2 * size + j, 3) + load(bias, 2 * size + j, 5)
            xn = load(gates, g + 2 * size + j, 0) + load(fixed, c + 2 * size + j, 4)
            n = hyperbolic_tangent(xn + both * v * hn)
            h = n + both * u * (load(state, s + j, 6) - n)
            store(state, s + j, 6, h)
            store(narrow, s + j, 8, h)
