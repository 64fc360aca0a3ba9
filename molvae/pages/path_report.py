"""The report of paths between molecules: structures with their changes, similarity, properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from ..chem.properties import PROPERTIES
from ..chem.scoring import plan_scores, score_chunk
from .charts import Series, curves, grid
from .structures import strip
from .table_report import Rows, table_report

if TYPE_CHECKING:
    from ..generation.interpolation import Point

ALONG = ("qed", "sa", "logp", "molwt")
"""Properties that are drawn along a single path."""

CHARTS = 12
"""Paths whose similarities are drawn."""


def path_report(paths: Mapping[str, Sequence[Point]], title: str, facts: Mapping[str, str]) -> str:
    """A page of paths by their names; neighbours that are one molecule are drawn once."""
    charts: list[Markup] = []
    cells, pictures = [], []
    for name, stops in paths.items():
        if len(charts) < CHARTS:
            charts.append(_similarities(stops, f"Path {name}" if len(paths) > 1 else ""))
        shown = [
            (place, stop)
            for place, stop in enumerate(stops)
            if place in (0, len(stops) - 1) or stop.smiles != stops[place - 1].smiles
        ]
        pictures += strip([stop.smiles for _, stop in shown])
        for place, stop in shown:
            similar = (f"{one:.4f}" for one in stop[3:6])
            cells.append([stop.smiles, str(place), *similar, stop.reproduced, name])
    columns = ["smiles", "step", "to start", "to end", "to previous", "reproduced", "path"]
    if len(paths) == 1:
        charts += _properties([stop.smiles for stop in stops])
        columns, cells = columns[:-1], [row[:-1] for row in cells]
    rows = Rows(columns, cells, 0)
    return table_report(rows, title, facts, pictures=pictures, below=grid(charts))


def _similarities(stops: Sequence[Point], name: str) -> Markup:
    steps = range(len(stops))
    series = [
        Series("to the one before", steps, [one.tanimoto_previous for one in stops], "faint"),
        Series("to the start", steps, [one.tanimoto_start for one in stops], "first"),
        Series("to the end", steps, [one.tanimoto_end for one in stops], "second"),
    ]
    return curves(series, "step", f"{name} Tanimoto similarity".strip())


def _properties(smiles: Sequence[str]) -> list[Markup]:
    """A curve of each property in :data:`ALONG`."""
    scored = score_chunk(plan_scores(ALONG), smiles)
    values = np.array([row.values for row in scored], np.float64)  # nan where one is not defined
    return [
        curves([Series("", range(len(smiles)), column)], "step", PROPERTIES[name].name)
        for name, column in zip(ALONG, values.T, strict=True)
    ]
