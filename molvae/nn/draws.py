"""One symbol from each row of logits: the likeliest, or one drawn at a temperature.

The noise of a draw is a function of (seed, row, step, column) alone, on every device.

    B rows, V vocabulary
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..runtime import compilation
from .kernels.arithmetic import array
from .kernels.races import GOLDEN, M0, M1, draw_rows


def pick(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the likeliest symbol of every row of logits (B, V) and its log-probability, (B),
    (B).
    """
    best = logits.log_softmax(-1).max(-1)
    return best.indices, best.values


@torch.no_grad()
def draw(
    logits: Tensor, temperature: float, seed: int, rows: Tensor, step: int
) -> tuple[Tensor, Tensor]:
    """Draw one symbol per row from softmax(logits / temperature), by an exponential race.

    logits (B, V); seed below 2^63; rows (B) int64, the number of each row in the whole sampling:
    the noise depends on (seed, rows[i], step, column) alone, so batches may be cut anyhow. Returns
    ids (B) int64 and their log softmax(logits), at temperature 1, (B) float32.
    """
    if compilation.KERNELS and logits.device.type == "cpu":
        ids, chosen = torch.empty_like(rows), torch.empty(len(rows))
        noise = (seed, array(rows), step)
        values = array(logits.float().contiguous())
        draw_rows(values, 1 / temperature, *noise, array(ids), array(chosen))
        return ids, chosen
    race = exponential_noise(seed, rows, step, logits.shape[1])
    log_softmax = logits.float().log_softmax(1)
    ids = (log_softmax / temperature - race.log()).argmax(1)
    return ids, log_softmax.gather(1, ids[:, None])[:, 0]


def exponential_noise(seed: int, rows: Tensor, step: int, columns: int) -> Tensor:
    """Return the unit exponential draws behind `draw`, in plain torch: (B, columns) float64, or
    float32 on mps."""
    mask, golden = 0xFFFFFFFF, int(GOLDEN)

    # 32-bit words in int64, whose products wrap without harm to the low half.
    def mix(x: Tensor) -> Tensor:
        x = ((x ^ (x >> 16)) * int(M0)) & mask
        x = ((x ^ (x >> 15)) * int(M1)) & mask
        return x ^ (x >> 16)

    words = torch.tensor([seed & mask, seed >> 32], device=rows.device)
    low, high = rows & mask, (rows >> 32) & mask
    key = mix(mix(words[0] ^ golden) ^ mix((words[1] + golden) & mask))
    inner = mix(mix((key + low) & mask) ^ ((high + step) & mask))
    outer = mix((mix(key ^ ((low * golden) & mask)) + (high ^ step)) & mask)
    column = torch.arange(columns, device=rows.device)
    word = mix(mix((inner[:, None] + column) & mask) ^ outer[:, None])
    kind = torch.float32 if rows.device.type == "mps" else torch.float64
    return -torch.log1p(-(word.to(kind) + 0.5) * 2.0**-32)
