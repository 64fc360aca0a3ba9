"""Caches lie where the system keeps them, and a user without a home has none."""

from __future__ import annotations

import sys
from pathlib import Path

import platformdirs
import pytest

from molvae.runtime.cache_folder import user_cache_folder


@pytest.mark.skipif(sys.platform != "linux", reason="XDG is the way of Linux")
def test_xdg_cache_home_is_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache_folder("prepared") == tmp_path / "molvae" / "prepared"
    assert list(tmp_path.iterdir()) == [], "asking makes no folder"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache_folder("prepared") == tmp_path / ".cache" / "molvae" / "prepared"


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(*_: object, **__: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(platformdirs, "user_cache_path", homeless)
    assert user_cache_folder("prepared") is None
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: Path("~/.cache/molvae"))
    assert user_cache_folder("prepared") is None
