"""A prepared data set keeps what it was given, and its batches depend on nothing but data, seed and
epoch.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save as save_arrays

from molvae.chem.molecule import smiles_hash
from molvae.datasets.dataset import Dataset, pack
from molvae.errors import InputError
from molvae.generation.reader import molecules_of
from molvae.language.vocabulary import END, Vocabulary
from molvae.runtime.atomic_folder import FORMAT, MANIFEST, commit_folder

VOCABULARY = Vocabulary(("[C]", "[N]", "[O]"), ((1, 1),), {"C": 4, "N": 3, "O": 2, "?": 8})
LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=15)


def some_dataset(lengths: list[int], held_out: int = 0) -> Dataset:
    """Molecules of these lengths, the last few held out."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1, len(VOCABULARY), sum(lengths)).astype(np.uint16)
    validation = np.arange(len(lengths)) >= len(lengths) - held_out
    hashes = rng.integers(0, 2**63, len(lengths)).astype(np.uint64)
    return Dataset(
        VOCABULARY, ids, np.array(lengths, np.int32), hashes, validation, {"rows": len(lengths)}
    )


def molecule(dataset: Dataset, row: int) -> list[int]:
    return dataset.ids[dataset.offsets[row] : dataset.offsets[row + 1]].tolist()  # type: ignore[no-any-return]


def unpack(packed: np.ndarray[Any, Any], sizes: list[int]) -> list[list[int]]:
    """The sequences of a packed array, written out the slow way."""
    sequences: list[list[int]] = [[] for _ in range(sizes[0] if sizes else 0)]
    start = 0
    for alive in sizes:
        for place in range(alive):
            sequences[place].append(int(packed[start + place]))
        start += alive
    return sequences


@given(LENGTHS, st.randoms(use_true_random=False))
def test_a_batch_holds_molecules_forwards_backwards_and_shifted(
    lengths: list[int], random: Any
) -> None:
    dataset = some_dataset(lengths)
    rows = np.array(random.sample(range(len(lengths)), random.randint(1, len(lengths))))
    batch = dataset.batch(rows)
    wanted = [molecule(dataset, row) for row in rows[batch.order]]
    assert sorted(batch.order.tolist()) == list(range(len(rows)))
    assert len(batch) == len(rows)
    assert batch.sizes == sorted(batch.sizes, reverse=True)
    assert sum(batch.sizes) == len(batch.inputs) == len(batch.targets)
    assert unpack(batch.inputs, batch.sizes) == [[END, *ids] for ids in wanted]
    assert unpack(batch.targets, batch.sizes) == [[*ids, END] for ids in wanted]
    assert unpack(batch.reversed_inputs, batch.sizes[1:]) == [ids[::-1] for ids in wanted]


@given(LENGTHS)
def test_prefix_features_in_a_batch_are_those_of_one_molecule(
    lengths: list[int],
) -> None:
    dataset = some_dataset(lengths)
    rows = np.arange(len(lengths))
    batch = dataset.batch(rows, grammar="rings")
    assert batch.grammar is not None
    start = 0
    alone = [dataset.batch(rows[row : row + 1], grammar="rings").grammar for row in batch.order]
    for step, alive in enumerate(batch.sizes):
        for place in range(alive):
            assert np.array_equal(batch.grammar[start + place], alone[place][step])  # type: ignore[index]
        start += alive


@given(LENGTHS, st.integers(1, 20), st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_has_every_training_row_once(
    lengths: list[int], size: int, seed: int, epoch: int
) -> None:
    dataset = some_dataset(lengths, held_out=len(lengths) // 3)
    batches = dataset.epoch(seed, epoch, size)
    assert sorted(np.concatenate(batches).tolist()) == dataset.training_rows.tolist()
    assert all(len(batch) == size for batch in batches[:-1])
    assert 0 < len(batches[-1]) <= size


def order(dataset: Dataset, seed: int, epoch: int) -> list[int]:
    return np.concatenate(dataset.epoch(seed, epoch, 8)).tolist()  # type: ignore[no-any-return]


def test_the_batches_are_a_function_of_seed_and_epoch_alone() -> None:
    dataset = some_dataset([3] * 50)
    first = order(dataset, 0, 0)
    np.random.seed(5)
    order(dataset, 3, 2)
    assert order(some_dataset([3] * 50), 0, 0) == first
    assert (
        len({tuple(order(dataset, seed, epoch)) for seed in range(3) for epoch in range(4)}) == 12
    )


def test_training_and_validation_rows_partition_all_rows() -> None:
    dataset = some_dataset([2] * 20, held_out=6)
    assert sorted([*dataset.training_rows, *dataset.validation_rows]) == list(range(20))
    assert len(dataset.validation_rows) == 6


def test_a_data_set_survives_its_folder(tmp_path: Path) -> None:
    dataset = some_dataset([1, 5, 3], held_out=1)
    dataset.save(tmp_path / "prepared", rejected="source,line\n")
    again = Dataset.load(tmp_path / "prepared")
    for name in ("ids", "lengths", "hashes", "validation"):
        assert np.array_equal(getattr(again, name), getattr(dataset, name))
        assert getattr(again, name).dtype == getattr(dataset, name).dtype
    assert (again.vocabulary, again.report, again.fingerprint) == (
        dataset.vocabulary,
        dataset.report,
        dataset.fingerprint,
    )
    assert (tmp_path / "prepared" / "rejected.csv").read_text() == "source,line\n"


def test_the_fingerprint_changes_with_anything_training_reads() -> None:
    dataset = some_dataset([1, 5, 3], held_out=1)
    ids = dataset.ids.copy()
    ids[0] = ids[0] % 3 + 1
    others = [
        replace(dataset, ids=ids),
        replace(dataset, lengths=np.array([2, 4, 3], np.int32)),
        replace(dataset, validation=~dataset.validation),
        replace(dataset, vocabulary=replace(VOCABULARY, merges=((1, 2),))),
        replace(
            dataset, vocabulary=replace(VOCABULARY, constraints=VOCABULARY.constraints | {"N": 4})
        ),
    ]
    assert len({one.fingerprint for one in [dataset, *others]}) == 1 + len(others)
    assert replace(dataset, report={}).fingerprint == dataset.fingerprint


GOOD: dict[str, np.ndarray[Any, Any]] = {
    "ids": np.array([1, 2, 3], np.uint16),
    "lengths": np.array([1, 2], np.int32),
    "hashes": np.array([7, 8], np.uint64),
    "validation": np.array([0, 1], np.uint8),
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ids": None}, "lacks the array ids"),
        ({"hashes": None}, "lacks the array hashes"),
        ({"ids": np.array([1, 2, 99], np.uint16)}, "do not fit its vocabulary"),
        ({"ids": np.array([1, 0, 3], np.uint16)}, "do not fit its vocabulary"),
        ({"ids": np.array([1, 2], np.uint16)}, "do not fit the lengths"),
        ({"ids": np.array([1.0, 2, 3])}, "lacks the array ids of uint16"),
        ({"lengths": np.array([-1, 4], np.int32)}, "do not fit the lengths"),
        ({"lengths": np.array([0, 3], np.int32)}, "do not fit the lengths"),
        ({"lengths": np.array([[1, 2]], np.int32)}, "lacks the array lengths"),
        ({"validation": np.array([0], np.uint8)}, "not of one length"),
        ({"hashes": np.array([7, 8, 9], np.uint64)}, "not of one length"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    arrays = {name: array for name, array in (GOOD | change).items() if array is not None}
    files = {
        "arrays.safetensors": save_arrays(arrays),
        "vocabulary.json": json.dumps(VOCABULARY.to_json()).encode(),
        "report.json": b"{}",
    }
    commit_folder(tmp_path / "prepared", files, kind="dataset")
    with pytest.raises(InputError, match="not a prepared data set") as caught:
        Dataset.load(tmp_path / "prepared")
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["arrays.safetensors", "vocabulary.json", "report.json", MANIFEST])
def test_a_damaged_data_set_is_refused(tmp_path: Path, name: str) -> None:
    some_dataset([1, 5, 3]).save(tmp_path / "prepared")
    path = tmp_path / "prepared" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="not a prepared data set"):
        Dataset.load(tmp_path / "prepared")


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match="not a prepared data set"):
            Dataset.load(path)


def test_a_data_set_of_format_1_still_loads() -> None:
    # Prepared by version 0.1.0, from 40 molecules with another spelling each.
    dataset = Dataset.load(Path(__file__).parent / "prepared")
    assert dataset.fingerprint == (
        "0b3436d578e85938fc673ad2ce519a555133c94fa9fa5298f658e9b648540c13"
    )
    assert (len(dataset), dataset.spellings) == (40, 1)
    vocabulary = dataset.vocabulary
    for row, number in enumerate(dataset.hashes.tolist()):
        (found,) = molecules_of([(molecule(dataset, row), 0.0)], vocabulary)
        assert smiles_hash(found.smiles) == number


def test_a_data_set_of_a_newer_format_is_refused_in_words(tmp_path: Path) -> None:
    some_dataset([3, 2]).save(tmp_path / "data")
    manifest = json.loads((tmp_path / "data" / MANIFEST).read_text())
    (tmp_path / "data" / MANIFEST).write_text(json.dumps(manifest | {"version": FORMAT + 1}))
    with pytest.raises(InputError, match=r"a newer version of molvae.*: upgrade molvae"):
        Dataset.load(tmp_path / "data")


def test_packing_takes_rows_in_any_order_and_more_than_once() -> None:
    ids, offsets = np.array([1, 2, 3], np.uint16), np.array([0, 1, 3])
    batch = pack(ids, offsets, np.array([0, 1, 0]), some_dataset([3]).vocabulary, "none")
    assert unpack(batch.targets, batch.sizes) == [[2, 3, END], [1, END], [1, END]]
