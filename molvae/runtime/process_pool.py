"""Map a function over chunks of rows on several processes, in order, whatever a worker does.

Chunks are read only as workers come free, so a stream of any length is mapped in bounded memory.
Each worker has a pipe of its own, so one that dies (a crash inside RDKit, the kernel's
out-of-memory killer) takes nothing with it but its own chunk, and that is run again in halves until
the row that kills is alone.

The pools of the standard library share one pipe between workers: a worker killed in the middle of
writing leaves the reader waiting forever.

Workers are forked on Linux, which shares what is already imported and takes milliseconds. Elsewhere
(macOS, Windows) they are started afresh: a script must then guard its main part by
``if __name__ == "__main__":``, as Python asks of any use of processes.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import multiprocessing
import os
import pickle
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Event
from typing import Any, Generic, NoReturn, TypeVar

from ..errors import MolvaeError
from .signals import STOPS

T = TypeVar("T")
R = TypeVar("R")

_IN_FLIGHT_PER_WORKER = 2
_PARENT_CHECK_SECONDS = 1.0
_HINT = (
    'a script must guard its main part by if __name__ == "__main__": where processes are not '
    "forked, and a function must be that of a module; workers=1 needs neither"
)


_here = {"worker": False}
"""True in a worker process."""


def default_workers() -> int:
    """Return how many cores this process may use: a worker of a pool has one."""
    if _here["worker"]:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        return os.process_cpu_count() or 1
    return os.cpu_count() or 1


def forks_workers() -> bool:
    """True where workers are forked: on Linux. On macOS forking is there, and not safe."""
    return sys.platform == "linux" and "fork" in multiprocessing.get_all_start_methods()


def chunked(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut a stream into lists of ``size`` items, the last one shorter.

    >>> list(chunked("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    if size < 1:
        raise ValueError(f"a chunk holds at least one item, not {size}")
    stream = iter(items)
    while chunk := list(itertools.islice(stream, size)):
        yield chunk


def _refuse(item: object) -> NoReturn:
    raise MolvaeError(f"A worker process died, or had no end, on one row: {str(item)[:200]!r}.")


def map_chunks(
    function: Callable[[list[T]], R],
    chunks: Iterable[list[T]],
    workers: int,
    on_crash: Callable[[T], R] = _refuse,
    limit: float | None = None,
    on_timeout: Callable[[T], R] = _refuse,
) -> Iterator[R]:
    """Yield ``function(chunk)`` for each chunk, in order, computed on ``workers`` processes.

    ``function`` goes to each worker once and must be picklable (a function of a module, or a
    ``functools.partial`` of one); chunks and results are pickled. An exception of the function is
    raised here, at its chunk. With ``workers=1`` and no ``limit`` everything runs in this process,
    which a crash then ends.

    A chunk whose worker died is run again in pieces and yields one result per piece, in order; for
    the single item whose worker dies every time, ``on_crash(item)``, called in a thread of this
    process, takes the place of a result. Without ``on_crash`` it raises MolvaeError. So R is best
    something that adds up: a list of rows, a count.

    With ``limit``, in seconds, a chunk may take as long for each of its items. A worker that takes
    longer is killed, with all processes that it has started, and treated as one that died, but for
    a single item, which is not run again: ``on_timeout`` takes the place of ``on_crash``. Infinity
    is no limit, but keeps the function out of this process.
    """
    if workers < 1:
        raise ValueError(f"at least one worker is needed, not {workers}")
    if workers == 1 and limit is None:
        yield from map(function, chunks)
        return
    pool = _Pool(function, workers, on_crash, limit, on_timeout)
    try:
        stream = iter(chunks)
        waiting: deque[Future[list[R]]] = deque()
        while True:
            for chunk in itertools.islice(stream, _IN_FLIGHT_PER_WORKER * workers - len(waiting)):
                waiting.append(pool.submit(chunk))
            if not waiting:
                return
            yield from waiting.popleft().result()
    finally:
        pool.stop()


class _WorkerDiedError(Exception):
    """A worker process ended before it answered."""


class _TimeoutError(_WorkerDiedError):
    """A worker process was ended because it took too long."""


class _Pool(Generic[T, R]):
    """Worker processes, and one thread for each that feeds it and replaces it when it dies."""

    def __init__(
        self,
        function: Callable[[list[T]], R],
        workers: int,
        on_crash: Callable[[T], R],
        limit: float | None,
        on_timeout: Callable[[T], R],
    ) -> None:
        self._function, self._on_crash = function, on_crash
        self._limit, self._on_timeout = limit, on_timeout
        self._stopping = Event()
        self._all: list[_Worker] = []
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._threads = ThreadPoolExecutor(workers, "molvae-feeder")
        try:
            for _ in range(workers):
                self._idle.put(self._start_worker())
        except BaseException:
            self.stop()
            raise

    def submit(self, chunk: list[T]) -> Future[list[R]]:
        return self._threads.submit(self._run, chunk)

    def stop(self) -> None:
        """End at once; what the workers are still doing is discarded."""
        self._stopping.set()
        for worker in list(self._all):
            worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in self._all:
            worker.kill()
            worker.join()

    def _start_worker(self) -> _Worker:
        worker = _Worker(self._function, list(self._all), self._limit)
        self._all.append(worker)
        return worker

    def _run(self, chunk: list[T], last_try: bool = False) -> list[R]:
        worker = self._idle.get()
        try:
            return [worker.apply(chunk)]
        except _WorkerDiedError as error:
            if self._stopping.is_set():
                return []
            late = isinstance(error, _TimeoutError)
            worker.join()
            self._all.remove(worker)
            worker = self._start_worker()
        finally:
            self._idle.put(worker)
        if len(chunk) > 1:
            middle = len(chunk) // 2
            return self._run(chunk[:middle]) + self._run(chunk[middle:])
        if late:
            return [self._on_timeout(chunk[0])]
        # A single item gets a second worker: the first may have been killed for another reason.
        return [self._on_crash(chunk[0])] if last_try else self._run(chunk, last_try=True)


class _Worker:
    """One process and the pipe to it."""

    def __init__(
        self, function: Callable[[list[Any]], Any], others: list[_Worker], limit: float | None
    ) -> None:
        forking = forks_workers()
        self._limit = math.inf if limit is None else limit
        self._own_group = limit is not None and hasattr(os, "killpg")
        context: Any = multiprocessing.get_context("fork" if forking else "spawn")
        self._pipe, far_end = context.Pipe()
        inherited = [self._pipe, *(worker._pipe for worker in others)] if forking else []
        work = (function, far_end, inherited, os.getpid(), not forking, self._own_group)
        self._process = context.Process(target=_work, args=work, daemon=True)
        with warnings.catch_warnings():
            # What workers run, RDKit, selfies and torch on one thread, holds no lock over the fork.
            warnings.filterwarnings(
                "ignore", r".*fork\(\) may lead to deadlocks", DeprecationWarning
            )
            try:
                self._process.start()
            except (AttributeError, TypeError, pickle.PicklingError) as error:
                raise MolvaeError(f"{error}: it cannot be sent to a worker; {_HINT}") from error
        # The far end must stay open in the worker only, or its death would go unnoticed.
        far_end.close()
        self._started, self._killed = forking, False

    def apply(self, chunk: list[Any]) -> Any:
        """Let the worker apply its function; raises the function's exception, or
        _WorkerDiedError.
        """
        try:
            if not self._started:
                self._pipe.recv()  # it says that it has imported all it needs
                self._started = True
            self._pipe.send(chunk)
            if self._limit < math.inf and not self._pipe.poll(self._limit * len(chunk)):
                self.kill()
                raise _TimeoutError
            done, answer = self._pipe.recv()
        except (EOFError, OSError):
            if self._started or self._killed:
                raise _WorkerDiedError from None
            raise MolvaeError(f"A worker process could not start; {_HINT}") from None
        if not done:
            raise answer
        return answer

    def kill(self) -> None:
        self._killed = True
        if self._own_group and self._process.is_alive():
            with contextlib.suppress(OSError):  # it may not have made its group yet
                os.killpg(self._process.pid or 0, signal.SIGKILL)
        self._process.kill()

    def join(self) -> None:
        self._process.join()
        self._pipe.close()


def _work(
    function: Callable[[list[Any]], Any],
    pipe: Connection,
    inherited: list[Connection],
    parent: int,
    started_afresh: bool,
    own_group: bool,
) -> None:
    for near_end in inherited:
        # Held open here, it would keep a worker writing to a parent that is long dead.
        near_end.close()
    # Ctrl-C reaches the whole process group; the parent alone answers it, and ends its workers.
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    _here["worker"] = True
    if own_group:
        os.setpgid(0, 0)  # so that what a scorer has started ends with it
    if torch := sys.modules.get("torch"):
        # Of the threads that torch had in the parent none came along: the first operation on
        # several waits for ever.
        torch.set_num_threads(1)
    try:
        if started_afresh:
            pipe.send(None)
        while True:
            while not pipe.poll(_PARENT_CHECK_SECONDS):
                if os.getppid() != parent:
                    return
            chunk = pipe.recv()
            try:
                answer = (True, function(chunk))
            except Exception as error:
                answer = (False, error)
            try:
                pipe.send(answer)
            except OSError:
                raise
            except Exception as error:  # a result or an exception that cannot be pickled
                pipe.send((False, TypeError(f"{error}, in sending back {answer[1]!r:.200}")))
    except (EOFError, OSError):
        return
