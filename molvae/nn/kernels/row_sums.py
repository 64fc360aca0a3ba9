"""Sums of some rows of a table, in registers until all are added, and the reverse. Knows numpy
arrays and numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import AVAILABLE, Array, compiled, load, store

if AVAILABLE:
    import numba
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba.extending import intrinsic

    from .instructions import FLOATS, HALVES, I16, I32, I64, LANES, WORDS, loop, offset, pointer

    def _vectors(builder: Any, start: Any, vectors: int) -> list[Any]:
        """Pointers to as many vectors of float32, one after the other."""
        return [offset(builder, start, I64(LANES * number), FLOATS) for number in range(vectors)]

    def _adder(vectors: int) -> Any:
        """What adds `count` rows of a table, from column `column` on, to as many vectors of
        `total`.
        """

        def add(typing: Any, table: Any, places: Any, count: Any, column: Any, total: Any) -> Any:
            half = table.dtype.bitwidth == 16

            def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
                base = pointer(context, builder, table, args[0], args[3], I16 if half else I32)
                listed = pointer(context, builder, places, args[1], I64(0), I64)
                ends = _vectors(
                    builder, pointer(context, builder, total, args[4], args[3], I32), vectors
                )

                def body(number: Any, sums: list[Any]) -> list[Any]:
                    row = builder.gep(base, [builder.load(builder.gep(listed, [number]))])
                    values = [
                        _vector(builder, row, LANES * place, half) for place in range(vectors)
                    ]
                    return [
                        builder.fadd(one, value) for one, value in zip(sums, values, strict=True)
                    ]

                sums = loop(builder, args[2], [builder.load(end, align=4) for end in ends], body)
                for end, one in zip(ends, sums, strict=True):
                    builder.store(one, end, align=4)
                return context.get_dummy_value()

            return numba.void(table, places, numba.int64, numba.int64, total), generate

        return intrinsic(add)

    def _spreader(vectors: int) -> Any:
        """What adds as many vectors of `row`, from column `column` on, to `count` rows of a
        table.
        """

        def spread(typing: Any, row: Any, table: Any, places: Any, count: Any, column: Any) -> Any:
            def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
                base = pointer(context, builder, table, args[1], args[4], I32)
                listed = pointer(context, builder, places, args[2], I64(0), I64)
                starts = _vectors(
                    builder, pointer(context, builder, row, args[0], args[4], I32), vectors
                )
                values = [builder.load(start, align=4) for start in starts]

                def body(number: Any, nothing: list[Any]) -> list[Any]:
                    start = builder.gep(base, [builder.load(builder.gep(listed, [number]))])
                    for end, value in zip(_vectors(builder, start, vectors), values, strict=True):
                        builder.store(builder.fadd(builder.load(end, align=4), value), end, align=4)
                    return nothing

                loop(builder, args[3], [], body)
                return context.get_dummy_value()

            return numba.void(row, table, places, numba.int64, numba.int64), generate

        return intrinsic(spread)

    def _vector(builder: Any, row: Any, column: int, half: bool) -> Any:
        """Sixteen numbers of a row from a column on, as float32."""
        value = builder.load(
            offset(builder, row, I64(column), HALVES if half else FLOATS), align=2 if half else 4
        )
        if not half:
            return value
        return builder.bitcast(
            builder.shl(builder.zext(value, WORDS), ir.Constant(WORDS, [16] * LANES)), FLOATS
        )

    add_vector, add_eight = _adder(1), _adder(8)
    spread_vector, spread_eight = _spreader(1), _spreader(8)
else:  # pragma: no cover - depends on the installation
    add_vector = add_eight = spread_vector = spread_eight = None

WIDE, NARROW = 128, 16


@compiled()
def add_rows(table: Array, places: Array, count: int, total: Array) -> None:
    """total (E) float32 += the E elements of a table from each of the first `count` places (K)
    int64 on.
    """
    width = np.int64(total.size)
    column = np.int64(0)
    while column + WIDE <= width:
        add_eight(table, places, count, column, total)
        column += WIDE
    while column + NARROW <= width:
        add_vector(table, places, count, column, total)
        column += NARROW
    for j in range(column, width):
        for i in range(count):
            store(total, j, 0, load(total, j, 0) + load(table, places[i] + j, 1))


@compiled()
def spread_row(row: Array, table: Array, places: Array, count: int) -> None:
    """The E elements of a float32 table from each of the first `count` places (K) int64 on += row
    (E).
    """
    width = np.int64(row.size)
    column = np.int64(0)
    while column + WIDE <= width:
        spread_eight(row, table, places, count, column)
        column += WIDE
    while column + NARROW <= width:
        spread_vector(row, table, places, count, column)
        column += NARROW
    for j in range(column, width):
        for i in range(count):
            store(table, places[i] + j, 1, load(table, places[i] + j, 1) + load(row, j, 0))
