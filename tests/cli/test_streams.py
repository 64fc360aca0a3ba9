"""Laws of where the command line writes: pipes, closed and full streams, signals, terminals."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    "args",
    [
        ["sample", "-n", "1e9"],
        ["score", "MANY", "--scores", "hbd"],
        ["decode", "LATENTS"],
        ["encode", "MANY"],
    ],
    ids=lambda args: args[0],
)
def test_a_reader_that_leaves_early_ends_the_command_quietly(
    command: Any, tiny_run: Path, tmp_path: Path, args: list[str]
) -> None:
    many, latents = tmp_path / "many.smi", tmp_path / "latents.csv"
    many.write_text("CCCCCO\n" * 5_000)
    latents.write_text("z1,z2,z3,z4,z5,z6,z7,z8\n" + "0,0,0,0,0,0,0,1\n" * 5_000)
    args = [{"MANY": str(many), "LATENTS": str(latents)}.get(arg, arg) for arg in args]
    line = command(*args, *(["-m", tiny_run] if args[0] != "score" else []))
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline().count(",") >= 2
        run.stdout.close()
        said = run.stderr.read()
        assert run.wait(timeout=100) == 0, said
    assert "Error" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("args", "redirection", "expected", "said"),
    [
        (["sample", "-n", "3", "-m", "MODEL"], ">&-", 1, "standard output: is closed"),
        (["sample", "-n", "3", "-m", "MODEL"], ">/dev/full", 1, "standard output: No space left"),
        (["sample", "-n", "3", "-m", "MODEL", "-o", "new.csv"], ">&- 2>&- <&-", 0, ""),
        (["score", "IN"], ">&- 2>&-", 1, ""),
        (["score", "IN", "-o", "new.csv"], "2>&-", 0, ""),
        (["--version"], ">&-", 1, "standard output: is closed"),
        (["--help"], ">/dev/full", 1, "No space left"),
        (["decode", "-", "-m", "MODEL"], "<&-", 1, "tandard input is closed"),
        (["score", "-"], "<&-", 1, "tandard input is closed"),
    ],
)
def test_a_closed_or_full_stream_is_never_success(
    command: Any,
    tiny_run: Path,
    tmp_path: Path,
    args: list[str],
    redirection: str,
    expected: int,
    said: str,
) -> None:
    (tmp_path / "in.csv").write_text("smiles\nCCO\nCCN\n")
    line = command(*({"MODEL": tiny_run, "IN": "in.csv"}.get(arg, arg) for arg in args))
    run = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *line],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (run.returncode, run.stdout) == (expected, "")
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert (tmp_path / "new.csv").is_file() == ("new.csv" in args)


@pytest.mark.parametrize("name", ["full.csv", "full.csv.gz"])
def test_a_disk_that_is_full_is_told_of_by_the_name_of_the_file(
    molvae: Any, tmp_path: Path, name: str
) -> None:
    (tmp_path / "in.csv").write_text("smiles\nCCO\n")
    (tmp_path / name).symlink_to("/dev/full")
    code, _, err = molvae("score", tmp_path / "in.csv", "--scores", "hbd", "-o", tmp_path / name)
    assert code == 1
    assert f"{name}: No space left on device" in err
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
        (signal.SIGQUIT, 131),
    ],
)
def test_a_signal_leaves_no_half_written_file_and_its_exit_code(
    molvae: Any,
    tiny_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    expected: int,
) -> None:
    from molvae.generation import sampling
    from molvae.generation.reader import Sample

    def interrupted(*_: object, **__: object) -> Iterator[Sample]:
        yield Sample("CCO", "[C][C][O]", -1.0)
        os.kill(os.getpid(), number)
        yield Sample("CCN", "[C][C][N]", -1.0)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sampling, "sample", interrupted)
    (tmp_path / "old.csv").write_text("precious")
    assert molvae("sample", "-m", tiny_run, "-o", tmp_path / "new.csv").code == expected
    assert molvae("sample", "-m", tiny_run, "-o", tmp_path / "old.csv", "--force").code == expected
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]
    assert (tmp_path / "old.csv").read_text() == "precious"
    assert signal.getsignal(signal.SIGTERM) is before


SIGNALLED = """
import os, sys
from molvae_cli import start

class Importing:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Importing())
start()
"""


@pytest.mark.parametrize("module", ["click", "molvae_cli.output", "molvae_cli.score", "rdkit.Chem"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_importing_ends_with_a_word(
    tmp_path: Path, module: str, number: signal.Signals
) -> None:
    (tmp_path / "in.csv").write_text("smiles\nCCO\n")
    script = SIGNALLED.format(module=module, number=int(number))
    run = subprocess.run(
        [sys.executable, "-c", script, "score", "in.csv", "-o", "new.csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    word = "Interrupted.\n" if number == signal.SIGINT else "Terminated.\n"
    assert (run.returncode, run.stdout, run.stderr) == (128 + number, "", word)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


KILLED = (
    "import os, signal\n\n\ndef f(mol):\n"
    "    os.kill(os.getppid() if mol else os.getpid(), signal.SIGTERM)\n    return 1.0\n"
)


@pytest.mark.parametrize("more", ["", "\n\nf(None)\n"], ids=["as it scores", "as it is loaded"])
def test_a_scorer_keeps_no_command_from_being_terminated(
    molvae: Any, tmp_path: Path, more: str
) -> None:
    (tmp_path / "own.py").write_text(KILLED + more)
    (tmp_path / "in.csv").write_text("smiles\nCCO\nCCN\n")
    args = ("--scorer", f"{tmp_path / 'own.py'}:f", "--workers", 1, "-o", tmp_path / "new.csv")
    assert molvae("score", tmp_path / "in.csv", *args).code == 143
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "in.csv",
        "own.py",
    ]


def test_narrow_terminals_and_encodings_change_only_letters(command: Any, tmp_path: Path) -> None:
    narrow = {
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii",
        "COLUMNS": "1",
        "TERM": "dumb",
        "NO_COLOR": "1",
    }
    (tmp_path / "ü.csv").write_text("smiles,name\nCCO,é\n", encoding="utf-8")
    line = command("score", "ü.csv", "--scores", "hbd")
    run = subprocess.run(line, cwd=tmp_path, env=os.environ | narrow, capture_output=True)
    assert run.returncode == 0
    assert run.stdout.decode() == "smiles,name,HBD,status\nCCO,é,1,ok\n"
    line = command("evaluate", "--help")
    assert subprocess.run(line, env=os.environ | narrow, capture_output=True).returncode == 0


@contextlib.contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """stderr as a terminal that tells no size; yields the function that says what it has shown."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        os.set_blocking(ours, False)

        def shown() -> str:
            text = b""
            with contextlib.suppress(BlockingIOError):
                while block := os.read(ours, 4096):
                    text += block
            return text.decode()

        yield shown
    os.close(ours)


def test_progress_is_shown_to_a_terminal_and_to_nothing_else(
    molvae: Any, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ("sample", "-m", tiny_run, "-n", 30, "-o", tmp_path / "new.csv", "--force")
    with terminal(monkeypatch) as shown:
        monkeypatch.setenv("TERM", "xterm")
        assert molvae(*args).code == 0
        text = shown()
        assert "\r\x1b[2Kmolecules: 1 of 30, " in text
        assert "/s" in text, "a terminal of unknown width is taken for one of 80 columns"
        assert text.rpartition("\x1b[2K")[2].startswith("30 drawn") or " drawn, 30 written" in text
        monkeypatch.setenv("TERM", "dumb")
        assert molvae(*args).code == 0
        assert "\x1b" not in shown()
    err = molvae(*args).err
    assert "\x1b" not in err
    assert "\r" not in err


class Keyboard(io.TextIOWrapper):
    """A standard input that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "args", [["encode", "-", "-m"], ["score", "-"], ["draw", "-", "-o", "new.svg"]]
)
def test_a_terminal_is_shown_what_ends_the_input(
    molvae: Any, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", Keyboard(io.BytesIO(b"smiles\nCCO\n")))
    code, _, err = molvae(*args, *([tiny_run] if args[0] == "encode" else []))
    assert code == 0
    assert "Ctrl-D" in err
