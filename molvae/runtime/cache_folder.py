"""The folder of the user's caches, where the system keeps such things."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def user_cache_folder(name: str) -> Path | None:
    """The folder ``name`` among molvae's caches, not made yet; None for a user without a home.

    On Linux it lies in ``XDG_CACHE_HOME`` or ``~/.cache``, on macOS in ``~/Library/Caches``, on
    Windows in ``%LOCALAPPDATA%``.
    """
    try:
        folder = platformdirs.user_cache_path("molvae", appauthor=False)
    except (OSError, RuntimeError):
        return None
    return folder / name if folder.is_absolute() else None
