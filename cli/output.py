"""Output: rows to a file or stdout, notes to stderr, progress to a terminal alone."""

from __future__ import annotations

import errno
import gzip
import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import click

from molvae.errors import InputError, UsageError
from molvae.runtime.atomic_folder import replacing

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of writing that the system reports without the name of the file."""

NO_TABLES = (
    ".parquet .npz .npy .feather .arrow .pkl .pickle .h5 .hdf5 .db .sqlite .xlsx .xls .ods .json "
    ".jsonl .sdf .sd .smi .smiles .mol .html .svg .png .pdf .zip .bz2 .xz .zst .7z"
)
"""Names of other formats: CSV under one of them would be read as what it is not."""


class Closed(io.RawIOBase):
    """Replacement of a closed stdout, in which every write is an error instead of lost."""

    def writable(self) -> bool:
        """True: a write is then refused in words."""
        return True

    def write(self, _: Any) -> int:
        """OSError."""
        raise OSError(errno.EBADF, "is closed", "standard output")


def mend_streams() -> None:
    """Stand in for standard streams that were closed (``>&-``), and let none be stopped by
    a narrow encoding, or by the name of a file that is not UTF-8.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # a closed number stays taken, or the next file opened would get what a library prints
    os.close(number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(
            cast(BinaryIO, Closed()), encoding="utf-8", write_through=True
        )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def silence(name: str) -> None:
    """Discard what is still unwritten to ``stdout`` or ``stderr``, or Python complains at exit."""
    nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    os.dup2(nowhere.fileno(), {"stdout": 1, "stderr": 2}[name])
    setattr(sys, name, nowhere)


def note(text: str) -> None:
    """One line on stderr; a stderr that nobody reads any more stops no work."""
    try:
        click.echo(text, err=True)
    except OSError:
        silence("stderr")


def note_terminal(*paths: str) -> None:
    """Say that input is awaited where standard input is a terminal."""
    if "-" in paths and sys.stdin is not None and sys.stdin.isatty():
        note("reading from the terminal; Ctrl-D ends the input")


def check_output(path: str, force: bool, inputs: Sequence[str | None] = ()) -> None:
    """UsageError before any work if ``path`` cannot become the output; inputs may be None."""
    if path == "-":
        return
    target = Path(path)
    for source in inputs:
        if (
            source
            and source != "-"
            and Path(source).exists()
            and target.exists()
            and os.path.samefile(source, target)
        ):
            raise UsageError(f"{path}: is the input; writing over it would destroy it")
    if target.is_dir():
        raise UsageError(f"{target}: is a folder; give the name of a file")
    if target.is_file() and not force:
        raise InputError(f"{path}: already exists; --force overwrites it")
    if not target.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {target.parent}")
    check_writable(path, target.parent if not target.exists() or target.is_file() else target)


def check_table(path: str, force: bool, inputs: Sequence[str | None] = ()) -> None:
    """UsageError before any work if ``path`` cannot be the output, or names another format."""
    delimiter_of(path)
    check_output(path, force, inputs)


def delimiter_of(path: str) -> str:
    """The delimiter of a table by its file name, tab or comma; UsageError for another format.

    >>> delimiter_of("new.TSV.gz"), delimiter_of("new.csv"), delimiter_of("-")
    ('\\t', ',', ',')
    """
    ending = Path(path.lower().removesuffix(".gz")).suffix
    if ending in NO_TABLES.split():
        raise UsageError(
            f"{path}: a table is written as CSV or TSV, not as {ending}; end its name with .csv or "
            ".tsv"
        )
    return "\t" if ending in (".tsv", ".tab") else ","


def check_new_folder(path: str) -> None:
    """UsageError before any work unless ``path`` is free and a folder can be made there."""
    target = Path(path)
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target}: already exists; choose a new folder")
    parent = next(folder for folder in target.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise UsageError(f"{path}: cannot be made, {parent} is not a folder")
    check_writable(path, parent)


def check_writable(path: str, place: Path) -> None:
    """UsageError unless this user may write to ``place``, where ``path`` is to go."""
    if not os.access(place, os.W_OK):
        raise UsageError(f"{path}: {place} cannot be written to")


@contextmanager
def open_bytes(path: str, force: bool) -> Iterator[BinaryIO]:
    """A binary stream to ``path``, whole or not at all; gzip if it ends in .gz, ``-`` is stdout."""
    try:
        with open_plain(path, force) as plain:
            if not path.lower().endswith(".gz"):
                yield plain
                return
            with gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0) as packed:
                yield cast(BinaryIO, packed)
    except OSError as error:
        if error.filename is None and error.errno in FULL:
            error.filename = "standard output" if path == "-" else path
        raise


@contextmanager
def open_plain(path: str, force: bool) -> Iterator[BinaryIO]:
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
    with replacing(target) as aside, open(aside, "xb") as handle:
        yield handle


@contextmanager
def open_output(path: str, force: bool) -> Iterator[TextIO]:
    """A text stream to ``path`` in UTF-8, otherwise as :func:`open_bytes`.

    Names of files that are not UTF-8 are written escaped, as ``\\udcff``."""
    with open_bytes(path, force) as binary:
        text = io.TextIOWrapper(
            binary, "utf-8", "backslashreplace", newline="", write_through=path == "-"
        )
        try:
            yield text
            text.flush()
        finally:
            text.detach()


@contextmanager
def open_rows(
    path: str, force: bool, excel_safe: bool = False
) -> Iterator[Callable[[Sequence[str]], object]]:
    """The function that writes rows of a table to ``path``, by its name CSV or TSV."""
    from molvae.datasets.text_files import row_writer

    with open_output(path, force) as handle:
        yield row_writer(handle, delimiter_of(path), excel_safe)


@contextmanager
def progress(label: str, total: int | None, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """A line that counts, on stderr if it is a terminal; yields the function that counts on."""
    if not shown or not on_terminal():
        yield lambda _: None
        return
    began, last, done = time.monotonic(), 0.0, 0

    def advance(count: int) -> None:
        nonlocal last, done
        done += count
        now = time.monotonic()
        if now - last < 0.1:
            return
        last = now
        speed = done / max(1e-9, now - began)
        of = f" of {total:,}" if total else ""
        left = f", {clock((total - done) / max(speed, 1e-9))} left" if total and done else ""
        live(f"{label}: {done:,}{of}, {speed:,.0f}/s{left}")

    try:
        yield advance
    finally:
        live("")


def on_terminal() -> bool:
    """True if stderr is a terminal that can replace a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def live(text: str) -> None:
    """Replace the current line of the terminal on stderr, if it is one."""
    if not on_terminal():
        return
    width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
    try:
        sys.stderr.write("\r\x1b[2K" + text[: max(20, width) - 1])
        sys.stderr.flush()
    except OSError:
        silence("stderr")


def clock(seconds: float) -> str:
    """A duration for people.

    >>> clock(75), clock(4000)
    ('1:15', '1:06:40')
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
