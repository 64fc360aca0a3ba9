"""A gated recurrent layer over packed sequences: the same numbers as ``nn.GRU``, faster on a CPU.

Knows shapes, steps and devices. Knows nothing of molecules, symbols or latents: these are rows of
`constant`, of which every step sees one. On a CPU what such a row adds to the gates is computed
once, however many steps see it.

    B rows (sequences), N packed rows (all steps of all sequences), R rows of constant, I input, C
    constant, H hidden units

Packed layout: rows sorted by length, longest first; ``sizes[t]`` is the number of rows still alive
at step t, so ``sizes`` never increases, ``sizes[0] == B`` and ``sum(sizes) == N``. Step t's rows
stand in one piece, in the order of the batch, as in the data of a torch ``PackedSequence``."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .kernels import elementwise, stepping
from .kernels import gates as gate_kernels
from .products import array, by_units, filled, has_vectors, packed, packed_bytes
from .recurrence import Precision as Precision
from .recurrence import Recurrence


def combine(gates: Tensor, recurrent: Tensor, h: Tensor) -> Tensor:
    """The gate arithmetic of one step in plain torch: (B, 3H), (B, 3H), (B, H) -> (B, H)."""
    xr, xz, xn = gates.chunk(3, 1)
    hr, hz, hn = recurrent.chunk(3, 1)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    n = torch.tanh(xn + r * hn)
    return n + z * (h - n)


def own_rows(sizes: list[int]) -> Tensor:
    """The sequence of every packed row, ``(N,)`` int64."""
    return torch.cat([torch.arange(alive) for alive in sizes])


def beside(x: Tensor, constant: Tensor | None, sizes: list[int], owners: Tensor | None) -> Tensor:
    """Inputs of every packed row in one: x (N, I) and the rows of constant (R, C) that it sees ->
    (N, I + C).
    """
    if constant is None:
        return x
    owners = own_rows(sizes).to(x.device) if owners is None else owners
    # Looked up before it is made narrow: gradients of a row that many steps see are summed in its
    # own type.
    return torch.cat([x, functional.embedding(owners, constant).to(x.dtype)], 1)


def checked(owners: Tensor, rows: int, packed: int) -> Tensor:
    """Owners (N) as compiled code may follow them; ValueError unless there are ``packed``, each one
    of ``rows``.
    """
    if len(owners) != packed or (packed and not 0 <= int(owners.min()) <= int(owners.max()) < rows):
        raise ValueError(f"{len(owners)} owners from {rows} rows do not fit {packed} packed rows")
    return owners.contiguous()


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
        constant: Tensor | None,
        h0: Tensor,
        sizes: list[int],
        owners: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run all steps of all rows.

        x (N, I) packed, constant (R, C) or None where C is 0, h0 (B, H) -> outputs (N, H) packed,
        in the type of x; last state of every row (B, H), in the type of h0. Packed row i sees row
        owners[i] (N) int64 of constant; without owners, that of its sequence. ValueError for owners
        that do not fit."""
        device = x.device.type
        if (
            device == "cpu"
            and elementwise.AVAILABLE
            and h0.dtype == torch.float32
            and x.dtype != torch.float64
        ):
            if constant is None:
                owners = torch.zeros(
                    len(x), dtype=torch.long
                )  # of the one row that is fixed, the biases
            else:
                owners = checked(
                    own_rows(sizes) if owners is None else owners, len(constant), len(x)
                )
            weights = (self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)
            outputs, last = Recurrence.apply(
                x, constant, h0, *weights, sizes, owners, self.precision
            )  # type: ignore[no-untyped-call]
            return outputs, last
        if device == "cuda":
            return self._on_cuda(beside(x, constant, sizes, owners), h0, sizes)
        return self.reference(x, constant, h0, sizes, owners)

    def reference(
        self,
        x: Tensor,
        constant: Tensor | None,
        h0: Tensor,
        sizes: list[int],
        owners: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The same as `forward`, in plain differentiable torch: any device, any floating type."""
        inputs = beside(x.to(h0.dtype), constant, sizes, owners)
        gates = functional.linear(inputs, self.weight_ih_l0, self.bias_ih_l0)
        h, outputs, finished, start = h0, [], [], 0
        for alive in sizes:
            if alive < len(h):
                finished.append(h[alive:])
                h = h[:alive]
            recurrent = functional.linear(h, self.weight_hh_l0, self.bias_hh_l0)
            h = combine(gates[start : start + alive], recurrent, h)
            outputs.append(h)
            start += alive
        return torch.cat(outputs).to(x.dtype), torch.cat([h, *reversed(finished)])

    def _on_cuda(self, inputs: Tensor, h0: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor]:
        kind = torch.bfloat16 if self.precision == "bf16" else torch.float32
        weights = [self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0]
        with warnings.catch_warnings():
            # cuDNN wants its weights in one piece and copies them there; so would we, after the
            # cast.
            warnings.filterwarnings(
                "ignore", message="RNN module weights are not part of single contiguous"
            )
            outputs, last = torch._VF.gru(
                inputs.to(kind), torch.tensor(sizes), h0[None].to(kind), [w.to(kind) for w in weights],
                True, 1, 0.0, self.training, False,
            )  # fmt: skip
        return outputs.to(inputs.dtype), last[0].to(h0.dtype)


@dataclass
class State:
    """A layer's state between two steps: h (B, H) float32; where steps read it from there the same
    in the type of the products; and memory of B rows that a step writes to."""

    h: Tensor
    operand: Tensor | None
    spare: Tensor

    def rows(self, index: Tensor) -> State:
        """The state of some rows only, or of more than there are where some are named twice."""
        enough = len(self.spare) >= len(index)
        spare = (
            self.spare[: len(index)]
            if enough
            else self.spare.new_empty(len(index), self.spare.shape[1])
        )
        operand = None if self.operand is None else self.operand.index_select(0, index)
        return State(self.h.index_select(0, index), operand, spare)


class Stepper:
    """A layer with its weights as they are now, run step by step without gradients, for sampling.

    Its weights may be copies: make a new one when the layer has learned. Steps take whole blocks of
    rows, see `filled`. Where `stepping` takes them, in bf16, states are multiplied in bytes."""

    def __init__(self, layer: GRU):
        weight, bias = layer.weight_hh_l0.detach(), layer.bias_hh_l0.detach()
        self.kind = torch.bfloat16 if layer.precision == "bf16" else weight.dtype
        self.size, self.bias = layer.hidden_size, bias
        weight_x, weight_c = (
            layer.weight_ih_l0.detach().to(self.kind).tensor_split([layer.input_size], 1)
        )
        self.weight_x, self.weight_c = weight_x.t(), weight_c.t()
        self.compiled = (
            weight.device.type == "cpu" and weight.dtype == torch.float32 and elementwise.AVAILABLE
        )
        self.blocked = (
            self.compiled
            and self.kind == torch.bfloat16
            and has_vectors(layer.input_size, self.size)
        )
        self.bias_x = layer.bias_ih_l0.detach().clone()
        if self.blocked:
            self.bias_x[: 2 * self.size] += bias[: 2 * self.size]
            self.panels = packed(self.weight_x), *packed_bytes(weight)
        else:
            self.weight_h = weight.to(self.kind).t()

    def filled(self, rows: int) -> int:
        """How many rows a step of ``rows`` takes: some more, which fill whole blocks."""
        return -(-rows // stepping.ROWS) * stepping.ROWS if self.blocked else filled(rows)

    def begin(self, h: Tensor) -> State:
        """The state that steps start from: h (B, H). ValueError for one in blocks that lies beyond
        -1 and 1.
        """
        h = h.detach().clone(memory_format=torch.contiguous_format)  # steps are taken in place
        if self.blocked and bool((h.abs() > stepping.LARGEST).any()):
            raise ValueError("a state that is multiplied in bytes must lie between -1 and 1")
        # Fresh memory at every step would cost more than the gates: the system hands it out page by
        # page.
        spare = h.new_empty(len(h), (1 if self.blocked else 6) * self.size, dtype=self.kind)
        return State(h, None if self.blocked else h.to(self.kind), spare)

    @torch.no_grad()
    def fixed(self, constant: Tensor) -> Tensor:
        """What every step of a row gets besides its input, the input's bias among it, from a
        constant (B, C): in the type of the products, as (B, 3H), or by units as `stepping` reads
        it."""
        gates = torch.addmm(self.bias_x.to(self.kind), constant.to(self.kind), self.weight_c)
        return by_units(gates) if self.blocked else gates

    @torch.no_grad()
    def __call__(self, x: Tensor, state: State, fixed: Tensor, owners: Tensor) -> Tensor:
        """One step of every row, in place: x (B, I) in the type of the products, fixed of R rows.
        Returns the new h (B, H) in the type of the products, until the next step.

        Row i gets row owners[i] (B) int64 of `fixed`; where that has one row only, all rows get it.
        In blocks B must be as `filled` makes it; ValueError if not."""
        if state.operand is None:
            return self._in_blocks(x, state, fixed, owners)
        gates, recurrent = state.spare[: len(x)].view(2, len(x), 3 * self.size)
        torch.mm(x, self.weight_x, out=gates)
        torch.mm(state.operand, self.weight_h, out=recurrent)
        if self.compiled:
            inputs = [
                array(part)
                for part in (gates, recurrent, fixed, owners, self.bias, state.h, state.operand)
            ]
            gate_kernels.step(*inputs)
            return state.operand
        shared = fixed if len(fixed) == 1 else fixed[owners]
        state.h.copy_(combine(gates + shared, recurrent + self.bias, state.h))
        return state.operand.copy_(state.h)

    def _in_blocks(self, x: Tensor, state: State, fixed: Tensor, owners: Tensor) -> Tensor:
        if len({self.filled(len(x)), len(x), len(state.h), len(owners)}) > 1:
            raise ValueError(
                f"{len(x)} rows, {len(state.h)} states, {len(owners)} owners do not make whole blocks"
            )
        narrow, bias = state.spare[: len(x)], self.bias[2 * self.size :]
        bytes_of_a_chunk = torch.empty(stepping.CHUNK, stepping.depth(self.size), dtype=torch.uint8)
        memory = bytes_of_a_chunk, torch.empty(4 * stepping.PLANE)
        inputs = [array(part) for part in (fixed, owners, bias, state.h, narrow, *memory)]
        stepping.step(array(x), *self.panels, *inputs)
        return narrow
