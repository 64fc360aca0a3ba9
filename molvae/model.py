"""``MoleculeVAE``: ids → latent → logits. Knows no chemistry and no files.

B molecules, N packed positions (see dataset.Batch), V vocabulary, E embedding, H hidden, Z latent, C code
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import ModelConfig
from .dataset import Batch
from .gru import GRU, Precision
from .posterior import Gaussian, GaussianPosterior


class Packed(NamedTuple):
    """A :class:`~molvae.dataset.Batch` as tensors on a device."""

    inputs: Tensor  # (N,) int64
    targets: Tensor  # (N,) int64
    reversed_inputs: Tensor  # (N - B,) int64
    steps: Tensor  # (N,) int64, the step each position belongs to
    owners: Tensor  # (N,) int64, the molecule each position belongs to
    sizes: list[int]

    @classmethod
    def from_batch(cls, batch: Batch, device: torch.device) -> Packed:
        """Move a batch to ``device``."""
        counts = torch.tensor(batch.sizes)
        steps = torch.repeat_interleave(torch.arange(len(batch.sizes)), counts)
        starts = counts.cumsum(0) - counts
        owners = torch.arange(len(batch.inputs)) - starts[steps]
        inputs, targets, backward = map(torch.from_numpy, (batch.inputs, batch.targets, batch.reversed_inputs))
        there = [tensor.to(device) for tensor in (inputs, targets, backward, steps, owners)]
        return cls(there[0], there[1], there[2], there[3], there[4], batch.sizes)

    def per_molecule(self, values: Tensor) -> Tensor:
        """Sum ``values`` ``(N,)`` over each molecule's positions, ``(B,)``."""
        total = values.new_zeros(self.sizes[0])
        return total.index_add(0, self.owners, values)


class MoleculeVAE(nn.Module):
    """A bidirectional GRU encoder, a Gaussian posterior and a GRU decoder that sees z at every step.

    ``max_steps`` is the longest molecule that decoding may write, the end symbol included.
    """

    def __init__(self, config: ModelConfig, vocabulary: int, max_steps: int) -> None:
        super().__init__()
        width, units = config.embedding, config.decoder
        self.config, self.vocabulary, self.max_steps = config, vocabulary, max_steps
        self.precision: Precision = "fp32"
        self.read = nn.Embedding(vocabulary, width)
        self.forward_encoder = GRU(width, 0, config.encoder)
        self.backward_encoder = GRU(width, 0, config.encoder)
        self.posterior = GaussianPosterior(2 * config.encoder, config.latent)
        self.write = nn.Embedding(vocabulary, width)
        self.step = nn.Embedding(max_steps, width)
        self.start = nn.Linear(self.posterior.code_size, units)
        self.decoder = GRU(width, self.posterior.code_size, units)
        self.output = nn.Linear(units, vocabulary)
        for table in (self.read, self.write, self.step):
            nn.init.normal_(table.weight, std=width**-0.5)

    def set_precision(self, precision: Precision) -> None:
        """Choose the operand type of all matrix products; weights and state stay in fp32."""
        self.precision = precision
        for layer in (self.forward_encoder, self.backward_encoder, self.decoder):
            layer.precision = precision

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.output.weight.device

    def encode(self, packed: Packed) -> Gaussian:
        """The posterior of every molecule of a batch."""
        batch, sizes = packed.sizes[0], packed.sizes[1:]
        zeros = self.read.weight.new_zeros(batch, self.config.encoder)
        _, left = self.forward_encoder(self.read(packed.inputs[batch:]), None, zeros, sizes)
        _, right = self.backward_encoder(self.read(packed.reversed_inputs), None, zeros, sizes)
        posterior: Gaussian = self.posterior(torch.cat([left, right], dim=-1))  # (B, 2 * encoder) in
        return posterior

    def first_state(self, code: Tensor) -> Tensor:
        """The decoder's state before the first symbol, ``(B, H)``, from what it is told ``(B, C)``."""
        return self.start(code).tanh()  # type: ignore[no-any-return]

    def logits(self, packed: Packed, code: Tensor) -> Tensor:
        """Unnormalised log-probabilities of each next symbol, ``(N, V)``, the true prefix given."""
        steps = packed.steps.clamp(max=self.max_steps - 1)
        x = self.write(packed.inputs) + self.step(steps)  # (N, E)
        hidden, _ = self.decoder(x, code, self.first_state(code), packed.sizes)  # (N, H)
        dtype = torch.bfloat16 if self.precision == "bf16" else hidden.dtype
        weight, bias = self.output.weight.to(dtype), self.output.bias.to(dtype)
        return functional.linear(hidden.to(dtype), weight, bias).to(self.output.weight.dtype)

    def log_likelihood(self, packed: Packed, code: Tensor) -> Tensor:
        """log p(x|z) in nats per molecule, ``(B,)``, summed over its symbols and its end."""
        nats = functional.cross_entropy(self.logits(packed, code), packed.targets, reduction="none")
        return -packed.per_molecule(nats)
