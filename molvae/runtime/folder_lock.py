"""Keep a folder to one process at a time; the lock ends with the process, however that ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import TrainingError
from .bounded_files import read_bounded

LOCK = "run.lock"
HOLDER = "run.pid"
"""Names the process that holds the lock: on Windows nobody else can read the locked file itself."""


@contextmanager
def locked_folder(path: Path) -> Iterator[None]:
    """Hold the folder ``path`` of a training; TrainingError, which names the holder, at once where
    another process, or this one, does.

    It may be released by another thread than the one that took it.
    """
    lock = FileLock(path / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        try:
            holder = read_bounded(path / HOLDER, 1000).decode("utf-8", errors="replace").strip()
        except OSError:  # it has taken the lock and not yet written its name
            holder = "a process"
        raise TrainingError(f"{path}: another training is using it ({holder})") from None
    try:
        (path / HOLDER).write_text(f"process {os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        lock.release()
