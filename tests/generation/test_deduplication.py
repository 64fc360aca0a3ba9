"""Of every molecule the first draw is left, in the order of draws, however little memory there
is.
"""

from __future__ import annotations

import csv
import io
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from molvae.errors import InputError, MolvaeError, UsageError
from molvae.generation.deduplication import (
    KEY,
    distinct,
    format_of,
    notes_of,
    open_parts,
    write_tables,
)

MEMORY = 200 << 20


def write_part(
    folder: Path, number: int, columns: dict[str, Any], draws: int, **settings: Any
) -> None:
    """A part of so many draws, with its notes."""
    notes = {
        "settings": {"seed": 0, "draws": draws} | settings,
        "first": number * draws,
        "draws": draws,
    }
    marked = pa.table(columns).replace_schema_metadata({KEY: json.dumps(notes)})
    parquet.write_table(marked, folder / f"part-{number:06d}.parquet")


def make_parts(folder: Path, smiles: list[list[str]], gap: int = 3) -> Path:
    """A folder of parts with these molecules; draws are numbered with gaps, and one column tells
    the row.
    """
    folder.mkdir(exist_ok=True)
    for number, some in enumerate(smiles):
        draws = [1000 * number + gap * place for place in range(len(some))]
        columns = {
            "draw": pa.array(draws, pa.int64()),
            "smiles": pa.array(some, pa.string()),
            "selfies": pa.array([f"[{draw}]" for draw in draws], pa.string()),
            "log_likelihood": pa.array([-draw / 8 for draw in draws], pa.float32()),
        }
        write_part(folder, number, columns, 1000)
    return folder


def left_of(folder: Path, tmp_path: Path) -> list[dict[str, Any]]:
    tables = list(distinct(open_parts(folder), MEMORY, tmp_path))
    return [row for table in tables for row in table.to_pylist()]


def test_the_first_draw_of_each_molecule_is_kept_in_order(tmp_path: Path) -> None:
    draw = random.Random(0)
    some = [[f"C{draw.randrange(400)}" for _ in range(draw.randrange(300))] for _ in range(12)]
    folder = make_parts(tmp_path / "parts", some)
    every = [
        row for path in open_parts(folder).paths for row in parquet.read_table(path).to_pylist()
    ]
    expected = list({row["smiles"]: row for row in reversed(every)}.values())
    assert left_of(folder, tmp_path) == sorted(expected, key=lambda row: row["draw"])
    assert len(expected) < len(every)


def test_only_repeats_are_left_out(tmp_path: Path) -> None:
    different = make_parts(tmp_path / "different", [["C", "CC"], [], ["CCC"]])
    assert [row["smiles"] for row in left_of(different, tmp_path)] == ["C", "CC", "CCC"]
    same = make_parts(tmp_path / "same", [["C"] * 50] * 3)
    assert [row["draw"] for row in left_of(same, tmp_path)] == [0]
    assert left_of(make_parts(tmp_path / "none", [[], []]), tmp_path) == []


def test_what_does_not_fit_in_memory_goes_to_disk_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strings of 50 MB in some megabytes of memory."""
    from molvae.generation import deduplication

    monkeypatch.setattr(deduplication, "PER_THREAD", MEMORY)
    parts = [
        [f"{number % 150_000:0240d}" for number in range(start, start + 20_000)]
        for start in range(0, 200_000, 20_000)
    ]
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, some in enumerate(parts):
        draws = pa.array(np.arange(20_000 * number, 20_000 * (number + 1)))
        columns = {
            "draw": draws,
            "smiles": some,
            "selfies": some,
            "log_likelihood": np.zeros(len(some)),
        }
        write_part(folder, number, columns, 20_000)
    spilled = []

    def look(_: int) -> None:
        spilled.append(
            sum(
                path.stat().st_size
                for path in tmp_path.joinpath("spill").rglob("*")
                if path.is_file()
            )
        )

    (tmp_path / "spill").mkdir()
    tables = list(distinct(open_parts(folder), 32 << 20, tmp_path / "spill", look))
    draws = np.concatenate([table.column("draw").to_numpy() for table in tables])
    assert (draws == np.arange(150_000)).all()
    assert max(spilled) > 0


def test_the_file_is_the_same_table_as_parquet_and_as_csv(tmp_path: Path) -> None:
    folder = make_parts(tmp_path / "parts", [["C", "CC", "C"], ["CC", "N,O"]])
    parts = open_parts(folder)
    packed, text = io.BytesIO(), io.BytesIO()
    for handle, format in ((packed, "parquet"), (text, "csv")):
        assert write_tables(handle, distinct(parts, MEMORY, tmp_path), parts.schema, format) == 3
    table = parquet.read_table(io.BytesIO(packed.getvalue()))
    assert table.schema.equals(parts.schema)
    read = list(csv.DictReader(io.StringIO(text.getvalue().decode())))
    assert (
        [row["smiles"] for row in read] == table.column("smiles").to_pylist() == ["C", "CC", "N,O"]
    )
    assert [int(row["draw"]) for row in read] == table.column("draw").to_pylist() == [0, 3, 1003]
    assert [float(row["log_likelihood"]) for row in read] == table.column(
        "log_likelihood"
    ).to_pylist()


def test_missing_values_and_flags_are_plain_in_csv(tmp_path: Path) -> None:
    table = pa.table(
        {"draw": [1], "smiles": ["C"], "canonical": [True], "QED": pa.array([None], pa.float64())}
    )
    handle = io.BytesIO()
    write_tables(handle, [table], table.schema, "csv")
    assert handle.getvalue() == b"draw,smiles,canonical,QED\n1,C,true,\n"


def test_many_small_tables_become_few_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from molvae.generation import deduplication

    monkeypatch.setattr(deduplication, "ROWS", 100)
    tables = [pa.table({"draw": [number], "smiles": ["C"]}) for number in range(250)]
    handle = io.BytesIO()
    assert write_tables(handle, tables, tables[0].schema, "parquet") == 250
    shape = parquet.read_metadata(io.BytesIO(handle.getvalue()))
    assert (shape.num_rows, shape.num_row_groups) == (250, 3)


def test_a_folder_without_parts_or_with_unlike_ones_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(InputError, match="holds no parts of samples"):
            open_parts(folder)
    folder = make_parts(tmp_path / "parts", [["C"], ["C"]])
    write_part(folder, 2, {"draw": [2000], "smiles": ["C"]}, 1000)
    with pytest.raises(
        InputError, match=r"part-000002.parquet: has other columns than part-000000.parquet"
    ):
        open_parts(folder)
    (folder / "part-000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"part-000001.parquet: is not a readable part"):
        open_parts(folder)


def test_parts_of_two_series_or_a_wrong_name_are_refused(
    tmp_path: Path,
) -> None:
    folder = make_parts(tmp_path / "parts", [["C"], ["CC"]])
    write_part(folder, 2, {"draw": [2000], "smiles": ["CCC"]}, 1000, seed=1)
    with pytest.raises(
        InputError, match=r"part-000002\.parquet: is of another .* \(seed 1, not 0\); give each"
    ):
        open_parts(folder)
    (folder / "part-000001.parquet").rename(folder / "part-000002.parquet")
    with pytest.raises(
        InputError, match=r"part-000002\.parquet: begins with draw 1000, part 2 with 2000; give"
    ):
        open_parts(folder)
    (folder / "part-000002.parquet").rename(folder / "part-000001.parquet")
    assert open_parts(folder).rows == 2


@pytest.mark.parametrize(
    "name", ["molecules", "molecules.txt", "molecules.parquet.gz", "molecules.csv.bz2"]
)
def test_a_file_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"\.parquet or \.csv"):
        format_of(name)


@pytest.mark.parametrize("error", [InputError("no"), OSError(5, "broken", "part")])
def test_what_stops_the_reading_stops_all_of_it_as_itself(tmp_path: Path, error: Exception) -> None:
    folder = make_parts(tmp_path / "parts", [["C", "CC"], ["C"]])

    def stop(_: int) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        list(distinct(open_parts(folder), MEMORY, tmp_path, stop))
    assert caught.value is error


def test_too_little_memory_is_told_of_in_words(tmp_path: Path) -> None:
    folder = make_parts(tmp_path / "parts", [[f"{number:0300d}" for number in range(5000)]])
    with pytest.raises(MolvaeError, match="DuckDB could not find the repeats in 1 MB"):
        list(distinct(open_parts(folder), 1 << 20, tmp_path))


def test_without_duckdb_it_is_said_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_parts(tmp_path / "parts", [["C"]])
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError, match=r"pip install 'molvae\[duckdb\]'"):
        left_of(folder, tmp_path)


def test_parts_of_earlier_versions_are_of_the_same_series(tmp_path: Path) -> None:
    write_part(tmp_path, 0, {"draw": [0], "smiles": ["C"]}, 2, consistent=True)
    write_part(tmp_path, 1, {"draw": [2], "smiles": ["C"]}, 2, canonical=True)
    assert notes_of(tmp_path / "part-000000.parquet")["settings"]["canonical"] is True
    assert open_parts(tmp_path).rows == 2
