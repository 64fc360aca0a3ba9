"""Read text line by line, from files or standard input, and write rows of cells as CSV.

Lines are unzipped, decoded, counted and bounded in length. Whatever is not UTF-8 text is refused
with the line and the byte at which that shows.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, cast

from ..errors import InputError, UsageError

_NOT_TEXT = {
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    b"PK\x03\x04": "a zip archive or an Excel workbook; save it as CSV",
    b"\x89PNG": "a picture",
    b"%PDF": "a PDF",
    b"PAR1": "a parquet file; save it as CSV",
    b"BZh": "compressed with bzip2; gzip is understood",
    b"\xfd7zXZ": "compressed with xz; gzip is understood",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; gzip is understood",
}
_FORMULA = re.compile("[ \\0]*[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]")
"""How a cell begins that a spreadsheet may run: also after blanks, and with the signs of full
width.
"""

LONGEST_LINE = 1 << 20
MOST_BLANK = 1 << 20
"""Characters of blank lines in a row; a file of nothing else would keep its reader busy in silence.
"""
_BOM = b"\xef\xbb\xbf"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")


class Lines:
    """The lines of a file, or of standard input for ``-``: ends kept, numbered from 1, with a look
    ahead.

    Raises InputError for what cannot be opened or is not text, and UsageError for an address of the
    net."""

    def __init__(self, path: str | Path) -> None:
        self.number = 0  # of the line given out last
        self._is_stdin = str(path) == "-"
        self.name = "standard input" if self._is_stdin else str(path)
        self._file = _open_bytes(path, self.name)
        try:
            self._stream = _unzipped(self._file, self.name)
        except BaseException:
            self.close()
            raise
        self._offset = self._blank = 0
        self._carry = b""
        self._ahead: deque[str] = deque()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._ahead and not self._fetch():
            raise StopIteration
        self.number += 1
        return self._ahead.popleft()

    def close(self) -> None:
        """Close the file; standard input is left open."""
        if not self._is_stdin:
            self._file.close()

    def reopened(self) -> Lines | None:
        """Lines of the same file from the first one on; None for a stream."""
        return Lines(self.name) if not self._is_stdin and os.path.isfile(self.name) else None

    def peek(self, count: int) -> list[str]:
        """Return up to ``count`` coming lines without taking them."""
        while len(self._ahead) < count and self._fetch():
            pass
        return list(islice(self._ahead, count))

    def _fetch(self) -> bool:
        try:
            block = self._carry + self._stream.readline(LONGEST_LINE)
        except (EOFError, zlib.error, OSError) as error:
            raise _unreadable(self.name, error, f", before line {self._next}") from None
        self._carry = b""
        if len(block) >= LONGEST_LINE and not block.endswith(b"\n"):
            # Either a line beyond all measure or a file whose lines end in carriage returns alone.
            cut = block.rfind(b"\r", 0, len(block) - 1) + 1
            if not cut:
                raise InputError(
                    f"{self.name}, line {self._next}: longer than {LONGEST_LINE} bytes."
                )
            block, self._carry = block[:cut], block[cut:]
        if not block:
            return False
        self._blank = self._blank + len(block) if block.isspace() else 0
        if self._blank > MOST_BLANK:
            raise InputError(
                f"{self.name}, line {self._next}: more than {MOST_BLANK:,} characters of blank "
                "lines up to here; take them out."
            )
        start = len(_BOM) if self._offset == 0 and block.startswith(_BOM) else 0
        self._ahead.extend(self._split(block[start:], start))
        self._offset += len(block)
        return True

    def _split(self, block: bytes, start: int) -> list[str]:
        try:
            text = block.decode("utf-8")
        except UnicodeDecodeError as error:
            at, found = self._offset + start + error.start, block[error.start]
            raise InputError(
                f"{self.name}, line {self._next}: not UTF-8 text, byte 0x{found:02X} "
                f"at offset {at}. Save the file as UTF-8."
            ) from None
        if "\0" in text:
            at = self._offset + start + block.index(0)
            raise InputError(
                f"{self.name}, line {self._next}: a NUL byte at offset {at}; this is not text."
            )
        if "\r" in text.removesuffix("\r\n"):
            return [line for line in _LINE.findall(text) if line]
        return [text] if text else []

    @property
    def _next(self) -> int:
        return self.number + len(self._ahead) + 1


def row_writer(
    handle: TextIO, delimiter: str = ",", excel_safe: bool = False
) -> Callable[[Sequence[str]], None]:
    """The function that writes a row of cells as a line of CSV, such that it reads back as the same
    cells.

    ``excel_safe`` changes those that a spreadsheet would run, see :func:`spreadsheet_safe`.

    >>> row_writer(sys.stdout)(["CCO", '5" of it', "a spirit"])
    CCO,"5"" of it",a spirit
    """
    plain = csv.writer(handle, delimiter=delimiter, lineterminator="\n")
    quoted = csv.writer(handle, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def write(cells: Sequence[str]) -> None:
        cells = list(map(spreadsheet_safe, cells)) if excel_safe else cells
        # A carriage return ends a line where it is read; before Python 3.13, csv leaves it without
        # quotes.
        (quoted if any("\r" in cell for cell in cells) else plain).writerow(cells)

    return write


def cell(value: float | int | str | None) -> str:
    """A value as text: six significant figures say all that a descriptor means.

    >>> cell(349.4019999), cell(2), cell(True), cell(None)
    ('349.402', '2', 'true', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def spreadsheet_safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe
    before it.

    >>> spreadsheet_safe("=HYPERLINK(1)"), spreadsheet_safe("-1.5"), spreadsheet_safe("CCO")
    ("'=HYPERLINK(1)", '-1.5', 'CCO')
    """
    if not _FORMULA.match(cell):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def _open_bytes(path: str | Path, name: str) -> io.BufferedReader:
    if str(path) == "-":
        if sys.stdin is None or sys.stdin.closed:
            raise InputError("Standard input is closed; nothing can be read from '-'.")
        stdin: Any = sys.stdin.buffer
        # The standard input of tests and notebooks may lack the means to look ahead.
        return cast(
            io.BufferedReader, stdin if hasattr(stdin, "peek") else io.BufferedReader(stdin)
        )
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", str(path)):
        raise UsageError(f"{name}: only local files are read; download it first.")
    if os.path.isdir(path):  # which Windows reports as forbidden
        raise InputError(f"{name} is a folder, not a file of molecules.")
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"{name} does not exist.") from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{name} cannot be opened: {getattr(error, 'strerror', None) or error}."
        ) from None


def _unzipped(stream: io.BufferedReader, name: str) -> io.BufferedReader:
    """Look at the first bytes: gzip is unpacked whatever the file is called, other binaries are
    refused.
    """
    try:
        start = stream.peek(8)
        if start.startswith(b"\x1f\x8b"):
            stream = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream)))
            start = stream.peek(8)
    except (EOFError, zlib.error, OSError) as error:
        raise _unreadable(name, error) from None
    for magic, kind in _NOT_TEXT.items():
        if start.startswith(magic):
            raise InputError(f"{name} is {kind}.")
    if name.endswith((".tar", ".tar.gz", ".tgz")):
        raise InputError(f"{name} is an archive; take its files out first.")
    return stream


def _unreadable(name: str, error: Exception, place: str = "") -> InputError:
    """The error of a file that is damaged gzip, or that the system does not read."""
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        return InputError(f"{name} cannot be read: {error.strerror or error}.")
    return InputError(f"{name} is gzip, truncated or damaged{place}: {str(error).rstrip('.')}.")
