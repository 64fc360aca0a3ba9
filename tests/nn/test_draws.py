"""Rows of logits: their cost and draws from them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from molvae.nn.draws import draw, exponential_noise
from molvae.nn.model import cross_entropy
from molvae.runtime import compilation


def some_logits(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float32, 2e-6), (torch.bfloat16, 4e-3)])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_and_its_gradient_equal_torch(
    kind: torch.dtype, tolerance: float, weighted: bool
) -> None:
    logits = some_logits(50, 77).to(kind).requires_grad_()
    targets = torch.randint(0, 77, (50,), generator=torch.Generator().manual_seed(1))
    weight = torch.linspace(0.5, 2, 50) if weighted else torch.ones(())
    loss = cross_entropy(logits, targets)
    (mine,) = torch.autograd.grad((loss * weight).sum(), logits)
    wide = logits.detach().double().requires_grad_()
    judge = functional.cross_entropy(wide, targets, reduction="none")
    (expected,) = torch.autograd.grad((judge * weight).sum(), wide)
    torch.testing.assert_close(loss.double(), judge, rtol=2e-6, atol=2e-6)
    torch.testing.assert_close(mine.double(), expected, rtol=tolerance, atol=tolerance)


def test_a_symbol_ruled_out_has_no_gradient_and_is_never_drawn() -> None:
    logits = some_logits(200, 9)
    logits[:, 1:] = -torch.inf
    ids, chosen = draw(logits, 1.0, 0, torch.arange(200), 0)
    assert ids.eq(0).all()
    assert chosen.eq(0).all()
    logits.requires_grad_()
    cross_entropy(logits, torch.zeros(200, dtype=torch.long)).sum().backward()
    assert logits.grad is not None
    assert logits.grad.eq(0).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax_at_their_temperature(temperature: float) -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, -4.0])
    n = 200_000
    ids, chosen = draw(logits.expand(n, 5), temperature, 11, torch.arange(n), 4)
    expected = torch.softmax(logits / temperature, 0)
    found = ids.bincount(minlength=5) / n
    assert ((found - expected).abs() < 5 * (expected * (1 - expected) / n).sqrt() + 1e-6).all()
    torch.testing.assert_close(chosen, logits.log_softmax(0)[ids], rtol=1e-5, atol=1e-5)


def test_a_draw_depends_on_seed_row_and_step_and_on_nothing_else() -> None:
    logits, rows = some_logits(64, 33), torch.arange(1000, 1064) * 2**29
    whole, _ = draw(logits, 1.0, 5, rows, 2)
    parts = torch.cat(
        [draw(a, 1.0, 5, b, 2)[0] for a, b in zip(logits.split(7), rows.split(7), strict=True)]
    )
    assert torch.equal(whole, parts)
    for seed, step, shift in ((6, 2, 0), (5 + 2**40, 2, 0), (5, 3, 0), (5, 2, 1), (5, 2, 2**33)):
        assert not torch.equal(draw(logits, 1.0, seed, rows + shift, step)[0], whole)


@pytest.mark.compiled
def test_plain_torch_draws_the_same_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, rows = some_logits(2000, 40), torch.arange(2000) * 12345678901
    compiled_ids, compiled_chosen = draw(logits, 0.8, 2**50 + 3, rows, 7)
    monkeypatch.setattr(compilation, "KERNELS", False)
    ids, chosen = draw(logits, 0.8, 2**50 + 3, rows, 7)
    assert ids.eq(compiled_ids).float().mean() > 0.999  # a tie within rounding may fall either way
    same = ids == compiled_ids
    torch.testing.assert_close(chosen[same], compiled_chosen[same], rtol=1e-5, atol=1e-5)


def test_noise_of_neighbours_is_independent() -> None:
    noise = exponential_noise(0, torch.arange(400), 0, 300)
    assert abs(noise.mean().item() - 1) < 0.02
    assert abs(noise.var().item() - 1) < 0.05
    along, across = torch.corrcoef(noise), torch.corrcoef(noise.T)
    for table in (along, across):
        off = table - torch.eye(len(table))
        assert off.abs().max() < 6 / 300**0.5
        assert abs(off.mean().item()) < 1e-3
    next_step = exponential_noise(0, torch.arange(400), 1, 300)
    assert (
        abs(torch.corrcoef(torch.stack([noise.flatten(), next_step.flatten()]))[0, 1].item()) < 0.02
    )
