"""All steps of a GRU layer in one call each way, matrix products and gates in blocks of 32 rows x
32 units.

The same arithmetic as `row_gru`, for processors that `blocks` knows: a block's products are still
in the first cache when its gates are computed, and are not rounded to bfloat16; what is fixed is.
Sizes I and H must be multiples of 32 and N at least 32.

    B rows, N packed rows, I input, H hidden units; see the layout in `gru`
"""

from __future__ import annotations

from typing import Any

from .blocks import accumulate, begin, configure, finish, release
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
from .gates import slopes

CHUNK = 128
"""Rows that pass all units before the next rows do: their inputs, and the panels of 32 units, stay
in the cache.
"""


@compiled()
def gate_products(
    x: Array,
    inputs: Array,
    carried: Array,
    recurrent: Array,
    base: int,
    unit: int,
    rows: int,
    block: Array,
) -> None:
    """The products in the gates r and z, in n's recurrent share and in n's input share of 32 rows x
    32 units, or of the first `rows` of them.

    x (N, I) and carried (N + 1, H) from row `base` on, the weights as panels -> block, 4 times 32 x
    32 float32; the last stays as it is where I is 0."""
    size, width = carried.shape[1], x.shape[1]
    for gate in range(3):
        panel, at = (gate * size + unit) // 32, gate * 1024
        begin(carried, base * size, size, recurrent, panel * size * 32, size // 32, block, at, rows)
        if gate < 2 and width:
            accumulate(
                x, base * width, width, inputs, panel * width * 32, width // 32, block, at, rows
            )
        finish(block, at)
    if width:
        panel = (2 * size + unit) // 32
        begin(x, base * width, width, inputs, panel * width * 32, width // 32, block, 3072, rows)
        finish(block, 3072)


@compiled()
def gates_forward(
    block: Array, fixed: Array, owners: Array, bias: Array,
    skip: int, first: int, count: int, unit: int, place: int, following: int, next_place: int,
    gates: Array, candidate: Array, state: Array, outputs: Array, carried: Array,
) -> None:  # fmt: skip
    """`row_gru.forward` for rows first..first+count of a step whose packed rows begin at
    `place`.
    """
    size = state.shape[1]
    for i in range(first, first + count):
        q, g = (skip + i - first) * 32, (place + i) * 3 * size + unit
        f = (unit // 32 * fixed.shape[1] + owners[place + i]) * 96
        o, s = (place + i) * size + unit, i * size + unit
        k = (next_place + i if i < following else carried.shape[0] - 1) * size + unit
        for j in range(32):
            xr, xz = load(block, q + j, 3) + load(fixed, f + j, 4), load(block, 1024 + q + j, 3)
            xz += load(fixed, f + 32 + j, 4)
            u, v = ONE + exponential(-xr), ONE + exponential(-xz)
            both = inverse(u * v)
            r, z, hn = both * v, both * u, load(block, 2048 + q + j, 3) + load(bias, unit + j, 5)
            n = hyperbolic_tangent(
                load(block, 3072 + q + j, 3) + load(fixed, f + 64 + j, 4) + r * hn
            )
            h = n + z * (load(state, s + j, 6) - n)
            store(gates, g + j, 0, r)
            store(gates, g + size + j, 1, z)
            store(gates, g + 2 * size + j, 2, hn)
            store(candidate, o + j, 7, n)
            store(state, s + j, 6, h)
            store(outputs, o + j, 8, h)
            store(carried, k + j, 9, h)


@compiled()
def forward(
    layout: Array, sizes: Array, x: Array, inputs: Array, recurrent: Array, fixed: Array, owners: Array, bias: Array,
    gates: Array, candidate: Array, state: Array, outputs: Array, carried: Array, block: Array,
) -> None:  # fmt: skip
    """All steps. x (N, I); inputs, recurrent: panels of W_x^T, W_hh^T; the rest as in
    `row_gru.forward`.

    fixed (H / 32, R, 96): for 32 units and an owner what r, z and n get at every step; gates only
    written; block (4096) float32, zeros."""
    size, total = state.shape[1], x.shape[0]
    place = 0
    configure(layout)
    for t in range(sizes.shape[0]):
        alive = sizes[t]
        following = sizes[t + 1] if t + 1 < sizes.shape[0] else 0
        for top in range(0, alive, CHUNK):
            for unit in range(0, size, 32):
                for first in range(top, min(top + CHUNK, alive), 32):
                    base = min(
                        place + first, total - 32
                    )  # the last block begins earlier, not to run over
                    skip, count = place + first - base, min(32, alive - first)
                    gate_products(x, inputs, carried, recurrent, base, unit, skip + count, block)
                    gates_forward(
                        block, fixed, owners, bias, skip, first, count, unit, place, following, place + alive,
                        gates, candidate, state, outputs, carried,
                    )  # fmt: skip
        place += alive
    release()


@compiled()
def gates_backward(
    block: Array, skip: int, first: int, count: int, unit: int, place: int,
    gates: Array, candidate: Array, carried: Array, slope: Array, state: Array,
) -> None:  # fmt: skip
    """`row_gru.backward` for rows first..first+count of a step whose packed rows begin at
    `place`.
    """
    size = state.shape[1]
    given = 0 if slope.shape[0] == 1 else 1
    for i in range(first, first + count):
        q, g = (skip + i - first) * 32, (place + i) * 3 * size + unit
        o, s = (place + i) * size + unit, i * size + unit
        d = (place + i) * size * given + unit
        for j in range(32):
            dh = load(state, s + j, 6) + load(block, q + j, 3) + load(slope, d + j, 4)
            r, z, hn = (
                load(gates, g + j, 0),
                load(gates, g + size + j, 1),
                load(gates, g + 2 * size + j, 2),
            )
            dr, dz, dhn, dn, kept = slopes(
                dh, r, z, hn, load(candidate, o + j, 7), load(carried, o + j, 9)
            )
            store(gates, g + j, 0, dr)
            store(gates, g + size + j, 1, dz)
            store(gates, g + 2 * size + j, 2, dhn)
            store(candidate, o + j, 7, dn)
            store(state, s + j, 6, kept)


@compiled()
def returning(
    gates: Array, recurrent: Array, place: int, first: int, following: int, unit: int, block: Array
) -> Any:
    """What comes back through W_hh from the next step, at `place`, to 32 rows x 32 units: into
    block.

    Returns how many rows of block stand before the first of these rows. Rows that ended get 0.
    """
    size, total = gates.shape[1] // 3, gates.shape[0]
    if first >= following:
        block[:1024] = F(0)
        return 0
    base = min(place + first, total - 32)
    skip = place + first - base
    rows = min(32, skip + following - first)
    begin(
        gates, base * 3 * size, 3 * size, recurrent, unit * 3 * size, 3 * size // 32, block, 0, rows
    )
    finish(block, 0)
    block[(skip + following - first) * 32 : 1024] = F(0)
    return skip


@compiled()
def backward(
    layout: Array, sizes: Array, recurrent: Array, gates: Array, candidate: Array, carried: Array,
    slope: Array, state: Array, block: Array,
) -> None:  # fmt: skip
    """All steps, last to first. recurrent: panels of W_hh; block (4096) float32, zeros; the rest as
    in `row_gru.backward`.

    On return state is the gradient of h0.
    """
    size = state.shape[1]
    place, following, next_place = gates.shape[0], 0, 0
    configure(layout)
    for back in range(sizes.shape[0]):
        alive = sizes[sizes.shape[0] - 1 - back]
        place -= alive
        for top in range(0, alive, CHUNK):
            for unit in range(0, size, 32):
                for first in range(top, min(top + CHUNK, alive), 32):
                    skip = returning(gates, recurrent, next_place, first, following, unit, block)
                    gates_backward(
                        block, skip, first, min(32, alive - first), unit, place,
                        gates, candidate, carried, slope, state,
                    )  # fmt: skip
        following, next_place = alive, place
    for first in range(0, following, 32):
        for unit in range(0, size, 32):
            skip = returning(gates, recurrent, 0, first, following, unit, block)
            for i in range(first, min(first + 32, following)):
                for j in range(32):
                    at = i * size + unit + j
                    store(
                        state,
                        at,
                        6,
                        load(state, at, 6) + load(block, (skip + i - first) * 32 + j, 3),
                    )
    release()
