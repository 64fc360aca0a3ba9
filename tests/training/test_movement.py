"""Weights are moved as torch's AdamW would move them, by however many threads."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from molvae.nn.threads import Threads, divided
from molvae.training.movement import follow, move, norm

SHAPES = [(70, 33), (5,), (1,), (128, 7), (3, 2, 4)]


@pytest.fixture(params=[1, 2, 3, 200])
def threads(request: pytest.FixtureRequest) -> Threads:
    threads = Threads(torch.device("cpu"), 0)
    threads.count = request.param
    return threads


def random(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def optimiser_of(weights: list[nn.Parameter]) -> torch.optim.AdamW:
    groups = [
        {"params": weights[:2], "weight_decay": 0.1},
        {"params": weights[2:], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.5, betas=(0.9, 0.99), fused=True)


def test_three_steps_are_those_of_the_optimiser_itself(threads: Threads) -> None:
    mine = [nn.Parameter(weight) for weight in random(0)]
    theirs = copy.deepcopy(mine)
    optimisers = optimiser_of(mine), optimiser_of(theirs)
    with threads:
        for step in range(3):
            gradients = random(1 + step)
            move(optimisers[0], dict(zip(mine, gradients, strict=True)), 0.01, threads)
            for weight, gradient in zip(theirs, gradients, strict=True):
                weight.grad = gradient.clone()
            for group in optimisers[1].param_groups:
                group["lr"] = 0.01
            optimisers[1].step()
    torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)
    for weight, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(
            optimisers[0].state[weight], optimisers[1].state[other], rtol=1e-6, atol=1e-7
        )


def test_the_norm_is_that_of_all_numbers_together(threads: Threads) -> None:
    with threads:
        found = norm(random(5), threads)
    assert found == pytest.approx(
        float(torch.cat([part.flatten() for part in random(5)]).norm()), rel=1e-6
    )


def test_an_average_follows(threads: Threads) -> None:
    averages, weights = random(7), random(8)
    expected = [0.9 * one + 0.1 * other for one, other in zip(averages, weights, strict=True)]
    with threads:
        follow(averages, weights, 0.9, threads)
    torch.testing.assert_close(averages, expected)


def test_shares_hold_every_number_once(threads: Threads) -> None:
    shares = divided(random(9), threads.count)
    assert 1 <= len(shares) <= threads.count
    assert all(shares)
    numbers = torch.cat([part.flatten() for share in shares for part in share])
    assert sorted(numbers.tolist()) == sorted(
        torch.cat([part.flatten() for part in random(9)]).tolist()
    )
