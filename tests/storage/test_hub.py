"""Models of the Hub are fetched by the package huggingface_hub; here from its cache alone."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

import molvae
from molvae.errors import ModelError, UsageError
from molvae.storage import hub, pretrained
from molvae.storage.export import export_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cached(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of ``hf:someone/tiny`` in the cache of a machine that is offline."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "hub" / "models--someone--tiny"
    exported = export_model(tiny_run, tmp_path / "exported")
    folder = Path(shutil.copytree(exported, repository / "snapshots" / COMMIT))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    return folder


def test_a_model_is_loaded_by_its_name(cached: Path) -> None:
    model = molvae.load("hf:someone/tiny")
    assert model.path == cached
    assert len(model.sample(3)) == 3
    assert pretrained.find(f"hf:someone/tiny@{COMMIT}") == cached


def test_a_model_of_the_hub_is_verified_too(cached: Path) -> None:
    content = (cached / "model.safetensors").read_bytes()
    (cached / "model.safetensors").write_bytes(content[:-1] + b"x")
    with pytest.raises(ModelError, match=r"model\.safetensors: damaged"):
        molvae.load("hf:someone/tiny")


def test_only_files_of_a_model_are_asked_for(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def snapshot(repository: str, **options: Any) -> str:
        asked.update(options, repository=repository)
        return str(cached)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert hub.fetch("hf:someone/tiny@v2") == cached
    assert (asked["repository"], asked["revision"]) == ("someone/tiny", "v2")
    for path in cached.iterdir():
        assert any(path.match(pattern) for pattern in asked["allow_patterns"])
    assert not any(Path("model.pkl").match(pattern) for pattern in asked["allow_patterns"])


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("hf:someone/other", ModelError, "cannot be had from the Hub"),
        ("hf:someone/tiny@v2", ModelError, "cannot be had from the Hub"),
        ("hf:tiny", UsageError, "is named hf:owner/name"),
        ("hf:../../tiny", UsageError, "is named hf:owner/name"),
        ("hf:some one/tiny", UsageError, "some one"),
    ],
)
def test_what_cannot_be_had_is_said(
    cached: Path, name: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        molvae.load(name)


def test_without_the_extra_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match="with its extra hub"):
        molvae.load("hf:someone/tiny")


def test_a_path_never_means_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "fetch", lambda name: pytest.fail(f"{name} was fetched"))
    for path in (Path("hf:someone/tiny"), "./hf:someone/tiny", "someone/tiny"):
        assert pretrained.find(path) == Path(path)
