"""Morgan fingerprints as packed bits, and Tanimoto similarities between whole sets of them.

A set of n fingerprints is an array (n, bits / 64) of uint64. Similarities are exact: every pair is
looked at, in blocks that stay in cache, by a compiled popcount loop that lets go of Python's lock,
so that plain threads share the rows. Knows molecules one at a time and nothing of what is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, DataStructs

RADIUS = 2
BITS = 1024

Fingerprints = NDArray[np.uint64]
Floats = NDArray[np.float64]

_ROWS = 256  # queries a thread takes at a time
_BLOCK = 512  # references looked at before the next query: 64 KiB at 1,024 bits


def packed_fingerprint(mol: Chem.Mol, bits: int = BITS) -> Fingerprints:
    """The Morgan fingerprint of one molecule, radius 2, as (bits / 64,) words.

    Rogers and Hahn, J. Chem. Inf. Model. 50 (2010) 742. ``bits`` is a multiple of 64.

    >>> int(np.bitwise_count(packed_fingerprint(Chem.MolFromSmiles("CCO"))).sum())
    6
    """
    text = DataStructs.BitVectToBinaryText(_generator(bits).GetFingerprint(mol))
    return np.frombuffer(text, dtype=np.uint64)


@cache
def _generator(bits: int) -> Any:
    from rdkit.Chem import rdFingerprintGenerator

    return rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=bits)


def similarity(first: Fingerprints, second: Fingerprints) -> Floats:
    """Tanimoto similarity of each row with the same row of the other, ``(N,)``; 0 where both have
    no bits.
    """
    common = np.bitwise_count(first & second).sum(1, dtype=np.int64)
    union = np.bitwise_count(first | second).sum(1, dtype=np.int64)
    ratio: Floats = common / np.maximum(union, 1)
    return ratio


def nearest_similarity(queries: Fingerprints, references: Fingerprints, threads: int = 1) -> Floats:
    """Tanimoto similarity of every query to its nearest reference, (n,), between 0 and 1.

    Two molecules without any bit count as equal (1), as MOSES has it. ``references`` must not be
    empty."""
    nearest, _ = _kernels(references.shape[1])
    return _over_rows(nearest, queries, references, columns=1, skip_self=False, threads=threads)[
        :, 0
    ]


def nearest_other_similarity(fingerprints: Fingerprints, threads: int = 1) -> Floats:
    """Tanimoto similarity of every molecule to the nearest other one of its own set, (n,); 0 if
    alone.
    """
    nearest, _ = _kernels(fingerprints.shape[1])
    return _over_rows(
        nearest, fingerprints, fingerprints, columns=1, skip_self=True, threads=threads
    )[:, 0]


def mean_similarities(fingerprints: Fingerprints, threads: int = 1) -> tuple[Floats, Floats]:
    """For every molecule the mean over its whole set, itself included, of T and of T squared: (n,),
    (n,).
    """
    _, sums = _kernels(fingerprints.shape[1])
    totals = _over_rows(
        sums, fingerprints, fingerprints, columns=2, skip_self=False, threads=threads
    )
    totals /= max(len(fingerprints), 1)
    return totals[:, 0], totals[:, 1]


def _over_rows(
    kernel: Callable[..., None],
    queries: Fingerprints,
    references: Fingerprints,
    *,
    columns: int,
    skip_self: bool,
    threads: int,
) -> Floats:
    """Run ``kernel`` over slices of the queries in threads; returns (n, columns)."""
    by_word = np.ascontiguousarray(
        references.T
    )  # (words, m): neighbours in memory are neighbours in the set
    query_bits = np.bitwise_count(queries).sum(1, dtype=np.int64)
    reference_bits = np.bitwise_count(references).sum(1, dtype=np.int64)
    queries = np.ascontiguousarray(queries)
    out = np.zeros((len(queries), columns))

    def work(start: int) -> None:
        rows = slice(start, start + _ROWS)
        first = (
            start if skip_self else -len(queries)
        )  # the row that is oneself, or one that is never met
        kernel(queries[rows], query_bits[rows], by_word, reference_bits, first, out[rows])

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for _ in pool.map(work, range(0, len(queries), _ROWS)):
            pass
    return out


def _compiled() -> Any:
    """Numba's decorator; imported late, because importing it is slow and few callers need it."""
    import numba

    return numba.njit(nogil=True, fastmath=True)


def _tanimoto_kernel(words: int) -> Any:
    """The compiled similarities of one query to a block of references; ``words`` is unrolled
    over.
    """
    from numba.extending import intrinsic

    def count_bits(typing_context: Any, word: Any) -> Any:
        return word(word), lambda context, builder, signature, arguments: builder.ctpop(
            arguments[0]
        )

    popcount: Any = intrinsic(count_bits)

    def tanimoto(query, bits, by_word, reference_bits, start, stop, out):  # type: ignore[no-untyped-def]
        for j in range(start, stop):
            common = np.uint64(0)
            for word in range(words):
                common += popcount(query[word] & by_word[word, j])
            union = np.float32(bits + reference_bits[j] - np.int64(common))
            out[j - start] = np.float32(common) / union if union > 0 else np.float32(1)

    return _compiled()(tanimoto)


@cache
def _kernels(words: int) -> tuple[Callable[..., None], Callable[..., None]]:
    """Two compiled loops over blocks: the nearest, and the sums of T and T squared. Takes about a
    second.
    """
    fill = _tanimoto_kernel(words)

    def nearest(queries, bits, by_word, reference_bits, first, out):  # type: ignore[no-untyped-def]
        block = np.empty(_BLOCK, np.float32)
        total = by_word.shape[1]
        for start in range(0, total, _BLOCK):
            stop = min(start + _BLOCK, total)
            for i in range(len(queries)):
                fill(queries[i], bits[i], by_word, reference_bits, start, stop, block)
                if start <= first + i < stop:
                    block[first + i - start] = 0
                best = np.float32(out[i, 0])
                for j in range(stop - start):
                    best = max(best, block[j])
                out[i, 0] = best

    def sums(queries, bits, by_word, reference_bits, first, out):  # type: ignore[no-untyped-def]
        block = np.empty(_BLOCK, np.float32)
        total = by_word.shape[1]
        for start in range(0, total, _BLOCK):
            stop = min(start + _BLOCK, total)
            for i in range(len(queries)):
                fill(queries[i], bits[i], by_word, reference_bits, start, stop, block)
                plain, squared = 0.0, 0.0
                for j in range(stop - start):
                    similarity = np.float64(block[j])
                    plain += similarity
                    squared += similarity * similarity
                out[i, 0] += plain
                out[i, 1] += squared

    return _compiled()(nearest), _compiled()(sums)
