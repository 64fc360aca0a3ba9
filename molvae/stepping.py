"""One step of a GRU layer for many rows, and the linear layer after it, on vector registers: for sampling.

Nothing of a step is kept but the state. Eight rows pass together, and what is fixed for a row is looked up by its
owner, so rows may come and go. 32 divides I and H, and 8 divides B.

    B rows, R owners, I input, H hidden units, V columns
"""

from __future__ import annotations

from .kernels import ONE, Array, compiled, exponential, hyperbolic_tangent, inverse, load, store
from .vectors import ROWS as ROWS
from .vectors import multiply

CHUNK = 128
"""Rows that pass all units before the next rows do: they, and the panels of 32 units, stay in the cache."""

PLANE = ROWS * 32
"""Numbers of one gate of 8 rows x 32 units in `block`."""


@compiled()
def gate_products(
    x: Array, inputs: Array, carried: Array, recurrent: Array, fixed: Array, owners: Array, bias: Array,
    first: int, unit: int, block: Array,
) -> None:  # fmt: skip
    """What the gates r, z, n's recurrent share and n's input share of 8 rows x 32 units are made of.

    fixed (H / 32, R, 96): for 32 units and an owner what r, z and n get at every step.
    """
    size, width = carried.shape[1], x.shape[1]
    several = 0 if fixed.shape[1] == 1 else 1
    for row in range(ROWS):
        start = (unit // 32 * fixed.shape[1] + owners[first + row] * several) * 96
        for j in range(32):
            store(block, row * 32 + j, 3, load(fixed, start + j, 4))
            store(block, PLANE + row * 32 + j, 3, load(fixed, start + 32 + j, 4))
            store(block, 2 * PLANE + row * 32 + j, 3, load(bias, unit + j, 5))
            store(block, 3 * PLANE + row * 32 + j, 3, load(fixed, start + 64 + j, 4))
    for gate in range(3):
        panel = gate * size + unit
        multiply(carried, first * size, size, recurrent, panel * size, size // 32, block, gate * PLANE)
        place = gate * PLANE + (PLANE if gate == 2 else 0)
        multiply(x, first * width, width, inputs, panel * width, width // 32, block, place)


@compiled()
def gates(block: Array, first: int, unit: int, state: Array, narrow: Array) -> None:
    """`kernels.gru_step` for 8 rows x 32 units."""
    size = state.shape[1]
    for row in range(ROWS):
        q, s = row * 32, (first + row) * size + unit
        for j in range(32):
            u, v = ONE + exponential(-load(block, q + j, 3)), ONE + exponential(-load(block, PLANE + q + j, 3))
            both = inverse(u * v)  # one division for two sigmoids
            n = hyperbolic_tangent(load(block, 3 * PLANE + q + j, 3) + both * v * load(block, 2 * PLANE + q + j, 3))
            h = n + both * u * (load(state, s + j, 6) - n)
            store(state, s + j, 6, h)
            store(narrow, s + j, 8, h)


@compiled()
def step(
    x: Array, inputs: Array, carried: Array, recurrent: Array, fixed: Array, owners: Array, bias: Array,
    state: Array, narrow: Array, block: Array,
) -> None:  # fmt: skip
    """One step of all rows. x (B, I) and carried (B, H), the state before, in bf16; inputs, recurrent: panels of
    W_x^T, W_hh^T; bias (H): n's recurrent share; state (B, H) float32: replaced; narrow (B, H): it again in bf16.

    fixed and owners (B) as in `gate_products`; block (4 * PLANE) float32.
    """
    rows, size = state.shape
    for top in range(0, rows, CHUNK):
        for unit in range(0, size, 32):
            for first in range(top, min(top + CHUNK, rows), ROWS):
                gate_products(x, inputs, carried, recurrent, fixed, owners, bias, first, unit, block)
                gates(block, first, unit, state, narrow)


@compiled()
def linear(
    left: Array, right: Array, left_weight: Array, right_weight: Array, bias: Array, out: Array, block: Array
) -> None:
    """out (B, V) float32 = left (B, H) @ its weight + right (B, I) @ its weight + bias; weights as panels, V columns
    and more, as many as `bias` has, which 32 divides."""
    columns = out.shape[1]
    size, width = left.shape[1], right.shape[1]
    for first in range(0, out.shape[0], ROWS):
        for column in range(0, columns, 32):
            for row in range(ROWS):
                for j in range(32):
                    store(block, row * 32 + j, 3, load(bias, column + j, 4))
            multiply(left, first * size, size, left_weight, column * size, size // 32, block, 0)
            multiply(right, first * width, width, right_weight, column * width, width // 32, block, 0)
            for row in range(ROWS):
                for j in range(min(32, columns - column)):
                    store(out, (first + row) * columns + column + j, 6, load(block, row * 32 + j, 3))
