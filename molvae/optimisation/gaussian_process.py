"""A Gaussian process over molecules, with the Tanimoto similarity of counts as its kernel.

Exact inference (Rasmussen and Williams 2006, chapter 2) on a few hundred to a few thousand
molecules. What such a process needs no tuning for is why it is a strong baseline: the kernel has no
length scale, and its amplitude and noise follow from the data (Tripp et al., arXiv 2306.14809).

    N molecules known, M to be judged
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..chem.count_features import Features, count_similarity

NOISES = (1e-3, 1e-2, 3e-2, 0.1, 0.3)
"""Variances of the noise that are tried, as shares of the kernel's."""

Floats = NDArray[np.float64]


class GaussianProcess(NamedTuple):
    """A process that has seen values ``y`` of molecules; made by :func:`fit`."""

    features: Features
    weights: Floats  # (N,) (K + noise I)^-1 (y - mean)
    inverse: Floats  # (N, N) (K + noise I)^-1
    mean: float
    amplitude: float

    def predict(self, features: Features) -> tuple[Floats, Floats]:
        """Mean and standard deviation of molecules by their features ``(M, D)``, each ``(M,)``."""
        shared = count_similarity(features, self.features)  # (M, N)
        explained = ((shared @ self.inverse) * shared).sum(1)
        deviation = np.sqrt(self.amplitude * np.maximum(1.0 - explained, 1e-9))
        return self.mean + shared @ self.weights, deviation


def fit(features: Features, y: Floats) -> GaussianProcess:
    """The process of molecules ``(N, D)`` and their values ``(N,)``, with the noise under which the
    values are likeliest."""
    values, vectors = np.linalg.eigh(count_similarity(features, features))
    mean = float(y.mean())
    turned = vectors.T @ (y - mean)
    best: tuple[float, float, float] = (-np.inf, NOISES[0], 1.0)
    for noise in NOISES:
        spread = np.maximum(values, 0.0) + noise
        amplitude = max(float((turned**2 / spread).mean()), 1e-12)
        likelihood = -0.5 * (np.log(spread).sum() + len(y) * np.log(amplitude))
        best = max(best, (float(likelihood), noise, amplitude))
    _, noise, amplitude = best
    inverse = (vectors / (np.maximum(values, 0.0) + noise)) @ vectors.T
    return GaussianProcess(features, inverse @ (y - mean), inverse, mean, amplitude)
