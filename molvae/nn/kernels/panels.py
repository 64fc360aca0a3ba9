"""Right operands of bf16 matrix products, packed so that a block of a product reads them in one
stream.

    a panel: 32 columns of a right operand (K, N), along K: 1024 numbers for every 32 of K. Of these
    first 16 columns, then the other 16, each as 16 rows of 16 pairs; a pair are the numbers of two
    rows of the operand in one column.

bfloat16 is uint16 here. Knows numpy arrays and numba, not torch or layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import AVAILABLE, Array, compiled

if AVAILABLE:
    import numba
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba.extending import intrinsic

    from .instructions import I64, WORDS, pointer

    def _transpose(typing: Any, source: Any, index: Any, stride: Any, out: Any, place: Any) -> Any:
        """16 x 16 words of 32 bits: rows `stride` elements apart -> 16 rows in one piece."""

        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            rows = []
            for row in range(16):
                at = builder.add(args[1], builder.mul(args[2], I64(row)))
                rows.append(
                    builder.load(pointer(context, builder, source, args[0], at, WORDS), align=4)
                )
            for bit in (1, 2, 4, 8):  # swap the blocks off the diagonal, of size 1, 2, 4, 8
                low = [lane if not lane & bit else 16 + lane - bit for lane in range(16)]
                high = [lane + bit if not lane & bit else 16 + lane for lane in range(16)]
                masks = [ir.Constant(WORDS, lanes) for lanes in (low, high)]
                for row in range(16):
                    if not row & bit:
                        pair = rows[row], rows[row | bit]
                        rows[row], rows[row | bit] = (
                            builder.shuffle_vector(*pair, mask) for mask in masks
                        )
            step = 32 // (out.dtype.bitwidth // 16)
            for row, value in enumerate(rows):
                at = builder.add(args[4], I64(row * step))
                builder.store(value, pointer(context, builder, out, args[3], at, WORDS), align=4)
            return context.get_dummy_value()

        return numba.void(source, numba.int64, numba.int64, out, numba.int64), generate

    transpose_words: Any = intrinsic(_transpose)
else:  # pragma: no cover - depends on the installation
    transpose_words = None

SIXTEEN = np.uint32(16)


@compiled()
def pack_transposed(source: Array, stride: int, columns: int, depth: int, out: Array) -> None:
    """Panels of source^T as a right operand: source flat, of `columns` rows, `stride` apart, of
    `depth` numbers.

    32 divides both; out is flat.
    """
    blocks = depth // 32
    for n in range(columns // 16):
        for k in range(blocks):
            place = ((n // 2 * blocks + k) * 2 + n % 2) * 512
            transpose_words(source, n * 16 * stride + k * 32, stride, out, place)


@compiled()
def pack(source: Array, stride: int, depth: int, columns: int, words: Array) -> None:
    """Panels of source as a right operand, as 32-bit words: source flat, of `depth` rows, `stride`
    apart.

    32 divides `columns`; the depth is filled up with zeros to what 32 divides.
    """
    blocks = -(-depth // 32)
    for block in range(blocks):
        for n in range(columns // 16):
            place = ((n // 2 * blocks + block) * 2 + n % 2) * 256
            for k in range(32 * block, 32 * block + 32, 2):
                first = k * stride + n * 16
                if k + 1 < depth:
                    interleave(source, first, first + stride, words, place)
                else:
                    for j in range(16):
                        words[place + j] = (
                            np.uint32(source[first + j]) if k < depth else np.uint32(0)
                        )
                place += 16


@compiled()
def interleave(source: Array, first: int, second: int, words: Array, place: int) -> None:
    """Sixteen pairs of two rows."""
    for j in range(16):
        words[place + j] = np.uint32(source[first + j]) | (np.uint32(source[second + j]) << SIXTEEN)
