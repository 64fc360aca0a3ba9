"""Laws of `molvae likelihood`: every row is kept, with what the model makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_rows_keep_their_columns_and_get_likelihoods(
    molvae: Any, memorised_run: Path, few: list[str], tmp_path: Path
) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(f"name,smiles\none,{few[0]}\nbad,C1CC\nodd,CCI\ntwo,{few[1]}\n")
    outcome = molvae("likelihood", "-m", memorised_run, table, "--against", table)
    assert outcome.code == 0
    header, *rows = outcome.rows
    assert header == [
        *("name", "smiles", "log_p", "reconstruction", "rebuilt", "nearest", "status")
    ]
    assert [row[0] for row in rows] == ["one", "bad", "odd", "two"]
    assert [row[4] for row in rows] == ["true", "", "", "true"]
    assert [row[5] for row in rows] == ["1", "", "", "1"]
    assert rows[1][6].startswith("does not parse")
    assert rows[2][6].startswith("symbol unknown to the model: [I]")
    assert "4 rows, 2 with a likelihood" in outcome.err
    alone = molvae("likelihood", "-m", memorised_run, "-", stdin=table.read_bytes())
    assert [row[:5] for row in alone.rows] == [row[:5] for row in outcome.rows]


def test_no_readable_row_is_an_error(molvae: Any, memorised_run: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("smiles\nC1CC\n")
    assert molvae("likelihood", "-m", memorised_run, tmp_path / "bad.csv").code == 1
    code, _, err = molvae(
        *("likelihood", "-m", memorised_run, tmp_path / "bad.csv"),
        *("--against", tmp_path / "bad.csv"),
    )
    assert code == 1
    assert "holds no molecule that can be read" in err
