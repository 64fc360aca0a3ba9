"""Measured figures as aligned text, for people.

Knows figures and widths, and nothing of what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .estimates import Figure

Figures = Mapping[str, Figure]


def number(value: float | None) -> str:
    """A number as a person reads it: four decimals, fewer where it is large; whole numbers as they
    are.

    >>> number(0.05), number(123.456), number(64), number(31250.4), number(None)
    ('0.0500', '123.5', '64', '31,250', '-')
    """
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return (
        f"{value:,.0f}"
        if abs(value) >= 1000
        else f"{value:.1f}"
        if abs(value) >= 100
        else f"{value:.4f}"
    )


def interval(figure: Figure) -> str:
    """The 95 % interval of a figure, or nothing."""
    return "" if figure.low is None else f"{number(figure.low)} to {number(figure.high)}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the cells of each column under each other: the first column to the left, others to
    the right.

    >>> aligned([["a", "10"], ["bcd", "9"]])
    ['a    10', 'bcd   9']
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [
            first.ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def listed(figures: Figures) -> list[str]:
    """A line for each figure, with its interval, its sample size, and its note beside it."""
    cells = [["", "value", "95 %", "n"]]
    cells += [
        [name, number(one.value), interval(one), number(one.n)] for name, one in figures.items()
    ]
    lines = aligned(cells)
    notes = ["", *(one.note for one in figures.values())]
    width = max(map(len, lines))
    return [
        f"{line.ljust(width)}  {note}".rstrip() for line, note in zip(lines, notes, strict=True)
    ]


def compared(rows: Mapping[str, Figures]) -> list[str]:
    """A line for each figure of the first row, the same figure of other rows beside it, notes
    below.
    """
    (first, figures), *others = rows.items()
    cells = [["", first, "95 %", "n", *(cell for name, _ in others for cell in (name, "n"))]]
    for name, figure in figures.items():
        line = [name, number(figure.value), interval(figure), number(figure.n)]
        for _, other in others:
            found = other.get(name)
            line += [number(found.value), number(found.n)] if found else ["", ""]
        cells.append(line)
    return [*aligned(cells), *footnotes(figures)]


def footnotes(figures: Figures) -> list[str]:
    """The notes of figures, each once, with the names of those it belongs to."""
    names: dict[str, list[str]] = {}
    for name, figure in figures.items():
        if figure.note:
            names.setdefault(figure.note, []).append(name)
    return [f"  {', '.join(some)}: {note}" for note, some in names.items()]
