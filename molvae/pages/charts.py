"""Charts for a page: histograms, curves and points as small inline SVG, coloured by its style."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape
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
    x: Iterable[float]
    y: Iterable[float]
    kind: str = "first"


def histogram(values: Sequence[float], reference: Sequence[float] = ()) -> Markup:
    """Bars of finite values, and over them the outline of a reference, both as shares. Empty
    without values. What lies far outside is in the first and the last bar."""
    own, other = (np.asarray([v for v in one if math.isfinite(v)]) for one in (values, reference))
    if not len(own):
        return Markup("")
    edges = bin_edges(np.concatenate([own, other]), len(own))
    shares = np.array(
        [
            np.histogram(one.clip(edges[0], edges[-1]), edges)[0] / max(1, len(one))
            for one in (own, other)
        ]
    )
    width, height = 200.0, 48.0
    left = (edges - edges[0]) / (edges[-1] - edges[0]) * width
    heights = shares / shares.max() * (height - 2)
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


def bin_edges(values: Floats, count: int) -> Floats:
    """Edges of bins over finite values ``(N,)``: a bin for each of few whole numbers, else as many
    as suit ``count`` values. More than three times the middle half beyond it they do not reach."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    if high - low < BINS and (values == values.round()).all():
        return np.arange(low - 0.5, high + 1.0)
    quarter, three_quarters = np.quantile(values, (0.25, 0.75))
    room = 3.0 * (three_quarters - quarter)
    first, last = max(low, quarter - room), min(high, three_quarters + room)
    bins = min(BINS, max(6, round(2.5 * count ** (1 / 3))))
    if first == last:
        first, last = low, high
    return np.linspace(first, last, bins + 1)


def grid(charts: Sequence[Markup]) -> Markup:
    """Charts side by side, as many as fit the width."""
    return Markup('<div class="charts">{}</div>').format(Markup("").join(charts))


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from ``low`` to ``high``, about five of them.

    >>> ticks(0.0, 1.0), ticks(-3.2, 148.0)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0])
    """
    if not high > low:
        return [low]
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((1.0, 2.0, 5.0, 10.0), key=lambda one: abs(one * power - rough)) * power
    places = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [round(place * step, 12) for place in places]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, twice and five times these, from ``low`` to ``high``.

    >>> log_ticks(0.04, 1.2)
    [0.05, 0.1, 0.2, 0.5, 1.0]
    """
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    every = [round(step * 10.0**power, 12) for power in powers for step in (1, 2, 5)]
    return [one for one in every if low <= one <= high]


def _logarithm(value: float) -> float:
    return math.log10(value) if value > 0 else math.nan


def curves(series: Sequence[Series], x_name: str, y_name: str, log: bool = False) -> Markup:
    """Curves over one another, the first at the bottom, with axes; a gap where a value is missing.

    A kind of dots is drawn as points. ``log`` makes steps up the y axis factors, and a value that
    is not positive a gap."""
    if log:
        series = [one._replace(y=[_logarithm(value) for value in one.y]) for one in series]
    xs, ys = (
        np.array([v for one in series for v in getattr(one, axis) if math.isfinite(v)])
        for axis in ("x", "y")
    )
    if not len(xs) or not len(ys):
        return Markup("")
    (left, right), (low, high) = _range(xs), _range(ys)

    def across(x: float) -> float:
        return LEFT + (x - left) / (right - left) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for value in log_ticks(10.0**low, 10.0**high) if log else ticks(low, high):
        y = up(_logarithm(value) if log else value)
        line = f'<path class="grid" d="M{LEFT},{y:.1f}H{WIDTH - RIGHT}"/>'
        parts.append(line + _text(LEFT - 6, y + 4, "end", _number(value)))
    for value in ticks(left, right):
        x = across(value)
        line = f'<path class="grid" d="M{x:.1f},{HEIGHT - BOTTOM}v4"/>'
        parts.append(line + _text(x, HEIGHT - BOTTOM + 17, "middle", _number(value)))
    for one in series:
        spots = [(across(x), up(y)) for x, y in zip(one.x, one.y, strict=True)]
        dots = "dots" in one.kind or sum(math.isfinite(y) for y in one.y) == 1
        kind = f"{'dots' if dots else 'line'} {one.kind.removeprefix('dots ')}"
        parts.append(f'<path class="{kind}" d="{_strokes(spots, dots)}"/>')
    parts.append(_text(WIDTH - RIGHT, HEIGHT - 6, "end", x_name))
    keys = Markup("").join(
        Markup('<span class="key {}">{}</span>').format(one.kind, one.name)
        for one in series
        if one.name
    )
    return Markup(
        "<figure><figcaption><b>{}</b> {}</figcaption>"
        '<svg class="chart plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg></figure>'
    ).format(y_name, keys, WIDTH, HEIGHT, f"{y_name} against {x_name}", Markup("".join(parts)))


def _text(x: float, y: float, anchor: str, text: str) -> str:
    """Text in a chart, escaped."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{anchor}">{escape(text)}</text>'


def _range(values: Floats) -> tuple[float, float]:
    """From the least value to the largest, with some room; never empty."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low, low + (abs(low) or 1.0)
    room = 0.03 * (high - low)
    return low - room, high + room


def _number(value: float) -> str:
    return f"{value:,.10g}" if abs(value) < 1e6 else f"{value:.3g}"


def _strokes(spots: Sequence[tuple[float, float]], dots: bool) -> str:
    """The path of a curve, or of points: lines of no length with round ends."""
    d, pen = "", "M"
    for x, y in spots:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen = "M"
        elif dots:
            d += f"M{x:.1f},{y:.1f}h0"
        else:
            d += f"{pen}{x:.1f},{y:.1f}"
            pen = "L"
    return d
