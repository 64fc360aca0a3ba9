"""Gate arithmetic of a GRU, forward and backward, row by row: all that is not a matrix product.

torch computes a GRU step on a CPU as one product and some eight passes over memory; these are one
pass. Gates follow Cho et al. 2014 in cuDNN's variant, in the order r, z, n:

    r = sigmoid(x_r + h_r),  z = sigmoid(x_z + h_z),  n = tanh(x_n + r h_n),  h' = n + z (h - n)

where x are the input's products, with what is the same at all steps (static), and h the state's.

    B rows (sequences), N packed rows, R static rows, H hidden units; see the layout in `gru`
"""

from __future__ import annotations

import numpy as np

from .arithmetic import (
    ONE,
    Array,
    add,
    element,
    exponential,
    get,
    hyperbolic_tangent,
    inverse,
    kernel,
    put,
)


@kernel()
def scratch(size: int) -> Array:
    """Make room for one row of gates."""
    return np.empty(size, np.float32)


@kernel()
def reset_and_update(
    x_r: Array, h_r: Array, static_r: Array,
    x_z: Array, h_z: Array, static_z: Array, r: Array, z: Array,
) -> None:  # fmt: skip
    """Compute r and z of one row, each (H)."""
    for j in range(r.size):
        u = ONE + exponential(-(element(x_r, j) + element(h_r, j) + element(static_r, j)))
        v = ONE + exponential(-(element(x_z, j) + element(h_z, j) + element(static_z, j)))
        both = inverse(u * v)  # one division for two sigmoids
        r[j], z[j] = both * v, both * u


@kernel()
def candidate_state(
    x_n: Array, h_n: Array, static_n: Array, bias: Array, r: Array, recurrent: Array, n: Array
) -> None:
    """Compute n of one row (H) and its recurrent share before it is reset."""
    for j in range(n.size):
        h = element(h_n, j) + bias[j]
        recurrent[j] = h
        n[j] = hyperbolic_tangent(element(x_n, j) + element(static_n, j) + r[j] * h)


@kernel()
def new_state(n: Array, z: Array, h: Array) -> None:
    """Move the state h of one row (H), in place."""
    for j in range(h.size):
        h[j] = n[j] + z[j] * (h[j] - n[j])


@kernel()
def row_step(
    g: Array, q: Array, f: Array, bias: Array, h: Array, r: Array, z: Array, h_n: Array, n: Array
) -> None:
    """Step one row: h (H), in place, from the input's (g), the state's (q) and static (f) products,
    each (3H). r, z, h_n and n (H) receive the gates."""
    size = h.size
    reset_and_update(
        g[:size], q[:size], f[:size],
        g[size : 2 * size], q[size : 2 * size], f[size : 2 * size], r, z,
    )  # fmt: skip
    candidate_state(g[2 * size :], q[2 * size :], f[2 * size :], bias, r, h_n, n)
    new_state(n, z, h)


@kernel()
def forward(
    start: int, alive: int, following: int,
    gates: Array, candidate: Array, recurrent: Array, static: Array, static_row: Array, bias: Array,
    state: Array, outputs: Array, h_prev: Array,
) -> None:  # fmt: skip
    """Compute one step of rows start..start+alive of the packed arrays, in place.

    gates (N, 3H): the input's products on entry; r, z and the recurrent share of n on return.
    recurrent (alive, 3H): h @ W_hh^T of these rows. static (R, 3H): what is added, of which packed
    row i gets row static_row[i] (N). bias (H): the bias inside n's recurrent share. state (B, H):
    h, replaced. candidate (N, H): n. outputs (N, H): h. h_prev (N + 1, H): h again, for rows that
    go on, where the next step's rows begin (start + alive); `following` of them do. The last row of
    h_prev takes what goes nowhere.
    """
    size = state.shape[1]
    r, z, h_n, n = scratch(size), scratch(size), scratch(size), scratch(size)
    for i in range(alive):
        g, q, f, h = gates[start + i], recurrent[i], static[static_row[start + i]], state[i]
        row_step(g, q, f, bias, h, r, z, h_n, n)
        put(r, g[:size])
        put(z, g[size : 2 * size])
        put(h_n, g[2 * size :])
        put(n, candidate[start + i])
        put(h, outputs[start + i])
        put(h, h_prev[start + alive + i if i < following else h_prev.shape[0] - 1])


@kernel()
def gate_gradients(dh: Array, r: Array, z: Array, h_n: Array, n: Array, before: Array) -> None:
    """Turn one row's gates into their gradients, in place, all float32 (H).

    dh: gradient of the new state on entry, on return what goes straight to the state before. On
    return r, z, h_n and n hold the gradients of what went into r, z, n's recurrent share and n.
    """
    for j in range(dh.size):
        kept = dh[j] * z[j]
        dn = (dh[j] - kept) * (ONE - n[j] * n[j])
        z[j] = kept * (before[j] - n[j]) * (ONE - z[j])
        n[j] = dn
        d_recurrent = dn * r[j]
        r[j] = d_recurrent * h_n[j] * (ONE - r[j])
        h_n[j] = d_recurrent
        dh[j] = kept


@kernel()
def backward(
    start: int, alive: int, following: int,
    gates: Array, candidate: Array, recurrent: Array, h_prev: Array, d_outputs: Array, state: Array,
) -> None:  # fmt: skip
    """Reverse `forward` for one step, in place.

    gates (N, 3H): r, z and n's recurrent share on entry; their gradients on return. candidate
    (N, H): n on entry, the gradient of n's input share on return. h_prev (N + 1, H): the state each
    step began with. recurrent (B, 3H or H): what comes back through W_hh from the next step, for
    the first `following` rows. d_outputs (N or 1, H): gradient of the outputs, one row of 0 if
    there is none. state (B, H): the direct share of the next step's gradient on entry, that of this
    one on return.
    """
    size = state.shape[1]
    r, z, h_n, n = scratch(size), scratch(size), scratch(size), scratch(size)
    before = scratch(size)
    for i in range(alive):
        row, dh = start + i, state[i]
        g, c = gates[row], candidate[row]
        add(d_outputs[row if d_outputs.shape[0] > 1 else 0], dh)
        if i < following:
            add(recurrent[i], dh)
        get(g[:size], r)
        get(g[size : 2 * size], z)
        get(g[2 * size :], h_n)
        get(c, n)
        get(h_prev[row], before)
        gate_gradients(dh, r, z, h_n, n, before)
        put(r, g[:size])
        put(z, g[size : 2 * size])
        put(h_n, g[2 * size :])
        put(n, c)


@kernel()
def static_gradient(
    gates: Array, candidate: Array, static_row: Array, static: Array, bias: Array
) -> None:
    """Sum gate gradients: over the packed rows of each static row (N) into static (R, 3H), over all
    into bias (4H).

    The first 3H of bias, 0 on entry, are the input's share; the last H are n's recurrent share.
    """
    size, count = candidate.shape[1], static_row.size
    # Rows in the order of their static row (a counting sort), so that a sum stays in the cache.
    ends, order = np.zeros(static.shape[0] + 1, np.int64), np.empty(count, np.int64)
    for i in range(count):
        ends[static_row[i] + 1] += 1
    for r in range(static.shape[0]):
        ends[r + 1] += ends[r]
    for i in range(count):
        order[ends[static_row[i]]] = i
        ends[static_row[i]] += 1
    total = np.empty(3 * size, np.float32)
    for r in range(static.shape[0]):
        total[:] = 0
        for place in range(ends[r - 1] if r else 0, ends[r]):
            add(gates[order[place]][: 2 * size], total[: 2 * size])
            add(candidate[order[place]], total[2 * size :])
            add(gates[order[place]][2 * size :], bias[3 * size :])
        put(total, static[r])
        add(total, bias[: 3 * size])


@kernel()
def step(
    gates: Array, recurrent: Array, static: Array, static_row: Array, bias: Array,
    state: Array, narrow: Array,
) -> None:  # fmt: skip
    """Compute one step without memory of the gates, for sampling.

    gates, recurrent (B, 3H): products of the input and of the state. static (R, 3H): row i gets row
    static_row[i], or the only one there is. bias (H): that of n's recurrent share, the others are
    in `static`. state (B, H): replaced, as is narrow (B, H), its copy in the type of the products.
    """
    size = state.shape[1]
    r, z, h_n, n = scratch(size), scratch(size), scratch(size), scratch(size)
    for i in range(state.shape[0]):
        f = static[static_row[i] if static.shape[0] > 1 else 0]
        row_step(gates[i], recurrent[i], f, bias, state[i], r, z, h_n, n)
        put(state[i], narrow[i])


@kernel()
def tangents(values: Array) -> None:
    """Replace every number by its hyperbolic tangent: several times as fast as torch's."""
    for j in range(values.size):
        values[j] = hyperbolic_tangent(values[j])
