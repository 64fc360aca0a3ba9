"""Parts of a large set of samples, as files in a folder: their names, and what each tells of
itself.

Free of torch, for those that only read parts.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, UsageError

NAME = re.compile(r"part-(\d{6,12})\.parquet")
UNFINISHED = re.compile(r"\.tmp-.*")
KEY = b"molvae"
COLUMNS = ("draw", "smiles", "selfies", "log_likelihood")
FLAG = "consistent"


@dataclass(frozen=True)
class Settings:
    """What decides which rows a part holds, as it is kept in the part.

    ``model`` is a fingerprint; ``every`` keeps all draws, else ``consistent`` and ``novel`` say
    which are left out; ``scores`` are names of properties; ``draws`` are those of a part."""

    model: str
    seed: int
    temperature: float
    level: float | None
    learned: bool
    precision: str
    every: bool
    consistent: bool
    novel: bool
    scores: tuple[str, ...]
    draws: int
    rdkit: str


def differences(stored: dict[str, Any], wanted: dict[str, Any]) -> str:
    """In which settings a part differs from those wanted, in words; nothing if it was made with the
    same.
    """
    same = json.loads(json.dumps(wanted))
    names = [name for name in same.keys() | stored.keys() if same.get(name) != stored.get(name)]
    return ", ".join(
        "another model" if name == "model" else f"{name} {stored.get(name)}, not {same.get(name)}"
        for name in sorted(names)
    )


def parts_of(folder: Path) -> dict[int, Path]:
    """The parts in a folder by their numbers, ascending; none if there is no such folder."""
    if not folder.is_dir():
        return {}
    found = {int(name[1]): path for path in folder.iterdir() if (name := NAME.fullmatch(path.name))}
    return dict(sorted(found.items()))


def strangers(folder: Path) -> list[str]:
    """Names of what else is in a folder, besides parts and what a killed process left of one."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if not NAME.fullmatch(path.name) and not UNFINISHED.fullmatch(path.name)
    )


def notes_of(path: Path) -> dict[str, Any]:
    """What a part tells of itself: settings, first draw, draws, and what was kept and dropped; else
    InputError.
    """
    pa, parquet = arrow()
    try:
        content = (parquet.read_schema(path).metadata or {}).get(KEY, b"{}")
        notes: dict[str, Any] = json.loads(content)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: is not a readable part of samples; remove it, and it is drawn again"
        ) from error
    settings = notes.get("settings") if isinstance(notes, dict) else None
    if not (
        isinstance(settings, dict)
        and all(isinstance(one.get("draws"), int) for one in (settings, notes))
    ):
        raise InputError(f"{path}: is not a part of samples as molvae writes them")
    return notes


def arrow() -> tuple[Any, Any]:
    """pyarrow and its parquet."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("parquet needs the extra: pip install 'molvae[parquet]'") from error
    return pyarrow, parquet
