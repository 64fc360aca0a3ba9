"""Laws of `molvae export`: a folder to give away, made whole or not at all, that every verb
takes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


def test_what_is_exported_is_a_model_and_tells_what_it_is(
    molvae: Any, tiny_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "words.md").write_text("Words of *mine*.\n")
    folder = tmp_path / "mine"
    code, out, err = molvae(
        "export", tiny_run, "-o", folder, "--licence", "CC0", "--card", tmp_path / "words.md"
    )
    assert (code, out) == (0, "")
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert f"Done: {folder}, {size / 1e6:.1f} MB (molvae info {folder}/)" in err
    code, text, err = molvae("info", folder)
    assert (code, err) == (0, "")
    card = (folder / "README.md").read_text().split("---\n\n", 1)[1]
    assert text.endswith(card)
    assert "\nexported\n  licence                CC0\n" in text
    described = json.loads(molvae("info", folder, "--json").out)
    assert described["card"] == card
    assert "Words of *mine*." in described["card"]
    assert len(molvae("sample", "-m", folder, "-n", 5).rows) == 6


def test_an_exported_training_cannot_be_gone_on_with(
    molvae: Any, tiny_run: Path, molecules_csv: Path, tmp_path: Path
) -> None:
    assert molvae("export", tiny_run, "-o", tmp_path / "mine").code == 0
    code, _, err = molvae("train", molecules_csv, "-o", tmp_path / "mine", "--resume")
    assert code == 2
    assert "there is no training to resume" in err


@pytest.mark.parametrize(
    ("args", "expected", "said"),
    [
        (["RUN"], 2, "Missing option '-o'"),
        (["RUN", "-o", "there"], 2, "already exists"),
        (["RUN", "-o", "words.md/model"], 2, "is not a folder"),
        (["RUN", "-o", "new", "--card", "nowhere.md"], 1, "nowhere.md: cannot be read"),
        (["RUN", "-o", "new", "--card", "binary.md"], 1, "binary.md: is not text in UTF-8"),
        (["nowhere", "-o", "new"], 1, "nowhere: there is no such model folder"),
        (["there", "-o", "new"], 1, "there: not a molvae model"),
        (["-o", "new"], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_exported_is_told_and_leaves_nothing(
    molvae: Any,
    tiny_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    expected: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("words.md").write_text("words")
    Path("binary.md").write_bytes(b"\xff\xfe")
    code, out, err = molvae("export", *(tiny_run if arg == "RUN" else arg for arg in args))
    assert (code, out) == (expected, "")
    assert said in err
    assert sorted(os.listdir()) == ["binary.md", "there", "words.md"]


def test_a_card_cannot_steer_the_terminal(molvae: Any, tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "words.md").write_text("before\x1b[2J\rafter\u202e\n")
    assert (
        molvae("export", tiny_run, "-o", tmp_path / "mine", "--card", tmp_path / "words.md").code
        == 0
    )
    text = molvae("info", tmp_path / "mine").out
    assert "before\\x1b[2J\\rafter\\u202e\n" in text
    assert not set("\x1b\r\u202e") & set(text)
