"""Laws of the whole command line: help, exit codes, and words for what cannot be read or
written.
"""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import molvae_cli.main as main_module
import pytest
from molvae_cli.main import VERBS

from molvae.runtime.process_pool import forks_workers, map_chunks


def test_no_arguments_show_the_verbs_and_exit_2(molvae: Any) -> None:
    code, out, err = molvae()
    assert (code, out) == (2, "")
    assert all(f"  {verb}" in err for verb in VERBS)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_verb_with_a_sentence(molvae: Any, flag: str) -> None:
    code, out, err = molvae(flag)
    assert (code, err) == (0, "")
    lines = {
        line.split()[0]: line for line in out.splitlines() if line.startswith("  ") and line.split()
    }
    assert all(len(lines[verb].split()) > 4 for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_examples_and_shows_its_defaults(molvae: Any, verb: str) -> None:
    code, out, err = molvae(verb, "-h")
    assert (code, err) == (0, "")
    assert molvae(verb, "--help").out == out
    examples = out.partition("Examples:\n")[2].splitlines()
    assert len(examples) >= 2
    assert sum(f"molvae {verb}" in line for line in examples) >= 2
    if verb not in ("info", "models"):
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
        "    try:\n        main(args)\n"
        "    except SystemExit as stop:\n        assert not stop.code\n"
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
def test_a_mistyped_verb_or_option_is_answered_with_the_nearest(
    molvae: Any, args: list[str], said: str
) -> None:
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
def test_a_bad_input_is_refused_and_leaves_nothing(
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
    code, out, err = molvae(
        *({"IN": name, "OUT": "out", "MODEL": tiny_run}.get(arg, arg) for arg in args)
    )
    assert (code, out) == (expected, "")
    assert said in err
    assert os.listdir() == ([name] if content is not None else [])


@pytest.mark.parametrize("device", ["gpu", "meta", "cpu:3", "", "cuda:99", "cuda:0x0"])
def test_a_missing_device_is_answered_with_usable_ones(
    molvae: Any, tiny_run: Path, device: str
) -> None:
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
        ("out.XLSX", 2, "out.XLSX"),
        ("out.sdf.gz", 2, "out.sdf.gz"),
        *([("out.parquet", 2, "as CSV or TSV, not as .parquet")] if verb != "encode" else []),
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


@pytest.mark.parametrize("verb", ["sample", "score", "decode", "interpolate"])
def test_a_table_named_tsv_has_tabs_and_is_otherwise_the_same(
    molvae: Any, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("smiles,z1,z2,z3,z4,z5,z6,z7,z8\nCCO,0,0,0,0,0,0,0,0\n")
    rest = {
        "sample": ["-n", 2, "-m", tiny_run],
        "score": ["in.csv", "--scores", "hbd"],
        "decode": ["in.csv", "-m", tiny_run],
        "interpolate": ["CCO", "CCN", "--steps", 2, "-m", tiny_run],
    }[verb]
    for name in ("out.csv", "out.tsv"):
        assert molvae(verb, *rest, "-o", name).code == 0
    with open("out.csv", newline="") as commas, open("out.tsv", newline="") as tabs:
        rows = list(csv.reader(commas))
        assert list(csv.reader(tabs, delimiter="\t")) == rows
    assert len(rows[0]) > 2


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


def test_python_dash_m_runs_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "molvae", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("molvae ")


class Dying:
    """An object in whose destructor a signal comes."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)
        time.sleep(0)


def in_a_destructor() -> None:
    Dying()


def in_a_hook_of_a_fork() -> None:
    coming = [signal.SIGTERM]

    def hook() -> None:
        while coming:
            signal.raise_signal(coming.pop())

    os.register_at_fork(before=hook)  # for good: it does nothing once the signal came
    list(map_chunks(list, ([n] for n in range(4)), 2))


@pytest.mark.skipif(not forks_workers(), reason="workers are not forked")
@pytest.mark.parametrize("moment", [in_a_destructor, in_a_hook_of_a_fork])
def test_a_signal_that_python_swallows_stops_all_the_same(
    moment: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    went_on: list[bool] = []

    def work(args: list[str] | None) -> int:
        moment()
        for _ in range(3000):
            time.sleep(0.01)
        went_on.append(True)
        return 0

    monkeypatch.setattr(main_module, "run", work)
    hook = sys.unraisablehook
    with pytest.raises(SystemExit) as end:
        main_module.main([])
    assert end.value.code == 143
    assert not went_on
    assert capfd.readouterr().err == "Terminated.\n"
    assert sys.unraisablehook is hook
