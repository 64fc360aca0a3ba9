"""Projections: components in order of variance, and words where a method is missing."""

from __future__ import annotations

import numpy as np
import pytest

from molvae.errors import UsageError
from molvae.explore.projection import check_method, pca, project


def latents(count: int = 60, size: int = 6) -> np.ndarray:
    """Vectors whose spread falls from dimension to dimension."""
    noise = np.random.default_rng(0).standard_normal((count, size))
    return (noise * 0.5 ** np.arange(size) + 3.0).astype(np.float32)


def test_components_have_the_most_variance() -> None:
    z = latents()
    found = pca(z)
    variances = np.linalg.eigvalsh(np.cov(z.T.astype(np.float64)))[::-1]
    assert np.allclose(found.places.var(0, ddof=1), variances[:2], rtol=1e-6)
    assert np.allclose(found.explained, variances[:2] / variances.sum(), rtol=1e-6)


def test_components_have_no_choice_of_sign() -> None:
    z = latents()
    mirrored = pca(2.0 * z.mean(0) - z).places
    assert np.allclose(mirrored, -pca(z).places, atol=1e-4)
    assert np.allclose(pca(z[::-1]).places[::-1], pca(z).places, atol=1e-4)


def test_equal_vectors_have_one_place() -> None:
    found = project(np.ones((5, 4), np.float32))
    assert np.isfinite(found.places).all()
    assert found.explained == (0.0, 0.0)


def test_a_missing_umap_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molvae.explore.projection.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'molvae\[umap\]'"):
        check_method("umap")


def test_umap_keeps_groups_together() -> None:
    pytest.importorskip("umap", reason="umap-learn is not installed")
    z = latents(40)
    z[20:] += 30.0
    found = project(z, "umap", seed=1)
    assert found.explained is None
    one, other = found.places[:20], found.places[20:]
    within = max(np.ptp(one, axis=0).max(), np.ptp(other, axis=0).max())
    assert np.linalg.norm(one.mean(0) - other.mean(0)) > within / 2
