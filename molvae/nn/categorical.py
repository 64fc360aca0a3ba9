"""Rows of logits: their cross-entropy, and draws from them, each in one pass on a CPU.

Compiled kernels first, then the functions that take tensors; on other devices these are plain
torch. The noise of a draw is a function of (seed, row, step, column) alone, on every device.

    N or B rows, V columns
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .kernels import elementwise
from .kernels.elementwise import (
    EXACT,
    LN2,
    MANTISSA,
    ONE,
    TWO,
    Array,
    F,
    compiled,
    exponential,
    load,
    store,
)
from .products import array

M0, M1, GOLDEN = np.uint32(0x7FEB352D), np.uint32(0x846CA68B), np.uint32(0x9E3779B9)
S15, S16 = np.uint32(15), np.uint32(16)
SIGN, MAGNITUDE = np.int32(31), np.int32(0x7FFFFFFF)


@compiled()
def ordinal(bits: Any) -> Any:
    """Bits of a float32 as int32 <-> an integer in the order of the numbers: its own inverse."""
    return np.int32(bits ^ ((bits >> SIGN) & MAGNITUDE))


@compiled()
def row_maximum(logits: Array, first: int, count: int) -> Any:
    """Largest of `count` elements from `first` on; a maximum of integers, which LLVM can
    vectorise.
    """
    largest = ordinal(F(load(logits, first, 0)).view(np.int32))
    for j in range(count):
        largest = max(largest, ordinal(F(load(logits, first + j, 0)).view(np.int32)))
    return np.int32(ordinal(largest)).view(np.float32)


@compiled(EXACT | {"reassoc"})
def row_sum(values: Array) -> Any:
    """Sum of a float32 array."""
    total = F(0)
    for j in range(values.size):
        total += load(values, j, 1)
    return total


@compiled()
def decay(distance: Any) -> Any:
    """exp(distance) for distance <= 0, exactly 0 below -40, so that a logit of -inf has no
    share.
    """
    return exponential(distance) if distance > F(-40) else F(0)


@compiled()
def cross_entropy_rows(logits: Array, targets: Array, loss: Array, gradient: Array) -> None:
    """Per row, loss (N) = log sum exp(logits) - logits[target] in nats, and its gradient (N, V).

    logits (N, V); targets (N) in [0, V). gradient may be the same array as logits.
    """
    rows, width = logits.shape
    share = np.empty(width, np.float32)
    for i in range(rows):
        first = i * width
        largest = row_maximum(logits, first, width)
        for j in range(width):
            store(share, j, 1, decay(load(logits, first + j, 0) - largest))
        total = row_sum(share)
        chosen = np.int64(targets[i])
        loss[i] = F(math.log(total)) + largest - load(logits, first + chosen, 0)
        scale = ONE / total
        hit = share[chosen] * scale - ONE
        for j in range(width):
            store(gradient, first + j, 0, load(share, j, 1) * scale)
        store(gradient, first + chosen, 0, hit)


@compiled()
def scale_rows(values: Array, factors: Array) -> None:
    """Multiply row i of values (N, V) by factors[i], in place."""
    rows, width = values.shape
    for i in range(rows):
        factor = F(factors[i])
        for j in range(width):
            store(values, i * width + j, 0, load(values, i * width + j, 0) * factor)


@compiled()
def scramble(x: Any) -> Any:
    """A bijection of 32-bit words without visible pattern (C. Wellons's `lowbias32`)."""
    x = np.uint32(x)  # numba adds 32-bit words in 64 bits
    x = np.uint32((x ^ (x >> S16)) * M0)
    x = np.uint32((x ^ (x >> S15)) * M1)
    return np.uint32(x ^ (x >> S16))


@compiled()
def exponential_draw(word: Any) -> Any:
    """A draw from the unit exponential distribution: -log(1 - v), v = (word + 1/2) / 2^32.

    log is taken as 2 atanh of the mantissa plus the exponent's share; near v = 0 the mantissa's
    distance from 1 is v itself, so that small draws, which win races, keep their digits."""
    v = (F(word) + F(0.5)) * F(2.0**-32)
    u = (F(np.uint32(~word)) + F(0.5)) * F(2.0**-32)
    bits = F(u).view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> MANTISSA  # mantissa from sqrt(1/2) to sqrt(2)
    mantissa = np.int32(bits - (exponent << MANTISSA)).view(np.float32)
    away = v if exponent == np.int32(0) else ONE - mantissa
    s = away / (TWO - away)
    q = s * s
    series = ONE + q * (F(1 / 3) + q * (F(1 / 5) + q * (F(1 / 7) + q * F(1 / 9))))
    return TWO * s * series - F(exponent) * LN2


@compiled()
def draw_rows(
    logits: Array,
    sharpness: float,
    seed: int,
    rows: Array,
    step: int,
    ids: Array,
    log_probability: Array,
) -> None:
    """One draw per row by an exponential race: argmax_j exp(logits_j * sharpness) / E_j.

    Equal in law to Gumbel-max. logits (B, V); sharpness = 1 / temperature; the noise of row i is a
    function of (seed, rows[i], step, j) alone. Writes ids (B) and log softmax(logits) of the drawn
    id, temperature 1."""
    count, width = logits.shape
    share, score = np.empty(width, np.float32), np.empty(width, np.float32)
    power = F(sharpness)
    for i in range(count):
        first, row = i * width, np.uint64(rows[i])
        low, high = np.uint32(row & np.uint64(0xFFFFFFFF)), np.uint32(row >> np.uint64(32))
        key = scramble(np.uint32(np.uint64(seed) & np.uint64(0xFFFFFFFF)) ^ GOLDEN)
        key = scramble(key ^ scramble(np.uint32(np.uint64(seed) >> np.uint64(32)) + GOLDEN))
        inner = scramble(scramble(key + low) ^ np.uint32(high + np.uint32(step)))
        outer = scramble(
            scramble(key ^ np.uint32(low * GOLDEN)) + np.uint32(high ^ np.uint32(step))
        )
        largest = row_maximum(logits, first, width)
        for j in range(width):
            word = scramble(np.uint32(scramble(np.uint32(inner + np.uint32(j))) ^ outer))
            store(score, j, 2, exponential_draw(word))
            store(share, j, 1, decay(load(logits, first + j, 0) - largest))
        for j in range(width):
            weight = (
                load(share, j, 1)
                if power == ONE
                else decay((load(logits, first + j, 0) - largest) * power)
            )
            store(score, j, 2, weight / load(score, j, 2))
        top, best = row_maximum(score, 0, width), 0
        while best < width - 1 and score[best] != top:
            best += 1
        ids[i] = best
        log_probability[i] = load(logits, first + best, 0) - largest - F(math.log(row_sum(share)))


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        logits = logits.contiguous()
        loss = torch.empty(len(logits))
        ctx.gradient = torch.empty_like(logits)
        cross_entropy_rows(array(logits), array(targets), array(loss), array(ctx.gradient))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        gradient: Tensor = ctx.gradient
        del ctx.gradient  # scaled in place: a second backward must fail
        if slope.stride(0) or float(slope[0]) != 1.0:  # a plain sum arrives as one 1 seen N times
            scale_rows(array(gradient), array(slope.float().contiguous()))
        return gradient, None


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """-log softmax(logits)[target] of every row, in nats: logits (N, V), targets (N) -> (N)
    float32.

    Value and gradient come from one pass; logits may be fp32 or bf16, the gradient has their type.
    """
    usable = elementwise.AVAILABLE and logits.device.type == "cpu" and logits.dtype != torch.float64
    if usable and len(logits):
        loss: Tensor = _CrossEntropy.apply(logits, targets)  # type: ignore[no-untyped-call]
        return loss
    wide = logits.float() if logits.dtype != torch.float64 else logits
    return functional.cross_entropy(wide, targets, reduction="none")


@torch.no_grad()
def draw(
    logits: Tensor, temperature: float, seed: int, rows: Tensor, step: int
) -> tuple[Tensor, Tensor]:
    """One draw per row from softmax(logits / temperature), by Gumbel-max.

    logits (B, V); seed below 2^63; rows (B) int64, the number of each row in the whole sampling:
    the noise depends on (seed, rows[i], step, column) alone, so batches may be cut anyhow. Returns
    ids (B) int64 and their log softmax(logits), at temperature 1, (B) float32."""
    if elementwise.AVAILABLE and logits.device.type == "cpu":
        ids, chosen = torch.empty_like(rows), torch.empty(len(rows))
        memory = (array(rows), step, array(ids), array(chosen))
        draw_rows(array(logits.contiguous()), 1 / temperature, seed, *memory)
        return ids, chosen
    noise = exponential_noise(seed, rows, step, logits.shape[1])
    log_softmax = logits.float().log_softmax(1)
    ids = (log_softmax / temperature - noise.log()).argmax(1)
    return ids, log_softmax.gather(1, ids[:, None])[:, 0]


def exponential_noise(seed: int, rows: Tensor, step: int, columns: int) -> Tensor:
    """The unit exponential draws behind `draw`, in plain torch: (B, columns) float64, or float32 on
    mps.
    """
    mask, golden = 0xFFFFFFFF, int(GOLDEN)

    def mix(
        x: Tensor,
    ) -> Tensor:  # 32-bit words in int64, whose products wrap without harm to the low half
        x = ((x ^ (x >> 16)) * int(M0)) & mask
        x = ((x ^ (x >> 15)) * int(M1)) & mask
        return x ^ (x >> 16)

    words = torch.tensor([seed & mask, seed >> 32], device=rows.device)
    low, high = rows & mask, (rows >> 32) & mask
    key = mix(mix(words[0] ^ golden) ^ mix((words[1] + golden) & mask))
    inner = mix(mix((key + low) & mask) ^ ((high + step) & mask))
    outer = mix((mix(key ^ ((low * golden) & mask)) + (high ^ step)) & mask)
    word = mix(
        mix((inner[:, None] + torch.arange(columns, device=rows.device)) & mask) ^ outer[:, None]
    )
    kind = torch.float32 if rows.device.type == "mps" else torch.float64
    return -torch.log1p(-(word.to(kind) + 0.5) * 2.0**-32)
