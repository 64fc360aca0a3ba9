"""The decoder input at a position: the sum of the embeddings of a symbol, a step and prefix
features.

N positions, E embedding, V symbols, T steps, F features, M values of all features together,
K values of all hashes
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..runtime import compilation
from .kernels.embedding_sums import EmbeddingSum


class InputEmbedder:
    """Embedding tables made ready to be summed, with gradients to them.

    ``sizes`` are the numbers of values of each feature; tables: of symbols (V, E), of steps (T, E),
    of features (M, E), the values of one feature after those of another, and of hashes (K, E), each
    of equally many values.
    """

    def __init__(
        self, symbols: Tensor, steps: Tensor, features: Tensor, sizes: tuple[int, ...],
        hashed: Tensor | None = None,
    ) -> None:  # fmt: skip
        self.symbols, self.steps, self.features = symbols, steps, features
        self.hashed = features.new_empty(0, features.shape[1]) if hashed is None else hashed
        self.starts = torch.tensor((0, *sizes[:-1]), device=features.device).cumsum(0)
        on_cpu = features.device.type == "cpu" and features.dtype == torch.float32
        self.compiled = on_cpu and compilation.KERNELS
        if self.compiled:
            of_zero = features.index_select(0, self.starts)  # (F, E)
            self.differences = features - of_zero.repeat_interleave(torch.tensor(sizes), 0)
            self.zero = of_zero.sum(0)

    def __call__(self, symbols: Tensor, steps: Tensor, values: Tensor, kind: torch.dtype) -> Tensor:
        """Return decoder inputs (N, E) of type ``kind``: symbols and steps (N) int64, values (N, F)
        int16, the features before the hashes."""
        if not self.compiled:
            return self.in_torch(symbols, steps, values, kind)
        places = (symbols, steps, values.contiguous(), self.starts)
        tables = (self.symbols, self.steps, self.differences, self.zero, self.hashed)
        inputs: Tensor = EmbeddingSum.apply(*places, *tables, kind)  # type: ignore[no-untyped-call]
        return inputs

    def in_torch(self, symbols: Tensor, steps: Tensor, values: Tensor, kind: torch.dtype) -> Tensor:
        """Return the same in plain torch: one product with a 0/1 matrix, which a GPU does far
        quicker than dozens of lookups a position."""
        plain, hashes = values.long().tensor_split([len(self.starts)], 1)
        marks = torch.zeros(len(symbols), len(self.features), dtype=kind, device=symbols.device)
        marks.scatter_(1, plain + self.starts, 1.0)
        looked_up = functional.embedding(symbols, self.symbols)
        looked_up = looked_up + functional.embedding(steps, self.steps)
        if hashes.shape[1]:
            numbers = len(self.hashed) // hashes.shape[1]
            rows = torch.where(hashes > 0, (hashes - 1) % (numbers - 1) + 1, 0)
            firsts = torch.arange(hashes.shape[1], device=hashes.device) * numbers
            bags = functional.embedding_bag(rows + firsts, self.hashed, mode="sum")
            looked_up = looked_up + bags
        return looked_up.to(kind) + marks @ self.features.to(kind)
