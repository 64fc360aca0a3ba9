"""Sums of some rows of a table, in registers until all are added. Knows numpy arrays and numba."""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernels import AVAILABLE, Array, compiled, load, store

if AVAILABLE:
    import numba
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba.extending import intrinsic

    from .instructions import FLOATS, HALVES, I16, I32, I64, LANES, WORDS, loop, offset, pointer

    def _adder(vectors: int) -> Any:
        """What adds `count` rows of a table, from column `column` on, to as many vectors of `total`."""

        def add(typing: Any, table: Any, places: Any, count: Any, column: Any, total: Any) -> Any:
            half = table.dtype.bitwidth == 16

            def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
                base = pointer(context, builder, table, args[0], args[3], I16 if half else I32)
                listed = pointer(context, builder, places, args[1], I64(0), I64)
                start = pointer(context, builder, total, args[4], args[3], I32)
                ends = [offset(builder, start, I64(LANES * number), FLOATS) for number in range(vectors)]

                def body(number: Any, sums: list[Any]) -> list[Any]:
                    row = builder.gep(base, [builder.load(builder.gep(listed, [number]))])
                    return [
                        builder.fadd(one, _vector(builder, row, LANES * place, half)) for place, one in enumerate(sums)
                    ]

                for end, one in zip(
                    ends, loop(builder, args[2], [builder.load(end, align=4) for end in ends], body), strict=True
                ):
                    builder.store(one, end, align=4)
                return context.get_dummy_value()

            return numba.void(table, places, numba.int64, numba.int64, total), generate

        return intrinsic(add)

    def _vector(builder: Any, row: Any, column: int, half: bool) -> Any:
        """Sixteen numbers of a row from a column on, as float32."""
        value = builder.load(offset(builder, row, I64(column), HALVES if half else FLOATS), align=2 if half else 4)
        if not half:
            return value
        return builder.bitcast(builder.shl(builder.zext(value, WORDS), ir.Constant(WORDS, [16] * LANES)), FLOATS)

    add_vector, add_eight = _adder(1), _adder(8)
else:  # pragma: no cover - depends on the installation
    add_vector = add_eight = None

WIDE, NARROW = 128, 16


@compiled()
def add_rows(table: Array, places: Array, count: int, total: Array) -> None:
    """total (E) float32 += the E elements of a table from each of the first `count` places (K) int64 on."""
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
