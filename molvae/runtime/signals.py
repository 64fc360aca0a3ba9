"""Signals that stop a command, raised as one exception that only the command line answers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

STOPS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)
)
"""Signals by which people and systems stop a process; Windows has the first two."""


class Stopped(BaseException):
    """One of ``STOPS`` came. No SystemExit and no KeyboardInterrupt: those of a scorer are its own.

    Unwinding by an exception leaves no half-written file and no worker behind."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number
        """The exit code that shells give a process which the signal ends."""


def is_stop(error: BaseException) -> bool:
    """True for an error that is to end the whole command, whatever it came out of.

    KeyboardInterrupt is one where Python itself answers Ctrl-C, as in a notebook."""
    return isinstance(error, Stopped) or (
        isinstance(error, KeyboardInterrupt)
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


@contextmanager
def answered(
    handler: Callable[[int, Any], Any], numbers: tuple[int, ...] = STOPS
) -> Iterator[None]:
    """Have ``handler`` answer signals, except those that were ignored before, as by nohup."""
    taken = {
        number: old for number in numbers if (old := signal.getsignal(number)) != signal.SIG_IGN
    }
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in taken.items():
            signal.signal(number, old)
