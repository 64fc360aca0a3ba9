"""Charts: what they show is what was given, and names are text."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from molvae.pages.charts import BINS, Series, bin_edges, curves, histogram, ticks


def test_whole_numbers_have_a_bar_each() -> None:
    bars = re.findall(r"v-([\d.]+)H", histogram([0, 0, 0, 0, 1, 3]))
    assert [float(bar) for bar in bars] == pytest.approx([46.0, 11.5, 11.5])
    assert histogram([2.0, 2.0]).count("v-") == 1


def test_a_chart_of_nothing_is_empty() -> None:
    nothing = Series("a", [0.0], [math.nan])
    assert [histogram([]), histogram([math.nan]), curves([nothing], "x", "y")] == [""] * 3


def test_a_reference_is_an_outline_over_the_bars() -> None:
    assert "outline" not in histogram([1.0, 2.5])
    assert 'class="outline"' in histogram([1.0, 2.5], [2.0, 3.5])


def test_far_values_do_not_flatten_the_others() -> None:
    values = np.array([*np.linspace(0.0, 1.0, 99), 1e6])
    edges = bin_edges(values, len(values))
    assert edges[-1] < 10
    assert len(edges) <= BINS + 1
    heights = [float(one) for one in re.findall(r"v-([\d.]+)H", histogram(values.tolist()))]
    assert len(heights) > 3


def test_a_missing_value_is_a_gap_and_a_lone_one_a_dot() -> None:
    curve = curves([Series("a", range(5), [1, 2, math.nan, 3, 4])], "x", "y")
    (line,) = re.findall(r'class="line first" d="([^"]*)"', curve)
    assert (line.count("M"), line.count("L")) == (2, 2)
    assert 'class="dots first"' in curves([Series("a", [1.0], [2.0])], "x", "y")


def test_points_lie_where_their_values_say() -> None:
    chart = curves([Series("a", [0.0, 10.0, 5.0], [0.0, 1.0, 0.5], "dots first")], "x", "y")
    (d,) = re.findall(r'class="dots first" d="([^"]*)"', chart)
    (x0, y0), (x1, y1), (x2, y2) = (
        map(float, one) for one in re.findall(r"M([\d.]+),([\d.]+)h0", d)
    )
    assert x0 < x1
    assert y0 > y1
    assert (x2, y2) == pytest.approx(((x0 + x1) / 2, (y0 + y1) / 2), abs=0.11)


def test_names_in_charts_are_text() -> None:
    name = "<script>alert(1)</script>\"'"
    chart = curves([Series(name, [0, 1], [0, 1])], name, name)
    assert "<script" not in chart
    assert chart.count("&lt;script&gt;") == 5


@pytest.mark.parametrize("ends", [(0.0, 1.0), (-3e5, 7.0), (1e-9, 3e-9), (99.5, 100.5)])
def test_ticks_are_few_and_inside(ends: tuple[float, float]) -> None:
    found = ticks(*ends)
    assert 2 <= len(found) <= 11
    assert all(ends[0] <= one <= ends[1] for one in found)


def test_equal_factors_are_equal_steps_up_a_log_axis() -> None:
    chart = curves([Series("a", [0, 1, 2, 3], [0.1, 1.0, 10.0, 0.0])], "x", "y", log=True)
    (d,) = re.findall(r'class="line first" d="([^"]*)"', chart)
    heights = [float(y) for y in re.findall(r",([\d.]+)", d)]
    assert len(heights) == 3
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert re.findall(r'class="end">([\d.]+)<', chart) == ["0.1", "0.2", "0.5", "1", "2", "5", "10"]
