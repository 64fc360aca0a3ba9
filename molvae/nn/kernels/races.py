"""Draws of symbols by exponential races, compiled: noise, softmax and argmax in one pass over
logits.

The noise is a hash of (seed, row, step, column) and nothing else, so a molecule is the same however
draws are cut into batches and whatever machine makes them. `molvae.nn.draws` has the same in torch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arithmetic import (
    FLAGS,
    LN2,
    MANTISSA,
    ONE,
    TWO,
    Array,
    F,
    exponential,
    kernel,
)

M0, M1, GOLDEN = np.uint32(0x7FEB352D), np.uint32(0x846CA68B), np.uint32(0x9E3779B9)
S15, S16 = np.uint32(15), np.uint32(16)
SIGN, MAGNITUDE = np.int32(31), np.int32(0x7FFFFFFF)


@kernel()
def ordinal(bits: Any) -> Any:
    """Map a float32's bits (int32) to an integer in the order of the numbers; its own inverse.

    Negative floats order backwards as integers; flipping all their bits but the sign mends that.
    """
    return np.int32(bits ^ ((bits >> SIGN) & MAGNITUDE))


@kernel()
def row_maximum(values: Array) -> Any:
    """Find the largest number (V): as a maximum of integers, which LLVM can vectorise."""
    largest = ordinal(F(values[0]).view(np.int32))
    for j in range(values.size):
        largest = max(largest, ordinal(F(values[j]).view(np.int32)))
    return np.int32(ordinal(largest)).view(np.float32)


@kernel(FLAGS | {"reassoc"})
def row_sum(values: Array) -> Any:
    """Sum a float32 array, in any order."""
    total = F(0)
    for j in range(values.size):
        total += values[j]
    return total


@kernel()
def decay(distance: Any) -> Any:
    """Compute exp(distance) for distance <= 0, exactly 0 below -40: a logit of -inf has no
    share.
    """
    return exponential(distance) if distance > F(-40) else F(0)


@kernel()
def scramble(x: Any) -> Any:
    """Map 32-bit words one to one, without visible pattern (C. Wellons's `lowbias32`)."""
    x = np.uint32(x)  # numba adds 32-bit words in 64 bits
    x = np.uint32((x ^ (x >> S16)) * M0)
    x = np.uint32((x ^ (x >> S15)) * M1)
    return np.uint32(x ^ (x >> S16))


@kernel()
def exponential_draw(word: Any) -> Any:
    """Draw from the unit exponential distribution: -log(1 - v), v = (word + 1/2) / 2^32.

    log is taken as 2 atanh of the mantissa plus the exponent's share; near v = 0 the mantissa's
    distance from 1 is v itself, so that small draws, which win races, keep their digits.
    """
    v = (F(word) + F(0.5)) * F(2.0**-32)
    u = (F(np.uint32(~word)) + F(0.5)) * F(2.0**-32)
    bits = F(u).view(np.int32)
    # Counted from the bits of sqrt(1/2), the exponent field leaves a mantissa up to sqrt(2).
    exponent = (bits - np.int32(0x3F3504F3)) >> MANTISSA
    mantissa = np.int32(bits - (exponent << MANTISSA)).view(np.float32)
    away = v if exponent == np.int32(0) else ONE - mantissa
    s = away / (TWO - away)
    q = s * s
    series = ONE + q * (F(1 / 3) + q * (F(1 / 5) + q * (F(1 / 7) + q * F(1 / 9))))
    return TWO * s * series - F(exponent) * LN2


@kernel()
def draw_rows(
    logits: Array, sharpness: float, seed: int, rows: Array, step: int, ids: Array, chosen: Array
) -> None:
    """Draw one symbol per row: argmax_j exp(logits_j * sharpness) / E_j, equal in law to
    Gumbel-max.

    logits (B, V); sharpness = 1 / temperature; E is the noise of row rows[i]. Writes ids (B) and
    chosen (B), the log softmax(logits) of the drawn id at temperature 1.
    """
    count, width = logits.shape
    share, score = np.empty(width, np.float32), np.empty(width, np.float32)
    power = F(sharpness)
    for i in range(count):
        row, values = np.uint64(rows[i]), logits[i]
        # Two keys of 32 bits from 64 of the seed, 64 of the row and the step.
        low, high = np.uint32(row & np.uint64(0xFFFFFFFF)), np.uint32(row >> np.uint64(32))
        key = scramble(np.uint32(np.uint64(seed) & np.uint64(0xFFFFFFFF)) ^ GOLDEN)
        key = scramble(key ^ scramble(np.uint32(np.uint64(seed) >> np.uint64(32)) + GOLDEN))
        inner = scramble(scramble(key + low) ^ np.uint32(high + np.uint32(step)))
        outer = scramble(
            scramble(key ^ np.uint32(low * GOLDEN)) + np.uint32(high ^ np.uint32(step))
        )
        largest = row_maximum(values)
        for j in range(width):
            word = scramble(np.uint32(scramble(np.uint32(inner + np.uint32(j))) ^ outer))
            score[j] = exponential_draw(word)
        for j in range(width):
            share[j] = decay(values[j] - largest)
        if power == ONE:
            for j in range(width):
                score[j] = share[j] / score[j]
        else:
            for j in range(width):
                score[j] = decay((values[j] - largest) * power) / score[j]
        top, best = row_maximum(score), 0
        while best < width - 1 and score[best] != top:
            best += 1
        ids[i] = best
        chosen[i] = values[best] - largest - F(math.log(row_sum(share)))
