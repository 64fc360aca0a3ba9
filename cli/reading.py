"""Tables of molecules as verbs read them: a row that is of no use is named on stderr."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from .output import note


def note_column(table: Any) -> None:
    """Say which column of a table holds the SMILES."""
    note(f"{table.name}: SMILES in column {table.smiles_column!r} (chosen {table.chosen_by})")


def read_rows(reader: Any, table: Any, dropped: Counter[str]) -> Iterator[tuple[Any, Any]]:
    """The rows whose molecules a model reads, with these; ``dropped`` counts the others by
    reason."""
    from molvae.errors import MoleculeError

    for record in table:
        try:
            if record.problem:
                raise MoleculeError(record.problem, record.smiles)
            yield record, reader.read(record.smiles)
        except MoleculeError as error:
            dropped[error.reason] += 1
            note(f"{table.name}, line {record.line}: {error}")
