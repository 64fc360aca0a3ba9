"""``MoleculeVAE``: symbol ids to latent to logits, a GRU encoder, a posterior and a GRU decoder.

B molecules, N packed positions (see dataset.Batch), V vocabulary, E embedding, H decoder units,
Z latent, C conditioning vector, F prefix features
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..config import ModelConfig
from ..language.atom_environments import NUMBERS
from ..language.prefix_features import SIZES, TIERS
from .gru import GRU, Precision
from .input_embedder import InputEmbedder
from .kernels.products import fast_in_bf16, in_type, linear
from .posterior import Gaussian, GaussianPosterior, Level, LevelPosterior

if TYPE_CHECKING:
    from ..datasets.dataset import Batch

Embedder = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Last symbols (N), steps (N) and prefix features (N, F) to decoder inputs (N, E)."""


class Packed(NamedTuple):
    """A :class:`~molvae.datasets.dataset.Batch` as tensors on a device."""

    inputs: Tensor  # (N,) int64, the symbol before each position
    targets: Tensor  # (N,) int64, the symbol at it
    reversed_inputs: Tensor  # (N - B,) int64, symbols from the last to the first
    steps: Tensor  # (N,) int64, the step of each position
    molecule: Tensor  # (N,) int64, the molecule of each position
    sizes: list[int]  # molecules that reach each step
    grammar: Tensor | None = None  # (N, F) int16, prefix features

    @classmethod
    def from_batch(cls, batch: Batch, device: torch.device) -> Packed:
        """Move a batch to ``device``."""
        counts = torch.tensor(batch.sizes)
        steps = torch.repeat_interleave(torch.arange(len(batch.sizes)), counts)
        starts = counts.cumsum(0) - counts
        molecule = torch.arange(len(batch.inputs)) - starts[steps]
        arrays = map(torch.from_numpy, (batch.inputs, batch.targets, batch.reversed_inputs))
        there = [tensor.to(device) for tensor in (*arrays, steps, molecule)]
        grammar = None if batch.grammar is None else torch.from_numpy(batch.grammar).to(device)
        return cls._make((*there, batch.sizes, grammar))

    def symbols(self, kept: Tensor) -> tuple[Tensor, Tensor, list[int]]:
        """Return the symbols of the molecules ``kept`` (B,) forward and backward, packed, and how
        many molecules reach each step."""
        batch = self.sizes[0]
        among = kept[self.molecule[batch:]]
        alive = torch.tensor(self.sizes[1:])
        sizes = kept.cpu().cumsum(0)[alive - 1]
        return self.inputs[batch:][among], self.reversed_inputs[among], sizes[sizes > 0].tolist()

    def per_molecule(self, values: Tensor) -> Tensor:
        """Sum ``values`` (N,) over each molecule's positions, (B,)."""
        total = values.new_zeros(self.sizes[0])
        return total.index_add(0, self.molecule, values)


class MoleculeVAE(nn.Module):
    """A bidirectional GRU encoder, a posterior and a GRU decoder that sees z at every step.

    The decoder input at a position is the sum of the embeddings of the symbol before it, of its
    step and of the prefix features: what the symbols so far determine. ``max_steps`` is the longest
    molecule that decoding may write, the end symbol included."""

    def __init__(self, config: ModelConfig, vocabulary: int, max_steps: int) -> None:
        super().__init__()
        width, units = config.embedding, config.decoder
        self.config, self.vocabulary, self.max_steps = config, vocabulary, max_steps
        self.precision: Precision = "fp32"

        self.read = nn.Embedding(vocabulary, width)
        self.forward_encoder = GRU(0, width, config.encoder)
        self.backward_encoder = GRU(0, width, config.encoder)
        self.posterior: GaussianPosterior | LevelPosterior = (
            GaussianPosterior(2 * config.encoder, config.latent)
            if config.posterior == "gaussian"
            else LevelPosterior(2 * config.encoder, config.latent, config.max_signal)
        )

        self.write = nn.Embedding(vocabulary, width)
        self.step = nn.Embedding(max_steps, width)
        sizes = SIZES[: TIERS[config.prefix_features]]
        self.features = tuple(size for size in sizes if size < NUMBERS)
        hashes = len(sizes) - len(self.features)
        self.grammar = nn.Embedding(sum(self.features), width) if self.features else None
        self.surroundings = (
            nn.Embedding(hashes * config.environment_rows, width) if hashes else None
        )
        self.start = nn.Linear(self.posterior.code_size, units)
        self.decoder = GRU(width, self.posterior.code_size, units)
        self.output = nn.Linear(units + width, vocabulary)

        for table in (self.read, self.write, self.step):
            nn.init.normal_(table.weight, std=width**-0.5)
        for features in (self.grammar, self.surroundings):
            if features is not None:
                nn.init.normal_(features.weight, std=(len(sizes) * width) ** -0.5)

    def set_precision(self, precision: Precision | Literal["auto"]) -> None:
        """Choose the operand type of all matrix products; weights and state stay in fp32.

        ``auto`` is bf16 where the device multiplies it fast."""
        if precision == "auto":
            precision = "bf16" if fast_in_bf16(self.device) else "fp32"
        self.precision = precision
        for layer in (self.forward_encoder, self.backward_encoder, self.decoder):
            layer.precision = precision

    @property
    def weight_count(self) -> int:
        """Count the numbers that are trained; moments of the aggregate posterior are measured."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.output.weight.device

    def encode(self, packed: Packed, level: Level = None) -> Gaussian:
        """Return the posterior of every molecule of a batch, at a noise level if it has several.

        At level 0 it is N(0, I) whatever the molecule, so molecules of level 0 are not encoded.
        """
        batch = packed.sizes[0]
        if not isinstance(level, Tensor) or bool(level.all()):
            symbols = packed.inputs[batch:], packed.reversed_inputs, packed.sizes[1:]
            posterior: Gaussian = self.posterior(self.summary(*symbols), level)
            return posterior
        kept = level[:, 0] > 0
        mean = self.read.weight.new_zeros(batch, self.config.latent)
        if not kept.any():
            return Gaussian(mean, mean)
        encoded: Gaussian = self.posterior(self.summary(*packed.symbols(kept)), level[kept])
        return Gaussian(*(mean.index_put((kept,), part) for part in encoded))

    def summary(self, forward: Tensor, backward: Tensor, sizes: list[int]) -> Tensor:
        """Return the last states of the encoder, (B, 2 * encoder), from packed symbols both ways.

        Its inputs are rows of a small table, so what these add to the gates is a table too.
        """
        h0 = self.read.weight.new_zeros(sizes[0], self.config.encoder)
        nothing, table = h0.new_empty(len(forward), 0), self.read.weight
        _, left = self.forward_encoder(nothing, table, h0, sizes, forward)
        _, right = self.backward_encoder(nothing, table, h0, sizes, backward)
        return torch.cat([left, right], dim=-1)

    def input_embedder(self, narrow: bool = False) -> Embedder:
        """Make a function from positions to decoder inputs (N, E), with the weights as they are
        now.

        Inputs come in the type of the products; with ``narrow`` the largest table is read in that
        type too.
        """
        kind = torch.bfloat16 if self.precision == "bf16" else self.write.weight.dtype
        sums = None
        if self.grammar is not None:
            hashed = None if self.surroundings is None else self.surroundings.weight
            hashed = in_type(hashed, kind) if hashed is not None and narrow else hashed
            tables = self.write.weight, self.step.weight, self.grammar.weight
            sums = InputEmbedder(*tables, self.features, hashed)

        def embed(last: Tensor, steps: Tensor, grammar: Tensor | None) -> Tensor:
            steps = steps.clamp(max=self.max_steps - 1)
            if sums is None or grammar is None:
                plain: Tensor = self.write(last) + self.step(steps)
                return plain.to(kind)
            return sums(last, steps, grammar, kind)

        return embed

    def logits(self, packed: Packed, z: Tensor, level: Level = None) -> Tensor:
        """Return logits of each next symbol, (N, V), given z (B, Z) and the true prefix."""
        code = self.posterior.code(z, level)
        x = self.input_embedder()(packed.inputs, packed.steps, packed.grammar)  # (N, E)
        # Vectors between the layers may be bf16 in training alone: decoding takes the largest
        # logit, and bf16 would make ties.
        x = x if self.training and self.precision == "bf16" else x.to(code.dtype)
        h0 = self.start(code).tanh()
        hidden, _ = self.decoder(x, code, h0, packed.sizes, packed.molecule)  # (N, H)
        return self.predict(hidden, x)

    def predict(self, hidden: Tensor, inputs: Tensor) -> Tensor:
        """Return logits (N, V) from the decoder's states (N, H) and, past them, its inputs (N, E).

        The direct connection spares the state what the last symbol and the prefix say by
        themselves."""
        return linear(hidden, inputs.to(hidden.dtype), self.output.weight, self.output.bias)

    def log_likelihood(self, packed: Packed, z: Tensor, level: Level = None) -> Tensor:
        """Return log p(x|z) in nats per molecule, (B,), summed over its symbols and its end."""
        return -packed.per_molecule(cross_entropy(self.logits(packed, z, level), packed.targets))


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -log softmax(logits)[target] of every row in nats, (N, V), (N,) -> (N,), in fp32 at
    least.
    """
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return functional.cross_entropy(wide, targets, reduction="none")
