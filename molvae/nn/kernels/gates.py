"""The gate arithmetic of a GRU layer, forward and backward, by whole rows: after products of any
kind.

Knows numpy arrays, no products.

    B rows, N packed rows, R rows of what is fixed, H hidden units; see the layout in `gru`
"""

from __future__ import annotations

from typing import Any

import numpy as np

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


@compiled()
def forward(
    start: int, alive: int, following: int,
    gates: Array, candidate: Array, recurrent: Array, fixed: Array, owners: Array, bias: Array,
    state: Array, outputs: Array, carried: Array,
) -> None:  # fmt: skip
    """One step of rows start..start+alive of the packed arrays, in place.

    gates (N, 3H): the input's share of r, z, n on entry; r, z and the recurrent share of n on
    return. recurrent (alive, 3H): h @ W_hh^T of these rows. fixed (R, 3H): what is added, of which
    packed row i gets row owners[i] (N). bias (H): the bias inside n's recurrent share. state (B,
    H): h, replaced. candidate (N, H): n. outputs (N, H): h. carried (N + 1, H): h again, for rows
    that go on, where the next step's rows begin (start + alive); `following` of them do. The last
    row of carried takes what goes nowhere."""
    size = state.shape[1]
    for i in range(alive):
        g, q, c = (start + i) * 3 * size, i * 3 * size, owners[start + i] * 3 * size
        o, s = (start + i) * size, i * size
        k = (start + alive + i if i < following else carried.shape[0] - 1) * size
        for j in range(size):
            xr = load(gates, g + j, 0) + load(recurrent, q + j, 3) + load(fixed, c + j, 4)
            xz = load(gates, g + size + j, 1) + load(recurrent, q + size + j, 3)
            xz += load(fixed, c + size + j, 4)
            u, v = ONE + exponential(-xr), ONE + exponential(-xz)
            both = inverse(u * v)  # one division for two sigmoids
            r, z = both * v, both * u
            hn = load(recurrent, q + 2 * size + j, 3) + load(bias, j, 5)
            xn = load(gates, g + 2 * size + j, 2) + load(fixed, c + 2 * size + j, 4)
            n = hyperbolic_tangent(xn + r * hn)
            h = n + z * (load(state, s + j, 6) - n)
            store(gates, g + j, 0, r)
            store(gates, g + size + j, 1, z)
            store(gates, g + 2 * size + j, 2, hn)
            store(candidate, o + j, 7, n)
            store(state, s + j, 6, h)
            store(outputs, o + j, 8, h)
            store(carried, k + j, 9, h)


@compiled()
def slopes(dh: Any, r: Any, z: Any, hn: Any, n: Any, before: Any) -> Any:
    """The gradients of what goes into r, z, n's recurrent share and n, and what goes straight to
    the state before.
    """
    kept = dh * z
    dn = (dh - kept) * (ONE - n * n)
    dhn = dn * r
    return dhn * hn * (ONE - r), kept * (before - n) * (ONE - z), dhn, dn, kept


@compiled()
def backward(
    start: int, alive: int, following: int,
    gates: Array, candidate: Array, recurrent: Array, carried: Array, slope: Array, state: Array,
) -> None:  # fmt: skip
    """The reverse of `forward` for one step, in place.

    gates (N, 3H): r, z and n's recurrent share on entry; their gradients on return. candidate (N,
    H): n on entry, the gradient of n's input share on return. carried (N + 1, H): the state each
    step began with. recurrent (B + 1, H): what comes back through W_hh from the next step, for the
    first `following` rows; its last row is 0. slope (N or 1, H): gradient of the outputs, one row
    of 0 if there is none. state (B, H): on entry the direct share of the next step's gradient, on
    return that of this one."""
    size = state.shape[1]
    given = 0 if slope.shape[0] == 1 else 1
    for i in range(alive):
        g, o, s = (start + i) * 3 * size, (start + i) * size, i * size
        q = (i if i < following else recurrent.shape[0] - 1) * size
        d = o * given
        for j in range(size):
            dh = load(state, s + j, 6) + load(recurrent, q + j, 3) + load(slope, d + j, 4)
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
def fixed_gradient(
    gates: Array, candidate: Array, owners: Array, fixed: Array, bias: Array
) -> None:
    """Sum gate gradients: over the packed rows of each owner (N) into fixed (R, 3H), over all rows
    into bias (4H).

    The first 3H of bias, 0 on entry, are the input's share; the last H are n's recurrent share.
    """
    size, count = candidate.shape[1], owners.size
    ends, order = np.zeros(fixed.shape[0] + 1, np.int64), np.empty(count, np.int64)
    for i in range(
        count
    ):  # rows in the order of their owners, so that sums stand in the nearest cache
        ends[owners[i] + 1] += 1
    for r in range(fixed.shape[0]):
        ends[r + 1] += ends[r]
    for i in range(count):
        order[ends[owners[i]]] = i
        ends[owners[i]] += 1
    total = np.zeros(3 * size, np.float32)
    for r in range(fixed.shape[0]):
        total[:] = F(0)
        for place in range(ends[r - 1] if r else 0, ends[r]):
            g, o = order[place] * 3 * size, order[place] * size
            for j in range(2 * size):
                store(total, j, 2, load(total, j, 2) + load(gates, g + j, 0))
            for j in range(size):
                store(
                    total, 2 * size + j, 2, load(total, 2 * size + j, 2) + load(candidate, o + j, 1)
                )
            for j in range(size):
                store(
                    bias,
                    3 * size + j,
                    4,
                    load(bias, 3 * size + j, 4) + load(gates, g + 2 * size + j, 0),
                )
        for j in range(3 * size):
            value = load(total, j, 2)
            store(fixed, r * 3 * size + j, 3, value)
            store(bias, j, 4, load(bias, j, 4) + value)


@compiled()
def step(
    gates: Array, recurrent: Array, fixed: Array, owners: Array, bias: Array,
    state: Array, narrow: Array,
) -> None:  # fmt: skip
    """One step without memory of the gates, for sampling.

    gates, recurrent (B, 3H): shares of the input and of the state. fixed (R, 3H): row i gets row
    owners[i], or the only one there is. bias (3H): the recurrent share's. state (B, H): replaced,
    as is narrow (B, H), its copy in the type of the next matrix product."""
    size = state.shape[1]
    for i in range(state.shape[0]):
        g, s = i * 3 * size, i * size
        c = (owners[i] if fixed.shape[0] > 1 else 0) * 3 * size
        for j in range(size):
            xr = (
                load(gates, g + j, 0)
                + load(recurrent, g + j, 3)
                + load(fixed, c + j, 4)
                + load(bias, j, 5)
            )
            xz = load(gates, g + size + j, 0) + load(recurrent, g + size + j, 3)
            xz += load(fixed, c + size + j, 4) + load(bias, size + j, 5)
            u, v = ONE + exponential(-xr), ONE + exponential(-xz)
            both = inverse(u * v)
            hn = load(recurrent, g + 2 * size + j, 3) + load(bias, 2 * size + j, 5)
            xn = load(gates, g + 2 * size + j, 0) + load(fixed, c + 2 * size + j, 4)
            n = hyperbolic_tangent(xn + both * v * hn)
            h = n + both * u * (load(state, s + j, 6) - n)
            store(state, s + j, 6, h)
            store(narrow, s + j, 8, h)
