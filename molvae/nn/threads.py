"""One thread per core, each with its own part of a batch; processes divide the cores among them.

On few cores this beats several cores on one matrix product: no thread waits for another at every
step.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import get_native_id
from typing import Any, TypeVar

import torch

from ..runtime.process_pool import default_workers
from ..runtime.ranks import world

Part = TypeVar("Part")
Result = TypeVar("Result")

MALLOC = {-1: 2**31 - 1, -2: 2**27, -3: 2**30}
"""Settings for mallopt (3): M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD, in bytes."""

ROWS_PER_THREAD = 128
"""A thread with fewer rows than this spends its time on overhead."""


def keep_freed_memory() -> None:
    """Have the C library reuse freed memory instead of giving it back, where it can (glibc).

    Given back, memory comes anew page by page, and for each page that a thread gives back the
    system interrupts the cores of all the others.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for name, size in MALLOC.items():
            mallopt(name, size)


def wait_for_end(ids: Iterable[int]) -> None:
    """Wait, a second at most, until the system has no thread with these native ids (Linux).

    Python takes a thread for ended while the C library still frees what was its own. A process that
    is forked meanwhile may find MKL's memory locked, and would wait for it for ever."""
    for number in ids:
        for _ in range(1000):
            if not os.path.exists(f"/proc/self/task/{number}"):
                break
            time.sleep(0.001)


class Threads:
    """A pool of ``count`` threads; torch's own threads are divided among them while it is open."""

    def __init__(self, device: torch.device, rows: int) -> None:
        cores = default_workers() // world().local_size
        self.count = 1 if device.type != "cpu" else max(1, min(cores, rows // ROWS_PER_THREAD))

    def __enter__(self) -> Threads:
        keep_freed_memory()
        self._before = torch.get_num_threads()
        torch.set_num_threads(max(1, self._before // self.count))
        self._ids: list[int] = []
        self._pool = ThreadPoolExecutor(
            self.count, initializer=lambda: self._ids.append(get_native_id())
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        wait_for_end(self._ids)
        torch.set_num_threads(self._before)

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Begin a call as soon as a thread is free; closing cancels calls that have not begun."""
        return self._pool.submit(function, *arguments)

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
        """Call ``function`` on every part; return results in the order of the parts."""
        return list(self._pool.map(function, parts))
