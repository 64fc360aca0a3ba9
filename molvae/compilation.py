"""How array code is compiled: by numba at the first call, kept on disk where a folder can be written.

Knows nothing of what is compiled.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import event

Function = TypeVar("Function", bound=Callable[..., Any])

LOG = logging.getLogger(__name__)


class FirstTime(event.Listener):
    """Logs, once, that a function of molvae is compiled because none was found on disk."""

    def __init__(self) -> None:
        self.process, self.told = os.getpid(), False

    def on_start(self, event: Any) -> None:
        """Numba begins to compile a function, somebody's."""
        if not self.told and event.data["dispatcher"] in COMPILED and os.getpid() == self.process:
            LOG.info("compiling for this processor: about half a minute, the first time")
            self.told = True

    def on_end(self, event: Any) -> None:
        """It is compiled."""


COMPILED: list[Any] = []
event.register("numba:compile", FirstTime())  # type: ignore[no-untyped-call]


def compiled(**options: Any) -> Callable[[Function], Function]:
    """Compile a function with numba, the interpreter lock released; ``options`` are those of ``numba.njit``."""

    def decorate(function: Function) -> Function:
        try:
            COMPILED.append(njit(cache=True, nogil=True, **options)(function))
        except RuntimeError:  # numba found no folder that it may write to
            COMPILED.append(njit(nogil=True, **options)(function))
        return cast(Function, COMPILED[-1])

    return decorate
