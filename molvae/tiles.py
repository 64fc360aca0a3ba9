"""Matrix products on the tile registers of recent Intel processors (AMX), in blocks that other work can follow.

A library's product writes all of its result before the next operation reads it. Here one block of 32 x 32
is accumulated over all of K, and the caller goes on with it while it is in the first cache. Operands are
bfloat16 (uint16 here), sums float32. Right operands are packed beforehand, left ones are plain rows.

    a tile: 16 rows of 64 bytes: 16 x 32 bfloat16, 16 x 16 pairs of bfloat16, or 16 x 16 float32
    a panel: all tiles of 32 columns of a right operand, along K: two tiles, 1024 numbers, per 32 of K

Knows numpy arrays and numba, not torch or layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernels import AVAILABLE, Array, compiled

if AVAILABLE:
    import numba
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba.core import cgutils
    from numba.extending import intrinsic

    utilities: Any = cgutils
    _I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
    _WORDS = ir.VectorType(_I32, 16)

    def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, to: Any = _I8) -> Any:
        data = utilities.create_struct_proxy(kind)(context, builder, value=array).data
        return builder.bitcast(builder.gep(data, [index]), to.as_pointer())

    def _call(context: Any, builder: Any, name: str, arguments: list[Any]) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
        function = utilities.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}")
        builder.call(function, arguments)
        return context.get_dummy_value()

    def _number(literal: Any) -> Any:
        return ir.Constant(_I8, literal.literal_value)

    def _configure(typing: Any, layout: Any) -> Any:
        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            start = _pointer(context, builder, layout, args[0], _I64(0))
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
            return _call(context, builder, "tdpbf16ps", [_number(tile) for tile in (total, left, right)])

        return numba.void(total, left, right), generate

    def _mover(name: str) -> Any:
        def move(typing: Any, tile: Any, array: Any, index: Any, stride: Any) -> Any:
            def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
                start = _pointer(context, builder, array, args[1], args[2])
                step = builder.mul(args[3], _I64(array.dtype.bitwidth // 8))
                return _call(context, builder, name, [_number(tile), start, step])

            return numba.void(tile, array, numba.int64, numba.int64), generate

        return intrinsic(prefer_literal=True)(move)

    def _transpose(typing: Any, source: Any, index: Any, stride: Any, out: Any, place: Any) -> Any:
        """16 x 16 words of 32 bits: rows `stride` elements apart -> 16 rows in one piece."""

        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            rows = []
            for row in range(16):
                at = builder.add(args[1], builder.mul(args[2], _I64(row)))
                rows.append(builder.load(_pointer(context, builder, source, args[0], at, _WORDS), align=4))
            for bit in (1, 2, 4, 8):  # swap the blocks off the diagonal, of size 1, 2, 4, 8
                low = [lane if not lane & bit else 16 + lane - bit for lane in range(16)]
                high = [lane + bit if not lane & bit else 16 + lane for lane in range(16)]
                masks = [ir.Constant(ir.VectorType(_I32, 16), lanes) for lanes in (low, high)]
                for row in range(16):
                    if not row & bit:
                        pair = rows[row], rows[row | bit]
                        rows[row], rows[row | bit] = (builder.shuffle_vector(*pair, mask) for mask in masks)
            step = 32 // (out.dtype.bitwidth // 16)
            for row, value in enumerate(rows):
                at = builder.add(args[4], _I64(row * step))
                builder.store(value, _pointer(context, builder, out, args[3], at, _WORDS), align=4)
            return context.get_dummy_value()

        return numba.void(source, numba.int64, numba.int64, out, numba.int64), generate

    configure: Any = intrinsic(_configure)
    release: Any = intrinsic(_release)
    clear: Any = intrinsic(prefer_literal=True)(_clear)
    multiply: Any = intrinsic(prefer_literal=True)(_multiply)
    load_tile, store_tile = _mover("tileloadd64"), _mover("tilestored64")
    transpose_words: Any = intrinsic(_transpose)
else:  # pragma: no cover - depends on the installation
    configure = release = clear = multiply = load_tile = store_tile = transpose_words = None


def layout() -> Array:
    """The description of eight full tiles that `configure` takes."""
    description = np.zeros(64, np.uint8)
    description[0] = 1
    description[16:32].view(np.uint16)[:] = 64  # bytes in a row
    description[48:56] = 16  # rows
    return description


# ---- one block of 32 x 32 -------------------------------------------------------------------------------


@compiled()
def begin(source: Array, index: int, stride: int) -> None:
    """Start the block from float32 rows `stride` apart; stride 0 repeats one row."""
    load_tile(0, source, index, stride)
    load_tile(1, source, index + 16, stride)
    load_tile(2, source, index + 16 * stride, stride)
    load_tile(3, source, index + 16 * stride + 16, stride)


@compiled()
def begin_zero() -> None:
    """Start the block from 0."""
    clear(0)
    clear(1)
    clear(2)
    clear(3)


@compiled()
def accumulate(left: Array, a: int, stride: int, right: Array, b: int, count: int) -> None:
    """Add `count` products of 32 in K to the block.

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
def finish(out: Array, index: int, stride: int) -> None:
    """Write the block to float32 rows `stride` apart."""
    store_tile(0, out, index, stride)
    store_tile(1, out, index + 16, stride)
    store_tile(2, out, index + 16 * stride, stride)
    store_tile(3, out, index + 16 * stride + 16, stride)


SIXTEEN = np.uint32(16)

# ---- panels ---------------------------------------------------------------------------------------------


@compiled()
def pack_transposed(source: Array, out: Array) -> None:
    """Panels of source^T as a right operand: source (N, K) -> N / 32 panels, flat. 32 divides N and K."""
    columns, depth = source.shape
    blocks = depth // 32
    for n in range(columns // 16):
        for k in range(blocks):
            place = ((n // 2 * blocks + k) * 2 + n % 2) * 512
            transpose_words(source, n * 16 * depth + k * 32, depth, out, place)


@compiled()
def pack(source: Array, words: Array) -> None:
    """Panels of source as a right operand, as 32-bit words: source (K, N) -> N / 32 panels. 32 divides both."""
    depth, columns = source.shape
    blocks = depth // 32
    for k in range(depth // 2):
        for n in range(columns // 16):
            place = ((n // 2 * blocks + k // 16) * 2 + n % 2) * 256 + k % 16 * 16
            for j in range(16):
                low, high = np.uint32(source[2 * k, n * 16 + j]), np.uint32(source[2 * k + 1, n * 16 + j])
                words[place + j] = low | (high << SIXTEEN)
