"""Learning rate and KL weight by progress; noise, levels and spellings by seed and step.

Each is a pure function, so a training is the same on any number of threads and after a resume."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..config import Config, TrainingConfig
from ..nn.posterior import drawn_levels


def learning_rate(step: int, total: int, config: TrainingConfig) -> float:
    """Linear warm-up, then a cosine down to a fiftieth of the peak at ``total`` steps.

    ``total`` is 0 as long as it is not known."""
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


def generator_of(*numbers: int) -> torch.Generator:
    """A generator on the CPU whose seed mixes all the numbers."""
    mixed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1
    return torch.Generator().manual_seed(mixed)


def levels_of_step(config: Config, step: int, count: int) -> Tensor | None:
    """The noise level of each molecule of a step, ``(B, 1)``; None for a Gaussian posterior."""
    model, training = config.model, config.training
    if model.posterior != "levels":
        return None
    uniform = torch.rand(count, generator=generator_of(training.seed, step, 1))
    fractions = training.reconstruction_fraction, training.unconditional_fraction
    return drawn_levels(uniform, model.max_signal, *fractions, training.signal_exponent)


def spellings_of_step(config: Config, step: int, level: Tensor, spellings: int) -> Tensor:
    """The spelling that each molecule of a step is learned in, ``(B,)``.

    Any of them at the highest level, and the canonical one, 0, at all others: samples are drawn
    there, and should be written as molecules are."""
    generator = generator_of(config.training.seed, step, 2)
    drawn = torch.randint(spellings + 1, (len(level),), generator=generator)
    return torch.where(level[:, 0] == level.new_tensor(config.model.max_signal), drawn, 0)
