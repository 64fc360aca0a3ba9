"""``molvae evaluate`` as a user meets it: tables on stdout, a report without NaN, words for what
cannot be.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The installed command, in this process: arguments in; exit code, stdout and stderr out."""
    (command,) = entry_points(group="console_scripts", name="molvae")
    main = import_module(f"{command.module}.main").main

    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return call


def strict(path: Path) -> Any:
    """A JSON file without NaN or infinities."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def figures_of(value: Any) -> list[dict[str, Any]]:
    """Every figure anywhere in a report."""
    if not isinstance(value, dict):
        return (
            [one for part in value for one in figures_of(part)] if isinstance(value, list) else []
        )
    if {"value", "n"} <= value.keys():
        return [value]
    return [one for part in value.values() for one in figures_of(part)]


def test_a_model_gets_three_tables_and_a_report(
    run: Run, tiny_run: Path, molecules_csv: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    code, out, err = run(
        *("evaluate", "-m", tiny_run, "--test", molecules_csv, "--train", molecules_csv, "-n", 60),
        *("--limit", 60, "--iwae", 2, "--workers", 1, "--no-fcd", "-o", report),
    )
    assert code == 0, err
    assert "1 Samples: 60 draws from the prior, seed 0, against 300 molecules" in out
    assert "random training molecules" in out
    assert "2 Latent space: 60 of 300 held-out molecules" in out
    assert "were in the model's training data" in out
    found = strict(report)
    assert found["latent_space"]["verdict"] in out
    assert found["latent_space"]["in_training_data"] == 60
    assert found["samples"]["rows"]["samples"]["canonical"]["n"] == 60
    assert list(found["samples"]["rows"]) == [
        "samples",
        "canonical samples",
        "random training molecules",
    ]
    assert "canonical samples" in out
    assert found["samples"]["sizes"]["test"] == 300
    every = figures_of(found)
    assert len(every) > 60
    assert all(one["value"] is not None or one["note"] for one in every)
    assert "\x1b" not in err  # progress is for terminals only


def test_novelty_without_train_uses_the_models_hashes(
    run: Run, tiny_run: Path, molecules_csv: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    options = ("--limit", 1, "--iwae", 1, "--workers", 1, "--no-fcd")
    code, out, err = run(
        "evaluate", "-m", tiny_run, "--test", molecules_csv, "-n", 1, *options, "-o", report
    )
    assert code == 0, err
    assert "no reference row: no --train file was given" in out
    assert "No verdict: 1 different molecules could be read" in out
    assert strict(report)["samples"]["sizes"]["training molecules"] == 300


def test_samples_are_judged_without_model_and_torch(molecules_csv: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples.smi"
    samples.write_text("CCO\nC(\nCCO\nCCN\n")
    code = (
        "import sys\nfrom molvae_cli.main import main\n"
        f"args = ['evaluate', '--samples', {str(samples)!r}, '--test', {str(molecules_csv)!r}]\n"
        "args += ['--workers', '1']\n"
        "try:\n    main(args)\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "valid" in done.stdout
    assert "0.7500" in done.stdout
    assert "not enough molecules" in done.stdout
    assert "2 Latent space" not in done.stdout


def test_the_report_may_go_to_stdout_and_the_tables_make_way(
    run: Run, molecules_csv: Path, tmp_path: Path
) -> None:
    samples = tmp_path / "samples.smi"
    samples.write_text("C(\nnonsense\n")
    code, out, err = run(
        "evaluate",
        "--samples",
        samples,
        "--test",
        molecules_csv,
        "--no-fcd",
        "--workers",
        1,
        "-o",
        "-",
    )
    assert code == 0
    rows = json.loads(out)["samples"]["rows"]["samples"]
    assert rows["valid"]["value"] == 0.0
    assert rows["SNN/Test"] == {
        "value": None,
        "n": 0,
        "note": "no valid molecule among the samples",
    }
    assert "1 Samples: 2 of" in err


@pytest.mark.parametrize(("redirection", "expected"), [("| true", 0), ("> /dev/full", 1)])
def test_the_report_is_written_whatever_becomes_of_the_tables(
    command: Any, molecules_csv: Path, tmp_path: Path, redirection: str, expected: int
) -> None:
    (tmp_path / "samples.smi").write_text("CCO\nCCN\n")
    args = (
        "--samples",
        "samples.smi",
        "--test",
        molecules_csv,
        "--no-fcd",
        "--workers",
        1,
        "-o",
        "report.json",
    )
    script = f'set -o pipefail; "$@" {redirection}'
    line = ["bash", "-c", script, "bash", *command("evaluate", *args)]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True)
    assert done.returncode == expected, done.stderr
    assert strict(tmp_path / "report.json")["samples"]["rows"]["samples"]["valid"]["value"] == 1.0


def test_only_the_first_n_of_a_file_are_judged(
    run: Run, molecules_csv: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    code, *_ = run(
        *("evaluate", "--samples", molecules_csv, "--test", molecules_csv, "-n", 7),
        *("--no-fcd", "--workers", 1, "-o", report),
    )
    assert code == 0
    assert strict(report)["samples"]["rows"]["samples"]["valid"]["n"] == 7


def test_neither_a_model_nor_samples_is_wrong_usage(run: Run, molecules_csv: Path) -> None:
    code, _, err = run("evaluate", "--test", molecules_csv)
    assert code == 2
    assert "give a model with -m, or molecules with --samples" in err


def test_a_noise_level_is_for_models_that_have_several(
    run: Run, tiny_run: Path, molecules_csv: Path
) -> None:
    code, _, err = run("evaluate", "-m", tiny_run, "--test", molecules_csv, "--level", 0.5)
    assert code == 2
    assert "has one only" in err


def test_a_report_is_not_written_over(run: Run, molecules_csv: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("mine")
    code, _, err = run(
        "evaluate", "--samples", molecules_csv, "--test", molecules_csv, "-o", report
    )
    assert code == 1
    assert "--force overwrites it" in err
    assert report.read_text() == "mine"
