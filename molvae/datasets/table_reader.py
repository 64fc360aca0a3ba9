"""Read files and streams of molecules as records: CSV, TSV, SMI and SDF, each also gzipped.

A record is the row as it stood in the file, with its line number and the text in its SMILES column.
Cells are kept to the byte: ``NA`` and ``N`` stay text, no row is ever shifted, and what cannot be a
record (a row with a field too many, an unreadable SDF entry) comes out as a record with a
``problem``, so that it can be counted. Cells that a row lacks at its end are empty. Comments before
a header are skipped, with a note. Memory does not grow with the file.
"""

from __future__ import annotations

import csv
import logging
import random
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from ..chem.molecule import EXTENDED
from ..errors import InputError, UsageError
from . import sdf
from .column_detection import (
    SMILES_NAMES,
    choose_column,
    is_molecule,
    refuse_other_formats,
    refuse_other_notations,
)
from .text_files import LONGEST_LINE, Lines

WRONG_WIDTH = "wrong number of fields"
LATE = "property too late in the stream for a column of its own"

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".smi": "smi",
    ".smiles": "smi",
    ".sdf": "sdf",
    ".sd": "sdf",
}
_SAMPLE = 100
_LONGEST_HEAD = 100_000
"""Lines within which the first one with content must be."""
_COMMENT = re.compile(r"[#!]|sep=.\s*$", re.IGNORECASE)
"""How a line before the header begins; Excel reads and writes sep=; there."""

Row = TypeVar("Row")

LOG = logging.getLogger(__name__)

# The csv module's own limit would refuse a file at the first long cell of any column.
csv.field_size_limit(LONGEST_LINE)


@dataclass(frozen=True, slots=True)
class Record:
    """One row: its first line in the file (from 1), its SMILES, its fields, and why it is unusable,
    or not whole.
    """

    line: int
    smiles: str
    fields: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True)
class Table:
    """An open file of molecules: a single-pass iterator of records, and a context manager that
    closes it.

    ``name`` is for messages, ``format`` one of csv, tsv, smi, sdf; ``columns`` are the header's
    names, or column1, column2, … where there is no header; ``chosen_by`` says how ``smiles_column``
    was found."""

    lines: Lines
    format: str
    columns: tuple[str, ...]
    smiles_at: int
    chosen_by: str
    records: Iterator[Record]

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.lines.name

    @property
    def smiles_column(self) -> str:
        """The name of the column with SMILES."""
        return self.columns[self.smiles_at]

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        return next(self.records)

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self.lines.close()


def open_table(path: str | Path, column: str | None = None, whole: bool = False) -> Table:
    """Open a file of molecules, or standard input for ``-``, and find its SMILES column.

    ``column`` is the name of a column or its number from 1; without it the column is found by name
    (``SMILES_NAMES``, in any case) or else by content, as the only one in which most cells are
    molecules. The columns of an SDF are the properties of its first entries; with ``whole`` those
    of all, for which a file is gone through once more, and an entry of a stream that has others has
    a problem that names them. Raises InputError for what cannot be read and UsageError for a column
    that cannot be found."""
    lines = Lines(path)
    try:
        format = _FORMATS.get(Path(str(path).lower().removesuffix(".gz")).suffix)
        return _read_head(lines, format, column, whole)
    except BaseException:
        lines.close()
        raise


def sample_rows(rows: Iterable[Row], count: int, seed: int) -> Iterator[Row]:
    """``count`` of some rows, each as likely as any other, in their order (reservoir sampling,
    Vitter 1985).
    """
    generator = random.Random(seed)
    kept: list[tuple[int, Row]] = []
    for number, row in enumerate(rows):
        if number < count:
            kept.append((number, row))
        elif (place := generator.randrange(number + 1)) < count:
            kept[place] = number, row
    for _, row in sorted(kept):  # no two numbers are equal, so rows are never compared
        yield row


def _read_head(lines: Lines, format: str | None, column: str | None, whole: bool) -> Table:
    count, head = _SAMPLE, lines.peek(_SAMPLE)
    while len(head) == count < _LONGEST_HEAD and not any(map(_is_content, head)):
        count *= 10
        head = lines.peek(count)
    what = "holds nothing but blank lines" if head else "is empty"
    head = [line for line in head if line.strip()]
    if not head:
        raise InputError(f"{lines.name} {what}.")
    refuse_other_formats(lines.name, head)
    format = format or _format_by_content(head)
    if format == "smi" and _is_delimited(head):
        format = "csv"
    if format == "sdf":
        return _sdf_table(lines, column, whole)
    if format == "smi":
        return _smi_table(lines, column)
    head = _without_comments(lines, head)
    delimiter = "\t" if format == "tsv" else _delimiter(head[0]) or ","
    return _delimited_table(lines, format, delimiter, column)


def _is_content(line: str) -> bool:
    if not _COMMENT.match(line):
        return bool(line.strip())
    words = re.split(r"[\t;,]", line.strip(' \t\r\n#!"').lower())
    return any(word.strip(' "') in SMILES_NAMES for word in words)


def _without_comments(lines: Lines, head: list[str]) -> list[str]:
    """Take the lines before the header, those that begin with # or !, and Excel's sep=; not a
    header that begins so."""
    skipped = next((at for at, line in enumerate(head) if _is_content(line)), len(head))
    if skipped == len(head):
        raise InputError(f"{lines.name} holds nothing but comments.")
    for _ in range(skipped):
        next(line for line in lines if line.strip())
    if skipped:
        LOG.warning("%s: %d lines before the header skipped", lines.name, skipped)
    return head[skipped:]


def _is_delimited(head: list[str]) -> bool:
    """True for lines of a .smi file that are rows of CSV: their first words are no molecules, and
    hold commas or semicolons."""
    words = [line.split()[0] for line in head if not line.startswith("#")]
    marked = [word for word in words if re.search("[,;]", word)]
    return 2 * len(marked) > len(words) and not any(map(is_molecule, marked))


def _format_by_content(head: list[str]) -> str:
    if any(
        line.startswith(("M  END", "$$$$")) or line.rstrip().endswith(("V2000", "V3000"))
        for line in head
    ):
        return "sdf"
    head = [line for line in head if not line.startswith("#")] or head
    delimiter = _delimiter(head[0])
    # Most lines decide: a single ragged one must not turn a table into a list of SMILES with names.
    if delimiter is None or 2 * sum(delimiter in line for line in head) < len(head):
        return "smi"
    return "tsv" if delimiter == "\t" else "csv"


def _delimiter(line: str) -> str | None:
    # None of the three can occur in a SMILES. Semicolons go before commas, which are then decimal
    # commas.
    best = max("\t;,", key=line.count)
    return best if best in line else None


def _delimited_table(lines: Lines, format: str, delimiter: str, column: str | None) -> Table:
    rows = _rows(lines, delimiter)
    sample = list(islice(rows, _SAMPLE))
    cells = [row for _, row in sample]
    at, has_header, chosen_by = choose_column(lines.name, cells, column)
    columns = (
        tuple(cells[0]) if has_header else tuple(f"column{n + 1}" for n in range(len(cells[0])))
    )
    data = sample[1:] if has_header else sample
    if not data:
        raise InputError(f"{lines.name} has a header and no rows.")
    widths = {len(row) for _, row in data}
    if len(columns) not in widths and len(widths) == 1:
        raise InputError(
            f"{lines.name}: the header names {len(columns)} columns and every row has "
            f"{widths.pop()} fields; it cannot be told which is which."
        )
    refuse_other_notations(
        lines.name, columns[at], [row[at] for _, row in data if len(row) == len(columns)]
    )
    records = (_record(line, row, len(columns), at) for line, row in chain(data, rows))
    return Table(lines, format, columns, at, chosen_by, records)


def _record(line: int, row: list[str], width: int, at: int) -> Record:
    """A row as a record; cells that it lacks at its end are empty."""
    if at < len(row) <= width:
        return Record(line, row[at], (*row, *[""] * (width - len(row))))
    return Record(line, "", tuple(row), WRONG_WIDTH)


def _rows(lines: Lines, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Give out the rows that are not blank, each with the number of the line it starts on."""
    if delimiter == "\t":
        yield from _tab_rows(lines)
        return
    line = lines.number + 1
    try:
        for row in csv.reader(lines, delimiter=delimiter, strict=True):
            if row:
                yield line, row
            line = lines.number + 1
    except csv.Error as error:
        hint = (
            f"a quote opened at line {line} is not closed, or a quote stands inside a quoted cell"
        )
        raise InputError(f"{lines.name}, line {lines.number}: {error}; {hint}.") from None


def _tab_rows(lines: Lines) -> Iterator[tuple[int, list[str]]]:
    """The rows of a TSV, whose quotes may be text: databases write them so.

    A line is read as quoted cells where that is what it can be, else its quotes are text. A quote
    that no quote of its line closes goes on over the next lines, unless each of these is a row of
    as many cells as the first one had: then it is text."""
    width = 0
    for text in lines:
        line, literal = lines.number, text.rstrip("\r\n").split("\t")
        row = literal
        if '"' in text:
            row = _quoted([text]) or _joined(lines, text, width) or literal
        if text.strip("\r\n"):
            width = width or len(row)
            yield line, row


def _quoted(text: list[str]) -> list[str] | None:
    """The only row of some lines, by the rules of quoted cells; None where these are broken."""
    try:
        rows = list(csv.reader(text, delimiter="\t", strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _joined(lines: Lines, text: str, width: int) -> list[str] | None:
    """The row of ``width`` cells, if there is one, that goes on over the next lines, which are then
    taken."""
    following = lines.peek(_SAMPLE)
    for count in range(1, len(following) + 1):
        several = [text, *following[:count]]
        row = _quoted(several)
        if row is None:
            continue
        rows_of_their_own = all(one.count("\t") == width - 1 for one in several)
        if rows_of_their_own or (width and len(row) != width):
            return None
        for _ in range(count):
            next(lines)
        return row
    return None


def _smi_table(lines: Lines, column: str | None) -> Table:
    _refuse_column(lines.name, column, "a .smi file", "the first word of each line")
    head = [line for line in lines.peek(_SAMPLE) if line.strip() and line[0] not in "#"]
    words = [line.split() for line in head]
    first = [word.lower() for word in words[0]] if words else [""]
    has_header = first[0] in SMILES_NAMES or "smiles" in first[1:2]
    rows = words[int(has_header) :]
    if has_header and not rows:
        raise InputError(f"{lines.name} has a header and no rows.")
    # Some write the name first: where most second words are molecules, and first ones are not.
    firsts, seconds = (
        sum(len(row) > place and is_molecule(row[place]) for row in rows) for place in (0, 1)
    )
    swapped = 2 * seconds > len(rows) > 2 * firsts
    refuse_other_notations(lines.name, "smiles", [row[0] for row in rows])
    records = islice(_smi_records(lines, swapped), int(has_header), None)
    chosen = "by content: the second word of each line" if swapped else "by format"
    return Table(lines, "smi", ("smiles", "name"), 0, chosen, records)


def _smi_records(lines: Lines, swapped: bool) -> Iterator[Record]:
    for text in lines:
        stripped = text.strip(" \t\r\n")
        if stripped and not stripped.startswith("#"):
            smiles, name, *_ = [*re.split(r"[ \t]+", stripped, maxsplit=1), ""]
            if swapped:
                smiles, name = name, smiles
            # The part between bars changes the molecule (radicals, relative stereo), and only RDKit
            # reads it.
            problem = EXTENDED if name.startswith("|") else ""
            yield Record(lines.number, "" if problem else smiles, (smiles, name), problem)


def _refuse_column(name: str, column: str | None, kind: str, place: str) -> None:
    if column is not None and column.lower() not in ("smiles", "1"):
        raise UsageError(
            f"{name} is {kind}, where the molecule is {place}: --column {column!r} has no place."
        )


def _sdf_table(lines: Lines, column: str | None, whole: bool) -> Table:
    _refuse_column(lines.name, column, "an SDF", "the structure of each entry")
    entries = (sdf.read_entry(start, block) for start, block in sdf.blocks(lines))
    sample = list(islice(entries, _SAMPLE))
    properties = dict.fromkeys(key for entry in sample for key in entry.properties)
    if whole and (again := lines.reopened()):
        with closing(again):
            properties = sdf.property_names(again)
    # The structure counts: a property that is called like one of the two columns made here steps
    # aside.
    taken = ("smiles", "name")
    columns = taken + tuple(f"{key}_property" if key in taken else key for key in properties)
    records = (_sdf_record(entry, properties, whole) for entry in chain(sample, entries))
    return Table(lines, "sdf", columns, 0, "by format", records)


def _sdf_record(entry: sdf.Entry, properties: dict[str, None], whole: bool) -> Record:
    fields = (entry.smiles, entry.name, *(entry.properties.get(key, "") for key in properties))
    late = [key for key in entry.properties if key not in properties] if whole else []
    return Record(
        entry.line, entry.smiles, fields, f"{LATE}: {', '.join(late)}" if late else entry.problem
    )
