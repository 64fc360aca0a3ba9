"""Matrix products on the tile registers of recent Intel processors (AMX), in blocks that other work
can follow.

A library's product writes all of its result before the next operation reads it. Here one block of
32 x 32 is accumulated over all of K, and the caller goes on with it while it is in the first cache.
Operands are bfloat16 (uint16 here), sums float32. Right operands are packed beforehand, left ones
are plain rows.

    a tile: 16 rows of 64 bytes: 16 x 32 bfloat16, 16 x 16 pairs of bfloat16, or 16 x 16 float32 a
    panel: all tiles of 32 columns of a right operand, along K: two tiles, 1024 numbers, per 32 of K

Knows numpy arrays and numba, not torch or layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import AVAILABLE, Array, compiled

if AVAILABLE:
    import numba
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba.extending import intrinsic

    from .instructions import I8, I64, function, pointer

    def _call(context: Any, builder: Any, name: str, arguments: list[Any]) -> Any:
        types = [argument.type for argument in arguments]
        builder.call(function(builder, f"x86.{name}", ir.VoidType(), types), arguments)
        return context.get_dummy_value()

    def _number(literal: Any) -> Any:
        return ir.Constant(I8, literal.literal_value)

    def _configure(typing: Any, layout: Any) -> Any:
        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            start = pointer(context, builder, layout, args[0], I64(0), I8)
            return _call(context, builder, "ldtilecfg", [start])

        return numba.void(layout), generate

    def _release(typing: Any) -> Any:
        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            return _call(context, builder, "tilerelease", [])

        return numba.void(), generate

    def _clear(typing: Any, tile: Any) -> Any:
        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            return _call(context, builder, "tilezero", [_number(tile)])

        return numba.void(tile), generate

    def _multiply(typing: Any, total: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            return _call(
                context, builder, "tdpbf16ps", [_number(tile) for tile in (total, left, right)]
            )

        return numba.void(total, left, right), generate

    def _mover(name: str) -> Any:
        def move(typing: Any, tile: Any, array: Any, index: Any, stride: Any) -> Any:
            def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
                start = pointer(context, builder, array, args[1], args[2], I8)
                step = builder.mul(args[3], I64(array.dtype.bitwidth // 8))
                return _call(context, builder, name, [_number(tile), start, step])

            return numba.void(tile, array, numba.int64, numba.int64), generate

        return intrinsic(prefer_literal=True)(move)

    configure: Any = intrinsic(_configure)
    release: Any = intrinsic(_release)
    clear: Any = intrinsic(prefer_literal=True)(_clear)
    multiply: Any = intrinsic(prefer_literal=True)(_multiply)
    load_tile, store_tile = _mover("tileloadd64"), _mover("tilestored64")
else:  # pragma: no cover - depends on the installation
    configure = release = clear = multiply = load_tile = store_tile = None


def layout() -> Array:
    """The description of eight full tiles that `configure` takes."""
    description = np.zeros(64, np.uint8)
    description[0] = 1
    description[16:32].view(np.uint16)[:] = 64  # bytes in a row
    description[48:56] = 16  # rows
    return description


# ---- one block of 32 x 32
# -------------------------------------------------------------------------------


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
    """Add `count` products of 32 in K to all rows of the block, whichever are wanted.

    left: 32 plain rows from element a on, `stride` apart. right: a panel from element b on.
    """
    for _ in range(count):
        load_tile(4, left, a, stride)
        load_tile(6, right, b, 32)
        multiply(0, 4, 6)
        load_tile(7, right, b + 512, 32)
        multiply(1, 4, 7)
        load_tile(5, left, a + 16 * stride, stride)
        multiply(2, 5, 6)
        multiply(3, 5, 7)
        a += 32
        b += 1024


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
    clear(0)
    clear(1)
    clear(2)
    clear(3)
    accumulate(left, a, stride, right, b, count, block, at, rows)


@compiled()
def finish(block: Array, at: int) -> None:
    """Write the block to 32 x 32 float32 from element `at` on."""
    store_tile(0, block, at, 32)
    store_tile(1, block, at + 16, 32)
    store_tile(2, block, at + 512, 32)
    store_tile(3, block, at + 528, 32)
