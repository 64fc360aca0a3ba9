"""Measured numbers with sample size, interval and caveat; their arithmetic and their tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
_Z = 1.959963984540054  # the normal quantile of 97.5 %

LOCALITY, BY_LEVEL = "Locality", "By noise level; all else is at the highest"
RADIUS, PAIRS = "radius, prior standard deviations", "pairs of different molecules"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """One measured number: ``value`` from ``n`` molecules, or no value and ``note`` saying why.

    ``low`` and ``high`` bound it with 95 % confidence where that was asked for and can be had. A
    note beside a value says what to mind when reading it."""

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.value is None and not self.note:
            raise ValueError("a figure without a value must say why")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(
                f"{self.value} is not a figure: it must be finite, or absent with a reason"
            )


Figures = dict[str, Figure]


def absent(n: int, reason: str) -> Figure:
    """A figure that cannot be had from ``n`` molecules, and why."""
    return Figure(None, n, note=reason)


def share(hits: int, n: int, reason: str = "") -> Figure:
    """``hits`` of ``n`` as a share, with Wilson's interval; of none, absent for a ``reason``.

    Wilson (1927) rather than a bootstrap, which would call 1,000 of 1,000 certain.
    """
    if not n:
        return absent(0, reason)
    value = hits / n
    centre = (value + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * math.sqrt(value * (1 - value) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    # at 0 and at n the bound is the share itself but for rounding
    return Figure(
        value, n, max(0.0, min(centre - half, value)), min(1.0, max(centre + half, value))
    )


def mean(values: Floats, rng: np.random.Generator, note: str = "") -> Figure:
    """The mean of at least one value, of two with a percentile bootstrap interval by ``rng``."""
    value, n = float(values.mean()), len(values)
    if n < 2:
        return Figure(value, n, note=note)
    means = np.array([values[rng.integers(n, size=n)].mean() for _ in range(RESAMPLES)])
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    return Figure(value, n, low, high, note)


def evenly(n: int, most: int) -> NDArray[np.int64]:
    """At most ``most`` of ``n`` places, evenly spaced."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.int64)


def wasserstein(first: Floats, second: Floats) -> float:
    """Wasserstein-1 distance of two samples of a number, in its unit: area between their CDFs.

    >>> wasserstein(np.array([0.0, 1.0]), np.array([2.0]))
    1.5
    """
    points = np.sort(np.concatenate([first, second]))
    gaps = np.diff(points)
    below_first = np.searchsorted(np.sort(first), points[:-1], "right") / len(first)
    below_second = np.searchsorted(np.sort(second), points[:-1], "right") / len(second)
    return float((np.abs(below_first - below_second) * gaps).sum())


def cosine_similarity(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """Cosine between two tables of counts, neither of them empty.

    >>> cosine_similarity({"a": 3, "b": 4}, {"b": 2})
    0.8
    """
    product = sum(count * second[name] for name, count in first.items() if name in second)
    squares = math.prod(sum(count**2 for count in counts.values()) for counts in (first, second))
    return product / math.sqrt(squares)


def number(value: float | None) -> str:
    """A number for people: four decimals, fewer where it is large; whole numbers as they are.

    >>> number(0.05), number(123.456), number(64), number(31250.4), number(None)
    ('0.0500', '123.5', '64', '31,250', '-')
    """
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.4f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns: the first to the left, others to the right.

    >>> aligned([["a", "10"], ["bcd", "9"]])
    ['a    10', 'bcd   9']
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    form = "  ".join(["{:<%d}", *["{:>%d}"] * (len(widths) - 1)]) % tuple(widths)
    return [form.format(*row).rstrip() for row in rows]


class Section(NamedTuple):
    """A heading, a table of text with its header, and words below it."""

    heading: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def lines(self) -> list[str]:
        """The section as lines of plain text."""
        below = (*aligned([self.header, *self.rows]), *self.notes)
        return [self.heading, *(f"  {line}" for line in below)]


def figure_section(
    heading: str, rows: Mapping[str, Mapping[str, Any]], notes: Sequence[str] = ()
) -> Section:
    """A line for each figure of the first row, with that of other rows beside it.

    The note of a figure is said once below them, with the names of those it belongs to."""
    (first, figures), *others = rows.items()
    header = ["", first, "95 %", "n", *(cell for name, _ in others for cell in (name, "n"))]
    lines = []
    said: dict[str, list[str]] = {}
    for name, figure in figures.items():
        interval = f"{number(figure['low'])} to {number(figure['high'])}" if "low" in figure else ""
        line = [name, number(figure["value"]), interval, number(figure["n"])]
        for _, other in others:
            found = other.get(name)
            line += [number(found["value"]), number(found["n"])] if found else ["", ""]
        lines.append(line)
        if "note" in figure:
            said.setdefault(figure["note"], []).append(name)
    words = (f"{', '.join(some)}: {note}" for note, some in said.items())
    return Section(heading, header, lines, [*notes, *words])


def latent_sections(space: Mapping[str, Any]) -> list[Section]:
    """Sections of a latent space as it stands in a report: its figures by group, with what to mind
    below the first; locality; noise levels."""
    remarks = [f"{count:,} could not be read: {why}" for why, count in space["unreadable"].items()]
    if seen := space["in_training_data"]:
        remarks.append(
            f"Warning: {seen:,} of them were in the model's training data, and are not held out"
        )
    sections = [
        figure_section(heading, {"value": figures}, () if place else remarks)
        for place, (heading, figures) in enumerate(space["figures"].items())
    ]
    if radii := space["locality"]["radii"]:
        cells = _values_by("radius", radii)
        cells.append([PAIRS, number(space["locality"]["random_pairs"]["value"]), ""])
        sections.append(Section(LOCALITY, (RADIUS, "Tanimoto to the seed", "unchanged"), cells))
    if levels := space["by_noise_level"]:
        sections.append(Section(BY_LEVEL, list(levels[0]), _values_by("level", levels)))
    return sections


def _values_by(first: str, rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The number called ``first`` of each row, and the values of its figures, as text."""
    return [
        [f"{row[first]:.3g}", *(number(row[name]["value"]) for name in row if name != first)]
        for row in rows
    ]
