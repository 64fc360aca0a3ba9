"""The cache of reference statistics: the same figures, known by content, never trusted when
damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from molvae.evaluation import reference_statistics
from molvae.evaluation.reference_statistics import (
    ReferenceSet,
    content_key,
    reference_set,
    typical_sample,
)
from molvae.evaluation.set_statistics import DescribedSet, describe_set

SMILES = ["CCO", "c1ccccc1O", "CC(=O)Nc1ccc(O)cc1", "Cc1ccccc1Cc1ccccc1", "CCN(CC)CC", "not one"]


@pytest.fixture
def count_describing(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for every time a set is described anew."""
    calls: list[int] = []

    def counted(smiles: Sequence[str], workers: int = 1, filters: bool = True) -> DescribedSet:
        calls.append(len(smiles))
        return describe_set(smiles, workers, filters)

    monkeypatch.setattr(reference_statistics, "describe_set", counted)
    return calls


def equal(first: ReferenceSet, second: ReferenceSet) -> bool:
    ours, theirs = first.statistics, second.statistics
    return (
        np.array_equal(ours.fingerprints, theirs.fingerprints)
        and ours.fragments == theirs.fragments
        and ours.scaffolds == theirs.scaffolds
        and all(
            np.array_equal(values, theirs.properties[name])
            for name, values in ours.properties.items()
        )
        and np.array_equal(first.profile, second.profile)
        and (first.moments is None) == (second.moments is None)
        and (
            first.moments is None
            or second.moments is None
            or np.array_equal(first.moments.covariance, second.moments.covariance)
        )
    )


@pytest.mark.usefixtures("fake_chemnet")
def test_what_is_read_back_is_what_was_computed(
    tmp_path: Path, count_describing: list[int]
) -> None:
    computed = reference_set(SMILES, cache_folder=tmp_path / "new")
    read = reference_set(list(reversed(SMILES)), cache_folder=tmp_path / "new")
    assert equal(computed, read)
    assert equal(computed, reference_set(SMILES))
    assert len(count_describing) == 2, "once for the cache, once without a cache"


def test_other_content_is_computed_anew(tmp_path: Path, count_describing: list[int]) -> None:
    reference_set(SMILES, cache_folder=tmp_path, fcd=False)
    reference_set([*SMILES, "CCC"], cache_folder=tmp_path, fcd=False)
    assert len(count_describing) == 2
    assert content_key(SMILES) != content_key([*SMILES, SMILES[0]]), "repetitions count"


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", b"not an archive"])
@pytest.mark.usefixtures("fake_chemnet")
def test_a_damaged_file_is_computed_and_written_again(
    tmp_path: Path, count_describing: list[int], damage: bytes
) -> None:
    computed = reference_set(SMILES, cache_folder=tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(damage)
    assert equal(reference_set(SMILES, cache_folder=tmp_path), computed)
    assert equal(reference_set(SMILES, cache_folder=tmp_path), computed)
    assert len(count_describing) == 2


def test_arrays_of_the_wrong_shape_are_not_believed(
    tmp_path: Path, count_describing: list[int]
) -> None:
    reference_set(SMILES, cache_folder=tmp_path, fcd=False)
    (path,) = tmp_path.iterdir()
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(path, **{**arrays, "fingerprints": arrays["fingerprints"][:, :8]})
    reference_set(SMILES, cache_folder=tmp_path, fcd=False)
    assert len(count_describing) == 2


@pytest.mark.usefixtures("fake_chemnet")
def test_moments_are_added_to_statistics_that_were_made_without(tmp_path: Path) -> None:
    assert reference_set(SMILES, cache_folder=tmp_path, fcd=False).moments is None
    added = reference_set(SMILES, cache_folder=tmp_path).moments
    assert added is not None
    assert added.count == 5


@pytest.mark.parametrize("smiles", [[], ["not one"], ["CCO"], ["C"] * 5])
def test_tiny_sets_have_statistics_and_no_moments(tmp_path: Path, smiles: list[str]) -> None:
    computed = reference_set(smiles, cache_folder=tmp_path)
    assert computed.moments is None
    assert equal(computed, reference_set(smiles, cache_folder=tmp_path))


def test_the_typical_sample_does_not_depend_on_the_order() -> None:
    many = ["C" * length + "O" for length in range(1, 60)]
    assert typical_sample(many, 10) == typical_sample(many[::-1] + many, 10)
    assert len(typical_sample(many, 10)) == 10
    assert set(typical_sample(many)) == set(many)
