"""What a decoder is told at a position, as one vector: the sum of the embeddings of a symbol, a
step and features.

Of dozens of features most are zero at any position. So the embedding of every feature's zero is
summed once, and a position adds only how its other features differ from that: on a CPU a third of
the time of lookups or of a product with a 0/1 matrix. Hashes are seldom zero and have thousands of
values each: these are folded to the rows of a table.

    N positions, E embedding, V symbols, T steps, F features, M values of all features together, K
    values of all hashes
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .kernels import elementwise
from .kernels.elementwise import Array, compiled, load, store
from .kernels.row_sums import add_rows, spread_row
from .products import array


@compiled()
def folded(number: Any, rows: int) -> Any:
    """The row of a hash in a table of so many rows, 0 for 0.

    Hashes that share a row share one in a smaller table too, if ``rows - 1`` is a multiple of its
    rows less one."""
    return 0 if number == 0 else 1 + (number - 1) % (rows - 1)


@compiled()
def list_features(values: Array, i: int, starts: Array, width: int, places: Array) -> Any:
    """Where in a table the rows of position i's features begin that are not 0: into places; returns
    how many.
    """
    count = 0
    for column in range(
        starts.size
    ):  # without a branch, which would be guessed wrong as often as not
        places[count] = (starts[column] + values[i, column]) * width
        count += values[i, column] != 0
    return count


@compiled()
def list_hashes(values: Array, i: int, plain: int, hashed: Array, width: int, places: Array) -> Any:
    """Where in their table the rows of position i's hashes begin, those of columns `plain` and on:
    as above.
    """
    count = values.shape[1] - plain
    numbers = hashed.size // width // max(1, count)
    for number in range(count):
        places[number] = (number * numbers + folded(values[i, plain + number], numbers)) * width
    return count


@compiled()
def sum_rows(
    symbols: Array, steps: Array, values: Array, starts: Array,
    symbol_table: Array, step_table: Array, differences: Array, zero: Array, hashed: Array, out: Array,
) -> None:  # fmt: skip
    """out (N, E) = zero (E) + the rows of symbols (N), steps (N), features not 0 and hashes, both
    in values (N, F).
    """
    width, plain = zero.size, starts.size
    total, one, places = (
        np.empty(width, np.float32),
        np.empty(1, np.int64),
        np.empty(values.shape[1] + 1, np.int64),
    )
    for i in range(values.shape[0]):
        for j in range(width):
            store(total, j, 0, load(zero, j, 1))
        one[0] = symbols[i] * width
        add_rows(symbol_table, one, 1, total)
        one[0] = steps[i] * width
        add_rows(step_table, one, 1, total)
        add_rows(differences, places, list_features(values, i, starts, width, places), total)
        add_rows(hashed, places, list_hashes(values, i, plain, hashed, width, places), total)
        for j in range(width):
            store(out, i * width + j, 1, load(total, j, 0))


@compiled()
def scatter_rows(
    symbols: Array, steps: Array, values: Array, starts: Array,
    slope: Array, symbol_table: Array, step_table: Array, differences: Array, zero: Array, hashed: Array,
) -> None:  # fmt: skip
    """Add slope (N, E) to the rows that `sum_rows` read."""
    width, plain = zero.size, starts.size
    row, one, places = (
        np.empty(width, np.float32),
        np.empty(1, np.int64),
        np.empty(values.shape[1] + 1, np.int64),
    )
    for i in range(values.shape[0]):
        for j in range(width):
            store(row, j, 0, load(slope, i * width + j, 1))
        one[0] = 0
        spread_row(row, zero, one, 1)
        one[0] = symbols[i] * width
        spread_row(row, symbol_table, one, 1)
        one[0] = steps[i] * width
        spread_row(row, step_table, one, 1)
        spread_row(row, differences, places, list_features(values, i, starts, width, places))
        spread_row(row, hashed, places, list_hashes(values, i, plain, hashed, width, places))


_spare: dict[torch.Size, list[Array]] = {}


def zeros(shape: torch.Size) -> Tensor:
    """A float32 tensor of zeros, in memory that serves again once the tensor is gone.

    The gradient of a large table takes megabytes at every step, and having the system find pages
    for them took a third of the step."""
    spare = _spare.setdefault(shape, [])
    try:
        memory = spare.pop()
        memory.fill(0)
    except IndexError:
        memory = np.zeros(shape, np.float32)
    lent = memory.view()
    weakref.finalize(lent, spare.append, memory).atexit = False
    return torch.from_numpy(lent)


def summed(places: Sequence[Array], tables: Sequence[Tensor], kind: torch.dtype) -> Tensor:
    """What `sum_rows` makes of places and tables, ``(N, E)`` of type ``kind``."""
    out = torch.empty(len(places[0]), tables[0].shape[1], dtype=kind)
    inputs: Any = [*places, *(array(table.contiguous()) for table in tables), array(out)]
    sum_rows(*inputs)
    return out


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, symbols: Tensor, steps: Tensor, values: Tensor, starts: Tensor,
        symbol_table: Tensor, step_table: Tensor, differences: Tensor, zero: Tensor, hashed: Tensor, kind: torch.dtype,
    ) -> Tensor:  # fmt: skip
        ctx.places = [array(part) for part in (symbols, steps, values, starts)]
        tables = (symbol_table, step_table, differences, zero, hashed)
        ctx.shapes = [table.shape for table in tables]
        return summed(ctx.places, tables, kind)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Any, ...]:
        gradients = [zeros(shape) for shape in ctx.shapes]
        memory: Any = [*ctx.places, array(slope.contiguous()), *(array(part) for part in gradients)]
        scatter_rows(*memory)
        return None, None, None, None, *gradients, None


class Sums:
    """Embeddings made ready to be summed, with gradients to their tables.

    ``sizes`` are the numbers of values of each feature; tables: of symbols (V, E), of steps (T, E),
    of features (M, E), the values of one feature after those of another, and of hashes (K, E), each
    of equally many values."""

    def __init__(
        self,
        symbols: Tensor,
        steps: Tensor,
        features: Tensor,
        sizes: tuple[int, ...],
        hashed: Tensor | None = None,
    ) -> None:
        self.symbols, self.steps, self.features = symbols, steps, features
        self.hashed = features.new_empty(0, features.shape[1]) if hashed is None else hashed
        self.starts = torch.tensor((0, *sizes[:-1]), device=features.device).cumsum(0)
        self.compiled = (
            features.device.type == "cpu"
            and elementwise.AVAILABLE
            and features.dtype == torch.float32
        )
        if self.compiled:
            of_zero = features.index_select(0, self.starts)  # (F, E)
            self.differences = features - of_zero.repeat_interleave(torch.tensor(sizes), 0)
            self.zero = of_zero.sum(0)

    def __call__(self, symbols: Tensor, steps: Tensor, values: Tensor, kind: torch.dtype) -> Tensor:
        """What positions are told, ``(N, E)`` of type ``kind``: symbols and steps (N) int64, values
        (N, F) int16, the features before the hashes."""
        if self.compiled:
            places = (symbols, steps, values.contiguous(), self.starts)
            tables = (self.symbols, self.steps, self.differences, self.zero, self.hashed)
            if not torch.is_grad_enabled():
                return summed([array(part) for part in places], tables, kind)
            told: Tensor = _Sum.apply(*places, *tables, kind)  # type: ignore[no-untyped-call]
            return told
        # Elsewhere one product with a 0/1 matrix is far quicker than dozens of lookups a position.
        plain, hashes = values.long().tensor_split([len(self.starts)], 1)
        marks = torch.zeros(
            len(symbols), len(self.features), dtype=kind, device=self.features.device
        )
        marks.scatter_(1, plain + self.starts, 1.0)
        looked_up = functional.embedding(symbols, self.symbols) + functional.embedding(
            steps, self.steps
        )
        if hashes.shape[1]:
            numbers = len(self.hashed) // hashes.shape[1]
            rows = torch.where(hashes > 0, (hashes - 1) % (numbers - 1) + 1, 0)
            firsts = torch.arange(hashes.shape[1], device=hashes.device) * numbers
            looked_up = looked_up + functional.embedding_bag(rows + firsts, self.hashed, mode="sum")
        return looked_up.to(kind) + marks @ self.features.to(kind)
