"""Odd input is refused in words, in small: strings, symbols and files, by hypothesis.

``benchmarks/fuzz.py`` does the same at length."""

from __future__ import annotations

import random
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]
fuzz = SimpleNamespace(**runpy.run_path(str(ROOT / "benchmarks" / "fuzz.py")))
VALID = fuzz.sample_of_molecules()
SOUND = fuzz.files_of(VALID)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32 - 1)


@given(st.text(max_size=80) | st.text(fuzz.ALPHABET, max_size=80))
@FEW
def test_any_text_is_scored_and_read_or_refused(tiny_model: Any, text: str) -> None:
    assert fuzz.problem_of_string(text, tiny_model.reader) == ""


@given(seeds)
@FEW
def test_mutated_molecules_are_read_or_refused(tiny_model: Any, seed: int) -> None:
    symbols = list(tiny_model.vocabulary.plain.symbols)
    _, text = fuzz.a_string(random.Random(seed), VALID, symbols)
    assert fuzz.problem_of_string(text, tiny_model.reader) == ""


@given(seeds)
@FEW
def test_any_symbols_are_a_molecule_or_none(tiny_model: Any, seed: int) -> None:
    assert fuzz.problem_of_ids(random.Random(seed), tiny_model.reader) == ""


@given(seeds)
@settings(FEW, max_examples=10)
def test_any_vector_is_a_molecule_or_refused(tiny_model: Any, seed: int) -> None:
    assert fuzz.problem_of_vectors(random.Random(seed), tiny_model) == ""


@pytest.mark.parametrize("kind", SOUND)
def test_a_spoiled_file_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    assert fuzz.problem_of_file(kind, SOUND[kind], tmp_path) == "", "the sound one"
    chance = random.Random(kind)
    for _ in range(60):
        content = fuzz.spoiled(chance, SOUND[kind])
        assert fuzz.problem_of_file(kind, content, tmp_path) == "", content


def test_the_account_counts_errors_and_slowness(monkeypatch: pytest.MonkeyPatch) -> None:
    account = fuzz.Account()
    account.run("a", "fine", lambda: "")
    account.run("a", "wrong", lambda: "is wrong")
    account.run("b", "raises", lambda: [][0])
    assert account.counts == {"a": 2, "b": 1}
    assert [fault.partition(": ")[2] for fault in account.faults] == [
        "is wrong",
        "IndexError: list index out of range",
    ]
