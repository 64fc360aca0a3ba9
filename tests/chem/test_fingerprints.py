"""Packed fingerprints and blocked Tanimoto similarities, against the plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from molvae.chem import fingerprints
from molvae.chem.fingerprints import (
    LEVELS,
    Fingerprints,
    count_features,
    count_similarity,
    fingerprint_of_text,
    mean_similarities,
    nearest_other_similarity,
    nearest_similarity,
    packed_fingerprint,
)

SMILES = ["CCO", "c1ccccc1", "CC(=O)Nc1ccc(O)cc1", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CCN(CC)CC", "OCC"]
MOLS = [Chem.MolFromSmiles(text) for text in SMILES]


def random_bits(seed: int, n: int, words: int = 16) -> Fingerprints:
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**64, (n, words), dtype=np.uint64, endpoint=False)
    return bits & rng.integers(0, 2**64, (n, words), dtype=np.uint64, endpoint=False)


def plain_tanimoto(first: Fingerprints, second: Fingerprints) -> np.ndarray:
    common = np.bitwise_count(first[:, None] & second[None]).sum(2, dtype=np.int64)
    union = np.bitwise_count(first[:, None] | second[None]).sum(2, dtype=np.int64)
    return np.where(union == 0, 1.0, common / np.maximum(union, 1))


@pytest.mark.parametrize("bits", [1024, 4096])
def test_similarities_are_those_of_rdkit(bits: int) -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=bits)
    theirs = [generator.GetFingerprint(mol) for mol in MOLS]
    expected = [DataStructs.BulkTanimotoSimilarity(theirs[0], [other])[0] for other in theirs]
    ours = np.stack([packed_fingerprint(mol, bits) for mol in MOLS])
    got = [float(nearest_similarity(ours[:1], ours[[at]])[0]) for at in range(len(MOLS))]
    assert got == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    "smiles",
    [
        *SMILES,
        "C[C@H](N)C(=O)[O-]",
        "[H]/N=C(\\C)c1ccc[nH]1",
        "[2H]C([2H])([2H])O",
        "C[n+]1ccccc1",
        "O=c1cc[nH]c2ccccc12",
        "CP(=O)(O)O",
        "CS(=O)(=O)c1ccc2c(c1)OCO2",
        "C1CC2CCC1CC2",
        "c1ccc(-c2ccccc2)cc1",
        "C[N+](C)(C)CC(=O)[O-]",
        "O=[N+]([O-])c1cccs1",
    ],
)
def test_the_fingerprint_of_a_text_is_its_molecules(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    for bits in (1024, 2048):
        ours = fingerprint_of_text(Chem.MolToSmiles(mol), bits)
        np.testing.assert_array_equal(ours, packed_fingerprint(mol, bits))


@settings(max_examples=15, deadline=None)
@given(queries=st.integers(0, 600), references=st.integers(1, 1200))
def test_the_nearest_is_the_best_of_all_pairs_whatever_the_sizes(
    queries: int, references: int
) -> None:
    first, second = random_bits(1, queries), random_bits(2, references)
    nearest = nearest_similarity(first, second)
    assert nearest.shape == (queries,)
    np.testing.assert_allclose(nearest, plain_tanimoto(first, second).max(1, initial=0), atol=1e-6)


@pytest.mark.parametrize("block", [(64, 100), (512, 2048), (700, 33)])
def test_a_molecule_is_not_its_own_nearest_other(
    block: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprints, "_QUERIES", block[0])
    monkeypatch.setattr(fingerprints, "_REFERENCES", block[1])
    bits = random_bits(3, 700)
    table = plain_tanimoto(bits, bits)
    np.fill_diagonal(table, 0)
    np.testing.assert_allclose(nearest_other_similarity(bits), table.max(1), atol=1e-6)
    assert nearest_other_similarity(bits[:1]).tolist() == [0]


def test_a_repeated_molecule_is_its_own_nearest_other() -> None:
    assert nearest_other_similarity(np.repeat(random_bits(4, 1), 3, axis=0)).tolist() == [1, 1, 1]


def test_mean_similarities_are_over_all_pairs_with_oneself() -> None:
    bits = random_bits(5, 700)
    table = plain_tanimoto(bits, bits)
    plain, squared = mean_similarities(bits)
    np.testing.assert_allclose(plain, table.mean(1), atol=1e-6)
    np.testing.assert_allclose(squared, (table**2).mean(1), atol=1e-6)


def test_molecules_without_bits_count_as_equal() -> None:
    empty = np.zeros((2, 16), np.uint64)
    assert nearest_similarity(empty, empty).tolist() == [1, 1]
    assert mean_similarities(empty)[0].tolist() == [1, 1]


COUNTED = ["CCO", "c1ccccc1CCN", "CCCCO", "OCC(O)CO", "Clc1ccccc1Cl"]


def test_similarities_of_counts_are_those_of_rdkit_where_small() -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    counts = [generator.GetCountFingerprint(Chem.MolFromSmiles(one)) for one in COUNTED]
    found = count_similarity(count_features(COUNTED), count_features(COUNTED))
    for row, one in enumerate(counts):
        for column, other in enumerate(counts):
            pair = (*one.GetNonzeroElements().values(), *other.GetNonzeroElements().values())
            if max(pair) <= LEVELS:
                expected = DataStructs.TanimotoSimilarity(one, other)
                assert found[row, column] == pytest.approx(expected)


def test_counts_of_nothing_are_like_counts_of_nothing() -> None:
    nothing = np.zeros((1, 8), np.float32)
    assert count_similarity(nothing, nothing) == 1.0
