"""Matrix products on the vector registers of processors with AVX-512's bf16, in blocks that other
work can follow.

The face of `tiles`, for processors without tile registers. Eight rows x 32 columns of a block are
sixteen registers of sums, which all of K passes through once; between products a block's sums stand
in memory, which is the first cache. See `panels` for what a panel is. Products of bytes are as
exact as integers and twice as fast.

Knows numpy arrays and numba, not torch or layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import AVAILABLE, Array, compiled

ROWS = 8
"""Rows whose sums are in registers together."""

if AVAILABLE:
    import numba
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba.extending import intrinsic

    from .elementwise import BFLOAT
    from .instructions import FLOATS, I8, I32, I64, LANES, WORDS, function, loop, offset, pointer

    _PAIRS, _BYTES = ir.VectorType(BFLOAT, 2 * LANES), ir.VectorType(I8, 4 * LANES)

    def _repeated(builder: Any, word: Any) -> Any:
        """One word for all lanes."""
        undefined = ir.Constant(WORDS, ir.Undefined)
        alone = builder.insert_element(undefined, word, I32(0))
        return builder.shuffle_vector(alone, undefined, ir.Constant(WORDS, [0] * LANES))

    def _of_pairs(builder: Any, total: Any, left: Any, right: Any) -> Any:
        """Sums in float32, each after one more pair of bf16."""
        product = function(builder, "x86.avx512bf16.dpbf16ps.512", FLOATS, [FLOATS, _PAIRS, _PAIRS])
        return builder.call(
            product, [total, builder.bitcast(left, _PAIRS), builder.bitcast(right, _PAIRS)]
        )

    def _of_bytes(builder: Any, total: Any, left: Any, right: Any) -> Any:
        """Sums in int32, each after four more bytes, unsigned on the left and signed on the
        right.
        """
        product = function(builder, "x86.avx512.vpdpbusd.512", WORDS, [WORDS, _BYTES, _BYTES])
        return builder.call(
            product, [total, builder.bitcast(left, _BYTES), builder.bitcast(right, _BYTES)]
        )

    def _summed(
        builder: Any, add: Any, lefts: list[Any], panel: Any, count: Any, before: list[Any]
    ) -> list[Any]:
        """The sums after `count` times 16 words of K: lefts point to 8 rows, panel to as many words
        of 32 columns.
        """

        def step(number: Any, totals: list[Any]) -> list[Any]:
            here = [offset(builder, one, builder.mul(number, I64(64)), I8) for one in lefts]
            there, sums = offset(builder, panel, builder.mul(number, I64(2048)), I8), list(totals)
            for k in range(16):
                places = [
                    offset(builder, there, I64(place), WORDS) for place in (64 * k, 64 * k + 1024)
                ]
                halves = [builder.load(place, align=4) for place in places]
                for row, left in enumerate(here):
                    value = _repeated(
                        builder, builder.load(offset(builder, left, I64(4 * k), I32), align=1)
                    )
                    for number_of_sum, half in enumerate(halves, start=2 * row):
                        sums[number_of_sum] = add(builder, sums[number_of_sum], value, half)
            return sums

        return loop(builder, count, before, step)

    def _rows(
        context: Any, builder: Any, kind: Any, array: Any, first: Any, stride: Any
    ) -> list[Any]:
        """Pointers to 8 rows of an array from element `first` on."""
        places = [builder.add(first, builder.mul(stride, I64(row))) for row in range(ROWS)]
        return [pointer(context, builder, kind, array, place, I8) for place in places]

    def _vectors(
        context: Any, builder: Any, kind: Any, array: Any, first: Any, count: int, to: Any
    ) -> list[Any]:
        """Pointers to `count` vectors of an array from element `first` on."""
        start = pointer(context, builder, kind, array, first, I8)
        return [offset(builder, start, I64(4 * LANES * number), to) for number in range(count)]

    def _multiplier(fresh: bool) -> Any:
        """What adds `count` products of 32 in K, 8 rows `stride` apart by a panel, to 8 x 32 sums
        in memory; ``fresh``, to zeros in their place."""

        def multiply(
            typing: Any,
            left: Any,
            a: Any,
            stride: Any,
            right: Any,
            b: Any,
            count: Any,
            sums: Any,
            at: Any,
        ) -> Any:
            def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
                lefts = _rows(context, builder, left, args[0], args[1], args[2])
                panel = pointer(context, builder, right, args[3], args[4], I8)
                places = _vectors(context, builder, sums, args[6], args[7], 2 * ROWS, FLOATS)
                zero = ir.Constant(FLOATS, [0.0] * LANES)
                before = [zero if fresh else builder.load(place, align=4) for place in places]
                totals = _summed(builder, _of_pairs, lefts, panel, args[5], before)
                for place, total in zip(places, totals, strict=True):
                    builder.store(total, place, align=4)
                return context.get_dummy_value()

            whole = numba.int64
            return numba.void(left, whole, whole, right, whole, whole, sums, whole), generate

        return intrinsic(multiply)

    def _multiply_bytes(
        typing: Any, left: Any, a: Any, stride: Any, right: Any, b: Any, count: Any, starts: Any, scales: Any,
        column: Any, sums: Any, at: Any,
    ) -> Any:  # fmt: skip
        """8 x 32 sums of `count` products of 64 in K, of bytes: begun with int32 `starts`, and then
        float32 times `scales`, both of the panel's columns from `column` on."""

        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            lefts = _rows(context, builder, left, args[0], args[1], args[2])
            panel = pointer(context, builder, right, args[3], args[4], I8)
            start = _vectors(context, builder, starts, args[6], args[8], 2, WORDS)
            scale = _vectors(context, builder, scales, args[7], args[8], 2, FLOATS)
            before = ROWS * [builder.load(one, align=4) for one in start]
            factors = ROWS * [builder.load(one, align=4) for one in scale]
            totals = _summed(builder, _of_bytes, lefts, panel, args[5], before)
            places = _vectors(context, builder, sums, args[9], args[10], 2 * ROWS, FLOATS)
            for place, total, factor in zip(places, totals, factors, strict=True):
                builder.store(builder.fmul(builder.sitofp(total, FLOATS), factor), place, align=4)
            return context.get_dummy_value()

        whole = numba.int64
        arguments = (left, whole, whole, right, whole, whole, starts, scales, whole, sums, whole)
        return numba.void(*arguments), generate

    multiply, multiply_fresh = _multiplier(False), _multiplier(True)
    multiply_bytes: Any = intrinsic(_multiply_bytes)
else:  # pragma: no cover - depends on the installation
    multiply = multiply_fresh = multiply_bytes = None


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
def accumulate(
    left: Array,
    a: int,
    stride: int,
    right: Array,
    b: int,
    count: int,
    block: Array,
    at: int,
    rows: int,
) -> None:
    """Add `count` products of 32 in K to at least the first `rows` rows of a block.

    left: plain rows from element a on, `stride` apart. right: a panel from element b on.
    """
    for first in range(0, rows, ROWS):
        multiply(left, a + first * stride, stride, right, b, count, block, at + first * 32)


@compiled()
def begin(
    left: Array,
    a: int,
    stride: int,
    right: Array,
    b: int,
    count: int,
    block: Array,
    at: int,
    rows: int,
) -> None:
    """Start a block with `count` products of 32 in K, as `accumulate` adds them."""
    for first in range(0, rows, ROWS):
        multiply_fresh(left, a + first * stride, stride, right, b, count, block, at + first * 32)


@compiled()
def finish(block: Array, at: int) -> None:
    """Nothing: the sums stand in the block already."""
