"""Where results go: rows to a file or stdout, words to stderr, progress only to a terminal."""

from __future__ import annotations

import gzip
import io
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

import click

from molvae.errors import InputError, UsageError


def note(text: str) -> None:
    """One line on stderr."""
    click.echo(text, err=True)


def check_output(path: str, force: bool, inputs: Sequence[str] = ()) -> None:
    """UsageError before any work if ``path`` cannot become the output."""
    if path == "-":
        return
    target = Path(path)
    for source in inputs:
        if source != "-" and Path(source).exists() and target.exists() and os.path.samefile(source, target):
            raise UsageError(f"{path}: is the input; writing over it would destroy it")
    if target.is_dir():
        raise UsageError(f"{path}: is a folder; give the name of a file")
    if target.exists() and target.is_file() and not force:
        raise InputError(f"{path}: already exists; --force overwrites it")
    if not target.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {target.parent}")


@contextmanager
def open_bytes(path: str, force: bool = False) -> Iterator[BinaryIO]:
    """A binary stream to ``path`` that appears under its name only when whole; ``-`` is stdout."""
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    check_output(path, force)
    target = Path(path)
    if target.exists() and not target.is_file():
        # A device or a pipe is written as it is: renaming over it would replace it.
        with open(target, "wb") as direct:
            yield direct
        return
    aside = target.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(4)}-{target.name}"[:250])
    try:
        with open(aside, "xb") as handle:
            yield handle
        os.replace(aside, target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


@contextmanager
def open_output(path: str, force: bool = False) -> Iterator[TextIO]:
    """A text stream to ``path``, compressed if it ends in .gz, whole or not at all; ``-`` is stdout."""
    with open_bytes(path, force) as binary:
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=binary, mtime=0) if path.endswith(".gz") else None
        text = io.TextIOWrapper(packed or binary, encoding="utf-8", newline="", write_through=path == "-")
        try:
            yield text
            text.flush()
        finally:
            text.detach()
        if packed is not None:
            packed.close()


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A line that counts, on stderr, while it is a terminal; yields the function that counts on."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    began, shown, done = time.monotonic(), 0.0, 0

    def advance(count: int) -> None:
        nonlocal shown, done
        done += count
        now = time.monotonic()
        if now - shown < 0.1:
            return
        shown = now
        speed = done / max(1e-9, now - began)
        of = f" of {total:,}" if total else ""
        left = f", {clock((total - done) / max(speed, 1e-9))} left" if total and done else ""
        live(f"{label}: {done:,}{of}, {speed:,.0f}/s{left}")

    try:
        yield advance
    finally:
        live("")


def live(text: str) -> None:
    """Replace the current line of the terminal on stderr."""
    width = max(20, os.get_terminal_size(sys.stderr.fileno()).columns if sys.stderr.isatty() else 80)
    sys.stderr.write("\r\x1b[2K" + text[: width - 1])
    sys.stderr.flush()


def clock(seconds: float) -> str:
    """A duration for people.

    >>> clock(75), clock(4000)
    ('1:15', '1:06:40')
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
