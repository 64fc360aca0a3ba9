"""Write a folder whole or not at all: aside, listed in a manifest of SHA-256 sums, then renamed.

Readers trust only a folder whose manifest verifies.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .bounded_files import read_bounded

LOG = logging.getLogger(__name__)

MANIFEST = "MANIFEST.json"
FORMAT = 1
"""Version of what is written; folders of others are not read."""

PLAIN_NAME = re.compile(r"[A-Za-z]+\.[a-z]+")
JSON_LIMIT = 50_000_000
_REPLACE_TRIES = 20


def write_file(path: Path, content: bytes) -> None:
    """Write a new file and force it to disk."""
    try:
        with open(path, "xb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        # A full disk says so without a name.
        raise OSError(error.errno, error.strerror, str(path)) from error


def replace_file(path: Path, content: bytes) -> None:
    """Put ``content`` under ``path`` in one step: a reader sees the old file or the new one, never
    a part.
    """
    with replacing(path) as aside:
        write_file(aside, content)
    sync_folder(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` for a file that takes its place at the end; an error removes it."""
    aside = _aside(path)
    try:
        yield aside
        _replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _replace(aside: Path, path: Path) -> None:
    """Rename over ``path``. Windows refuses while another program reads it, so wait a little."""
    for _ in range(_REPLACE_TRIES if os.name == "nt" else 0):
        try:
            os.replace(aside, path)
            return
        except PermissionError:
            time.sleep(0.05)
    os.replace(aside, path)


def sync_folder(path: Path) -> None:
    """Force a folder's entries to disk, where the system can."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return  # Windows opens no folders.
    try:
        os.fsync(handle)
    except OSError:
        pass  # Some network file systems cannot; the rename itself has still happened.
    finally:
        os.close(handle)


def commit_folder(path: Path, files: Mapping[str, bytes], *, kind: str) -> None:
    """Write ``files`` as the new folder ``path``, which must not exist yet, in one rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path)
    try:  # before the folder is made: a signal may come between any two steps
        aside.mkdir()
        sums = {}
        for name, content in files.items():
            write_file(aside / name, content)
            sums[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        manifest = {"kind": f"molvae {kind}", "version": FORMAT, "files": sums}
        write_file(aside / MANIFEST, json.dumps(manifest, indent=1).encode())
        sync_folder(aside)
        os.rename(aside, path)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sync_folder(path.parent)


def remove_folder(path: Path) -> None:
    """Remove a folder, or a file, from its name at once; a warning where the system refuses.

    It is renamed first, so that a process killed meanwhile leaves no half of a folder under its
    name, and what is left begins with .tmp-."""
    try:
        if not path.name.startswith(".tmp-"):
            path = path.rename(_aside(path))
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        LOG.warning("%s cannot be removed now (%s)", path, error.strerror)


def _aside(path: Path) -> Path:
    """A name beside ``path`` for what is half written or half removed."""
    return path.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(4)}-{path.name}"[:250])


def read_json(content: bytes, name: str) -> Any:
    """The JSON in ``content``; ModelError for anything but plain, finite JSON."""

    def finite(text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            raise ModelError(f"{name}: {text} is not a finite number")
        return number

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(keys := dict(pairs)) < len(pairs):
            raise ModelError(f"{name}: a key occurs twice")
        return keys

    try:
        text = content.decode("utf-8")
        return json.loads(text, parse_constant=finite, parse_float=finite, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name}: not readable JSON ({error})") from error


def manifest_of(path: Path, *, kind: str) -> dict[str, Any]:
    """The ``files`` part of a folder's manifest; ModelError if it is no folder of this kind."""
    try:
        content = read_bounded(path / MANIFEST, JSON_LIMIT)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelError(f"{path}: not a molvae {kind}: no {MANIFEST} in it") from error
    except OSError as error:
        raise ModelError(f"{path}: its {MANIFEST} cannot be read ({error.strerror})") from error
    manifest = read_json(content, f"{path / MANIFEST}")
    if not isinstance(manifest, dict) or manifest.get("kind") != f"molvae {kind}":
        raise ModelError(f"{path}: not a molvae {kind}")
    written = manifest.get("version")
    if isinstance(written, int) and written > FORMAT:
        raise ModelError(
            f"{path}: written by a newer version of molvae, which this one cannot read "
            f"(format {written}, here {FORMAT}): upgrade molvae"
        )
    if written != FORMAT:
        raise ModelError(f"{path}: written by another version of molvae ({written!r})")
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(PLAIN_NAME.fullmatch(name) for name in files):
        raise ModelError(f"{path}: its {MANIFEST} does not list plain files")
    return files


def read_folder(
    path: Path, names: Iterable[str], *, kind: str, largest: int | None = None
) -> dict[str, bytes]:
    """The contents of the files ``names`` of a committed folder, each checked against the
    manifest before memory is taken for it; none may have more than ``largest`` bytes, if given.
    """
    listed = manifest_of(path, kind=kind)
    contents: dict[str, bytes] = {}
    for name in names:
        entry = listed.get(name)
        if not isinstance(entry, dict):
            raise ModelError(f"{path}: {name} is missing from its manifest")
        size = entry.get("bytes")
        if largest is not None and isinstance(size, int) and size > largest:
            raise ModelError(f"{path / name}: larger than what belongs in it, {largest:,} bytes")
        try:
            if (path / name).stat().st_size != size:
                raise ModelError(f"{path / name}: damaged: not of the size it was written with")
            contents[name] = read_bounded(path / name, size)
        except OSError as error:
            raise ModelError(f"{path / name}: cannot be read ({error.strerror})") from error
        if hashlib.sha256(contents[name]).hexdigest() != entry.get("sha256"):
            raise ModelError(
                f"{path / name}: damaged: its SHA-256 is not the one it was written with"
            )
    return contents
