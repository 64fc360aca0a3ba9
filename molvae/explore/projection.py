"""Latent vectors in two dimensions: by principal components, or by UMAP.

N molecules, Z latent
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

Floats = NDArray[np.float64]


class Projection(NamedTuple):
    """Places ``(N, 2)``, and the share of the variance on each axis; None where axes have none."""

    places: Floats
    explained: tuple[float, float] | None


def project(latents: NDArray[np.float32], method: str = "pca", seed: int = 0) -> Projection:
    """Latent vectors ``(N, Z)``, at least three, in two dimensions, by "pca" or "umap"."""
    return pca(latents) if method == "pca" else umap(latents, seed)


def check_method(method: str) -> None:
    """UsageError for a method that is not installed."""
    if method == "umap" and find_spec("umap") is None:
        raise UsageError("UMAP needs the extra: pip install 'molvae[umap]'; --method pca does not")


def pca(latents: NDArray[np.float32]) -> Projection:
    """The two principal components of latent vectors ``(N, Z)``, by SVD.

    The sign of an axis is such that its longest loading is positive, on every machine."""
    centred = latents.astype(np.float64) - latents.mean(0, dtype=np.float64)
    _, singular, loadings = np.linalg.svd(centred, full_matrices=False)
    axes = loadings[:2]
    axes *= np.sign(axes[[0, 1], np.abs(axes).argmax(1)])[:, None]
    share = singular**2 / max(float((singular**2).sum()), 1e-12)
    return Projection(centred @ axes.T, (float(share[0]), float(share[1])))


def umap(latents: NDArray[np.float32], seed: int) -> Projection:
    """An embedding by UMAP (McInnes, Healy and Melville 2018): neighbours stay neighbours.

    Distances between far groups, and the axes, mean nothing."""
    from umap import UMAP

    # Fewer neighbours than molecules; 15 is UMAP's own default.
    model = UMAP(n_neighbors=min(15, len(latents) - 1), random_state=seed, n_jobs=1, init="pca")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = model.fit_transform(latents)
    return Projection(np.asarray(places, np.float64), None)
