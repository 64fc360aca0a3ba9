"""Entries of an SDF, one at a time: a structure as SMILES with its name and its properties.

Memory does not grow with the file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rdkit import Chem
from rdkit.rdBase import BlockLogs

from ..chem.molecule import TOO_LARGE
from ..errors import InputError
from .text_files import Lines

BAD_ENTRY = "unreadable SDF entry"

MAX_ENTRY = 10_000_000
"""Characters."""

MAX_MOL_BLOCK = 100_000
"""Characters, enough for more than a thousand atoms."""

MAX_PROPERTIES = 10_000
"""Different names of properties in a file; each becomes a column."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One structure, from its first line in the file (from 1); ``problem`` says why it is
    unusable.
    """

    line: int
    smiles: str
    name: str
    properties: dict[str, str]
    problem: str


def property_names(lines: Lines) -> dict[str, None]:
    """The names of the properties of all entries, as they come first; keys alone.

    Entries are read only where they name what has not been read in another one.
    """
    names: dict[str, None] = {}
    for start, block in blocks(lines):
        if any(label not in names for label in labels(block)):
            names |= dict.fromkeys(read_entry(start, block).properties)
        if len(names) > MAX_PROPERTIES:
            raise InputError(
                f"{lines.name}, line {start}: "
                f"over {MAX_PROPERTIES} different properties up to here."
            )
    return names


def labels(block: list[str]) -> Iterator[str]:
    """Candidates for the names of an entry's properties, as RDKit finds them.

    They reach from the first < to the last > of a line that begins with >. Some are part of the
    text of another property."""
    for line in block:
        head = line.strip()
        if head.startswith(">") and (label := head[1:].partition("<")[2].rpartition(">")[0]):
            yield label


def blocks(lines: Lines) -> Iterator[tuple[int, list[str]]]:
    """Cut an SDF at its ``$$$$`` lines, so that one bad entry cannot take its neighbours along."""
    block: list[str] = []
    start, size = 1, 0
    for text in lines:
        size += len(text)
        if size > MAX_ENTRY:
            raise InputError(
                f"{lines.name}, line {start}: an SDF entry of over {MAX_ENTRY} characters."
            )
        if text.startswith("$$$$"):
            yield start, block
            block, start, size = [], lines.number + 1, 0
        else:
            block.append(text)
    if any(text.strip() for text in block):
        yield start, block


def read_entry(line: int, block: list[str]) -> Entry:
    """An entry from its lines."""
    text = "".join(block).replace("\r\n", "\n").replace("\r", "\n")
    name = text.partition("\n")[0].strip()
    structure, end, properties = text.partition("\nM  END")
    if len(structure) > MAX_MOL_BLOCK:
        return Entry(line, "", name, {}, TOO_LARGE)
    # A property ends with an empty line: some files leave the last one out, or write a space on it.
    properties = re.sub(r"\n[ \t]+(?=\n)", "\n", properties)
    text = f"{structure}{end}{properties}\n$$$$\n"
    with BlockLogs():
        mol = next(Chem.ForwardSDMolSupplier(io.BytesIO(text.encode())), None)
    if mol is None:
        return Entry(line, "", name, {}, BAD_ENTRY)
    found = {key: mol.GetProp(key) for key in mol.GetPropNames()}
    return Entry(line, Chem.MolToSmiles(mol), name, found, "")
