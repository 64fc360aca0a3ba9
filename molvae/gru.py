"""A gated recurrent layer over packed sequences: the same numbers as ``nn.GRU``, faster on a CPU.

Knows shapes, steps and devices. Knows nothing of molecules, symbols or latents: the latent is just a
`constant` that every step of a row sees.

    B rows (sequences), N packed rows (all steps of all sequences), I input, C constant, H hidden units

Packed layout: rows sorted by length, longest first; ``sizes[t]`` is the number of rows still alive at
step t, so ``sizes`` never increases, ``sizes[0] == B`` and ``sum(sizes) == N``. Step t's rows stand in
one piece, in the order of the batch, as in the data of a torch ``PackedSequence``.
"""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from . import kernels
from .products import array
from .recurrence import Precision as Precision
from .recurrence import Recurrence


def combine(gates: Tensor, recurrent: Tensor, h: Tensor) -> Tensor:
    """The gate arithmetic of one step in plain torch: (B, 3H), (B, 3H), (B, H) -> (B, H)."""
    xr, xz, xn = gates.chunk(3, 1)
    hr, hz, hn = recurrent.chunk(3, 1)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    n = torch.tanh(xn + r * hn)
    return n + z * (h - n)


class GRU(nn.Module):
    """One GRU layer over packed rows, with an input that stays the same for all steps of a row.

    Parameters are named, shaped and ordered (r, z, n) as those of ``nn.GRU(input_size + constant_size,
    hidden_size)``; gates follow Cho et al. 2014 in cuDNN's variant. ``precision`` is the operand type of
    the matrix products: with ``"bf16"`` sums are still taken in fp32 and weights and state stay in fp32.
    """

    def __init__(self, input_size: int, constant_size: int, hidden_size: int, precision: Precision = "fp32"):
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
        """Draw the weights anew: orthogonal recurrence, update gate leaning towards keeping the state."""
        bound = 1 / math.sqrt(self.hidden_size)
        nn.init.uniform_(self.weight_ih_l0, -bound, bound)
        for gate in self.weight_hh_l0.detach().chunk(3):
            nn.init.orthogonal_(gate)
        nn.init.zeros_(self.bias_ih_l0)
        nn.init.zeros_(self.bias_hh_l0)
        with torch.no_grad():
            self.bias_ih_l0[self.hidden_size : 2 * self.hidden_size] = 1.0

    def forward(self, x: Tensor, constant: Tensor | None, h0: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor]:
        """Run all steps of all rows.

        x (N, I) packed, constant (B, C) or None where C is 0, h0 (B, H) -> outputs (N, H) packed, in the
        type of x; last state of every row (B, H), in the type of h0.
        """
        device = x.device.type
        if device == "cpu" and kernels.AVAILABLE and h0.dtype == torch.float32 and x.dtype != torch.float64:
            weights = (self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)
            outputs, last = Recurrence.apply(x, constant, h0, *weights, sizes, self.precision)  # type: ignore[no-untyped-call]
            return outputs, last
        if device == "cuda":
            return self._on_cuda(x, constant, h0, sizes)
        return self.reference(x, constant, h0, sizes)

    def reference(self, x: Tensor, constant: Tensor | None, h0: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor]:
        """The same as `forward`, in plain differentiable torch: any device, any floating type."""
        gates = self.input_gates(x.to(h0.dtype))
        fixed = self.constant_gates(constant) if constant is not None else None
        h, outputs, finished, start = h0, [], [], 0
        for alive in sizes:
            if alive < len(h):
                finished.append(h[alive:])
                h = h[:alive]
            now = gates[start : start + alive]
            recurrent = functional.linear(h, self.weight_hh_l0, self.bias_hh_l0)
            h = combine(now if fixed is None else now + fixed[:alive], recurrent, h)
            outputs.append(h)
            start += alive
        return torch.cat(outputs).to(x.dtype), torch.cat([h, *reversed(finished)])

    def _on_cuda(self, x: Tensor, constant: Tensor | None, h0: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor]:
        kind = torch.bfloat16 if self.precision == "bf16" else torch.float32
        packed = x.to(kind)
        if constant is not None:
            repeated = torch.cat([constant[:alive] for alive in sizes])
            packed = torch.cat([packed, repeated.to(kind)], 1)
        weights = [self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0]
        with warnings.catch_warnings():
            # cuDNN wants its weights in one piece and copies them there; so would we, after the cast.
            warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous")
            outputs, last = torch._VF.gru(
                packed, torch.tensor(sizes), h0[None].to(kind), [w.to(kind) for w in weights],
                True, 1, 0.0, self.training, False,
            )  # fmt: skip
        return outputs.to(x.dtype), last[0].to(h0.dtype)

    def input_gates(self, x: Tensor) -> Tensor:
        """What the input adds to the gates, its bias included: (..., I) -> (..., 3H)."""
        return functional.linear(x, self.weight_ih_l0[:, : self.input_size], self.bias_ih_l0)

    def constant_gates(self, constant: Tensor) -> Tensor:
        """What the constant adds to the gates of every step of its row: (B, C) -> (B, 3H)."""
        return functional.linear(constant, self.weight_ih_l0[:, self.input_size :])


class State(NamedTuple):
    """A layer's state between two steps: h (B, H) float32, and the same in the type of the products."""

    h: Tensor
    operand: Tensor

    def rows(self, index: Tensor) -> State:
        """The state of some rows only."""
        return State(*(part.index_select(0, index) for part in self))


class Stepper:
    """A layer with its weights as they are now, run step by step without gradients, for sampling.

    Its weights are copies: make a new one when the layer has learned. It keeps room for ``rows`` rows.
    """

    def __init__(self, layer: GRU, rows: int):
        weight = layer.weight_hh_l0.detach()
        self.kind = torch.bfloat16 if layer.precision == "bf16" else weight.dtype
        self.layer, self.bias = layer, layer.bias_hh_l0.detach()
        self.weight_h = weight.to(self.kind).t()  # (H, 3H)
        self.weight_x = layer.weight_ih_l0.detach()[:, : layer.input_size].to(self.kind).t()  # (I, 3H)
        self.compiled = weight.device.type == "cpu" and weight.dtype == torch.float32 and kernels.AVAILABLE
        # Fresh memory at every step would cost more than the gates: the system hands it out page by page.
        self.gates, self.recurrent = torch.empty(2, rows, len(self.bias), dtype=self.kind, device=weight.device)

    def begin(self, h: Tensor) -> State:
        """The state that steps start from: h (B, H)."""
        h = h.detach().clone(memory_format=torch.contiguous_format)  # steps are taken in place
        return State(h, h.to(self.kind))

    @torch.no_grad()
    def fixed(self, constant: Tensor) -> Tensor:
        """What every step of a row gets besides its input, the input's bias among it: (B, C) -> (B, 3H), in the type
        of the products."""
        weight = self.layer.weight_ih_l0[:, self.layer.input_size :].to(self.kind)
        return functional.linear(constant.to(self.kind), weight, self.layer.bias_ih_l0.to(self.kind))

    @torch.no_grad()
    def __call__(self, x: Tensor, state: State, fixed: Tensor, owners: Tensor) -> None:
        """One step of every row, in place: x (B, I) in the type of the products, fixed (R, 3H).

        Row i gets row owners[i] (B) int64 of `fixed`; where that has one row only, all rows get it.
        """
        gates, recurrent = self.gates[: len(x)], self.recurrent[: len(x)]
        torch.mm(x, self.weight_x, out=gates)
        torch.mm(state.operand, self.weight_h, out=recurrent)
        if self.compiled:
            inputs = (gates, recurrent, fixed, owners, self.bias, *state)
            kernels.gru_step(*(array(part) for part in inputs))
            return
        shared = fixed if len(fixed) == 1 else fixed[owners]
        state.h.copy_(combine(gates + shared, recurrent + self.bias, state.h))
        state.operand.copy_(state.h)
