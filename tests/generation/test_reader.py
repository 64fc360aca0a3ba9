"""Molecules that a model can read become symbols; else there is a reason, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from molvae.errors import MoleculeError
from molvae.generation.codec import Codec
from molvae.generation.reader import TOO_LONG, UNKNOWN, read_all
from molvae.storage import model_folder


def test_an_unknown_symbol_is_named_with_the_model(tiny_model: Codec, tiny_run: Path) -> None:
    with pytest.raises(MoleculeError) as caught:
        tiny_model.encode(["CCOc1ccccc1", "C[Si](C)(C)C[Se]C"])
    assert caught.value.reason == UNKNOWN
    assert "[Se], [Si] never occurred in training" in str(caught.value)
    assert str(tiny_run) in str(caught.value)
    assert "C[Si](C)(C)C[Se]C" in str(caught.value)


def test_a_molecule_longer_than_the_model_writes_is_refused(tiny_model: Codec) -> None:
    with pytest.raises(MoleculeError) as caught:
        tiny_model.encode(["CN(C)" + "C(=O)N" * 25 + "C"])
    assert caught.value.reason == TOO_LONG
    assert f"writes {tiny_model.model.max_steps - 1} at most" in str(caught.value)


@pytest.mark.parametrize("smiles", ["", "C(", "C*", "CC\nO", "not a molecule", "[Na+].[Cl-]"])
def test_what_is_no_molecule_is_refused(tiny_model: Codec, smiles: str) -> None:
    with pytest.raises(MoleculeError):
        tiny_model.encode([smiles])


@pytest.mark.parametrize(
    ("knows", "words"),
    [
        (("druglike",), "the shipped model druglike knows all of this molecule (-m druglike)"),
        ((), "molvae train --from, on molecules that have it, adds it to the model"),
    ],
)
def test_what_can_be_done_about_an_unknown_symbol_is_said(
    tiny_model: Codec, monkeypatch: pytest.MonkeyPatch, knows: tuple[str, ...], words: str
) -> None:
    monkeypatch.setattr(model_folder, "who_reads", lambda symbols: knows)
    with pytest.raises(MoleculeError) as caught:
        tiny_model.encode(["CC[Se]C"])
    assert caught.value.detail.endswith(words)


def test_shipped_models_are_asked_for_all_symbols_of_a_molecule() -> None:
    for name in model_folder.who_reads(["[C]", "[N]"]):
        assert name not in model_folder.who_reads(["[C]", "[Xe]"])


def test_workers_change_nothing(memorised: Any, few: list[str]) -> None:
    molecules = [*few, "C[Xe]", "not a molecule"] * 8
    alone, shared = (read_all(memorised.reader, molecules, workers) for workers in (1, 2))
    assert [str(one) for one in alone] == [str(one) for one in shared]
