"""The process is the textbook's, and sure of what it has seen."""

from __future__ import annotations

import numpy as np

from molvae.chem.fingerprints import count_features, count_similarity
from molvae.optimisation.gaussian_process import fit

SEEN = ["CCO", "CCCO", "CCCCO", "c1ccccc1", "Cc1ccccc1", "CCN", "CCCN", "OCCO"]
NEW = ["CCCCCO", "Oc1ccccc1", "C#N"]


def test_it_is_the_textbooks() -> None:
    features, y = count_features(SEEN), np.arange(8.0)
    process = fit(features, y)
    mean, deviation = process.predict(count_features(NEW))
    kernel = count_similarity(features, features)
    noise = (process.triangle @ process.triangle.T).numpy() - kernel
    np.testing.assert_allclose(noise, noise[0, 0] * np.eye(8), atol=1e-8)
    shared = count_similarity(count_features(NEW), features)
    solved = np.linalg.solve(kernel + noise, np.c_[y - y.mean(), shared.T])
    np.testing.assert_allclose(mean, y.mean() + shared @ solved[:, 0], atol=1e-8)
    expected = process.amplitude * (1 - (shared * solved[:, 1:].T).sum(1))
    np.testing.assert_allclose(deviation**2, expected, atol=1e-8)


def test_it_is_surer_of_what_is_like_what_it_has_seen() -> None:
    process = fit(count_features(SEEN), np.arange(8.0))
    _, near = process.predict(count_features(SEEN))
    _, far = process.predict(count_features(["C#N"]))
    assert near.max() < far[0]
