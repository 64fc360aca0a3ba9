"""Rows that are written read back as they were, whatever stands in their cells."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from molvae.datasets.table_reader import open_table
from molvae.datasets.text_files import row_writer

CELLS = st.lists(
    st.text(st.sampled_from(list("a\u00e4 \r\n\t,;\"'|=")), max_size=6), min_size=2, max_size=4
)


@given(st.lists(CELLS, min_size=1, max_size=4), st.sampled_from(",\t"))
def test_any_cells_read_back_as_they_were(rows: list[list[str]], delimiter: str) -> None:
    text = io.StringIO(newline="")
    write = row_writer(text, delimiter)
    for row in rows:
        write(row)
    assert list(csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=delimiter)) == rows


def test_a_carriage_return_in_a_cell_ends_no_row_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        write = row_writer(handle)
        for row in (["smiles", "name"], ["CCO", "spirit\rof wine"], ["CCN", "b"]):
            write(row)
    with open_table(path) as table:
        assert [record.fields for record in table] == [("CCO", "spirit\rof wine"), ("CCN", "b")]
