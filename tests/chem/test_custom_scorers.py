"""Scorers of the user's: found, named, loaded once, and never the end of a run."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from rdkit import Chem

from molvae.chem.custom_scorers import call_scorer, load_scorer, scorer_name, settle_scorer
from molvae.errors import UsageError
from molvae.runtime.signals import Stopped, answered

ETHANOL = Chem.MolFromSmiles("CCO")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(
        "RUNS = []\nRUNS.append(1)\ndef atoms(mol):\n    return mol.GetNumAtoms()\nlimit = 3\n"
    )
    return path


def test_a_function_of_a_file_is_loaded_once_by_any_path(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine.parent)
    settled = settle_scorer("mine.py:atoms")
    assert settled == f"{mine}:atoms"
    assert load_scorer(settled) is load_scorer(settle_scorer(f"{mine}:atoms"))
    assert call_scorer(load_scorer(settled), ETHANOL) == (3.0, "")


def test_a_column_is_named_after_the_function() -> None:
    assert scorer_name("a/b.py:value") == "value"
    assert scorer_name(len) == "len"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("atoms", "file.py:function"),
        ("{}:", "file.py:function"),
        ("nowhere.py:atoms", "there is no file"),
        ("{}:atom", "it has atoms"),
        ("{}:limit", "is a int, not a function"),
    ],
)
def test_a_scorer_that_cannot_be_is_refused(mine: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        settle_scorer(text.format(mine))


def test_a_file_that_cannot_be_run_is_refused_by_its_error(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("raise SystemExit('no licence')\n")
    with pytest.raises(UsageError, match="SystemExit: no licence"):
        settle_scorer(f"{tmp_path / 'bad.py'}:f")


def fails(mol: Any) -> float:
    raise RuntimeError("  broken\n model ")


class UnprintableError(Exception):
    """An error that says nothing but another error."""

    def __str__(self) -> str:
        raise SystemExit("while printing")

    __repr__ = __str__


def raising(error: BaseException) -> Any:
    """A scorer that raises ``error``."""

    def scorer(mol: Any) -> float:
        raise error

    return scorer


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (BaseException("odd"), "BaseException: odd"),
        (UnprintableError(), "UnprintableError"),
    ],
)
def test_whatever_a_scorer_raises_is_a_reason(error: BaseException, said: str) -> None:
    with answered(lambda *_: None):
        assert call_scorer(raising(error), ETHANOL) == (None, said)


@pytest.mark.parametrize("error", [Stopped(signal.SIGTERM), KeyboardInterrupt()])
def test_what_stops_the_command_is_no_reason(error: BaseException) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(type(error)):
            call_scorer(raising(error), ETHANOL)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (fails, "RuntimeError: broken model"),
        (lambda mol: "high", "returned 'high', not a number"),
        (lambda mol: None, "returned None, not a number"),
        (lambda mol: float("nan"), "returned nan"),
    ],
)
def test_what_is_no_number_is_a_reason(function: Any, said: str) -> None:
    assert call_scorer(function, ETHANOL) == (None, said)


def test_a_scorer_gets_a_molecule_of_its_own() -> None:
    def spoil(mol: Chem.Mol) -> float:
        mol.GetAtomWithIdx(0).SetAtomicNum(7)
        return 1.0

    assert call_scorer(spoil, ETHANOL) == (1.0, "")
    assert Chem.MolToSmiles(ETHANOL) == "CCO"
