"""The report of a table of molecules: a card each, to sort and filter by every column."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from .charts import histogram
from .page import render
from .structures import structures

DRAWN = 500
"""Molecules that RDKit draws; of more than these a bundled SmilesDrawer draws what is in sight."""

MOST = 5000
"""Molecules of a page."""

CHOICES = 12
"""Different texts of a column that are offered as choices."""

NARROW = 10
"""Characters of a name and value that fit into half a card."""

EMPTY = Markup("")

Line = tuple[str, str, bool]


class Rows(NamedTuple):
    """A table of molecules: the names of its columns, its cells as they stand in a file, and the
    places of its columns of SMILES and of leads, if it has these."""

    columns: Sequence[str]
    cells: Sequence[Sequence[str]]
    smiles_at: int
    lead_at: int | None = None

    @property
    def smiles(self) -> list[str]:
        """The SMILES of every row."""
        return [row[self.smiles_at] for row in self.cells]


class Reference(NamedTuple):
    """Molecules to compare with: what they are, and values of columns by their names."""

    name: str
    values: Mapping[str, Sequence[float]]


class Column(NamedTuple):
    """A column of the page: its name, whether it holds numbers, its values (None for a number that
    is missing), and what is shown of it: its choices, its chart, its least value, median and
    largest, or the text that all rows have."""

    name: str
    numeric: bool
    values: Sequence[Any]
    choices: Sequence[tuple[str, int]]
    chart: Markup
    ends: Sequence[str] = ()
    constant: str = ""


def table_report(
    rows: Rows,
    title: str,
    facts: Mapping[str, str],
    *,
    of: int | None = None,
    reference: Reference | None = None,
    pictures: Sequence[Markup | None] = (),
    above: Markup = EMPTY,
    below: Markup = EMPTY,
) -> str:
    """A page of molecules. ``of`` is the number of rows that there are, if not all are given.

    ``reference`` is laid over the histograms of columns; ``pictures`` are of the molecules, if they
    are drawn already; ``above`` and ``below`` stand before and after the cards."""
    total = of or len(rows.cells)
    rows = rows._replace(cells=rows.cells[:MOST])
    drawn = len(rows.cells) <= DRAWN
    leads = [] if rows.lead_at is None else [row[rows.lead_at] for row in rows.cells]
    if not drawn:
        pictures = [None] * len(rows.cells)
    elif not pictures:
        pictures = structures(rows.smiles, leads)
    columns = columns_of(rows, reference.values if reference else {})
    data: dict[str, Any] = {
        "rows": {
            "numeric": [one.numeric for one in columns],
            "columns": [one.values for one in columns],
            "smiles": None if drawn else rows.smiles,
        }
    }
    return render(
        "report.html",
        title=title,
        facts=facts,
        data=data,
        styles=["report.css"],
        scripts=["report.js"],
        drawing=not drawn,
        columns=columns,
        cards=cards_of(rows, columns, pictures),
        drawn=drawn,
        total=total,
        reference_name=reference.name if reference and reference.values else "",
        above=above,
        below=below,
    )


def columns_of(rows: Rows, reference: Mapping[str, Sequence[float]]) -> list[Column]:
    """Columns of the page: all but that of SMILES, and any that is empty throughout."""
    columns = []
    for place, name in enumerate(rows.columns):
        cells = [row[place].strip() for row in rows.cells]
        if place == rows.smiles_at or not any(cells):
            continue
        numbers = numbers_of(cells)
        columns.append(
            text_column(name, cells)
            if numbers is None
            else number_column(name, numbers, reference.get(name, ()))
        )
    return columns


def numbers_of(cells: Sequence[str]) -> list[float | None] | None:
    """The numbers in cells, None where one is empty; None for all if any cell is text.

    >>> numbers_of(["1", "", "nan"]), numbers_of(["1", "one"])
    ([1.0, None, None], None)
    """
    numbers: list[float | None] = []
    for cell in cells:
        try:
            number = float(cell.strip() or "nan")
        except ValueError:
            return None
        if "_" in cell:
            return None
        numbers.append(number if math.isfinite(number) else None)
    return numbers if any(one is not None for one in numbers) else None


def number_column(name: str, numbers: Sequence[float | None], reference: Sequence[float]) -> Column:
    """A column of numbers with its histogram."""
    known = sorted(one for one in numbers if one is not None)
    ends = [shown(known[place]) for place in (0, len(known) // 2, -1)]
    constant = ends[0] if known[0] == known[-1] and 1 < len(known) == len(numbers) else ""
    chart = histogram(known, reference)
    return Column(name, True, numbers, (), chart, ends, constant)


def text_column(name: str, cells: Sequence[str]) -> Column:
    """A column of text; its different texts are choices, where they are few and repeat."""
    counts = Counter(cells)
    choices = counts.most_common() if len(counts) <= CHOICES and len(counts) < len(cells) else ()
    constant = cells[0] if len(counts) == 1 < len(cells) else ""
    return Column(name, False, cells, choices, EMPTY, constant=constant)


def cards_of(
    rows: Rows, columns: Sequence[Column], pictures: Sequence[Markup | None]
) -> list[tuple[str, Markup | None, list[Line]]]:
    """The SMILES, picture and lines of every card: name, value, and whether they need the width of
    the card. What all rows have is said once, above the cards."""
    lines: list[list[Line]] = [[] for _ in rows.cells]
    for column in columns:
        if column.constant:
            continue
        values = [shown(one) if isinstance(one, float) else str(one) for one in column.values]
        long = max(map(len, values)) + len(column.name) > NARROW
        for own, value, line in zip(column.values, values, lines, strict=True):
            if own not in (None, ""):
                line.append((column.name, value, long))
    return list(zip(rows.smiles, pictures, lines, strict=True))


def shown(number: float) -> str:
    """A number as people read it: four digits, three of a fraction.

    >>> shown(0.859655), shown(1760), shown(12345678.0), shown(-3.14159)
    ('0.86', '1760', '12,345,678', '-3.142')
    """
    if number == round(number) and abs(number) < 1e15:
        return f"{number:,.0f}" if abs(number) >= 1e4 else f"{number:.0f}"
    return f"{number:.3g}" if abs(number) < 1 else f"{number:.4g}"
