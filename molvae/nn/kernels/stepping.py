"""One step of a GRU layer for many rows, and the linear layer after it, on vector registers: for
sampling.

Nothing of a step is kept but the state. Eight rows pass together, and what is fixed for a row is
looked up by its owner, so rows may come and go. The state, numbers between -1 and 1, is multiplied
in bytes: twice as fast as in bf16, for about what bf16 costs elsewhere in exactness
(benchmarks/LOG.md). 32 divides I and H, and 8 divides B.

    B rows, R owners, I input, H hidden units, V columns
"""

from __future__ import annotations

from .elementwise import (
    ONE,
    Array,
    F,
    compiled,
    exponential,
    hyperbolic_tangent,
    inverse,
    load,
    store,
)
from .vectors import ROWS as ROWS
from .vectors import multiply, multiply_bytes, multiply_fresh

CHUNK = 128
"""Rows that pass all units before the next rows do: they, and the panels of 32 units, stay in the
cache.
"""

PLANE = ROWS * 32
"""Numbers of one gate of 8 rows x 32 units in `block`."""

STEPS = 127
"""Steps of a byte from 0 to 1: a state, which lies between -1 and 1, is the number of them, and
`ZERO` more.
"""

ZERO = 128
"""The byte of 0: products take their left bytes without a sign."""

LARGEST = 1.003
"""A number up to here, as rounding may leave a tangent, becomes the byte of 1; one from 1.004 on
would become none.
"""

_STEPS, _ROUNDED = F(STEPS), F(ZERO + 0.5)


def depth(units: int) -> int:
    """Bytes of a row of a chunk: products take 64 together, and the weights of what is beyond the
    units are 0.
    """
    return -(-units // 64) * 64


@compiled()
def narrowed(state: Array, top: int, count: int, chunk: Array) -> None:
    """Rows top..top+count of state (B, H), which lies between -1 and 1, as bytes: into chunk
    (CHUNK, `depth`).

    No byte is NaN: one in the state stays there, and is seen in what follows the state.
    """
    size = state.shape[1]
    for i in range(count):
        place, s = i * chunk.shape[1], (top + i) * size
        for j in range(size):
            store(chunk, place + j, 7, load(state, s + j, 6) * _STEPS + _ROUNDED)


@compiled()
def gate_products(
    x: Array, inputs: Array, chunk: Array, recurrent: Array, starts: Array, scales: Array,
    first: int, row: int, unit: int, block: Array,
) -> None:  # fmt: skip
    """The products in the gates r and z, in n's recurrent share and in n's input share of 8 rows x
    32 units: rows of x from `first` on, and of chunk from `row` on."""
    size, deep, width = scales.size // 3, chunk.shape[1], x.shape[1]
    for gate in range(3):
        panel, place = gate * size + unit, gate * PLANE
        multiply_bytes(
            chunk,
            row * deep,
            deep,
            recurrent,
            panel * (deep // 2),
            deep // 64,
            starts,
            scales,
            panel,
            block,
            place,
        )
        if gate < 2:
            multiply(x, first * width, width, inputs, panel * width, width // 32, block, place)
        else:
            multiply_fresh(
                x, first * width, width, inputs, panel * width, width // 32, block, place + PLANE
            )


@compiled()
def gates(
    block: Array,
    fixed: Array,
    owners: Array,
    bias: Array,
    first: int,
    unit: int,
    state: Array,
    narrow: Array,
) -> None:
    """`row_gru.step` for 8 rows x 32 units.

    fixed (H / 32, R, 96): for 32 units and an owner what r, z and n get at every step.
    """
    size = state.shape[1]
    several = 0 if fixed.shape[1] == 1 else 1
    for row in range(ROWS):
        q, s = row * 32, (first + row) * size + unit
        f = (unit // 32 * fixed.shape[1] + owners[first + row] * several) * 96
        for j in range(32):
            xr, xz = load(block, q + j, 3) + load(fixed, f + j, 4), load(block, PLANE + q + j, 3)
            xz += load(fixed, f + 32 + j, 4)
            u, v = ONE + exponential(-xr), ONE + exponential(-xz)
            both = inverse(u * v)  # one division for two sigmoids
            hn = load(block, 2 * PLANE + q + j, 3) + load(bias, unit + j, 5)
            xn = load(block, 3 * PLANE + q + j, 3) + load(fixed, f + 64 + j, 4)
            n = hyperbolic_tangent(xn + both * v * hn)
            h = n + both * u * (load(state, s + j, 6) - n)
            store(state, s + j, 6, h)
            store(narrow, s + j, 8, h)


@compiled()
def step(
    x: Array, inputs: Array, recurrent: Array, starts: Array, scales: Array, fixed: Array, owners: Array, bias: Array,
    state: Array, narrow: Array, chunk: Array, block: Array,
) -> None:  # fmt: skip
    """One step of all rows. x (B, I) in bf16; inputs: panels of W_x^T; recurrent: panels of bytes
    of W_hh^T, with what their sums start from (3H) int32 and are multiplied by (3H); bias (H): n's
    recurrent share; state (B, H) float32: replaced; narrow (B, H): the new one in bf16.

    fixed and owners (B) as in `gates`; chunk (CHUNK, `depth`) uint8 and block (4 * PLANE) float32:
    memory to work in."""
    rows, size = state.shape
    for top in range(0, rows, CHUNK):
        count = min(CHUNK, rows - top)
        narrowed(state, top, count, chunk)
        for unit in range(0, size, 32):
            for row in range(0, count, ROWS):
                gate_products(
                    x, inputs, chunk, recurrent, starts, scales, top + row, row, unit, block
                )
                gates(block, fixed, owners, bias, top + row, unit, state, narrow)


@compiled()
def linear(
    left: Array,
    right: Array,
    left_weight: Array,
    right_weight: Array,
    bias: Array,
    out: Array,
    block: Array,
) -> None:
    """out (B, V) float32 = left (B, H) @ its weight + right (B, I) @ its weight + bias; weights as
    panels, V columns and more, as many as `bias` has, which 32 divides."""
    rows, columns = out.shape
    size, width = left.shape[1], right.shape[1]
    for top in range(0, rows, CHUNK):
        for column in range(0, columns, 32):
            for first in range(top, min(top + CHUNK, rows), ROWS):
                multiply_fresh(
                    left, first * size, size, left_weight, column * size, size // 32, block, 0
                )
                multiply(
                    right, first * width, width, right_weight, column * width, width // 32, block, 0
                )
                for row in range(ROWS):
                    for j in range(min(32, columns - column)):
                        value = load(block, row * 32 + j, 3) + load(bias, column + j, 4)
                        store(out, (first + row) * columns + column + j, 6, value)


@compiled()
def tangents(values: Array) -> None:
    """The hyperbolic tangent of every number, in place: several times as fast as torch's."""
    for j in range(values.size):
        store(values, j, 0, hyperbolic_tangent(load(values, j, 0)))
