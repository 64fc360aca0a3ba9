"""Laws of the whole command line: exit codes, help, pipes, closed streams, signals, and words instead of tracebacks."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from molvae_cli.main import VERBS


def test_without_arguments_the_verbs_are_shown_and_the_usage_is_wrong(molvae: Any) -> None:
    code, out, err = molvae()
    assert (code, out) == (2, "")
    assert all(f"  {verb}" in err for verb in VERBS)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_verb_with_a_sentence(molvae: Any, flag: str) -> None:
    code, out, err = molvae(flag)
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines() if line.startswith("  ") and line.split()}
    assert all(len(lines[verb].split()) > 4 for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_examples_and_shows_its_defaults(molvae: Any, verb: str) -> None:
    code, out, err = molvae(verb, "-h")
    assert (code, err) == (0, "")
    assert molvae(verb, "--help").out == out
    examples = out.partition("Examples:\n")[2].splitlines()
    assert len(examples) >= 2
    assert sum(f"molvae {verb}" in line for line in examples) >= 2
    if verb != "info":
        assert "default: " in out


def test_the_version_names_what_decides_the_results(molvae: Any) -> None:
    code, out, _ = molvae("--version")
    assert code == 0
    assert out.startswith(f"molvae {version('molvae')} (python ")
    assert f"torch {version('torch')}" in out
    assert f"rdkit {version('rdkit')}" in out


def test_help_loads_nothing_that_is_slow_to_load() -> None:
    code = (
        "import sys\nfrom importlib.metadata import entry_points\n"
        "(command,) = entry_points(group='console_scripts', name='molvae')\nmain = command.load()\n"
        f"for args in [['--help'], ['--version'], *([verb, '-h'] for verb in {list(VERBS)!r})]:\n"
        "    try:\n        main(args)\n    except SystemExit as stop:\n        assert not stop.code\n"
        "loaded = {'torch', 'pandas', 'rdkit', 'numba', 'numpy', 'selfies'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["sampel"], "'sample'"),
        (["interpolat"], "'interpolate'"),
        (["zzzz"], "There are: demo"),
        (["--versoin"], "--version"),
        (["train", "x.csv", "-o", "y", "--epoch", "3"], "--epochs"),
        (["train", "x.csv", "-o", "y", "--batch_size", "3"], "--batch-size"),
        (["prepare", "x.csv", "-o", "y", "--worker", "3"], "--workers"),
        (["sample", "-m", "x", "--temprature", "3"], "--temperature"),
        (["interpolate", "-m", "x", "--step", "3"], "--steps"),
        (["encode", "-m", "x", "--id-colum", "3"], "--id-column"),
        (["decode", "-m", "x", "--ouput", "3"], "--output"),
        (["score", "x.csv", "--score", "qed"], "--scores"),
        (["evaluate", "--tests", "x.csv"], "--test"),
        (["info", "x", "--jsn"], "--json"),
        (["demo", "--forse"], "--force"),
    ],
)
def test_a_mistyped_verb_or_option_is_answered_with_the_nearest(molvae: Any, args: list[str], said: str) -> None:
    code, out, err = molvae(*args)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    "args",
    [
        ["prepare", "IN", "-o", "OUT"],
        ["train", "IN", "-o", "OUT"],
        ["encode", "IN", "-m", "MODEL"],
        ["score", "IN"],
        ["interpolate", "--pairs", "IN", "-m", "MODEL"],
        ["draw", "IN", "-o", "picture.svg"],
    ],
    ids=lambda args: args[0],
)
@pytest.mark.parametrize(
    ("name", "content", "expected", "said"),
    [
        ("https://example.org/a.csv", None, 2, "only local files"),
        ("s3://bucket/a.csv", None, 2, "only local files"),
        ("nowhere.csv", None, 1, "nowhere.csv"),
        ("", None, 1, "does not exist"),
        ("empty.csv", b"", 1, "empty"),
        ("blank.csv", b"\n\n\n", 1, "blank"),
        ("header.csv", b"smiles,name\n", 1, "no rows"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n\0\0", 1, "picture"),
        ("utf16.csv", "smiles,b\nCCO,x\n".encode("utf-16"), 1, "UTF-16"),
        ("latin1.csv", b"smiles,name\nCCO,caf\xe9\n", 1, "offset 19"),
        ("torn.csv.gz", b"\x1f\x8b\x08\0\0\0", 1, "truncated"),
        ("quote.csv", b'smiles,name\nCCO,"x\n', 1, "line 2"),
    ],
)
def test_an_input_that_is_none_is_refused_in_words_and_leaves_nothing(
    molvae: Any,
    tmp_path: Path,
    tiny_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    name: str,
    content: bytes | None,
    expected: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content)
    code, out, err = molvae(*({"IN": name, "OUT": "out", "MODEL": tiny_run}.get(arg, arg) for arg in args))
    assert (code, out) == (expected, "")
    assert said in err
    assert os.listdir() == ([name] if content is not None else [])


@pytest.mark.parametrize("device", ["gpu", "meta", "cpu:3", "", "cuda:99", "cuda:0x0"])
def test_a_device_that_is_not_there_is_answered_with_those_that_are(molvae: Any, tiny_run: Path, device: str) -> None:
    code, out, err = molvae("sample", "-m", tiny_run, "--device", device)
    assert (code, out) == (2, "")
    assert "usable are auto, cpu" in err


@pytest.mark.parametrize("model", ["nowhere", "", "text", "empty", "other"])
@pytest.mark.parametrize("verb", ["sample", "encode", "decode", "interpolate", "info"])
def test_what_is_no_model_is_refused_by_its_name(
    molvae: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, model: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("hello")
    Path("empty").mkdir()
    Path("other").mkdir()
    Path("other/MANIFEST.json").write_text('{"kind": "another thing"}')
    Path("in.csv").write_text("smiles,z1\nCCO,0\n")
    rest = {
        "sample": ["-m", model],
        "encode": ["-m", model, "in.csv"],
        "decode": ["-m", model, "in.csv"],
        "interpolate": ["-m", model, "CCO", "CCN"],
        "info": [model],
    }[verb]
    code, out, err = molvae(verb, *rest)
    assert (code, out) == (1, "")
    assert (model or ".") in err
    assert "model" in err


@pytest.mark.parametrize("verb", ["sample", "score", "encode", "decode", "interpolate"])
def test_an_output_that_cannot_be_is_refused_before_any_work(
    molvae: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: Any, verb: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("smiles,z1\nCCO,0\n")
    Path("there.csv").write_text("precious")
    Path("locked").mkdir()
    read_only(Path("locked"))
    # A model that is not there would be the next thing to be complained of.
    rest = {
        "sample": ["-m", "nowhere"],
        "score": ["in.csv"],
        "encode": ["in.csv", "-m", "nowhere"],
        "decode": ["in.csv", "-m", "nowhere"],
        "interpolate": ["CCO", "CCN", "-m", "nowhere"],
    }[verb]
    for output, expected, said in [
        ("gone/out.csv", 2, "no folder gone"),
        (".", 2, "is a folder"),
        ("", 2, "is a folder"),
        ("there.csv", 1, "--force overwrites it"),
        ("locked/out.csv", 2, "locked cannot be written to"),
        (f"{'n' * 300}.csv", 1, "name too long"),
    ]:
        code, out, err = molvae(verb, *rest, "-o", output)
        assert (code, out) == (expected, ""), (output, err)
        assert said in err
    assert Path("there.csv").read_text() == "precious"
    if verb in ("score", "encode", "decode"):
        code, _, err = molvae(verb, *rest, "-o", "in.csv", "--force")
        assert code == 2
        assert "is the input" in err
    assert sorted(os.listdir()) == ["in.csv", "locked", "there.csv"]


def test_paths_are_taken_as_they_are(
    molvae: Any, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-dash.csv", "$(touch hacked) 'q' \"ü\" *.csv", "new\nline.csv"):
        Path(name).write_text("smiles\nCCO\nCCN\n")
        for verb, options in [("encode", ["-m", tiny_run]), ("score", ["--scores", "hbd"])]:
            assert molvae(verb, *options, "-o", f"out {verb} {name}", "--", name).code == 0
            assert Path(f"out {verb} {name}").is_file()
    assert not Path("hacked").exists()


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
        (["decode", "-", "-m", "MODEL"], "<&-", 1, "standard input is closed"),
        (["score", "-"], "<&-", 1, "tandard input is closed"),
    ],
)
def test_a_closed_or_full_stream_is_told_of_and_never_taken_for_success(
    command: Any, tiny_run: Path, tmp_path: Path, args: list[str], redirection: str, expected: int, said: str
) -> None:
    (tmp_path / "in.csv").write_text("smiles\nCCO\nCCN\n")
    line = command(*({"MODEL": tiny_run, "IN": "in.csv"}.get(arg, arg) for arg in args))
    run = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *line], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert (run.returncode, run.stdout) == (expected, "")
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert (tmp_path / "new.csv").is_file() == ("new.csv" in args)


@pytest.mark.parametrize("name", ["full.csv", "full.csv.gz"])
def test_a_disk_that_is_full_is_told_of_by_the_name_of_the_file(molvae: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "in.csv").write_text("smiles\nCCO\n")
    (tmp_path / name).symlink_to("/dev/full")
    code, _, err = molvae("score", tmp_path / "in.csv", "--scores", "hbd", "-o", tmp_path / name)
    assert code == 1
    assert f"{name}: No space left on device" in err
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_half_written_file_and_its_exit_code(
    molvae: Any, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: int
) -> None:
    from molvae import sampling

    def interrupted(*_: object, **__: object) -> Iterator[sampling.Sample]:
        yield sampling.Sample("CCO", "[C][C][O]", -1.0)
        os.kill(os.getpid(), number)
        yield sampling.Sample("CCN", "[C][C][N]", -1.0)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sampling, "sample", interrupted)
    (tmp_path / "old.csv").write_text("precious")
    assert molvae("sample", "-m", tiny_run, "-o", tmp_path / "new.csv").code == expected
    assert molvae("sample", "-m", tiny_run, "-o", tmp_path / "old.csv", "--force").code == expected
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]
    assert (tmp_path / "old.csv").read_text() == "precious"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_narrow_terminal_and_a_narrow_encoding_change_nothing_but_letters(command: Any, tmp_path: Path) -> None:
    narrow = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "COLUMNS": "1", "TERM": "dumb", "NO_COLOR": "1"}
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


def test_a_terminal_that_is_waited_for_is_told_what_ends_the_input(
    molvae: Any, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard(io.BytesIO(b"smiles\nCCO\n")))
    code, out, err = molvae("encode", "-m", tiny_run, "-")
    assert code == 0
    assert "Ctrl-D" in err
    assert out.count("\n") == 2
