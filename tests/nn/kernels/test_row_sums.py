"""Listed rows of a table are summed, and a row is added to listed rows, whatever the width."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from molvae.nn.kernels.row_sums import add_rows, spread_row
from molvae.nn.products import array

WIDTHS = [1, 15, 16, 40, 128, 300]


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_sum_is_that_of_the_listed_rows(count: int, width: int, kind: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(width)
    table = torch.randn(9, width, generator=generator).to(kind)
    rows = torch.randint(9, (7,), generator=generator)
    total = np.ones(width, np.float32)
    add_rows(array(table), (rows * width).numpy(), count, total)
    expected = 1 + table[rows[:count]].float().sum(0)
    torch.testing.assert_close(torch.from_numpy(total), expected)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_row_listed_twice_gets_it_twice(width: int) -> None:
    generator = torch.Generator().manual_seed(width)
    table, row = torch.randn(9, width, generator=generator), torch.randn(width, generator=generator)
    expected = table.clone()
    expected[3] += 2 * row
    expected[8] += row
    spread_row(array(row), array(table), np.array([3, 8, 3, 0]) * width, 3)
    torch.testing.assert_close(table, expected)
