"""Matrix products on the vector registers of processors with AVX-512's bf16, in blocks that other work can follow.

The face of `tiles`, for processors without tile registers. Eight rows x 32 columns of a block are sixteen
registers of sums, which all of K passes through once; between products a block's sums stand in memory, which is
the first cache. See `tiles` for what a panel is.

Knows numpy arrays and numba, not torch or layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .kernels import AVAILABLE, Array, F, compiled, load, store

ROWS, LANES = 8, 16
"""Rows whose sums are in registers together, and float32 in a register."""

if AVAILABLE:
    import numba
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba.core import cgutils
    from numba.extending import intrinsic

    from .kernels import BFLOAT
    from .panels import pointer

    utilities: Any = cgutils
    _I8, _I32, _I64 = (ir.IntType(bits) for bits in (8, 32, 64))
    _SUMS, _WORDS, _PAIRS = ir.VectorType(ir.FloatType(), 16), ir.VectorType(_I32, 16), ir.VectorType(BFLOAT, 32)

    def _at(builder: Any, start: Any, offset: Any, to: Any) -> Any:
        return builder.bitcast(builder.gep(start, [offset]), to.as_pointer())

    def _repeated(builder: Any, word: Any) -> Any:
        """A pair of bf16, in one word, for all lanes."""
        undefined = ir.Constant(_WORDS, ir.Undefined)
        alone = builder.insert_element(undefined, word, _I32(0))
        return builder.bitcast(builder.shuffle_vector(alone, undefined, ir.Constant(_WORDS, [0] * LANES)), _PAIRS)

    def _step(builder: Any, product: Any, sums: list[Any], lefts: list[Any], panel: Any, pair: int) -> list[Any]:
        """The sums after 32 more of K: lefts point to 8 rows, whose pairs are `pair` bytes apart, panel to 32 x 32."""
        sums = list(sums)
        for k in range(16):
            halves = [
                builder.bitcast(builder.load(_at(builder, panel, _I64(place), _WORDS), align=4), _PAIRS)
                for place in (64 * k, 64 * k + 1024)
            ]
            for row, left in enumerate(lefts):
                word = builder.load(_at(builder, left, _I64(pair * k), _I32), align=2)
                value = _repeated(builder, word)
                for number, half in enumerate(halves, start=2 * row):
                    sums[number] = builder.call(product, [sums[number], half, value])
        return sums

    def _loop(builder: Any, count: Any, start: list[Any], body: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
        """What `start` becomes when `body` has been applied `count` times, at least once; it is told the number."""
        before, loop = builder.block, builder.append_basic_block("loop")
        builder.branch(loop)
        builder.position_at_end(loop)
        number, carried = builder.phi(_I64), [builder.phi(_SUMS) for _ in start]
        results = body(number, carried)
        following = builder.add(number, _I64(1))
        for phi, first, later in zip([number, *carried], [_I64(0), *start], [following, *results], strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(later, loop)
        after = builder.append_basic_block("after")
        builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
        builder.position_at_end(after)
        return results

    def _multiplier(packed: bool) -> Any:
        """What adds `count` products of 32 in K to 8 x 32 sums; left operands are plain rows or a packed panel."""
        pair, depth = (64, 2048) if packed else (4, 64)  # bytes from a pair to the next, from 32 of K to the next

        def multiply(
            typing: Any, left: Any, a: Any, stride: Any, right: Any, b: Any, count: Any, sums: Any, at: Any
        ) -> Any:
            def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
                kind = ir.FunctionType(_SUMS, [_SUMS, _PAIRS, _PAIRS])
                product = utilities.get_or_insert_function(builder.module, kind, "llvm.x86.avx512bf16.dpbf16ps.512")
                rows = [builder.add(args[1], builder.mul(args[2], _I64(row))) for row in range(ROWS)]
                lefts = [pointer(context, builder, left, args[0], row, _I8) for row in rows]
                panel = pointer(context, builder, right, args[3], args[4], _I8)
                start = pointer(context, builder, sums, args[6], args[7], _I8)
                places = [_at(builder, start, _I64(64 * number), _SUMS) for number in range(2 * ROWS)]

                def step(number: Any, totals: list[Any]) -> list[Any]:
                    here = [_at(builder, one, builder.mul(number, _I64(depth)), _I8) for one in lefts]
                    there = _at(builder, panel, builder.mul(number, _I64(2048)), _I8)
                    return _step(builder, product, totals, here, there, pair)

                totals = _loop(builder, args[5], [builder.load(place, align=4) for place in places], step)
                for place, total in zip(places, totals, strict=True):
                    builder.store(total, place, align=4)
                return context.get_dummy_value()

            whole = numba.int64
            return numba.void(left, whole, whole, right, whole, whole, sums, whole), generate

        return intrinsic(multiply)

    multiply_rows, multiply_panel = _multiplier(packed=False), _multiplier(packed=True)
else:  # pragma: no cover - depends on the installation
    multiply_rows = multiply_panel = None


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
def begin(source: Array, index: int, stride: int, block: Array, at: int) -> None:
    """Start a block, at an element of `block`, from float32 rows `stride` apart; stride 0 repeats one row."""
    for i in range(32):
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
        multiply_rows(left, a + first * stride, stride, right, b, count, block, at + first * 32)


@compiled()
def finish(block: Array, at: int) -> None:
    """Nothing: the sums stand in the block already."""
