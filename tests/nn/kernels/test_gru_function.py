"""All steps of a layer as one function: its products, and why backward runs only once."""

from __future__ import annotations

import pytest
import torch

from molvae.nn.gru import GRU
from molvae.nn.kernels.gru_function import step_rows
from molvae.nn.kernels.products import STEP


@pytest.mark.parametrize("alive", [1, STEP - 1, STEP, STEP + 1, 5 * STEP])
def test_steps_take_whole_blocks_where_rows_are_there(alive: int) -> None:
    taken = step_rows(alive, 100 * STEP)
    assert alive <= taken < alive + STEP
    assert taken % STEP == 0
    assert step_rows(alive, alive) == alive, "no row beyond the last is read"


@pytest.mark.compiled
def test_a_second_backward_fails_instead_of_being_wrong() -> None:
    layer = GRU(3, 0, 8)
    outputs, _ = layer(
        torch.ones(5, 3), torch.ones(1, 0), torch.zeros(3, 8), [3, 2], torch.zeros(5).long()
    )
    outputs.sum().backward(retain_graph=True)
    with pytest.raises(AttributeError):
        outputs.sum().backward()
