"""The recurrent layer equals ``nn.GRU``, whichever implementation runs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from molvae.nn.gru import GRU, Precision
from molvae.runtime import compilation

SHAPES = [
    ([7, 7, 5, 2, 1], 6, 3, 16),
    ([1, 1, 1], 4, 2, 8),
    ([5], 4, 0, 24),
    ([9, 4], 3, 0, 7),
    ([48] * 6 + [31, 8], 32, 48, 64),
]
"""Row counts of each step, input, constant, hidden size."""


def layer(
    inputs: int, constant: int, hidden: int, precision: Precision = "fp32", seed: int = 0
) -> GRU:
    torch.manual_seed(seed)
    made = GRU(inputs, constant, hidden, precision)
    for bias in (made.bias_ih_l0, made.bias_hh_l0):
        nn.init.normal_(bias, std=0.3)
    return made


def arguments(
    layer: GRU, sizes: list[int], dtype: torch.dtype = torch.float32, seed: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def leaf(*shape: int) -> Tensor:
        return (
            torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
        )

    constant = leaf(sizes[0], layer.constant_size)
    return leaf(sum(sizes), layer.input_size), constant, leaf(sizes[0], layer.hidden_size)


def own_rows(sizes: list[int]) -> Tensor:
    """The sequence of every packed row, (N,)."""
    return torch.cat([torch.arange(alive) for alive in sizes])


def numbers(layer: nn.Module, leaves: list[Tensor], results: tuple[Tensor, Tensor]) -> list[Tensor]:
    """Both results, and the gradient of a fixed random sum of them with respect to every input and
    weight.
    """
    generator = torch.Generator().manual_seed(2)
    slopes = [torch.randn(r.shape, generator=generator, dtype=torch.float64) for r in results]
    loss = torch.stack(
        [(r.double() * slope).sum() for r, slope in zip(results, slopes, strict=True)]
    ).sum()
    wanted = [leaf for leaf in leaves if leaf.numel()] + list(layer.parameters())
    return [part.detach().double() for part in (*results, *torch.autograd.grad(loss, wanted))]


def of_torch(layer: GRU, x: Tensor, constant: Tensor, h0: Tensor, sizes: list[int]) -> list[Tensor]:
    """Results of torch's own ``nn.GRU`` in float64, the constant written beside every step's
    input.
    """
    judge = nn.GRU(layer.input_size + layer.constant_size, layer.hidden_size).double()
    judge.load_state_dict({name: value.double() for name, value in layer.state_dict().items()})
    leaves = [t.detach().double().requires_grad_() for t in (x, constant, h0)]
    inputs = torch.cat([leaves[0], torch.cat([leaves[1][:alive] for alive in sizes])], 1)
    outputs, last = judge(PackedSequence(inputs, torch.tensor(sizes)), leaves[2][None])
    return numbers(judge, leaves, (outputs.data, last[0]))


def distance(mine: list[Tensor], judge: list[Tensor]) -> float:
    """Largest relative distance over results and gradients."""
    assert len(mine) == len(judge)
    return max(float((a - b).norm() / b.norm()) for a, b in zip(mine, judge, strict=True))


@pytest.mark.parametrize(("sizes", "inputs", "constant", "hidden"), SHAPES)
def test_reference_equals_torch_in_double_precision(
    sizes: list[int], inputs: int, constant: int, hidden: int
) -> None:
    mine = layer(inputs, constant, hidden).double()
    leaves = arguments(mine, sizes, torch.float64)
    plain = numbers(mine, list(leaves), mine(*leaves, sizes, own_rows(sizes)))
    assert distance(plain, of_torch(mine, *leaves, sizes)) < 1e-10


@pytest.mark.compiled
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 2e-6), ("bf16", 1.5e-2)])
@pytest.mark.parametrize(("sizes", "inputs", "constant", "hidden"), SHAPES)
def test_compiled_layer_equals_torch(
    sizes: list[int],
    inputs: int,
    constant: int,
    hidden: int,
    precision: Precision,
    tolerance: float,
) -> None:
    # bf16 keeps 8 bits: each operand is off by up to 2^-9, and a state is a sum of many such
    # products.
    mine = layer(inputs, constant, hidden, precision)
    leaves = arguments(mine, sizes)
    fast = numbers(mine, list(leaves), mine(*leaves, sizes, own_rows(sizes)))
    assert distance(fast, of_torch(mine, *leaves, sizes)) < tolerance


LOOKED_UP = [
    ([7, 7, 5, 2, 1], 6, 3, 16),
    ([70, 45, 33, 10, 1], 0, 40, 64),
    ([40, 33, 32], 32, 8, 32),
]
"""Shapes with a constant, some of them taken in blocks."""


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 2e-6), ("bf16", 1.5e-2), ("fp64", 1e-10)]
)
@pytest.mark.parametrize(("sizes", "inputs", "constant", "hidden"), LOOKED_UP)
def test_rows_that_steps_choose_are_as_good_as_inputs(
    sizes: list[int], inputs: int, constant: int, hidden: int, precision: str, tolerance: float
) -> None:
    exact = precision == "fp64"
    mine = layer(inputs, constant, hidden, "fp32" if exact else precision)  # type: ignore[arg-type]
    judge = layer(inputs + constant, 0, hidden).double()  # the same weights, by the seed
    mine = mine.double() if exact else mine
    x, _, h0 = arguments(mine, sizes, torch.float64 if exact else torch.float32)
    generator = torch.Generator().manual_seed(5)
    table = torch.randn(9, constant, generator=generator, dtype=torch.float64)
    static_row = torch.randint(8, (sum(sizes),), generator=generator)  # one row nobody sees
    mine_table = table.to(x.dtype).requires_grad_()
    fast = numbers(mine, [x, mine_table, h0], mine(x, mine_table, h0, sizes, static_row))
    leaves = [leaf.detach().double().requires_grad_() for leaf in (x, table, h0)]
    inputs_together = torch.cat([leaves[0], leaves[1][static_row]], 1)
    nothing = torch.empty(sizes[0], 0, dtype=torch.float64)
    found = judge(inputs_together, nothing, leaves[2], sizes, own_rows(sizes))
    expected = numbers(judge, list(leaves), found)
    assert (
        distance(
            [part for part in fast if part.numel()], [part for part in expected if part.numel()]
        )
        < tolerance
    )


@pytest.mark.parametrize("static_row", [[0, 1], [0, 1, 2], [0, -1, 1], []])
def test_static_rows_that_do_not_fit_are_refused(static_row: list[int]) -> None:
    mine = layer(2, 3, 4)
    x, _, h0 = arguments(mine, [2, 1])
    with pytest.raises(ValueError, match="do not fit 3 packed rows"):
        mine(x, torch.zeros(2, 3), h0, [2, 1], torch.tensor(static_row, dtype=torch.long))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 20), st.integers(0, 3))
def test_any_lengths_and_widths_agree_with_the_reference(
    lengths: list[int], hidden: int, constant: int
) -> None:
    sizes = sorted(lengths, reverse=True)
    mine = layer(3, constant, hidden)
    x, c, h0 = arguments(mine, sizes)
    leaves, rows = [x, c, h0], own_rows(sizes)
    fast = numbers(mine, leaves, mine(*leaves, sizes, rows))
    assert distance(fast, numbers(mine, leaves, mine.reference(*leaves, sizes, rows))) < 1e-5


def test_gradients_pass_the_finite_difference_test() -> None:
    mine = layer(3, 2, 4).double()
    x, constant, h0 = arguments(mine, [3, 2, 2], torch.float64)
    assert torch.autograd.gradcheck(
        lambda *t: mine(*t, [3, 2, 2], own_rows([3, 2, 2])), (x, constant, h0)
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_other_rows_of_the_batch_do_not_touch_a_row(precision: Precision) -> None:
    mine = layer(5, 3, 16, precision)
    sizes = [8, 8, 6, 1]
    x, constant, h0 = (t.detach() for t in arguments(mine, sizes))
    outputs, last = mine(x, constant, h0, sizes, own_rows(sizes))
    row = 4  # lives three steps
    places = [0 + row, 8 + row, 16 + row]
    alone, end = mine(
        x[places], constant[row : row + 1], h0[row : row + 1], [1, 1, 1], own_rows([1, 1, 1])
    )
    tolerance = 1e-6 if precision == "fp32" else 1e-2
    torch.testing.assert_close(alone, outputs[places], rtol=0, atol=tolerance)
    torch.testing.assert_close(end[0], last[row], rtol=0, atol=tolerance)


def test_a_gradient_of_one_result_only_is_enough() -> None:
    mine = layer(5, 3, 16)
    sizes = [4, 3, 1]
    leaves = arguments(mine, sizes)
    for which in (0, 1):
        for run in (mine, mine.reference):
            for parameter in mine.parameters():
                parameter.grad = None
            run(*leaves, sizes, own_rows(sizes))[which].square().sum().backward()
            grads = [p.grad.clone() for p in mine.parameters() if p.grad is not None]
            if run is mine:
                kept = grads
        assert distance(kept, grads) < 1e-5


def test_outputs_have_the_inputs_type_and_the_state_its_own() -> None:
    mine = layer(8, 4, 16, "bf16")
    x, constant, h0 = arguments(mine, [3, 2])
    outputs, last = mine(x.detach().bfloat16(), constant, h0, [3, 2], own_rows([3, 2]))
    assert (outputs.dtype, last.dtype) == (torch.bfloat16, torch.float32)


def test_a_diverged_weight_shows_as_nan() -> None:
    mine = layer(4, 0, 16)
    with torch.no_grad():
        mine.weight_ih_l0[0, 0] = float("nan")
    leaves = arguments(mine, [2, 2])
    assert mine(*leaves, [2, 2], own_rows([2, 2]))[1].isnan().any()


def test_weights_load_into_and_from_torch() -> None:
    mine = layer(6, 3, 10)
    judge = nn.GRU(9, 10)
    assert list(judge.state_dict()) == list(mine.state_dict())
    judge.load_state_dict(mine.state_dict())
    mine.load_state_dict(judge.state_dict())


def test_the_plain_form_runs_where_numba_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = layer(6, 3, 16)
    leaves = arguments(mine, [4, 2])
    expected = mine(*leaves, [4, 2], own_rows([4, 2]))[1].detach()
    monkeypatch.setattr(compilation, "KERNELS", False)
    torch.testing.assert_close(mine(*leaves, [4, 2], own_rows([4, 2]))[1].detach(), expected)
