"""Matrix products on the vector registers of processors with AVX-512's bf16, in blocks that other work can follow.

The face of `tiles`, for processors without tile registers. Eight rows x 32 columns of a block are sixteen
registers of sums, which all of K passes through once; between products a block's sums stand in memory, which is
the first cache. See `panels` for what a panel is.

Knows numpy arrays and numba, not torch or layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernels import AVAILABLE, Array, F, compiled, load, store

ROWS = 8
"""Rows whose sums are in registers together."""

if AVAILABLE:
    import numba
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba.extending import intrinsic

    from .instructions import FLOATS, I8, I32, I64, LANES, WORDS, function, loop, offset, pointer
    from .kernels import BFLOAT

    _PAIRS = ir.VectorType(BFLOAT, 2 * LANES)

    def _repeated(builder: Any, word: Any) -> Any:
        """A pair of bf16, in one word, for all lanes."""
        undefined = ir.Constant(WORDS, ir.Undefined)
        alone = builder.insert_element(undefined, word, I32(0))
        return builder.bitcast(builder.shuffle_vector(alone, undefined, ir.Constant(WORDS, [0] * LANES)), _PAIRS)

    def _step(builder: Any, sums: list[Any], lefts: list[Any], panel: Any) -> list[Any]:
        """The sums after 32 more of K: lefts point to 8 rows, panel to 32 x 32."""
        product = function(builder, "x86.avx512bf16.dpbf16ps.512", FLOATS, [FLOATS, _PAIRS, _PAIRS])
        sums = list(sums)
        for k in range(16):
            places = [offset(builder, panel, I64(place), WORDS) for place in (64 * k, 64 * k + 1024)]
            halves = [builder.bitcast(builder.load(place, align=4), _PAIRS) for place in places]
            for row, left in enumerate(lefts):
                value = _repeated(builder, builder.load(offset(builder, left, I64(4 * k), I32), align=2))
                for number, half in enumerate(halves, start=2 * row):
                    sums[number] = builder.call(product, [sums[number], half, value])
        return sums

    def _multiplier(fresh: bool) -> Any:
        """What adds `count` products of 32 in K, 8 rows `stride` apart by a panel, to 8 x 32 sums in memory; ``fresh``,
        to zeros in their place."""

        def multiply(
            typing: Any, left: Any, a: Any, stride: Any, right: Any, b: Any, count: Any, sums: Any, at: Any
        ) -> Any:
            def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
                rows = [builder.add(args[1], builder.mul(args[2], I64(row))) for row in range(ROWS)]
                lefts = [pointer(context, builder, left, args[0], row, I8) for row in rows]
                panel = pointer(context, builder, right, args[3], args[4], I8)
                start = pointer(context, builder, sums, args[6], args[7], I8)
                places = [offset(builder, start, I64(64 * number), FLOATS) for number in range(2 * ROWS)]
                zero = ir.Constant(FLOATS, [0.0] * LANES)
                before = [zero if fresh else builder.load(place, align=4) for place in places]

                def step(number: Any, totals: list[Any]) -> list[Any]:
                    here = [offset(builder, one, builder.mul(number, I64(64)), I8) for one in lefts]
                    return _step(builder, totals, here, offset(builder, panel, builder.mul(number, I64(2048)), I8))

                for place, total in zip(places, loop(builder, args[5], before, step), strict=True):
                    builder.store(total, place, align=4)
                return context.get_dummy_value()

            whole = numba.int64
            return numba.void(left, whole, whole, right, whole, whole, sums, whole), generate

        return intrinsic(multiply)

    multiply, multiply_fresh = _multiplier(False), _multiplier(True)
else:  # pragma: no cover - depends on the installation
    multiply = multiply_fresh = None


def layout() -> Array:
    """Nothing: vector registers need no description."""
    return np.zeros(1, np.uint8)


@compiled()
def configure(tiles: Array) -> None:
    """Nothing: vector registers are always there."""


@compiled()
def release() -> None:
    """Nothing either."""


@compiled()
def begin(source: Array, index: int, stride: int, block: Array, at: int, rows: int) -> None:
    """Start the first `rows` rows of a block, at an element of `block`, from float32 rows `stride` apart; stride 0
    repeats one row."""
    for i in range(rows):
        for j in range(32):
            store(block, at + i * 32 + j, 3, load(source, index + i * stride + j, 4))


@compiled()
def begin_zero(block: Array, at: int) -> None:
    """Start a block from 0."""
    block[at : at + 1024] = F(0)


@compiled()
def accumulate(
    left: Array, a: int, stride: int, right: Array, b: int, count: int, block: Array, at: int, rows: int
) -> None:
    """Add `count` products of 32 in K to at least the first `rows` rows of a block.

    left: plain rows from element a on, `stride` apart. right: a panel from element b on.
    """
    for first in range(0, rows, ROWS):
        multiply(left, a + first * stride, stride, right, b, count, block, at + first * 32)


@compiled()
def finish(block: Array, at: int) -> None:
    """Nothing: the sums stand in the block already."""
