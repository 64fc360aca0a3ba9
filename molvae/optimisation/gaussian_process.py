"""A Gaussian process over molecules, with the Tanimoto similarity of counts as its kernel.

Exact inference (Rasmussen and Williams 2006, chapter 2) on a few hundred to a few thousand
molecules. What such a process needs no tuning for is why it is a strong baseline: the kernel has no
length scale, and its amplitude and noise follow from the data (Tripp et al., arXiv 2306.14809).

    N molecules known, M to be judged
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from ..chem.fingerprints import Features, Floats, count_similarity

NOISES = (1e-3, 1e-2, 3e-2, 0.1, 0.3)
"""Variances of the noise that are tried, as shares of the kernel's."""


class GaussianProcess(NamedTuple):
    """A process that has seen values ``y`` of molecules; made by :func:`fit`."""

    features: Features
    weights: Floats  # (N,) (K + noise I)^-1 (y - mean)
    triangle: torch.Tensor  # (N, N) L with L L^T = K + noise I
    mean: float
    amplitude: float

    def predict(self, features: Features) -> tuple[Floats, Floats]:
        """Mean and standard deviation of molecules by their features ``(M, D)``, each ``(M,)``."""
        shared = count_similarity(self.features, features)  # (N, M)
        white = torch.linalg.solve_triangular(self.triangle, torch.from_numpy(shared), upper=False)
        explained = white.square_().sum(0).numpy()
        deviation = np.sqrt(self.amplitude * np.maximum(1.0 - explained, 1e-9))
        return self.mean + shared.T @ self.weights, deviation


def fit(features: Features, y: Floats) -> GaussianProcess:
    """The process of molecules ``(N, D)`` and their values ``(N,)``, with the noise under which the
    values are likeliest."""
    kernel = torch.from_numpy(count_similarity(features, features))
    mean, one = float(y.mean()), torch.eye(len(y), dtype=torch.float64)
    values = torch.from_numpy(y - mean)[:, None]
    best: tuple[float, torch.Tensor, float] | None = None
    for noise in NOISES:
        triangle = torch.linalg.cholesky(kernel + noise * one)
        # The amplitude that fits best, in closed form: the mean square of the whitened values.
        white = torch.linalg.solve_triangular(triangle, values, upper=False)
        amplitude = max(float(white.square().mean()), 1e-12)
        likelihood = -float(triangle.diagonal().log().sum()) - 0.5 * len(y) * math.log(amplitude)
        if best is None or likelihood > best[0]:
            best = likelihood, triangle, amplitude
    assert best is not None
    _, triangle, amplitude = best
    weights = torch.cholesky_solve(values, triangle)[:, 0].numpy()
    return GaussianProcess(features, weights, triangle, mean, amplitude)
