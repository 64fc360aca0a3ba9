"""The words and figures of a model's card."""

from __future__ import annotations

from pathlib import Path

import pytest

from molvae.errors import InputError
from molvae.storage.model_card import LONGEST, origin, reached, read_words


def test_words_are_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    for content in ("Gründe.".encode(), "\ufeffGründe.".encode()):
        (tmp_path / "words.md").write_bytes(content)
        assert read_words(tmp_path / "words.md") == "Gründe."


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\xfe", "not text in UTF-8"), (b"a" * (LONGEST + 1), "larger than 100,000 bytes")],
)
def test_words_that_cannot_be_used_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "words.md").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_words(tmp_path / "words.md")
    with pytest.raises(InputError, match="cannot be read"):
        read_words(tmp_path / "none.md")


def test_figures_that_are_missing_are_left_out() -> None:
    assert reached({}) == {"training, its last run": ""}
    rows = reached({"epoch": "5", "seconds": "125", "validation_active_units": "128"})
    assert rows == {
        "training, its last run": "5 epochs, 2 minutes",
        "active latent dimensions": "128",
    }


def test_the_origin_is_one_line_a_fact() -> None:
    info = {
        "molecules": 1234,
        "data": {"sources": [{"name": "a.csv", "rows": 2000}]},
        "versions": {"python": "3.11", "torch": "2.13"},
        "exported": {"licence": "MIT,\n as it is"},
    }
    assert origin(info) == {
        "trained on": "a.csv (2,000 rows)",
        "molecules trained on": "1,234",
        "licence": "MIT, as it is",
        "made with": "python 3.11, torch 2.13",
    }
