"""Whole files are read in bounds, whatever their names lead to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from molvae.runtime import bounded_files
from molvae.runtime.bounded_files import read_bounded


def test_a_file_is_read_whole_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_bounded(path) == read_bounded(path, 5) == b"12345"
    with pytest.raises(OSError, match="is larger than 4 bytes") as caught:
        read_bounded(path, 4)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))


@pytest.mark.parametrize("limit", [None, 0, 10, 100_000])
def test_a_device_without_end_is_refused(limit: int | None) -> None:
    with pytest.raises(OSError, match="is larger than"):
        read_bounded("/dev/zero", limit)


def test_a_sparse_file_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 1 << 42)
    with pytest.raises(OSError, match="larger than this machine's memory"):
        read_bounded(path)
    with pytest.raises(OSError, match="larger than 1,000 bytes"):
        read_bounded(path, 1000)


def test_a_system_that_hides_its_memory_has_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sysconf")
    assert bounded_files.memory() > 1 << 60
