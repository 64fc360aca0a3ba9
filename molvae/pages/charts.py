"""Charts for a page: histograms, curves and points as small inline SVG, coloured by its style."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

BINS = 24
"""Bins of a histogram, at most."""

WIDTH, HEIGHT = 420, 250
"""Size of curves and points, in units that are pixels at full size."""

LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 40
"""Room around them for axes."""

Floats = NDArray[np.float64]


class Series(NamedTuple):
    """A curve, or points: its name, its values along both axes (nan where there is none), and a
    class of the page's style: first, second or third for a colour, perhaps with faint or dots."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    kind: str = "first"


def histogram(values: Sequence[float], reference: Sequence[float] = ()) -> Markup:
    """Bars of finite values, and over them the outline of a reference, both as densities. Empty
    without values."""
    own, other = (np.asarray([v for v in one if math.isfinite(v)]) for one in (values, reference))
    if not len(own):
        return Markup("")
    edges = bin_edges(np.concatenate([own, other]))
    counts = [np.histogram(one, edges)[0] / np.diff(edges) for one in (own, other)]
    shares = [count / max(1, len(one)) for count, one in zip(counts, (own, other), strict=True)]
    top = max(float(share.max()) for share in shares)
    width, height = 200.0, 48.0
    left = (edges - edges[0]) / (edges[-1] - edges[0]) * width
    heights = [share / top * (height - 2) for share in shares]
    bars = "".join(
        f"M{a + 0.4:.1f},{height:g}v-{h:.1f}H{b - 0.4:.1f}V{height:g}z"
        for a, b, h in zip(left[:-1], left[1:], heights[0], strict=True)
        if h
    )
    outline = ""
    if len(other):
        steps = "".join(
            f"V{height - h:.1f}H{b:.1f}" for b, h in zip(left[1:], heights[1], strict=True)
        )
        outline = f'<path class="outline" d="M0,{height:g}{steps}V{height:g}"/>'
    return Markup(
        f'<svg class="chart bars" viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none">'
        f'<path class="area" d="{bars}"/>{outline}</svg>'
    )


def bin_edges(values: Floats) -> Floats:
    """Edges of bins over finite values ``(N,)``, one for each of few whole numbers.

    Of few values there are few bins. What lies far outside the middle 98 % widens the last bins
    alone."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    if high - low < BINS and (values == values.round()).all():
        return np.arange(low - 0.5, high + 1.0)
    first, last = np.quantile(values, (0.01, 0.99))
    count = min(BINS, max(6, round(2.5 * len(values) ** (1 / 3))))
    edges = np.linspace(*((first, last) if last > first else (low, high)), count + 1)
    edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)
    return np.asarray(edges, dtype=np.float64)


def curves(series: Sequence[Series], x_name: str, y_name: str) -> Markup:
    """Curves over one another, with axes; a gap where a value is missing."""
    return _plot(series, x_name, y_name, _line)


def points(series: Sequence[Series], x_name: str, y_name: str) -> Markup:
    """Points over one another, the first at the bottom, with axes."""
    return _plot(series, x_name, y_name, _dots)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, about ``count`` of them.

    >>> ticks(0.0, 1.0), ticks(-3.2, 148.0)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 50.0, 100.0])
    """
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((1.0, 2.0, 5.0, 10.0), key=lambda one: abs(one * power - rough)) * power
    places = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [round(place * step, 12) for place in places]


def _plot(
    series: Sequence[Series],
    x_name: str,
    y_name: str,
    mark: Callable[[Series, Sequence[tuple[float, float]]], tuple[str, str]],
) -> Markup:
    xs, ys = (
        np.array([v for one in series for v in getattr(one, axis) if math.isfinite(v)])
        for axis in ("x", "y")
    )
    if not len(xs) or not len(ys):
        return Markup("")
    x_range, y_range = _range(xs), _range(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_range[0]) / (x_range[1] - x_range[0])
        up = (y - y_range[0]) / (y_range[1] - y_range[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (
            HEIGHT - TOP - BOTTOM
        )

    parts = []
    for value in ticks(*y_range):
        _, y = place(x_range[0], value)
        parts.append(f'<path class="grid" d="M{LEFT},{y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="end">{_number(value)}</text>')
    for value in ticks(*x_range):
        x, _ = place(value, y_range[0])
        parts.append(f'<path class="grid" d="M{x:.1f},{HEIGHT - BOTTOM}v4"/>')
        text = f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}" class="middle">{_number(value)}'
        parts.append(f"{text}</text>")
    for one in series:
        spots = [place(x, y) for x, y in zip(one.x, one.y, strict=True)]
        parts.append(Markup('<path class="{}" d="{}"/>').format(*mark(one, spots)))
    names = Markup('<text x="{}" y="{}" class="end quiet">{}</text>').format(
        WIDTH - RIGHT, HEIGHT - 6, x_name
    )
    label = Markup(' role="img" aria-label="{}: {}"').format(
        y_name, ", ".join(one.name for one in series)
    )
    chart = f'<svg class="chart plot" viewBox="0 0 {WIDTH} {HEIGHT}"{label}>'
    keys = Markup("").join(
        Markup('<span class="{}">{}</span>').format(f"key {one.kind}", one.name)
        for one in series
        if one.name
    )
    head = Markup('<figcaption><b>{}</b> {}</figcaption>').format(y_name, keys)  # fmt: skip
    return Markup("<figure>{}{}</figure>").format(
        head, Markup(chart + "".join(parts) + names + "</svg>")
    )


def _range(values: Floats) -> tuple[float, float]:
    """From the least value to the largest, with some room; never empty."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low - 0.5, high + 0.5
    room = 0.03 * (high - low)
    return low - room, high + room


def _number(value: float) -> str:
    return f"{value:,.10g}" if abs(value) < 1e6 else f"{value:.3g}"


def _line(one: Series, spots: Sequence[tuple[float, float]]) -> tuple[str, str]:
    """Class and path of a curve."""
    d, pen = "", "M"
    for x, y in spots:
        if math.isfinite(x) and math.isfinite(y):
            d += f"{pen}{x:.1f},{y:.1f}"
            pen = "L"
        else:
            pen = "M"
    return f"line {one.kind}", d


def _dots(one: Series, spots: Sequence[tuple[float, float]]) -> tuple[str, str]:
    """Class and path of points: lines of no length with round ends."""
    found = (spot for spot in spots if all(map(math.isfinite, spot)))
    return f"dots {one.kind}", "".join(f"M{x:.1f},{y:.1f}h0" for x, y in found)
