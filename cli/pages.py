"""HTML pages that verbs write beside their tables, or as their result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from molvae.errors import UsageError

from .output import check_output, note

REFERENCE = 2000
"""Molecules of a file, at most, that others are compared with."""

Write = Callable[[Sequence[str]], object]


class Kept:
    """Writes rows, and keeps of them what a page can hold, or nothing without a page: ``columns``
    are the first row."""

    def __init__(self, write: Write, page: str | None) -> None:
        self.write, self.most = write, 0
        if page is not None:
            from molvae.pages.table_report import MOST

            self.most = MOST
        self.columns: list[str] = []
        self.rows: list[list[str]] = []
        self.count = 0

    def __call__(self, row: Sequence[str]) -> None:
        """Write a row, and keep it while there is room."""
        self.write(row)
        if not self.columns:
            self.columns = list(row)
            return
        self.count += 1
        if len(self.rows) < self.most:
            self.rows.append(list(row))


def check_page(page: str | None, force: bool, others: Sequence[str | None]) -> None:
    """UsageError before any work unless the page can be written; ``others`` are files in use, if
    any."""
    if page is None:
        return
    if Path(page).suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{page}: a page is written as .html; end its name so")
    for other in others:
        if other and Path(other).absolute() == Path(page).absolute():
            raise UsageError(f"{page}: is the name of another file of this command; give two names")
    check_output(page, force)


def facts_of(model: str | None = None, seed: int | None = None) -> dict[str, str]:
    """The lines at the foot of a page of this command."""
    from molvae.pages.page import foot

    return foot(command_line(), model, seed)


def command_line() -> str:
    """The command line as it was given."""
    return str(click.get_current_context().find_root().obj)


def write_page(path: str, page: str) -> None:
    """Write a page and say so."""
    from molvae.pages.page import save_page

    save_page(page, path)
    note(f"{path}: {len(page.encode('utf-8', 'replace')) / 1e6:.1f} MB, opens in any browser")


def write_table_page(
    path: str,
    kept: Kept,
    title: str,
    facts: dict[str, str],
    *,
    smiles_at: int = 0,
    lead_at: int | None = None,
    **more: Any,
) -> None:
    """Write the report of rows that were kept; ``smiles_at`` and ``lead_at`` are columns."""
    from molvae.pages.table_report import Rows, table_report

    rows = Rows(kept.columns, kept.rows, smiles_at, lead_at)
    write_page(path, table_report(rows, title, facts, of=kept.count, **more))


def reference_of(path: str, names: Sequence[str]) -> Any:
    """Values of columns for some random molecules of a file, as a ``Reference``.

    Taken from the file's own columns, else computed if they are properties of molvae."""
    from molvae.chem.properties import PROPERTIES
    from molvae.chem.scoring import plan_scores, score_chunk
    from molvae.datasets.table_reader import open_table, sample_rows
    from molvae.pages.table_report import Reference, numbers_of

    with open_table(path) as table:
        own = {name: at for at, name in enumerate(table.columns) if name in names}
        rows = list(sample_rows((one for one in table if not one.problem), REFERENCE, 0))
    found = {
        name: [one for one in numbers_of([row.fields[at] for row in rows]) or () if one is not None]
        for name, at in own.items()
    }
    wanted = {
        entry.name: key
        for key, entry in PROPERTIES.items()
        if entry.name in names and not found.get(entry.name)
    }
    if wanted:
        scored = score_chunk(plan_scores(list(wanted.values())), [row.smiles for row in rows])
        columns = zip(*(row.values for row in scored), strict=True)
        for name, values in zip(wanted, columns, strict=True):
            found[name] = [float(one) for one in values if isinstance(one, int | float)]
    return Reference(f"{len(rows):,} molecules of {path}", found)
