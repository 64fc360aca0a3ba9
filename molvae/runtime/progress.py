"""Progress bars for Python and notebooks by tqdm; the command line has words of its own."""

from __future__ import annotations

import sys
import warnings
from typing import Any, Self

DELAY = 2.0
"""Seconds after which a bar appears that nobody asked for."""


def bars_are_seen() -> bool:
    """True where somebody watches: stderr is a terminal, or Python runs in a notebook."""
    if sys.stderr is not None and sys.stderr.isatty():
        return True
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


class Progress:
    """A progress bar of ``total`` units, or no bar: with ``shown`` None, where nobody sees it."""

    def __init__(
        self, label: str, total: int | None = None, unit: str = "it", shown: bool | None = None
    ) -> None:
        self._bar: Any = None
        if bars_are_seen() if shown is None else shown:
            with warnings.catch_warnings():
                # Without ipywidgets a notebook gets a bar of text, which needs no advice.
                warnings.simplefilter("ignore")
                from tqdm.auto import tqdm

            delay = DELAY if shown is None else 0.0
            unit = f" {unit}"
            self._bar = tqdm(desc=label, total=total, unit=unit, dynamic_ncols=True, delay=delay)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, count: int = 1) -> None:
        """Count ``count`` more units."""
        if self._bar is not None:
            self._bar.update(count)

    def reach(self, done: int, total: int | None, note: str = "") -> None:
        """Set the units done and their total, with a note behind the bar."""
        if self._bar is not None:
            self._bar.total = total
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)
