"""Pieces of LLVM's language, for the kernels that numba's Python cannot say: where sums must stay
in registers.

Knows pointers and loops, no arithmetic of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils

utilities: Any = cgutils
I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))

LANES = 16
"""Numbers of 32 bits in a vector; on processors with shorter registers it takes several."""

FLOATS, WORDS, HALVES = (ir.VectorType(kind, LANES) for kind in (ir.FloatType(), I32, I16))


def pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, to: Any) -> Any:
    """Where element `index` of an array is, as a pointer to something else."""
    data = utilities.create_struct_proxy(kind)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [index]), to.as_pointer())


def offset(builder: Any, start: Any, number: Any, to: Any) -> Any:
    """What stands `number` elements behind a pointer, as a pointer to something else."""
    return builder.bitcast(builder.gep(start, [number]), to.as_pointer())


def function(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """One of LLVM's own functions."""
    kind = ir.FunctionType(result, arguments)
    return utilities.get_or_insert_function(builder.module, kind, f"llvm.{name}")


def loop(
    builder: Any, count: Any, start: list[Any], body: Callable[[Any, list[Any]], list[Any]]
) -> list[Any]:
    """What the values `start` become when `body` has been applied `count` times; it is told the
    number of the time.
    """
    before, inside, after = (
        builder.block,
        *(builder.append_basic_block(name) for name in ("inside", "after")),
    )
    builder.cbranch(builder.icmp_signed(">", count, I64(0)), inside, after)
    builder.position_at_end(inside)
    number, carried = builder.phi(I64), [builder.phi(value.type) for value in start]
    results = body(number, carried)
    following = builder.add(number, I64(1))
    for phi, first, later in zip(
        [number, *carried], [I64(0), *start], [following, *results], strict=True
    ):
        phi.add_incoming(first, before)
        phi.add_incoming(later, inside)
    builder.cbranch(builder.icmp_signed("<", following, count), inside, after)
    builder.position_at_end(after)
    found = [builder.phi(value.type) for value in start]
    for phi, first, later in zip(found, start, results, strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(later, inside)
    return found
