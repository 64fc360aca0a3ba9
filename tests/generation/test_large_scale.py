"""Parts hold what their draws gave, whoever wrote them and whenever."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from molvae.chem.scoring import plan_scores
from molvae.errors import InputError, UsageError
from molvae.generation import large_scale, sampling
from molvae.generation.codec import Codec
from molvae.generation.deduplication import notes_of, parts_of, strangers
from molvae.generation.large_scale import Shards, settings_of
from molvae.generation.sampling import Filters, SamplingParams, sample
from molvae.runtime.ranks import World
from molvae.storage.known_molecules import BloomFilter, SortedHashes

TOTAL = 600


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 128 draws: 600 draws are four of them and one that is shorter."""
    monkeypatch.setattr(sampling, "BLOCK", 64)
    monkeypatch.setattr(large_scale, "BLOCKS", 2)


ALONE = World()


def write(
    folder: Path, model: Any, total: int = TOTAL, world: World = ALONE, **options: Any
) -> list[Any]:
    """Write what is missing, as one process of a world; the counts of each part."""
    folder.mkdir(exist_ok=True)
    known, plan = options.pop("known", None), options.pop("plan", None)
    filters: Filters | None = Filters(options.pop("canonical", True), known)
    filters = None if options.pop("keep_all", False) else filters
    settings = settings_of(model, SamplingParams(**options), filters, plan)
    wanted = Shards(folder, settings, total)
    return list(wanted.write(model, wanted.missing(world), filters, plan))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def rows(folder: Path) -> list[dict[str, Any]]:
    return [
        row for path in parts_of(folder).values() for row in parquet.read_table(path).to_pylist()
    ]


@pytest.fixture(scope="module")
def whole(tiny_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts as one process leaves them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "BLOCK", 64)
        patch.setattr(large_scale, "BLOCKS", 2)
        folder = tmp_path_factory.mktemp("whole")
        write(folder, tiny_model)
    return folder


def test_parts_hold_the_canonical_draws_each_once(tiny_model: Any, whole: Path) -> None:
    assert [path.name for path in parts_of(whole).values()] == [
        f"part-{number:06d}.parquet" for number in range(5)
    ]
    expected = []
    seen: dict[int, set[str]] = {}
    for draw, one in enumerate(sample(tiny_model, TOTAL, filters=None, workers=1)):
        there = seen.setdefault(draw // 128, set())
        if one.smiles and one.canonical and one.smiles not in there:
            there.add(one.smiles)
            expected.append((draw, one.smiles, one.selfies))
    found = rows(whole)
    assert [(row["draw"], row["smiles"], row["selfies"]) for row in found] == expected
    assert all(row["log_likelihood"] < 0 for row in found)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_parts_of_several_processes_are_those_of_one(
    tiny_model: Any, whole: Path, tmp_path: Path, size: int
) -> None:
    for rank in reversed(range(size)):
        write(tmp_path / "shared", tiny_model, world=World(rank, size))
    assert contents(tmp_path / "shared") == contents(whole)


def test_a_second_start_writes_only_what_is_missing(
    tiny_model: Any, whole: Path, tmp_path: Path
) -> None:
    write(tmp_path / "parts", tiny_model)
    (tmp_path / "parts" / "part-000002.parquet").unlink()
    before = {path.name: os.stat(path).st_ino for path in (tmp_path / "parts").iterdir()}
    assert len(write(tmp_path / "parts", tiny_model)) == 1
    assert contents(tmp_path / "parts") == contents(whole)
    after = {path.name: os.stat(path).st_ino for path in (tmp_path / "parts").iterdir()}
    assert before.items() <= after.items()
    assert write(tmp_path / "parts", tiny_model) == []


def test_what_is_interrupted_leaves_whole_parts_and_goes_on(
    tiny_model: Any, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.replace, []

    def third_fails(source: Any, target: Any) -> None:
        calls.append(target)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", third_fails)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "parts", tiny_model)
    monkeypatch.setattr(os, "replace", real)
    left = contents(tmp_path / "parts")
    assert len(left) == 2
    assert left.items() <= contents(whole).items()
    (tmp_path / "parts" / ".tmp-1-abcd-part-000002.parquet").write_bytes(b"PAR1")
    assert strangers(tmp_path / "parts") == []
    write(tmp_path / "parts", tiny_model)
    assert contents(whole).items() <= contents(tmp_path / "parts").items()


def test_more_draws_make_the_short_part_whole(tiny_model: Any, whole: Path, tmp_path: Path) -> None:
    write(tmp_path / "parts", tiny_model, 300)
    write(tmp_path / "parts", tiny_model)
    assert contents(tmp_path / "parts") == contents(whole)
    assert write(tmp_path / "parts", tiny_model, 100) == []
    assert contents(tmp_path / "parts") == contents(whole)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": 1}, "seed 0, not 1"),
        ({"temperature": 0.5}, "temperature 1.0, not 0.5"),
        ({"canonical": False}, "canonical True, not False"),
        ({"keep_all": True}, "every False, not True"),
        ({"known": SortedHashes(np.zeros(0, np.uint64))}, "novel False, not True"),
        ({"plan": plan_scores("qed")}, r"scores \[\], not \['qed'\]"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_parts_made_otherwise_are_not_mixed_with_these(
    tiny_model: Any, whole: Path, options: dict[str, Any], said: str
) -> None:
    before = contents(whole)
    with pytest.raises(InputError, match=f"part-000000.parquet: was made with .*{said}"):
        write(whole, tiny_model, **options)
    with pytest.raises(InputError, match="was made with"):
        write(whole, tiny_model, world=World(9, 10), **options)
    assert contents(whole) == before


def test_another_model_or_precision_is_told_from_this_one(
    tiny_model: Any, whole: Path, memorised_run: Path, tiny_run: Path
) -> None:
    with pytest.raises(InputError, match="another model"):
        write(whole, Codec.load(str(memorised_run)))
    other = "fp32" if tiny_model.model.precision == "bf16" else "bf16"
    with pytest.raises(InputError, match=f"precision {tiny_model.model.precision}, not {other}"):
        write(whole, Codec.load(str(tiny_run), precision=other))


def test_by_force_each_process_removes_its_own_parts_alone(tiny_model: Any, tmp_path: Path) -> None:
    write(tmp_path / "parts", tiny_model, seed=1)
    wanted = Shards(
        tmp_path / "parts", settings_of(tiny_model, SamplingParams(), Filters(), None), 200
    )
    assert wanted.missing(World(1, 2), force=True) == [1]
    assert sorted(parts_of(tmp_path / "parts")) == [0, 2, 4]
    assert wanted.missing(World(0, 2), force=True) == [0]
    assert not parts_of(tmp_path / "parts")


def test_each_part_tells_its_counts(tiny_model: Any, tmp_path: Path) -> None:
    tallies = write(tmp_path / "parts", tiny_model)
    total = Counter[str]()
    for number, (path, tally) in enumerate(
        zip(parts_of(tmp_path / "parts").values(), tallies, strict=True)
    ):
        notes = notes_of(path)
        assert (notes["first"], notes["draws"]) == (128 * number, 128 if number < 4 else 88)
        assert notes["draws"] == tally.drawn == notes["kept"] + sum(notes["dropped"].values())
        assert notes["kept"] == tally.kept == parquet.read_metadata(path).num_rows
        total += tally.dropped
    assert total["SELFIES not canonical"] > 0


def test_raw_rows_say_which_are_canonical(tiny_model: Any, whole: Path, tmp_path: Path) -> None:
    write(tmp_path / "all", tiny_model, keep_all=True)
    every = rows(tmp_path / "all")
    assert [row["draw"] for row in every] == list(range(TOTAL))
    write(tmp_path / "raw", tiny_model, canonical=False)
    raw = rows(tmp_path / "raw")
    assert {row["draw"] for row in raw} <= {row["draw"] for row in every}
    assert {row["canonical"] for row in raw} == {True, False}
    canonical = [
        {key: row[key] for key in row if key != "canonical"} for row in raw if row["canonical"]
    ]
    assert canonical == rows(whole)


def test_scores_are_columns_of_their_own_kind(tiny_model: Any, whole: Path, tmp_path: Path) -> None:
    from molvae.chem.scoring import score

    write(tmp_path / "parts", tiny_model, plan=plan_scores("qed,hbd,scaffold"))
    found = rows(tmp_path / "parts")
    types = {name: str(kind) for name, kind in zip(*_columns(tmp_path / "parts"), strict=True)}
    assert {name: types[name] for name in ("QED", "HBD", "Scaffold")} == {
        "QED": "double",
        "HBD": "int64",
        "Scaffold": "string",
    }
    assert [row["draw"] for row in found] == [row["draw"] for row in rows(whole)]
    table = score([row["smiles"] for row in found], ["hbd", "scaffold"], workers=1)
    assert [row["HBD"] for row in found] == table["HBD"].tolist()
    assert [row["Scaffold"] for row in found] == table["Scaffold"].tolist()


def _columns(folder: Path) -> tuple[list[str], list[Any]]:
    schema = parquet.read_schema(folder / "part-000000.parquet")
    return schema.names, schema.types


def test_a_part_of_which_nothing_is_left_is_there_all_the_same(
    tiny_model: Any, whole: Path, tmp_path: Path
) -> None:
    everything = BloomFilter(np.full(8, 255, np.uint8), 7, 1)
    write(tmp_path / "parts", tiny_model, known=everything)
    assert len(parts_of(tmp_path / "parts")) == 5
    assert rows(tmp_path / "parts") == []
    assert _columns(tmp_path / "parts") == _columns(whole)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"smiles\nCCO\n"])
def test_a_damaged_part_is_named_and_what_to_do(
    tiny_model: Any, tmp_path: Path, content: bytes
) -> None:
    write(tmp_path / "parts", tiny_model, 200)
    (tmp_path / "parts" / "part-000001.parquet").write_bytes(content)
    with pytest.raises(
        InputError, match=r"part-000001\.parquet: is not a readable part of samples; remove it"
    ):
        write(tmp_path / "parts", tiny_model)


def test_a_parquet_file_of_something_else_is_no_part(tiny_model: Any, tmp_path: Path) -> None:
    import pyarrow

    (tmp_path / "parts").mkdir()
    parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "parts" / "part-000000.parquet")
    with pytest.raises(InputError, match=r"part-000000\.parquet: is not a part of samples"):
        write(tmp_path / "parts", tiny_model)


def test_without_pyarrow_it_is_said_how_to_install_it(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'molvae\[parquet\]'"):
        notes_of(whole / "part-000000.parquet")
