"""``MoleculeVAE``: ids → latent → logits. Knows no chemistry and no files.

B molecules, N packed positions (see dataset.Batch), V vocabulary, E embedding, H hidden, Z latent, C code
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .categorical import cross_entropy
from .config import ModelConfig
from .dataset import Batch
from .grammar import feature_sizes
from .gru import GRU, Precision
from .posterior import Gaussian, GaussianPosterior, Level, LevelPosterior

FEATURES = feature_sizes()


def feature_marks(features: NDArray[np.uint8]) -> Tensor:
    """Where the ones are in the flattened 0/1 matrix ``(N, sum(FEATURES))`` of grammar features ``(N, F)``."""
    starts = np.cumsum((0, *FEATURES[:-1]))
    rows = sum(FEATURES) * np.arange(len(features))
    return torch.from_numpy((features + starts + rows[:, None]).ravel())


class Packed(NamedTuple):
    """A :class:`~molvae.dataset.Batch` as tensors on a device."""

    inputs: Tensor  # (N,) int64
    targets: Tensor  # (N,) int64
    reversed_inputs: Tensor  # (N - B,) int64
    steps: Tensor  # (N,) int64, the step each position belongs to
    owners: Tensor  # (N,) int64, the molecule each position belongs to
    sizes: list[int]
    grammar: Tensor | None = None  # (N * F,) int64, see feature_marks

    @classmethod
    def from_batch(cls, batch: Batch, device: torch.device) -> Packed:
        """Move a batch to ``device``."""
        counts = torch.tensor(batch.sizes)
        steps = torch.repeat_interleave(torch.arange(len(batch.sizes)), counts)
        starts = counts.cumsum(0) - counts
        owners = torch.arange(len(batch.inputs)) - starts[steps]
        inputs, targets, backward = map(torch.from_numpy, (batch.inputs, batch.targets, batch.reversed_inputs))
        there = [tensor.to(device) for tensor in (inputs, targets, backward, steps, owners)]
        grammar = None if batch.grammar is None else feature_marks(batch.grammar).to(device)
        return cls(there[0], there[1], there[2], there[3], there[4], batch.sizes, grammar)

    def per_molecule(self, values: Tensor) -> Tensor:
        """Sum ``values`` ``(N,)`` over each molecule's positions, ``(B,)``."""
        total = values.new_zeros(self.sizes[0])
        return total.index_add(0, self.owners, values)


class MoleculeVAE(nn.Module):
    """A bidirectional GRU encoder, a posterior and a GRU decoder that sees z at every step.

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
        self.posterior: GaussianPosterior | LevelPosterior = (
            GaussianPosterior(2 * config.encoder, config.latent)
            if config.posterior == "gaussian"
            else LevelPosterior(2 * config.encoder, config.latent, config.sharpest)
        )
        self.write = nn.Embedding(vocabulary, width)
        self.step = nn.Embedding(max_steps, width)
        self.grammar = nn.Embedding(sum(FEATURES), width) if config.grammar else None
        self.start = nn.Linear(self.posterior.code_size, units)
        self.decoder = GRU(width, self.posterior.code_size, units)
        self.output = nn.Linear(units, vocabulary)
        for table in (self.read, self.write, self.step):
            nn.init.normal_(table.weight, std=width**-0.5)
        if self.grammar is not None:
            nn.init.normal_(self.grammar.weight, std=(len(FEATURES) * width) ** -0.5)

    def set_precision(self, precision: Precision) -> None:
        """Choose the operand type of all matrix products; weights and state stay in fp32."""
        self.precision = precision
        for layer in (self.forward_encoder, self.backward_encoder, self.decoder):
            layer.precision = precision

    @property
    def in_bf16(self) -> bool:
        """Whether vectors between the layers are bf16: in training alone, for what is written hangs on the largest
        logit, and bf16 would make ties."""
        return self.training and self.precision == "bf16"

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.output.weight.device

    def encode(self, packed: Packed, level: Level = None) -> Gaussian:
        """The posterior of every molecule of a batch, at a noise level if it has several."""
        batch, sizes = packed.sizes[0], packed.sizes[1:]
        zeros = self.read.weight.new_zeros(batch, self.config.encoder)
        table = self.read.weight.bfloat16() if self.in_bf16 else self.read.weight
        forward, backward = (
            functional.embedding(ids, table) for ids in (packed.inputs[batch:], packed.reversed_inputs)
        )
        _, left = self.forward_encoder(forward, None, zeros, sizes)
        _, right = self.backward_encoder(backward, None, zeros, sizes)
        posterior: Gaussian = self.posterior(torch.cat([left, right], dim=-1), level)  # (B, 2 * encoder) in
        return posterior

    def first_state(self, code: Tensor) -> Tensor:
        """The decoder's state before the first symbol, ``(B, H)``, from what it is told ``(B, C)``."""
        return self.start(code).tanh()  # type: ignore[no-any-return]

    def told(self, last: Tensor, steps: Tensor, grammar: Tensor | None) -> Tensor:
        """What the decoder is told at some positions ``(N,)``, as vectors ``(N, E)``.

        The symbol just written, the step, and the place in the grammar (marks of :func:`feature_marks`),
        embedded and summed.
        """
        x: Tensor = self.write(last) + self.step(steps.clamp(max=self.max_steps - 1))
        if self.grammar is None or grammar is None:
            return x
        # Dozens of features a position: one product with a 0/1 matrix is far quicker than as many lookups.
        table = self.grammar.weight
        dtype = torch.bfloat16 if self.precision == "bf16" else table.dtype
        marks = torch.zeros(len(last), len(table), dtype=dtype, device=table.device)
        marks.view(-1).index_fill_(0, grammar, 1.0)
        return x + (marks @ table.to(dtype)).to(x.dtype)

    def logits(self, packed: Packed, z: Tensor, level: Level = None) -> Tensor:
        """Unnormalised log-probabilities of each next symbol, ``(N, V)``, given z and the true prefix."""
        code = self.posterior.code(z, level)
        x = self.told(packed.inputs, packed.steps, packed.grammar)  # (N, E)
        if self.in_bf16:
            x = x.bfloat16()
        hidden, _ = self.decoder(x, code, self.first_state(code), packed.sizes)  # (N, H)
        return functional.linear(hidden, self.output.weight.to(hidden.dtype), self.output.bias.to(hidden.dtype))

    def log_likelihood(self, packed: Packed, z: Tensor, level: Level = None) -> Tensor:
        """log p(x|z) in nats per molecule, ``(B,)``, summed over its symbols and its end."""
        return -packed.per_molecule(cross_entropy(self.logits(packed, z, level), packed.targets))
