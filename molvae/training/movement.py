"""The weights of a training moved by their gradients: one step of AdamW, and the average that
follows, on all threads.

Decoupled weight decay by Loshchilov and Hutter (arXiv 1711.05101). Knows tensors, no losses and no
data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from ..nn.threads import Threads, divided


def norm(gradients: Sequence[Tensor], threads: Threads) -> float:
    """The Euclidean norm of all gradients together."""
    parts = threads.map(torch._foreach_norm, divided(gradients, threads.count))
    return float(torch.linalg.vector_norm(torch.stack([one for part in parts for one in part])))


def begin(optimiser: torch.optim.AdamW) -> None:
    """The moments of weights that were never moved, as the optimiser itself would make them."""
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if not optimiser.state[parameter]:
                zeros = [
                    torch.zeros_like(parameter, memory_format=torch.preserve_format)
                    for _ in range(2)
                ]
                step = torch.zeros((), dtype=torch.float32, device=parameter.device)
                optimiser.state[parameter] = {
                    "step": step,
                    "exp_avg": zeros[0],
                    "exp_avg_sq": zeros[1],
                }


def move(
    optimiser: torch.optim.AdamW, gradients: dict[Tensor, Tensor], rate: float, threads: Threads
) -> None:
    """One step of the optimiser with the gradient of each weight, at a learning rate.

    Every thread moves some rows of every weight: what one thread does in a twentieth of a training
    step, many do in less, and torch's own threads would wait busily on the cores that these need.
    """
    begin(optimiser)
    for group in optimiser.param_groups:
        group["lr"] = rate
        weights = group["params"]
        moments = [optimiser.state[weight] for weight in weights]
        columns = [weights, [gradients[weight] for weight in weights]]
        columns += [[one[name] for one in moments] for name in ("exp_avg", "exp_avg_sq")]
        steps = [one["step"] for one in moments]
        parts = zip(*(divided(column, threads.count) for column in columns), strict=True)
        threads.map(partial(_move, steps[0], group), parts)
        torch._foreach_add_(steps, 1.0)
        torch.autograd.graph.increment_version(
            weights
        )  # which fused steps forget, and others look at


@torch.no_grad()
def _move(step: Tensor, group: dict[str, Any], part: tuple[list[Tensor], ...]) -> None:
    """``torch.optim.AdamW`` for some rows of some weights, all moved as often as ``step`` says: the
    weights, their gradients and both moments."""
    weights, gradients, means, squares = part
    steps = [step.clone() for _ in weights]
    beta1, beta2 = group["betas"]
    options: dict[str, Any] = {
        name: group[name] for name in ("lr", "weight_decay", "eps", "maximize", "amsgrad")
    }
    adamw(
        weights,
        gradients,
        means,
        squares,
        [],
        steps,
        fused=True,
        beta1=beta1,
        beta2=beta2,
        **options,
    )


def follow(
    averages: Sequence[Tensor], weights: Sequence[Tensor], decay: float, threads: Threads
) -> None:
    """Move averaged weights towards the new ones: average = decay * average + (1 - decay) *
    weight.
    """
    parts = zip(divided(averages, threads.count), divided(weights, threads.count), strict=True)
    threads.map(lambda part: torch._foreach_lerp_(*part, 1.0 - decay), parts)
