"""Byte-pair merges on arrays: counting pairs, replacing them, applying merges to many molecules.

Byte-pair encoding (Sennrich et al., ACL 2016) merges the commonest pair of neighbouring ids into a
new id, again and again. Here the ids are SELFIES symbols; all molecules are one after the other in
one array of ids, with their lengths beside it. :mod:`molvae.language.vocabulary` calls this.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.compilation import compiled

Array = NDArray[Any]


@compiled(makes_arrays=True)
def count_pairs(ids: Array, lengths: Array, size: int) -> Array:
    """Count each pair of neighbouring ids within a molecule, ``(size, size)``."""
    counts = np.zeros((size, size), dtype=np.int64)
    start = 0
    for molecule in range(len(lengths)):
        end = start + lengths[molecule]
        position = start
        while position < end - 1:
            first, second = ids[position], ids[position + 1]
            counts[first, second] += 1
            # In a run of equal ids a merge can take every other pair only.
            if first == second and position + 2 < end and ids[position + 2] == first:
                position += 1
            position += 1
        start = end
    return counts


@compiled()
def replace_pair(ids: Array, lengths: Array, first: int, second: int, merged: int) -> int:
    """Write ``merged`` for every pair ``first, second`` in place, left to right; returns the new
    total length.
    """
    start, write = 0, 0
    for molecule in range(len(lengths)):
        end = start + lengths[molecule]
        begin, read = write, start
        while read < end:
            if ids[read] == first and read + 1 < end and ids[read + 1] == second:
                ids[write] = merged
                read += 2
            else:
                ids[write] = ids[read]
                read += 1
            write += 1
        lengths[molecule] = write - begin
        start = end
    return write


@compiled()
def merge_molecules(ids: Array, lengths: Array, ranks: Array) -> int:
    """Apply every merge of ``ranks`` (``(V, V)`` merged id or 0) to every molecule, in place;
    returns the total.

    The pair with the smallest merged id goes first. A merge only ever makes pairs of later merges,
    so this is the same as applying the merges one after the other in the order in which they were
    learned."""
    start, write = 0, 0
    for molecule in range(len(lengths)):
        length = lengths[molecule]
        end = start + length
        while True:
            best = 0
            for position in range(start, start + length - 1):
                rank = ranks[ids[position], ids[position + 1]]
                if rank != 0 and (best == 0 or rank < best):
                    best = rank
            if best == 0:
                break
            shorter, read = start, start
            while read < start + length:
                if read + 1 < start + length and ranks[ids[read], ids[read + 1]] == best:
                    ids[shorter] = best
                    read += 2
                else:
                    ids[shorter] = ids[read]
                    read += 1
                shorter += 1
            length = shorter - start
        for offset in range(length):
            ids[write + offset] = ids[start + offset]
        lengths[molecule] = length
        write += length
        start = end
    return write
