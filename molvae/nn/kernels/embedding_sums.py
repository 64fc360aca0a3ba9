"""Sums of a few hundred embeddings at every position, most of them of a feature's zero, compiled.

So the embedding of every feature's zero is summed once, and a position adds only how its other
features differ from that: on a CPU a fourth of the time of torch's `embedding_bag` over the same
rows, forward and backward (`benchmarks/own_code.py`). Hashes are seldom zero and have thousands of
values each: these are folded to the rows of a table.

    N positions, E embedding, V symbols, T steps, F features, M values of all features together,
    K values of all hashes
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .arithmetic import Array, add, array, get, kernel, put


@kernel()
def folded(number: Any, rows: int) -> Any:
    """Return the row of a hash in a table of so many rows, 0 for 0.

    Hashes that share a row share one in a smaller table too, if ``rows - 1`` is a multiple of its
    rows less one.
    """
    return 0 if number == 0 else 1 + (number - 1) % (rows - 1)


@kernel()
def list_features(values: Array, starts: Array, places: Array) -> Any:
    """Write which rows of the table of features one position's values (F) add; return how many."""
    count = 0
    for column in range(starts.size):  # without a branch, which would be guessed wrong too often
        places[count] = starts[column] + values[column]
        count += values[column] != 0
    return count


@kernel()
def list_hashes(values: Array, plain: int, rows: int, places: Array) -> Any:
    """Write which rows of the table of hashes one position adds, ``rows`` for each hash from column
    ``plain`` on; return how many."""
    count = values.size - plain
    numbers = rows // max(1, count)
    for number in range(count):
        places[number] = number * numbers + folded(values[plain + number], numbers)
    return count


@kernel()
def sum_rows(
    symbols: Array, steps: Array, values: Array, starts: Array,
    symbol_table: Array, step_table: Array, differences: Array, zero: Array, hashed: Array,
    out: Array,
) -> None:  # fmt: skip
    """Compute out (N, E) = zero (E) + the rows of symbols (N), of steps (N), of features that are
    not 0 and of hashes, both in values (N, F)."""
    total, places = np.empty(zero.size, np.float32), np.empty(values.shape[1] + 1, np.int64)
    for i in range(values.shape[0]):
        get(zero, total)
        add(symbol_table[symbols[i]], total)
        add(step_table[steps[i]], total)
        for place in range(list_features(values[i], starts, places)):
            add(differences[places[place]], total)
        for place in range(list_hashes(values[i], starts.size, hashed.shape[0], places)):
            add(hashed[places[place]], total)
        put(total, out[i])


@kernel()
def scatter_rows(
    symbols: Array, steps: Array, values: Array, starts: Array, d_out: Array,
    symbol_table: Array, step_table: Array, differences: Array, zero: Array, hashed: Array,
) -> None:  # fmt: skip
    """Add the gradient d_out (N, E) to the rows that `sum_rows` read."""
    row, places = np.empty(zero.size, np.float32), np.empty(values.shape[1] + 1, np.int64)
    for i in range(values.shape[0]):
        get(d_out[i], row)
        add(row, zero)
        add(row, symbol_table[symbols[i]])
        add(row, step_table[steps[i]])
        for place in range(list_features(values[i], starts, places)):
            add(row, differences[places[place]])
        for place in range(list_hashes(values[i], starts.size, hashed.shape[0], places)):
            add(row, hashed[places[place]])


class EmbeddingSum(torch.autograd.Function):
    """Map places and tables to their sums (N, E), with gradients to the tables."""

    @staticmethod
    def forward(
        ctx: Any, symbols: Tensor, steps: Tensor, values: Tensor, starts: Tensor,
        symbol_table: Tensor, step_table: Tensor, differences: Tensor, zero: Tensor, hashed: Tensor,
        kind: torch.dtype,
    ) -> Tensor:  # fmt: skip
        ctx.places = [array(part) for part in (symbols, steps, values, starts)]
        tables = (symbol_table, step_table, differences, zero, hashed)
        ctx.shapes = [table.shape for table in tables]
        out = torch.empty(len(symbols), zero.shape[0], dtype=kind)
        rows: Any = [*ctx.places, *(array(table.contiguous()) for table in tables), array(out)]
        sum_rows(*rows)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Any, ...]:
        gradients = [torch.zeros(shape) for shape in ctx.shapes]
        rows: Any = [*ctx.places, array(d_out.contiguous()), *map(array, gradients)]
        scatter_rows(*rows)
        return None, None, None, None, *gradients, None
