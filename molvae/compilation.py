"""How array code is compiled: by numba at the first call, kept on disk where a folder can be written.

Knows nothing of what is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Function], Function]:
    """Compile a function with numba, the interpreter lock released; ``options`` are those of ``numba.njit``."""

    def decorate(function: Function) -> Function:
        try:
            return cast(Function, njit(cache=True, nogil=True, **options)(function))
        except RuntimeError:  # numba found no folder that it may write to
            return cast(Function, njit(nogil=True, **options)(function))

    return decorate
