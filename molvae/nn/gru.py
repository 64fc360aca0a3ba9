"""A gated recurrent layer over packed sequences: the same numbers as ``nn.GRU``, faster on a CPU.

A step's input is its own part x and a part that many steps share, a row of `constant` (the latent
of a molecule, say). What such a row adds to the gates is computed once, however many steps see it.

    B rows (sequences), N packed rows (all steps of all sequences), R rows of constant, I input,
    C constant, H hidden units

Packed layout: rows sorted by length, longest first; ``batch_sizes[t]`` is the number of rows still
alive at step t, so it never increases, ``batch_sizes[0] == B`` and ``sum(batch_sizes) == N``. The
rows of step t follow those of step t - 1, in the order of the batch, as in the data of a torch
``PackedSequence``.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..runtime import compilation
from .kernels import gates as kernels
from .kernels.arithmetic import array
from .kernels.gru_function import GRUFunction
from .kernels.gru_function import Precision as Precision
from .kernels.products import in_type


def combine(gates: Tensor, recurrent: Tensor, h: Tensor) -> Tensor:
    """Compute one step in plain torch: (B, 3H), (B, 3H), (B, H) -> (B, H)."""
    xr, xz, xn = gates.chunk(3, 1)
    hr, hz, hn = recurrent.chunk(3, 1)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    n = torch.tanh(xn + r * hn)
    return n + z * (h - n)


class GRU(nn.Module):
    """One GRU layer over packed rows, with an input of every step's own and one that many steps
    have in common.

    Parameters are named, shaped and ordered (r, z, n) as those of ``nn.GRU(input_size +
    constant_size, hidden_size)``; gates follow Cho et al. 2014 in cuDNN's variant. ``precision`` is
    the operand type of the matrix products: with ``"bf16"`` sums are still taken in fp32 and
    weights and state stay in fp32."""

    def __init__(
        self, input_size: int, constant_size: int, hidden_size: int, precision: Precision = "fp32"
    ):
        super().__init__()
        self.input_size = input_size
        self.constant_size = constant_size
        self.hidden_size = hidden_size
        self.precision: Precision = precision
        self.weight_ih_l0 = nn.Parameter(torch.empty(3 * hidden_size, input_size + constant_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(3 * hidden_size, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(3 * hidden_size))
        self.bias_hh_l0 = nn.Parameter(torch.empty(3 * hidden_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: orthogonal recurrence, update gate leaning towards keeping the
        state.
        """
        bound = 1 / math.sqrt(self.hidden_size)
        nn.init.uniform_(self.weight_ih_l0, -bound, bound)
        for gate in self.weight_hh_l0.detach().chunk(3):
            nn.init.orthogonal_(gate)
        nn.init.zeros_(self.bias_ih_l0)
        nn.init.zeros_(self.bias_hh_l0)
        with torch.no_grad():
            self.bias_ih_l0[self.hidden_size : 2 * self.hidden_size] = 1.0

    def forward(
        self,
        x: Tensor,
        constant: Tensor,
        h0: Tensor,
        batch_sizes: list[int],
        static_row: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Run all steps of all rows.

        x (N, I) packed, constant (R, C), h0 (B, H) -> outputs (N, H) packed, in the type of x;
        last state of every row (B, H), in the type of h0. Packed row i sees row static_row[i] (N)
        int64 of constant. ValueError for static rows that do not fit."""
        device, exact = x.device.type, torch.float64 in (x.dtype, h0.dtype)
        if device != "cuda":  # checking would wait for the GPU
            count, rows = len(static_row), len(constant)
            inside = not count or 0 <= int(static_row.min()) <= int(static_row.max()) < rows
            if count != len(x) or not inside:
                raise ValueError(f"{count} static rows of {rows} do not fit {len(x)} packed rows")
            static_row = static_row.contiguous()
        if device != "cpu" or exact or not compilation.KERNELS:
            return self.reference(x, constant, h0, batch_sizes, static_row)
        weights = (self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)
        result: tuple[Tensor, Tensor] = GRUFunction.apply(  # type: ignore[no-untyped-call]
            x, constant, h0, *weights, batch_sizes, static_row, self.precision
        )
        return result

    def reference(
        self,
        x: Tensor,
        constant: Tensor,
        h0: Tensor,
        batch_sizes: list[int],
        static_row: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Run `forward` by torch's own GRU: any device, any floating type; bf16 on a GPU alone."""
        narrow = self.precision == "bf16" and x.device.type == "cuda"
        kind = torch.bfloat16 if narrow else h0.dtype
        # Looked up before it is made narrow: gradients of a row that many steps see are summed in
        # its own type.
        inputs = torch.cat([x.to(kind), functional.embedding(static_row, constant).to(kind)], 1)
        weights = [self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0]
        with warnings.catch_warnings():
            # cuDNN wants its weights in one piece and copies them there; so would we, after the
            # cast.
            warnings.filterwarnings(
                "ignore", message="RNN module weights are not part of single contiguous"
            )
            sizes, cast = torch.tensor(batch_sizes), [weight.to(kind) for weight in weights]
            # with biases, one layer, no dropout, one direction
            settings = (True, 1, 0.0, self.training, False)
            outputs, last = torch.gru(inputs, sizes, h0[None].to(kind), cast, *settings)
        return outputs.to(x.dtype), last[0].to(h0.dtype)


@dataclass
class State:
    """A layer's state between two steps.

    h (B, H) float32; operand: the same in the type of the products; spare (B, 6H): memory that a
    step writes to.
    """

    h: Tensor
    operand: Tensor
    spare: Tensor

    def rows(self, index: Tensor) -> State:
        """Pick some rows, in any order and as often as named."""
        enough = len(self.spare) >= len(index)
        spare = self.spare[: len(index)]
        spare = spare if enough else self.spare.new_empty(len(index), self.spare.shape[1])
        return State(self.h.index_select(0, index), self.operand.index_select(0, index), spare)


class Stepper:
    """A layer with its weights as they are now, run step by step without gradients, for sampling.

    Its weights may be copies: make a new one when the layer has learned. Products are quickest with
    the rows of `products.filled`.
    """

    def __init__(self, layer: GRU):
        weight, bias = layer.weight_hh_l0.detach(), layer.bias_hh_l0.detach()
        self.kind = torch.bfloat16 if layer.precision == "bf16" else weight.dtype
        self.size = layer.hidden_size
        inputs = in_type(layer.weight_ih_l0, self.kind)
        weight_x, weight_c = inputs.tensor_split([layer.input_size], 1)
        self.weight_x, self.weight_c = weight_x.t(), weight_c.t()
        self.weight_h = in_type(layer.weight_hh_l0, self.kind).t()
        self.bias_x = layer.bias_ih_l0.detach().clone()
        self.bias_x[: 2 * self.size] += bias[: 2 * self.size]
        self.bias_n = bias[2 * self.size :]
        on_cpu = weight.device.type == "cpu" and weight.dtype == torch.float32
        self.compiled = on_cpu and compilation.KERNELS

    def begin(self, h: Tensor) -> State:
        """Return the state that steps start from, h (B, H)."""
        h = h.detach().clone(memory_format=torch.contiguous_format)  # steps are taken in place
        # Fresh memory at every step would cost more than the gates: the system hands it out page
        # by page.
        spare = h.new_empty(len(h), 6 * self.size, dtype=self.kind)
        return State(h, h.to(self.kind), spare)

    @torch.no_grad()
    def static(self, constant: Tensor) -> Tensor:
        """Return what every step of a row gets besides its input and state, (B, 3H), from a
        constant (B, C), in the type of the products."""
        return torch.addmm(self.bias_x.to(self.kind), constant.to(self.kind), self.weight_c)

    @torch.no_grad()
    def __call__(self, x: Tensor, state: State, static: Tensor, static_row: Tensor) -> Tensor:
        """Take one step of every row in place, and return the new h (B, H) in the type of the
        products.

        x (B, I) in the type of the products. Row i gets row static_row[i] (B) int64 of static;
        where that has one row only, all rows get it."""
        gates, recurrent = state.spare[: len(x)].view(2, len(x), 3 * self.size)
        torch.mm(x, self.weight_x, out=gates)
        torch.mm(state.operand, self.weight_h, out=recurrent)
        if self.compiled:
            inputs = [array(part) for part in (gates, recurrent, static, static_row, self.bias_n)]
            memory: Any = [*inputs, array(state.h), array(state.operand)]
            kernels.step(*memory)
            return state.operand
        shared = static if len(static) == 1 else static[static_row]
        recurrent[:, 2 * self.size :] += self.bias_n
        state.h.copy_(combine(gates + shared, recurrent, state.h))
        return state.operand.copy_(state.h)
