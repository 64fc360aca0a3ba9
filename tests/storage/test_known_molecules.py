"""A model never forgets a molecule it knows; how often it mistakes another for one is what it
says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save as save_arrays

from molvae.chem.molecule import smiles_hash
from molvae.errors import ModelError
from molvae.storage import known_molecules
from molvae.storage.known_molecules import (
    BITS,
    BloomFilter,
    SortedHashes,
    from_bytes,
    to_bytes,
)


def hashes(count: int, seed: int = 0) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


@pytest.mark.parametrize("count", [0, 1, 2, 100, 65_535, 200_000])
def test_what_is_held_is_always_known_in_either_form(count: int) -> None:
    held = hashes(count)
    assert BloomFilter.of(held).contains(held).all()
    assert SortedHashes(np.sort(held)).contains(held).all()
    assert BloomFilter.of(held).molecules == count


# Among them sizes whose number of bits divides 2**32 - 1 or is a power of two but for a small
# factor.
@pytest.mark.parametrize("count", [13_107 * 4, 52_428, 6_553, 65_536, 100_000, 419_430])
def test_the_false_positive_rate_is_as_measured(count: int) -> None:
    held = BloomFilter.of(hashes(count))
    mistaken = float(held.contains(hashes(400_000, seed=1)).mean())
    assert 0.007 < mistaken < 0.01
    assert held.false_positive_rate == pytest.approx(mistaken, rel=0.1)


def test_hashes_that_differ_in_few_bits_are_distinguished() -> None:
    held = BloomFilter.of(np.arange(50_000, dtype=np.uint64))
    others = np.arange(50_000, 450_000, dtype=np.uint64)
    for other in (others, others << np.uint64(32)):
        assert float(held.contains(other).mean()) < 0.02


def test_sorted_hashes_are_never_mistaken() -> None:
    held = np.sort(hashes(10_000))
    exact = SortedHashes(held)
    others = np.concatenate(
        [held + np.uint64(1), hashes(10_000, seed=1), np.array([0, 2**64 - 1], dtype=np.uint64)]
    )
    np.testing.assert_array_equal(exact.contains(others), np.isin(others, held))
    assert not SortedHashes(held[:0]).contains(others).any()


@pytest.mark.parametrize("form", [BloomFilter.of, SortedHashes])
def test_nothing_is_known_where_nothing_was_seen(form: Any) -> None:
    assert not form(hashes(0)).contains(hashes(200)).any()


def test_a_filter_is_a_sixth_of_the_hashes() -> None:
    held = np.sort(hashes(100_000))
    exact, filtered = (len(to_bytes(form)) for form in (SortedHashes(held), BloomFilter.of(held)))
    assert filtered < BITS * len(held) / 8 + 500
    assert 6 < exact / filtered < 6.5


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_how_many_are_looked_at_together_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    held, others = hashes(500), hashes(2_000, seed=1)
    whole = BloomFilter.of(held)
    answers = whole.contains(others)
    monkeypatch.setattr(known_molecules, "CHUNK", chunk)
    assert to_bytes(BloomFilter.of(held)) == to_bytes(whole)
    np.testing.assert_array_equal(whole.contains(others), answers)


def test_the_bits_of_a_molecule_are_those_of_shipped_filters() -> None:
    # Were they to change, every filter that was ever written would answer at random.
    number = np.array([smiles_hash("CCO")], dtype=np.uint64)
    assert known_molecules.places(number, 7, 15_846_632)[:, 0].tolist() == [
        *(15_488_517, 11_681_560, 7_874_603, 4_067_646, 260_689, 12_300_364, 8_493_407)
    ]
    assert BloomFilter.of(number, bits=64).bits.tolist() == [1, 16, 8, 128, 64, 32, 0, 2]


@pytest.mark.parametrize("form", [BloomFilter.of, SortedHashes])
@pytest.mark.parametrize("count", [1, 3_000])
def test_what_was_written_is_read(form: Any, count: int) -> None:
    before = form(np.sort(hashes(count)))
    after = from_bytes(to_bytes(before), "known.safetensors")
    assert type(after) is type(before)
    assert to_bytes(after) == to_bytes(before)


@pytest.mark.parametrize("form", [BloomFilter.of, SortedHashes])
def test_a_file_of_no_molecule_is_refused(form: Any) -> None:
    with pytest.raises(ModelError, match=r"known\.safetensors: holds n"):
        from_bytes(to_bytes(form(hashes(0))), "known.safetensors")


BLOOM = {"bloom": np.ones(5, np.uint8), "probes": np.array([7]), "molecules": np.array([4])}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04\x95\x00.",
        save_arrays({}),
        save_arrays({"hashes": np.array([[1, 2]])}),
        save_arrays({"hashes": np.array([2, 1])}),
        save_arrays({"hashes": np.array([1.0, 2.0])}),
        save_arrays({"hashes": np.array([1, 2]), "more": np.array([1])}),
        save_arrays(BLOOM | {"bloom": np.ones(0, np.uint8)}),
        save_arrays(BLOOM | {"bloom": np.ones(5, np.int64)}),
        save_arrays(BLOOM | {"probes": np.array([0])}),
        save_arrays(BLOOM | {"probes": np.array([10**9])}),
        save_arrays(BLOOM | {"probes": np.array([7, 7])}),
        save_arrays(BLOOM | {"molecules": np.array([-1])}),
        save_arrays({"bloom": BLOOM["bloom"]}),
    ],
)
def test_what_is_neither_is_refused(content: bytes) -> None:
    found = from_bytes(save_arrays(BLOOM), "known.safetensors")
    assert isinstance(found, BloomFilter)
    assert found.molecules == 4
    with pytest.raises(ModelError, match=r"known\.safetensors: "):
        from_bytes(content, "known.safetensors")
