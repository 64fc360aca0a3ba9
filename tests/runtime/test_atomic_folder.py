"""A folder is whole or absent, and what was changed in it is noticed."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from molvae.errors import ModelError
from molvae.runtime.atomic_folder import (
    MANIFEST,
    commit_folder,
    read_folder,
    read_json,
    replace_file,
)

FILES = {"a.json": b'{"x": 1}', "b.safetensors": bytes(range(256)), "c.csv": b""}


def commit(path: Path) -> Path:
    commit_folder(path, FILES, kind="model")
    return path


def read(path: Path, names: tuple[str, ...] = tuple(FILES)) -> dict[str, bytes]:
    return read_folder(path, names, kind="model")


def test_what_was_committed_is_read(tmp_path: Path) -> None:
    assert read(commit(tmp_path / "deep" / "folder")) == FILES
    assert os.listdir(tmp_path / "deep") == ["folder"]


@pytest.mark.parametrize("name", ["a.json", "b.safetensors"])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    folder = commit(tmp_path / "folder")
    for length in {0, 1, len(FILES[name]) // 2, len(FILES[name]) - 1}:
        (folder / name).write_bytes(FILES[name][:length])
        with pytest.raises(ModelError, match=f"{name}.*damaged"):
            read(folder)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    folder = commit(tmp_path / "folder")
    for name in ("a.json", "b.safetensors"):
        for place in range(len(FILES[name])):
            damaged = bytearray(FILES[name])
            damaged[place] ^= 1 << (place % 8)
            (folder / name).write_bytes(damaged)
            with pytest.raises(ModelError, match="damaged"):
                read(folder)
        (folder / name).write_bytes(FILES[name])


def test_a_file_that_is_gone_or_longer_is_refused(tmp_path: Path) -> None:
    folder = commit(tmp_path / "folder")
    (folder / "c.csv").write_bytes(b"more")
    with pytest.raises(ModelError, match=r"c\.csv: damaged"):
        read(folder)
    (folder / "c.csv").unlink()
    with pytest.raises(ModelError, match=r"c\.csv: cannot be read"):
        read(folder)
    with pytest.raises(ModelError, match=r"d\.json is missing from its manifest"):
        read(folder, ("d.json",))


def test_a_file_the_manifest_does_not_name_is_never_read(tmp_path: Path) -> None:
    folder = commit(tmp_path / "folder")
    (folder / "extra.json").write_bytes(b"{}")
    assert read(folder) == FILES
    with pytest.raises(ModelError, match=r"extra\.json is missing from its manifest"):
        read(folder, ("extra.json",))


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (None, "no MANIFEST.json"),
        (b"", "not readable JSON"),
        (b"\x80\x04\x95", "not readable JSON"),
        (b"[" * 100_000, "not readable JSON"),
        (b"[]", "not a molvae model"),
        ({"kind": "molvae dataset", "version": 1, "files": {}}, "not a molvae model"),
        ({"kind": "molvae model", "version": 2, "files": {}}, "newer version of molvae.*upgrade"),
        ({"kind": "molvae model", "version": 0, "files": {}}, "another version of molvae"),
        ({"kind": "molvae model", "version": 1}, "does not list plain files"),
        ({"kind": "molvae model", "version": 1, "files": []}, "does not list plain files"),
        (
            {"kind": "molvae model", "version": 1, "files": {"../../etc/passwd": {}}},
            "does not list plain files",
        ),
        (
            {"kind": "molvae model", "version": 1, "files": {"/etc/passwd": {}}},
            "does not list plain files",
        ),
        (
            {"kind": "molvae model", "version": 1, "files": {"a.json": 3}},
            "a.json is missing from its manifest",
        ),
        ({"kind": "molvae model", "version": 1, "files": {"a.json": {}}}, "a.json: damaged"),
    ],
)
def test_a_bad_manifest_is_refused(tmp_path: Path, manifest: Any, words: str) -> None:
    folder = commit(tmp_path / "folder")
    (folder / MANIFEST).unlink()
    if manifest is not None:
        (folder / MANIFEST).write_bytes(
            manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        )
    with pytest.raises(ModelError, match=words):
        read(folder)


@pytest.mark.parametrize(
    ("call", "nth"),
    [("mkdir", 2), ("fsync", 1), ("fsync", 2), ("fsync", 3), ("fsync", 4), ("rename", 1)],
)
def test_a_write_that_fails_leaves_no_folder_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    real, calls = getattr(os, call), []

    def failing(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        if len(calls) == nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **named)

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(OSError, match="No space left") as caught:
        commit(tmp_path / "folder")
    assert os.listdir(tmp_path) == []
    assert call != "fsync" or caught.value.filename, "a full disk is reported with the file it met"


def test_a_folder_is_never_written_over(tmp_path: Path) -> None:
    folder = commit(tmp_path / "folder")
    with pytest.raises(OSError, match=r"exist|empty"):
        commit_folder(folder, {"a.json": b"other"}, kind="model")
    assert read(folder) == FILES
    assert os.listdir(tmp_path) == ["folder"]


def test_replacing_a_file_leaves_the_old_one_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "BEST"
    replace_file(path, b"one")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            with pytest.raises(OSError, match="Input/output"):
                replace_file(path, b"three")
        assert path.read_bytes() == b"two"
        assert os.listdir(tmp_path) == ["BEST"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"x": NaN}', "NaN is not a finite number"),
        (b'{"x": -Infinity}', "-Infinity is not a finite number"),
        (b'{"x": 1e999}', "1e999 is not a finite number"),
        (b'{"x": 1, "x": 2}', "a key occurs twice"),
        (b"[" * 100_000, "not readable JSON"),
        (b"1" * 5000, "not readable JSON"),
        (b"\xff", "not readable JSON"),
        (b"", "not readable JSON"),
        (b"\x80\x04\x95\x00.", "not readable JSON"),
    ],
)
def test_what_is_not_plain_finite_json_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(ModelError, match=r"info\.json: ") as caught:
        read_json(content, "info.json")
    assert words in str(caught.value)
