"""One thread per core, each with its own part of a batch; several processes divide the cores among them.

On few cores this beats several cores on one matrix product: no thread waits for another at every step. Knows
nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

import torch

from .parallel import default_workers
from .processes import world

Part = TypeVar("Part")
Result = TypeVar("Result")

ROWS_PER_THREAD = 128
"""A thread with fewer rows than this spends its time on overhead."""


class Threads:
    """A pool of ``count`` threads; torch's own threads are divided among them while it is open."""

    def __init__(self, device: torch.device, rows: int) -> None:
        cores = default_workers() // world().local_size
        self.count = 1 if device.type != "cpu" else max(1, min(cores, rows // ROWS_PER_THREAD))

    def __enter__(self) -> Threads:
        self._before = torch.get_num_threads()
        torch.set_num_threads(max(1, self._before // self.count))
        self._pool = ThreadPoolExecutor(self.count)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._before)

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Begin ``function`` of ``arguments`` as soon as a thread is free; closing cancels what has not begun."""
        return self._pool.submit(function, *arguments)

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
        """``function`` of every part, in the order of the parts."""
        return list(self._pool.map(function, parts))
