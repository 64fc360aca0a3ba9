"""The randomness of a training step: a function of the seed and the step alone.

So it is the same whatever the number of threads, and after a resume.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..nn.posterior import drawn_levels, standard_normal


def generator_of(*numbers: int) -> torch.Generator:
    """A generator on the CPU whose seed mixes all the numbers."""
    mixed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1
    return torch.Generator().manual_seed(mixed)


def noise_of_step(seed: int, step: int, shape: tuple[int, ...]) -> Tensor:
    """The noise of one step's draws of z."""
    return standard_normal(shape, generator_of(seed, step))


def levels_of_step(config: Config, step: int, count: int) -> Tensor | None:
    """The noise level of each molecule of a step, ``(B, 1)``; none if the posterior has but one."""
    model, training = config.model, config.training
    if model.posterior != "levels":
        return None
    uniform = torch.rand(count, generator=generator_of(training.seed, step, 1))
    shares = training.reconstruction_fraction, training.unconditional_fraction
    return drawn_levels(uniform, model.max_signal, *shares, training.signal_exponent)


def spellings_of_step(config: Config, step: int, level: Tensor, spellings: int) -> Tensor:
    """Which of its spellings each molecule of a step is learned in, ``(B,)``: any at the sharpest
    level.

    At all others the canonical one, 0, for what is drawn there should be written as molecules are.
    """
    drawn = torch.randint(
        spellings + 1, (len(level),), generator=generator_of(config.training.seed, step, 2)
    )
    return torch.where(level[:, 0] == level.new_tensor(config.model.max_signal), drawn, 0)
