"""The Fréchet ChemNet distance: how far the ChemNet activations of two sets of molecules lie apart.

Preuer et al., J. Chem. Inf. Model. 58 (2018) 1736. ChemNet comes with the optional package ``fcd``
(LGPL), imported only when a distance is asked for; the distance itself is computed here. Expects
canonical SMILES and knows nothing of samples, reference sets on disk, or any other figure."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..errors import InputError
from ..runtime.process_pool import chunked
from .estimates import Floats

FEATURES = 512
MINIMUM = FEATURES + 1  # fewer molecules cannot give a covariance of full rank
FEW = 5000  # with fewer, two samples of one distribution are further apart than models differ
# Characters: ChemNet reads 350 with the end mark, and other lengths change every value.
LONGEST = 349

_BATCH = 128
_PART = 2048  # activations held at a time by a thread


@dataclass(frozen=True)
class Moments:
    """Mean (512,) and covariance (512, 512) of the ChemNet activations of ``count`` molecules."""

    count: int
    mean: Floats
    covariance: Floats


def fcd_installed() -> bool:
    """True if the package ``fcd`` is installed."""
    return importlib.util.find_spec("fcd") is not None


def chemnet_moments(smiles: Sequence[str], threads: int = 1) -> Moments:
    """Mean and covariance of the ChemNet activations of canonical SMILES.

    SMILES of more than 349 characters are left out, because they would change the padding;
    ``count`` is of those that were read; InputError for fewer than :data:`MINIMUM`. Uses a GPU
    where torch has one. Covariance as ``numpy.cov`` has it (n - 1). Raises ModuleNotFoundError
    without the package ``fcd``."""
    usable = [text for text in smiles if len(text) <= LONGEST]
    if len(usable) < MINIMUM:
        raise InputError(
            f"not enough molecules: {len(usable)} valid ones, at least {MINIMUM} are needed"
        )
    activations = _chemnet()
    total, mean = 0, np.zeros(FEATURES)
    scatter = np.zeros((FEATURES, FEATURES))
    with _torch_threads_shared(threads), ThreadPoolExecutor(threads) as pool:
        for values in pool.map(activations, chunked(usable, _PART)):
            # Chan, Golub and LeVeque's update: exact however many parts, and only one part in
            # memory.
            part_mean = values.mean(0)
            centred = values - part_mean
            shift = part_mean - mean
            grown = total + len(values)
            scatter += centred.T @ centred + np.outer(shift, shift) * (total * len(values) / grown)
            mean = mean + shift * (len(values) / grown)
            total = grown
    return Moments(total, mean, scatter / (total - 1))


def frechet_distance(first: Moments, second: Moments) -> float:
    """Squared Fréchet distance between the two Gaussians of these moments; never below 0.

    |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½), the last trace as the sum of the singular values of
    C1^½ C2^½. Two symmetric eigendecompositions and one SVD always end and stay real, where a
    general matrix square root may do neither. Activations of ChemNet are finite."""
    difference = first.mean - second.mean
    product = _square_root(first.covariance) @ _square_root(second.covariance)
    cross = np.linalg.svd(product, compute_uv=False).sum()
    spread = np.trace(first.covariance) + np.trace(second.covariance)
    return max(0.0, float(difference @ difference + spread - 2 * cross))


def _square_root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    root: Floats = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return root


@cache
def _chemnet() -> Callable[[Sequence[str]], Floats]:
    """ChemNet as a function from SMILES to activations (n, 512), float64."""
    import torch
    from fcd import load_ref_model
    from fcd.utils import get_one_hot

    with warnings.catch_warnings():
        # it leaves the temporary folder it unpacks the weights into to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        model: Any = load_ref_model()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)

    def activations(smiles: Sequence[str]) -> Floats:
        rows = []
        with torch.no_grad():
            for texts in chunked(smiles, _BATCH):
                one_hot = [get_one_hot(text, LONGEST + 1) for text in texts]
                batch = torch.from_numpy(np.array(one_hot, dtype=np.float32))
                # ChemNet was trained on one-hot vectors divided by their width.
                inputs = (batch / batch.shape[2]).transpose(1, 2).to(device)  # (B, 35, 350)
                rows.append(model(inputs).cpu().numpy().astype(np.float64))
        return np.concatenate(rows)

    return activations


@contextmanager
def _torch_threads_shared(threads: int) -> Iterator[None]:
    """Divide torch's own threads among ours for a while: two layers of threads get in each other's
    way.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)
