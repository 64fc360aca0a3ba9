"""What changes as training goes on: the learning rate and the weight of the KL, each a function of
progress alone.

Knows no model and no torch.
"""

from __future__ import annotations

import math

from ..config import TrainingConfig


def learning_rate(step: int, total: int, config: TrainingConfig) -> float:
    """Linear warm-up, then a cosine down to a fiftieth of the peak at ``total`` steps (0: not known
    yet).
    """
    warmup = min(config.warmup, max(1, total // 10)) if total else config.warmup
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, total - warmup)) if total else 0.0
    return config.learning_rate * (0.02 + 0.49 * (1 + math.cos(math.pi * share)))


def kl_weight(progress: float, beta: float, schedule: str, warmup: float, cycles: int) -> float:
    """Weight of the KL at ``progress`` in [0, 1] of the training.

    ``linear`` rises over the first ``warmup`` share of training; ``cyclical`` does so in each of
    ``cycles`` equal cycles (Fu et al. 2019); ``constant`` is ``beta`` throughout.

    >>> kl_weight(0.1, 1.0, "linear", 0.2, 4)
    0.5
    >>> kl_weight(0.5, 1.0, "cyclical", 0.5, 4)
    0.0
    """
    if schedule == "constant" or warmup == 0.0:
        return beta
    within = (progress * cycles) % 1.0 if schedule == "cyclical" else progress
    return beta * min(1.0, within / warmup)
