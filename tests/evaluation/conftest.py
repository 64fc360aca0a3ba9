"""Fixtures of the tests of figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
import pytest


@pytest.fixture
def fake_chemnet(monkeypatch: pytest.MonkeyPatch) -> None:
    """ChemNet replaced by 512 numbers drawn from a molecule's text, and three molecules enough for
    it.
    """

    def activations() -> Callable[[Sequence[str]], np.ndarray]:
        return lambda smiles: np.stack(
            [np.random.default_rng([*text.encode()]).normal(size=512) for text in smiles]
        )

    monkeypatch.setattr("molvae.evaluation.fcd._chemnet", activations)
    monkeypatch.setattr("molvae.evaluation.fcd._torch_threads_shared", nullcontext)
    monkeypatch.setattr("molvae.evaluation.reference_statistics.version", lambda name: "0")
    monkeypatch.setattr("molvae.evaluation.fcd.MINIMUM", 3)
    for module in ("distribution_metrics", "reference_statistics"):
        monkeypatch.setattr(f"molvae.evaluation.{module}.fcd_installed", lambda: True)
        monkeypatch.setattr(f"molvae.evaluation.{module}.MINIMUM", 3)
