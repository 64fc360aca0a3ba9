"""The command line: one file a verb, options in, library calls, rows out."""

from __future__ import annotations

import os
import signal
from typing import Any, NoReturn


def start(args: list[str] | None = None) -> NoReturn:
    """Run the command line, with the arguments of the process unless some are given; this is the
    installed ``molvae``.

    While it is imported nothing is open that would have to be cleared away, so a signal ends it at
    once; an exception raised inside an import could end up anywhere."""
    try:
        from molvae.runtime.signals import STOPS

        for number in STOPS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, end)
    except KeyboardInterrupt:  # before the first of these was in place
        end(signal.SIGINT, None)
    from .main import main

    main(args)


def end(number: int, _: Any) -> NoReturn:
    """End at once, with a word."""
    os.write(2, b"Interrupted.\n" if number == signal.SIGINT else b"Terminated.\n")
    os._exit(128 + number)
