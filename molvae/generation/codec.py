"""SMILES ⇄ latent vectors ⇄ molecules, and log-likelihoods, by a trained model.

Every SMILES that a model reads, and every molecule that it writes, passes here.

    B molecules, Z latent
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ..datasets.dataset import Batch, Rows, pack
from ..errors import InputError, UsageError
from ..nn import decoding
from ..nn.model import Packed
from ..nn.posterior import Gaussian, prior_log_density, standard_normal
from ..nn.threads import Threads
from ..storage import checkpoint
from ..storage.checkpoint import Saved
from .reader import Reader, Reading, Sample, compile_readers, molecules_of, pairs_of

BATCH = 512
PART = 256
"""Latents that a thread decodes at a time."""

REFINE_RATE = 0.05

Latents = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Codec:
    """A trained model that encodes molecules to latent vectors and decodes latent vectors."""

    def __init__(self, saved: Saved, precision: str = "auto") -> None:
        self.saved, self.model, self.vocabulary = saved, saved.model, saved.vocabulary
        if precision not in ("auto", "fp32", "bf16"):
            raise UsageError(f"the precision must be auto, fp32 or bf16, not {precision!r}")
        self.model.set_precision(precision)  # type: ignore[arg-type]
        self.reader = Reader(
            saved.vocabulary, saved.config.data, self.model.max_steps - 1, str(saved.path)
        )

    @classmethod
    def load(cls, path: str, device: str = "cpu", precision: str = "auto") -> Self:
        """The model in a folder, or the best one of a training.

        ``precision`` is that of matrix products: fp32, bf16, or auto for what the device multiplies
        fast; with bf16 a decoder's state may be multiplied in bytes. Molecules of a seed are the
        same within one precision and, in bf16, on one kind of processor."""
        compile_readers()
        return cls(checkpoint.load(path, torch.device(device)), precision)

    @property
    def latent(self) -> int:
        """Dimensions of the latent vector."""
        return self.saved.config.model.latent

    def read(self, smiles: Sequence[str]) -> list[Reading]:
        """Every molecule as the model reads it; MoleculeError for the first that it cannot."""
        if isinstance(smiles, str):
            raise UsageError("`smiles` is one text; give a list of SMILES, of one if need be")
        return [self.reader.read(one) for one in smiles]

    def packed(self, readings: Sequence[Reading]) -> tuple[Packed, Batch]:
        """A batch of molecules, on the model's device."""
        lengths = [len(reading.ids) for reading in readings]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        batch = pack(
            np.concatenate([reading.ids for reading in readings]),
            offsets,
            np.arange(len(readings)),
            self.vocabulary,
            self.saved.config.model.prefix_features,
        )
        return Packed.from_batch(batch, self.model.device), batch

    def batches(self, readings: Sequence[Reading]) -> Iterator[tuple[Packed, Rows]]:
        """The molecules in batches, each with the places in ``readings`` of those it holds."""
        for start in range(0, len(readings), BATCH):
            packed, batch = self.packed(readings[start : start + BATCH])
            yield packed, start + batch.order

    @torch.no_grad()
    def posterior(self, readings: Sequence[Reading]) -> Gaussian:
        """The amortised posterior of every molecule, in the order given; mean ``(B, Z)``."""
        return in_order(
            (self.model.encode(packed), rows) for packed, rows in self.batches(readings)
        )

    def encode(self, smiles: Sequence[str], refine: int = 0) -> Latents:
        """Posterior means of molecules, ``(B, Z)``, each improved by ``refine`` gradient steps.

        Raises MoleculeError for a molecule that cannot be read or holds a symbol the model has
        never seen."""
        return self.encode_readings(self.read(smiles), refine)

    def encode_readings(self, readings: Sequence[Reading], refine: int = 0) -> Latents:
        """:meth:`encode` of molecules that have been read."""
        if not readings:
            return np.zeros((0, self.latent), dtype=np.float32)
        posterior = self.posterior(readings)
        if refine:
            posterior = self.refine(readings, posterior, refine)
        return posterior.mean.cpu().numpy()

    def refine(self, readings: Sequence[Reading], posterior: Gaussian, steps: int) -> Gaussian:
        """Each molecule's mean and log-variance after ``steps`` of gradient ascent on its ELBO.

        Semi-amortised inference (Kim et al. 2018) from the encoder's posterior."""
        return in_order(
            (self._refined(packed, Gaussian(*(part[rows] for part in posterior)), steps), rows)
            for packed, rows in self.batches(readings)
        )

    def _refined(self, packed: Packed, q: Gaussian, steps: int) -> Gaussian:
        generator = torch.Generator().manual_seed(0)
        optimiser = torch.optim.Adam([part.requires_grad_(True) for part in q], lr=REFINE_RATE)
        for _ in range(steps):
            optimiser.zero_grad()
            z = q.draw(standard_normal(tuple(q.mean.shape), generator).to(q.mean.device))
            (q.kl().sum() - self.model.log_likelihood(packed, z).sum()).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return Gaussian(q.mean.detach(), q.log_variance.detach())

    def check_latents(self, z: ArrayLike, before: int = 0) -> Tensor:
        """``z`` as a tensor ``(B, Z)`` on the model's device; InputError names a bad row, counted
        from the ``before`` rows before it.
        """
        try:
            array = np.asarray(z, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(f"latent vectors must be numbers ({error})") from error
        if array.ndim != 2 or array.shape[1] != self.latent:
            raise InputError(
                f"latent vectors must have shape (rows, {self.latent}), not {array.shape}"
            )
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if len(bad):
            row = before + bad[0] + 1
            raise InputError(f"latent vector {row} holds a number that is not finite")
        return torch.from_numpy(array).to(self.model.device)

    @property
    def levels(self) -> bool:
        """True for a model with noise levels (:class:`molvae.nn.posterior.LevelPosterior`)."""
        return self.saved.config.model.posterior == "levels"

    @property
    def highest_level(self) -> float:
        """The level at which z is nearest to a posterior mean: 1, the mean itself, of a model whose
        posterior has one level."""
        return self.saved.config.model.max_signal if self.levels else 1.0

    def check_level(self, level: float | None) -> None:
        """UsageError unless the model can decode at ``level``."""
        if level is None:
            return
        if not self.levels:
            raise UsageError(f"a noise level was asked for, but {self.saved.path} has one only")
        if not 0.0 <= level <= self.highest_level:
            raise UsageError(
                f"the noise level must lie between 0 and {self.highest_level:g}, not {level:g}"
            )

    def decode(self, z: ArrayLike) -> list[str]:
        """Canonical SMILES that greedy decoding writes for each latent ``(B, Z)``; empty without
        atoms."""
        latents = self.check_latents(z)

        with Threads(self.model.device, len(latents)) as threads:
            parts = threads.map(self.greedy, torch.split(latents, PART))
        return [one.smiles for part in parts for one in part]

    def greedy(self, z: Tensor) -> list[Sample]:
        """The molecules that greedy decoding writes for latents ``(B, Z)``, as one batch."""
        written = decoding.write(self.model, self.vocabulary, z)
        return molecules_of(pairs_of(written), self.vocabulary)

    def log_likelihood(
        self, readings: Sequence[Reading], samples: int = 64, seed: int = 0
    ) -> Floats:
        """log p(x) of molecules in nats, ``(B,)``: exact at level 0 of a model with levels, else
        from below.

        Then it is estimated by importance sampling: the average, over ``samples`` draws z from
        q(z|x), of p(x|z) p(z) / q(z|x) (IWAE, Burda et al. 2015)."""
        if samples < 1:
            raise UsageError(f"`samples` (={samples}) must be at least 1")
        generator = torch.Generator().manual_seed(seed)

        def log_p(packed: Packed) -> Tensor:
            if self.levels:
                nowhere = torch.zeros(packed.sizes[0], self.latent, device=self.model.device)
                return self.model.log_likelihood(packed, nowhere, 0.0)
            q, weights = self.model.encode(packed), []
            for _ in range(samples):
                z = q.draw(standard_normal(tuple(q.mean.shape), generator).to(q.mean.device))
                likelihood = self.model.log_likelihood(packed, z)
                weights.append(likelihood + prior_log_density(z) - q.log_density(z))
            return torch.stack(weights).double().logsumexp(0) - math.log(samples)

        return self._of_each(readings, log_p)

    def reconstruction(self, readings: Sequence[Reading]) -> Floats:
        """log p(x|z) of molecules in nats, ``(B,)``, z the mean of their own posterior."""
        model = self.model
        return self._of_each(
            readings, lambda packed: model.log_likelihood(packed, model.encode(packed).mean)
        )

    @torch.no_grad()
    def _of_each(self, readings: Sequence[Reading], measure: Callable[[Packed], Tensor]) -> Floats:
        """A number for each molecule, ``(B,)``, measured in batches."""
        values = np.empty(len(readings))
        for packed, rows in self.batches(readings):
            values[rows] = measure(packed).double().cpu().numpy()
        return values


def in_order(parts: Iterable[tuple[Gaussian, Rows]]) -> Gaussian:
    """One posterior of all molecules, from those of batches and the places of their molecules."""
    found, rows = zip(*parts, strict=True)
    back = np.argsort(np.concatenate(rows))
    return Gaussian(*(torch.cat(column)[back] for column in zip(*found, strict=True)))


def lerp(a: Latents, b: Latents, t: float) -> Latents:
    """The point at ``t`` on the straight line from ``a`` to ``b``, each ``(Z,)``."""
    return ((1.0 - t) * a + t * b).astype(np.float32)


def slerp(a: Latents, b: Latents, t: float) -> Latents:
    """The point at ``t`` on the arc from ``a`` to ``b``, each ``(Z,)``, even in angle and length.

    In many dimensions the prior lies near a sphere, which the straight line leaves and the arc does
    not (Shoemake 1985; White 2016). Parallel and opposite vectors are joined by the straight line.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    length_a, length_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if min(length_a, length_b) < 1e-6:
        return lerp(a, b, t)
    cosine = float(np.clip(np.dot(a, b) / (length_a * length_b), -1.0, 1.0))
    angle = math.acos(cosine)
    if math.sin(angle) < 1e-4:
        return lerp(a, b, t)
    direction = (
        math.sin((1 - t) * angle) * a / length_a + math.sin(t * angle) * b / length_b
    ) / math.sin(angle)
    return (((1 - t) * length_a + t * length_b) * direction).astype(np.float32)
