"""Compile loops over arrays with numba: at the first call, and kept on disk where that may be.

``MOLVAE_KERNELS=off`` switches it off: :data:`KERNELS` is False then, as it is where numba is not
installed, every function decorated with :func:`compiled` runs as the plain Python it is written in,
and modules that have a way by torch take that. numba itself is not imported.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

KERNELS = os.environ.get("MOLVAE_KERNELS", "on") != "off" and bool(
    importlib.util.find_spec("numba")
)
"""True where functions are compiled."""

Function = TypeVar("Function", bound=Callable[..., Any])

LOG = logging.getLogger(__name__)

COMPILED: list[Any] = []
"""All compiled functions, numba's dispatchers."""

BESIDE: list[subprocess.Popen[bytes]] = []
"""The process that compiles some of them, if there is one."""


def compiled(
    widening: bool = True, makes_arrays: bool = False, **options: Any
) -> Callable[[Function], Function]:
    """Compile a function with numba, the interpreter lock released; ``options`` are numba.njit's.

    With ``widening`` other compiled code calls it with integers of 64 bits, see :func:`_widened`.
    Only one that ``makes_arrays`` may have arrays of its own. Undecorated, where :data:`KERNELS` is
    off.
    """

    def decorate(function: Function) -> Function:
        if not KERNELS:
            return function
        # Wrappers for C and Python take a fifth of the time of compiling. No C code calls these
        # functions, and Python none that are inlined and private: it would end in a segmentation
        # fault. tests/test_architecture.py holds that no plain function calls one. Nor are these
        # kept on disk: they are part of those that are.
        inlined = bool(options.get("forceinline") and function.__name__.startswith("_"))
        options.update(no_cfunc_wrapper=True, no_cpython_wrapper=inlined)
        # References to arrays are not counted, for the caller holds them all the while: an atomic
        # addition for every array and call takes longer than a small function does for its work.
        options["_nrt"] = makes_arrays
        try:
            dispatcher: Any = numba.njit(cache=not inlined, nogil=True, **options)(function)
        except RuntimeError:  # numba found no folder that it may write to
            dispatcher = numba.njit(nogil=True, **options)(function)
        if widening:
            _widen(dispatcher)
        COMPILED.append(dispatcher)
        return cast(Function, dispatcher)

    return decorate


def compile_beside(modules: Sequence[str], code: str) -> None:
    """Run ``code``, which compiles functions of ``modules`` and keeps them on disk, in a process of
    its own.

    Only where none of them is on disk yet: the first command of all compiles for ten seconds, and a
    third of that is not needed at once. Who calls one of the functions meanwhile waits for the
    process; if that fails, they are compiled here. An application that is frozen has no Python to
    run code with.
    """
    mine = [one for one in COMPILED if one.py_func.__module__ in modules]
    caches = [one._cache for one in mine if hasattr(one._cache, "_cache_file")]
    on_disk = (os.path.exists(cache._cache_file._index_path) for cache in caches)
    if not caches or any(on_disk) or BESIDE or hasattr(sys, "frozen"):
        return
    quiet = subprocess.DEVNULL
    with contextlib.suppress(OSError):
        command = [sys.executable, "-c", code]
        BESIDE.append(subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet))
        for cache in caches:
            cache.load_overload = _after_waiting(cache.load_overload)


def _after_waiting(load: Callable[..., Any]) -> Callable[..., Any]:
    def load_later(*arguments: Any) -> Any:
        wait_beside()
        return load(*arguments)

    return load_later


def wait_beside() -> None:
    """Wait for the process of :func:`compile_beside`, if there is one."""
    for process in BESIDE:
        process.wait()


def prepare_to_fork() -> None:
    """Load what numba loads at the first call of any function, before workers are forked.

    A third of a second, which workers then share; left to them, each would spend its own. What is
    compiled beside is awaited, or each would compile it.
    """
    wait_beside()
    if KERNELS:
        cpu_target.typing_context.refresh()
        cpu_target.target_context.refresh()


if KERNELS:
    import numba
    from numba import types
    from numba.core import event
    from numba.core.registry import cpu_target

    class FirstTime(event.Listener):
        """Logs, once, that a function of molvae is compiled because none was found on disk."""

        def __init__(self) -> None:
            self.process, self.logged = os.getpid(), False

        def on_start(self, event: Any) -> None:
            """Log, if the function that numba begins to compile is one of ours."""
            if self.logged or event.data["dispatcher"] not in COMPILED:
                return
            if os.getpid() == self.process:
                LOG.info("compiling for this processor: some seconds, the first time")
                self.logged = True

        def on_end(self, event: Any) -> None:
            """Compiled."""

    event.register("numba:compile", FirstTime())  # type: ignore[no-untyped-call]


def _widen(dispatcher: Any) -> None:
    """Have compiled code call a function with widened arguments, where numba lets it."""
    find = getattr(dispatcher, "get_call_template", None)
    if find is None:  # numba's own switch, NUMBA_DISABLE_JIT
        return

    def find_wide(arguments: Any, named: Any) -> Any:
        wide = {name: _widened(kind) for name, kind in named.items()}
        return find(tuple(map(_widened, arguments)), wide)

    dispatcher.get_call_template = find_wide


def _widened(kind: Any) -> Any:
    """The type in which compiled code hands an argument to compiled code: integers in 64 bits.

    Left alone, numba compiles a function anew for every width and every constant that it is called
    with, a quarter of all the time that compiling takes.
    """
    kind = cast(Any, types).unliteral(kind)
    narrow = isinstance(kind, cast(Any, types).Integer) and kind.bitwidth < 64
    return types.int64 if narrow else kind
