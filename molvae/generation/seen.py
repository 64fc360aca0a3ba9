"""Which molecules have come by already, as 64-bit hashes in one array: sixteen to thirty-two bytes
for each.

A set of their SMILES takes 130. Two molecules in ten million share a hash with a probability of
three in a million. Knows numbers only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..runtime.compilation import compiled

Hashes = NDArray[np.uint64]

_SMALLEST = 1 << 12


class Seen:
    """A set of hashes that grows: :meth:`add` says whether one is new."""

    def __init__(self) -> None:
        self._table: Hashes = np.zeros(_SMALLEST, np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, number: int) -> bool:
        """Take in a hash; whether it was not there yet."""
        if 2 * self._count >= len(self._table):
            larger = np.zeros(2 * len(self._table), np.uint64)
            _move(self._table, larger)
            self._table = larger
        new = bool(_insert(self._table, np.uint64(number or 1)))  # 0 marks an empty place
        self._count += new
        return new


@compiled(forceinline=True)
def _insert(table: Hashes, number: np.uint64) -> bool:
    """Put a hash in the first place free from its own on (Knuth 6.4, algorithm L); whether it was
    not there.
    """
    mask = np.uint64(len(table) - 1)
    place = number & mask
    while table[place] != np.uint64(0):
        if table[place] == number:
            return False
        place = (place + np.uint64(1)) & mask
    table[place] = number
    return True


@compiled()
def _move(table: Hashes, larger: Hashes) -> None:
    for place in range(len(table)):
        if table[place] != np.uint64(0):
            _insert(larger, table[place])
