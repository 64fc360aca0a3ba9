"""Fixtures of the tests of the command line: the installed command, in this process and in one of
its own.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

import pytest

(ENTRY_POINT,) = entry_points(group="console_scripts", name="molvae")

TINY_TOML = """
[data]
vocabulary = 64
validation = 0.1
[model]
embedding = 16
encoder = 16
decoder = 32
latent = 8
posterior = "gaussian"
[training]
epochs = 3
batch_size = 100
learning_rate = 0.02
warmup = 3
ema = 0.9
precision = "fp32"
"""


class Outcome(NamedTuple):
    """End of a command: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """stdout as CSV."""
        return list(csv.reader(io.StringIO(self.out)))


@pytest.fixture
def molvae(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """The installed command, in this process: arguments in, and perhaps bytes on stdin.

    Its start, which answers signals while it is imported, is for a process of its own."""
    main: Any = import_module(f"{ENTRY_POINT.module}.main").main

    def run(*args: object, stdin: bytes | None = None) -> Outcome:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            if stdin is not None:
                patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
            with pytest.raises(SystemExit) as stop:
                main([str(arg) for arg in args])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(int(stop.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def command() -> Callable[..., list[str]]:
    """The function that makes the command line of the installed command in a process of its own."""

    def line(*args: object) -> list[str]:
        find = (
            "from importlib.metadata import entry_points as e; "
            "(m,) = e(group='console_scripts', name='molvae')"
        )
        return [sys.executable, "-c", f"{find}; m.load()()", *map(str, args)]

    return line


@pytest.fixture
def read_rows() -> Callable[[Path], list[list[str]]]:
    """The function that reads the rows of a CSV file, compressed or not."""

    def read(path: Path) -> list[list[str]]:
        opener = gzip.open if path.name.lower().endswith(".gz") else open
        with opener(path, "rt", encoding="utf-8", newline="") as handle:
            return list(csv.reader(handle))

    return read


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A configuration file of a training of nine steps, a fraction of a second."""
    path = tmp_path / "recipe.toml"
    path.write_text(TINY_TOML)
    return path


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """The function that makes a folder look read-only; to root every folder is writable."""

    def protect(folder: Path) -> None:
        real = os.access
        monkeypatch.setattr(
            os, "access", lambda path, mode: Path(path) != folder and real(path, mode)
        )

    return protect


@pytest.fixture
def train(molvae: Any, recipe: Path, molecules_csv: Path, tmp_path: Path) -> Any:
    """The function that trains in a folder of the test, by the recipe unless told otherwise."""

    def run(
        name: str, *args: object, files: tuple[object, ...] = (molecules_csv,), **more: Any
    ) -> Any:
        given = () if "--config" in args or "--resume" in args else ("--config", recipe)
        return molvae(
            "train", *files, "-o", tmp_path / name, "--device", "cpu", *given, *args, **more
        )

    return run


@pytest.fixture
def result() -> Callable[[Path], dict[str, bytes]]:
    """The function that tells what a training ended with: its newest state, bit for bit."""

    def ended(run: Path) -> dict[str, bytes]:
        newest = max(path for path in run.iterdir() if path.name.startswith("step-"))
        return {
            name: (newest / name).read_bytes()
            for name in ("model.safetensors", "training.safetensors")
        }

    return ended
