"""What a training reads: files of molecules, prepared once, or a folder that was prepared
before.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from molvae.config import DataConfig
from molvae.datasets.dataset import Dataset
from molvae.errors import InputError, UsageError
from molvae.training import run_folder


def test_the_same_files_are_prepared_once(
    molecules_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy = tmp_path / "molecules.csv"
    copy.write_bytes(molecules_csv.read_bytes())
    said: list[str] = []
    data = DataConfig(vocabulary=64)
    first, rejected = run_folder.open_dataset([copy], data, workers=1, said=said.append)
    again, rejected_again = run_folder.open_dataset([copy], data, workers=1, said=said.append)
    assert len(said) == 2
    assert "prepared before" in said[1]
    assert (again.fingerprint, rejected_again) == (first.fingerprint, rejected)
    copy.write_bytes(molecules_csv.read_bytes() + b"CCO\n")
    assert len(run_folder.open_dataset([copy], data, workers=1)[0]) == len(first) + 1
    assert len(list((tmp_path / "cache" / "molvae" / "prepared").iterdir())) == 2
    for folder in (tmp_path / "cache" / "molvae" / "prepared").iterdir():
        (folder / "arrays.safetensors").write_bytes(b"")
    assert (
        run_folder.open_dataset([molecules_csv], data, workers=1)[0].fingerprint
        == first.fingerprint
    )
    for harm in ("rejected.csv", "report.json"):
        (found,) = (
            one for one in (tmp_path / "cache" / "molvae" / "prepared").iterdir() if reads(one)
        )
        (found / harm).unlink()
        for _ in range(2):
            run_folder.open_dataset([molecules_csv], data, workers=1, said=said.append)
        assert "prepared before" in said[-1], "what was damaged is made anew, and then read"


def reads(folder: Path) -> bool:
    """Whether a folder of the cache is sound."""
    try:
        run_folder.read_prepared(folder)
    except (InputError, OSError):
        return False
    return True


def test_a_cache_that_nobody_may_read_or_that_has_no_home_is_done_without(
    molecules_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    said: list[str] = []
    data = DataConfig(vocabulary=64)
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "closed"))
        patch.setattr(Path, "exists", forbidden)
        first = run_folder.open_dataset([molecules_csv], data, workers=1, said=said.append)[0]
    assert "could not be kept" in said[-1]
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert (
        run_folder.open_dataset([molecules_csv], data, workers=1)[0].fingerprint
        == first.fingerprint
    )


def test_a_prepared_folder_is_the_only_input(
    tiny_dataset: Dataset, tmp_path: Path, molecules_csv: Path
) -> None:
    tiny_dataset.save(tmp_path / "prepared", rejected="source,line\n")
    dataset, rejected = run_folder.open_dataset([tmp_path / "prepared"], DataConfig())
    assert (dataset.fingerprint, rejected) == (tiny_dataset.fingerprint, "source,line\n")
    with pytest.raises(UsageError, match="must be the only input"):
        run_folder.open_dataset([tmp_path / "prepared", molecules_csv], DataConfig())
    with pytest.raises((InputError, UsageError)):
        run_folder.open_dataset([tmp_path / "missing"], DataConfig())
