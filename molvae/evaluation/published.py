"""Published figures of models that reconstruct or sample, on the test set of MOSES."""

from __future__ import annotations

from math import nan
from typing import NamedTuple

TEST_SIZE = 176_074
"""Molecules of the test set of MOSES."""

SAMPLES = 30_000
"""Samples that FCD is of; it falls with their number."""

FLOOR = 0.048
"""FCD/Test of as many random training molecules, as ``molvae evaluate --train`` shows it."""


class Published(NamedTuple):
    """A model: the FCD/Test of its samples, the share of molecules that it reconstructs exactly,
    nan where that is not reported, and where both stand."""

    name: str
    fcd: float
    exact: float
    source: str


MOSES = "Polykovskiy et al., arXiv 1811.12823"
READ_OFF = "Polykovskiy and Vetrov, AISTATS 2020; read off the figure in its repository"

PUBLISHED = (
    Published("CharRNN of MOSES", 0.073, nan, MOSES),
    Published("VAE of MOSES", 0.099, nan, MOSES),
    Published("DD-VAE", 0.20, 0.70, READ_OFF),
    Published("DD-VAE", 0.34, 0.80, READ_OFF),
    Published("DD-VAE", 0.49, 0.85, READ_OFF),
    Published("DD-VAE", 0.77, 0.90, READ_OFF),
    Published("DD-VAE", 1.17, 0.945, READ_OFF),
)
