"""Folders of models, as far as they can be told without weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from molvae.config import Config
from molvae.errors import ModelError
from molvae.language.vocabulary import Vocabulary
from molvae.storage.model_folder import (
    best_name,
    check_info,
    figure,
    metadata_files,
    parsed,
    sources_of,
    steps_of,
)


def test_steps_are_ordered_by_number_and_nothing_else_is_one(tmp_path: Path) -> None:
    for name in ("step-00000009", "step-100000000", "step-00000010", "step-1", "damaged", ".tmp-x"):
        (tmp_path / name).mkdir()
    (tmp_path / "step-00000011").write_text("a file")
    names = [path.name for path in steps_of(tmp_path)]
    assert names == ["step-100000000", "step-00000010", "step-00000009"]


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"step-00000009\n", "step-00000009"), (b"../other", ""), (b"\xff", ""), (None, "")],
)
def test_the_best_is_a_step_or_nothing(tmp_path: Path, content: bytes | None, name: str) -> None:
    if content is not None:
        (tmp_path / "BEST").write_bytes(content)
    assert best_name(tmp_path) == name


@pytest.mark.parametrize(("text", "value"), [("0.5", 0.5), ("", None), (None, None), ("x", None)])
def test_a_figure_is_a_number_or_none(text: Any, value: float | None) -> None:
    assert figure({"a": text}, "a") == value
    assert figure({}, "a") is None


def test_sources_are_named_with_their_rows() -> None:
    sources = [{"name": "a.csv", "rows": 1000}, {"name": "b.smi", "rows": 2}]
    assert sources_of({"data": {"sources": sources}}) == "a.csv (1,000 rows), b.smi (2 rows)"
    assert sources_of({}) == ""


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"metrics": []}, "metrics must be a section"),
        ({"data": {"sources": [{"name": "a"}]}}, "sources must each have"),
        ({"molecules": "many"}, "molecules must be a whole number"),
        ({"exported": {"weights": 1.5}}, "weights must be a whole number"),
        ({"exported": {"licence": 3}}, "licence must be text"),
    ],
)
def test_an_info_of_wrong_types_is_refused(info: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        check_info(info, "model")
    check_info({}, "model")


@pytest.mark.parametrize("ends", [True, False])
def test_the_vocabulary_says_how_branches_are_written(ends: bool) -> None:
    symbols = ["[C]", "[Branch1]", *(["[(]", "[=(]", "[#(]", "[)]"] if ends else [])]
    vocabulary = Vocabulary(tuple(symbols), (), {"?": 4})
    files = metadata_files(Config(), vocabulary, {"max_steps": 9})
    written = json.loads(files["config.json"])
    del written["data"]["branch_ends"]  # as models from before there was this option have it
    config, _, _ = parsed(files | {"config.json": json.dumps(written).encode()}, "model")
    assert config.data.branch_ends is ends
