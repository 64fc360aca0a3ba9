"""Laws of `molvae train`: any file in, a model out; stopped, nothing is lost; resumed, the same
bits come out.
"""

from __future__ import annotations

import gzip
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

TEN = ["CCO", "CCN", "CCC", "CCCO", "CCCN", "c1ccccc1", "Cc1ccccc1", "CC(=O)O", "CC(C)O", "OCCO"]


def test_a_training_reports_and_leaves_its_files(train: Any, tmp_path: Path) -> None:
    code, out, err = train("run")
    assert (code, out) == (0, "")
    assert "300 rows: 300 molecules, 0 rejected" in err
    assert "270 molecules to train on, 30 held out" in err
    epochs = [line for line in err.splitlines() if line.startswith("epoch ")]
    assert len(epochs) == 3
    assert all("KL" in line and "nats" in line and "exact" in line for line in epochs)
    assert "molvae sample -m" in err
    assert "\r" not in err
    assert "\x1b" not in err
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"BEST", "config.toml", "metrics.csv", "rejected.csv"} <= left


def test_a_written_configuration_gives_the_same_training(
    train: Any, result: Any, tmp_path: Path
) -> None:
    assert train("first", "--beta", 0.3, "--no-neutralise").code == 0
    written = tmp_path / "first" / "config.toml"
    assert train("second", "--config", written).code == 0
    assert result(tmp_path / "second") == result(tmp_path / "first")
    assert (tmp_path / "second" / "config.toml").read_text() == written.read_text()
    assert train("third", "--config", written, "--epochs", 1, "--neutralise").code == 0
    changed = (
        written.read_text()
        .replace("epochs = 3", "epochs = 1")
        .replace("neutralise = false", "neutralise = true")
    )
    assert (tmp_path / "third" / "config.toml").read_text() == changed


STAGES = """
[[stage]]
training.seed = 1
[[stage]]
training.epochs = 2
training.learning_rate = 1e-3
"""


def test_the_stages_of_a_recipe_are_the_trainings_one_by_one(
    train: Any, molvae: Any, result: Any, recipe: Path, tmp_path: Path
) -> None:
    staged = tmp_path / "staged.toml"
    staged.write_text(recipe.read_text() + STAGES)
    outcome = train("whole", "--config", staged)
    assert outcome.code == 0
    assert "stage-1 of 2" in outcome.err
    assert "stage-2 of 2" in outcome.err
    assert train("first", "--seed", 1).code == 0
    options = ("--epochs", 2, "--learning-rate", 1e-3)
    assert train("second", "--from", tmp_path / "first", *options).code == 0
    for stage, alone in (("stage-1", "first"), ("stage-2", "second")):
        assert result(tmp_path / "whole" / stage) == result(tmp_path / alone)
    drawn = [molvae("sample", "-m", tmp_path / name, "-n", 3).out for name in ("whole", "second")]
    assert drawn[0] == drawn[1]


def test_a_recipe_of_stages_goes_on_where_it_was_stopped(
    train: Any, result: Any, recipe: Path, tmp_path: Path
) -> None:
    staged = tmp_path / "staged.toml"
    staged.write_text(recipe.read_text() + STAGES)
    assert train("whole", "--config", staged).code == 0
    again = train("whole", "--config", staged)
    assert again.code == 2
    assert "--resume goes on with it" in again.err
    before = result(tmp_path / "whole" / "stage-2")
    shutil.rmtree(tmp_path / "whole" / "stage-2")
    resumed = train("whole", "--config", staged, "--resume")
    assert resumed.code == 0
    assert "already complete" in resumed.err
    assert result(tmp_path / "whole" / "stage-2") == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[stage]\ntraining.epochs = 3\n", "a stage begins with [[stage]]"),
        ("[[stage]]\ntraining.epoch = 3\n", 'unknown key "epoch"; did you mean "epochs"?'),
        ("[training]\nepoch = 3\n", 'unknown key "epoch"; did you mean "epochs"?'),
        ("[trainign]\nepochs = 3\n", 'did you mean "training"?'),
        ("epochs = 3\n", "epochs belongs in the section [training]"),
        ("[training]\nepochs = 'many'\n", "epochs must be a whole number"),
        ("[training]\nbeta = nan\n", "beta must be a number"),
        ("[model]\ndecoder = 1000000000\n", "decoder must be between 1 and 8192"),
        ("not TOML", "not a readable TOML file"),
        ("a = " + "[" * 100_000, "not a readable TOML file"),
        ("[training]\nepochs = " + "1" * 5_000, "not a readable TOML file"),
        (None, "not a readable TOML file"),
    ],
)
def test_a_wrong_configuration_is_refused_before_reading(
    train: Any, tmp_path: Path, content: str | None, said: str
) -> None:
    recipe = tmp_path / "wrong.toml"
    if content is not None:
        recipe.write_text(content)
    code, _, err = train("run", "--config", recipe, files=("nowhere.csv",))
    assert code == 2
    assert "wrong.toml: " in err
    assert said in err
    assert not (tmp_path / "run").exists()


def test_an_empty_configuration_file_is_all_defaults(train: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("")
    assert train("run", "--config", tmp_path / "empty.toml", files=("nowhere.csv",)).err.startswith(
        "Error: nowhere.csv does not exist"
    )


@pytest.mark.parametrize(
    "args",
    [
        ["--epochs", "0"],
        ["--epochs", "-1"],
        ["--epochs", "1e9"],
        ["--epochs", "1_0"],
        ["--epochs", "2.5"],
        ["--epochs", "many"],
        ["--batch-size", "0"],
        ["--batch-size", "-5"],
        ["--batch-size", "99999999999"],
        ["--learning-rate", "0"],
        ["--learning-rate", "-1"],
        ["--learning-rate", "nan"],
        ["--learning-rate", "inf"],
        ["--learning-rate", "1e30"],
        ["--learning-rate", "0.00_1"],
        ["--beta", "nan"],
        ["--beta", "-1"],
        ["--beta", "1e9"],
        ["--beta-schedule", "cosine"],
        ["--latent", "0"],
        ["--latent", "-1"],
        ["--latent", "1e9"],
        ["--decoder", "1000000000"],
        ["--validation", "1"],
        ["--validation", "1.5"],
        ["--seed", "-1"],
        ["--seed", "18446744073709551616"],
        ["--workers", "0"],
        ["--precision", "fp8"],
    ],
    ids=" ".join,
)
def test_an_option_out_of_bounds_is_refused_before_reading(
    train: Any, tmp_path: Path, args: list[str]
) -> None:
    code, _, err = train("run", *args, files=("nowhere.csv",))
    assert code == 2
    assert args[0] in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("output", ["file", "file/x", "full", "", "n" * 300, "locked/x"])
def test_a_folder_that_cannot_be_is_refused_before_reading(
    molvae: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: Any, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("precious")
    Path("full").mkdir()
    Path("full/mine.txt").write_text("precious")
    Path("locked").mkdir()
    read_only(tmp_path / "locked")
    for force in ([], ["--force"]):
        code, _, err = molvae("train", "nowhere.csv", "-o", output, *force)
        assert code in (1, 2)
        assert "nowhere.csv" not in err
    assert Path("file").read_text() == Path("full/mine.txt").read_text() == "precious"
    assert sorted(os.listdir()) == ["file", "full", "locked"]


def test_a_training_is_kept_unless_forced_or_resumed(
    train: Any, result: Any, tmp_path: Path
) -> None:
    assert train("run").code == 0
    before = result(tmp_path / "run")
    code, _, err = train("run")
    assert code == 2
    assert "--resume goes on with it, --force starts it anew" in err
    assert result(tmp_path / "run") == before
    assert train("run", "--force", "--seed", 1).code == 0
    assert result(tmp_path / "run") != before


@pytest.mark.parametrize("stop_after", [1, 4])
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_resumes_to_the_same_end(
    train: Any,
    result: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    expected: int,
    stop_after: int,
) -> None:
    from molvae_cli import train as verb

    assert train("whole").code == 0
    told: list[Any] = []

    def report_and_be_stopped(record: Any) -> None:
        told.append(record)
        if len(told) == stop_after:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(verb, "report", report_and_be_stopped)
        code, _, err = train("run")
    assert code == expected
    assert signal.getsignal(number) is before
    assert len(told) <= stop_after + 2
    assert f"Stopped and saved at step {max(record.step for record in told)}" in err
    code, _, err = train("run", "--resume")
    assert code == 0
    assert "going on from step" in err
    assert result(tmp_path / "run") == result(tmp_path / "whole")
    code, _, err = train("run", "--resume")
    assert code == 0
    assert "already complete" in err
    assert result(tmp_path / "run") == result(tmp_path / "whole")


def test_a_second_interrupt_ends_at_once(train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from molvae_cli import train as verb

    def impatient(_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it went on")

    monkeypatch.setattr(verb, "report", impatient)
    code, _, err = train("run")
    assert code == 130
    assert "Interrupted" in err


def test_a_signal_before_the_first_step_ends_the_command(
    train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from molvae.training import run_folder

    def interrupted(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it went on")

    monkeypatch.setattr(run_folder, "open_dataset", interrupted)
    assert train("run").code == 143


def test_resuming_with_other_options_or_data_is_refused(
    train: Any, result: Any, tmp_path: Path, recipe: Path, molecules: list[str]
) -> None:
    assert train("run").code == 0
    before = result(tmp_path / "run")
    for args, said in [
        (("--epochs", 9), "epochs was 3, and cannot become 9 now"),
        (("--latent", 9), "latent was 8"),
        (("--split-seed", 9), "split_seed was 0"),
        (("--no-neutralise",), "neutralise was True"),
    ]:
        code, _, err = train("run", "--resume", *args)
        assert code == 2
        assert said in err
    assert train("run", "--resume", "--epochs", 3, "--config", recipe).code == 0, (
        "the same options are no change"
    )
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("\n".join(["smiles", *molecules[1:]]))
    code, _, err = train("run", "--resume", files=(fewer,))
    assert code == 2
    assert "was trained on other data" in err
    assert "molecules to train on, here" in err
    assert result(tmp_path / "run") == before


@pytest.mark.parametrize("name", ["nowhere", "empty", "mine"])
def test_where_nothing_can_be_resumed_the_command_says_so(
    train: Any, tmp_path: Path, name: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    code, _, err = train(name, "--resume")
    assert code == 2
    assert "there is no training to resume" in err


def test_all_kinds_of_input_train_the_same_model(
    train: Any, result: Any, molvae: Any, molecules_csv: Path, molecules: list[str], tmp_path: Path
) -> None:
    data = ("--vocabulary", 64, "--validation", 0.1)
    assert molvae("prepare", molecules_csv, "-o", tmp_path / "prepared", *data).code == 0
    (tmp_path / "a.smi").write_text("\n".join(molecules[:100]) + "\n")
    with gzip.open(tmp_path / "b.csv.gz", "wt") as handle:
        handle.write("\n".join(["id;Canonical_SMILES", *(f"1;{one}" for one in molecules[100:])]))
    assert train("file").code == 0
    assert train("prepared-run", files=(tmp_path / "prepared",)).code == 0
    assert train("files", files=(tmp_path / "a.smi", tmp_path / "b.csv.gz")).code == 0
    assert train("stdin", files=("-",), stdin=molecules_csv.read_bytes()).code == 0
    ends = {name: result(tmp_path / name) for name in ("file", "prepared-run", "files", "stdin")}
    assert all(end == ends["file"] for end in ends.values())


def test_a_file_of_ten_rows_is_enough_for_every_verb(
    train: Any, molvae: Any, tmp_path: Path
) -> None:
    ten = tmp_path / "ten.csv"
    ten.write_text("\n".join(["name,smiles", *(f"n{i},{one}" for i, one in enumerate(TEN))]))
    code, _, err = train("run", "--batch-size", 999999, files=(ten,))
    assert code == 0
    assert "10 rows: 10 molecules, 0 rejected" in err
    assert "9 molecules to train on, 1 held out" in err
    assert molvae("sample", "-m", tmp_path / "run", "-n", 5).code == 0
    assert len(molvae("encode", "-m", tmp_path / "run", ten).rows) == 11
    assert len(molvae("interpolate", "-m", tmp_path / "run", "CCO", "CCN", "--steps", 3).rows) == 4
    code, _, err = molvae("interpolate", "-m", tmp_path / "run", "CCO", "CCBr")
    assert code == 1
    assert "[Br] never occurred in training" in err


@pytest.mark.parametrize("count", [1, 2, 9])
def test_fewer_than_ten_molecules_validate_on_themselves(
    train: Any, tmp_path: Path, count: int
) -> None:
    (tmp_path / "few.smi").write_text("\n".join(TEN[:count]))
    code, _, err = train("run", "--epochs", 1, files=(tmp_path / "few.smi",))
    assert code == 0
    assert f"{count} molecules to train on, none held out" in err


def test_rejected_rows_are_kept_also_from_the_cache(
    train: Any, molecules: list[str], tmp_path: Path, read_rows: Any
) -> None:
    mixed = tmp_path / "mixed.csv"
    mixed.write_text("\n".join(["smiles", *molecules, "C1CC", molecules[0]]))
    for name in ("first", "second"):
        code, _, err = train(name, "--epochs", 1, files=(mixed,))
        assert code == 0
        assert ("prepared before" in err) == (name == "second")
        assert "302 rows: 300 molecules, 2 rejected" in err
        rejected = read_rows(tmp_path / name / "rejected.csv")
        assert [row[1] for row in rejected[1:]] == ["302", "303"]
    code, _, err = train("third", "--epochs", 1, "--no-cache", files=(mixed,))
    assert "prepared before" not in err


@pytest.mark.parametrize(
    ("option", "new"),
    [("--sharpest", "--max-signal"), ("--blank-share", "--unconditional-fraction")],
)
def test_an_old_option_is_refused_with_the_new_name(
    molvae: Any, molecules_csv: Path, tmp_path: Path, option: str, new: str
) -> None:
    outcome = molvae("train", molecules_csv, "-o", tmp_path / "run", option, "0.5")
    assert outcome.code == 2
    assert f"{option} is called {new} now" in outcome.err
    assert not (tmp_path / "run").exists()
    assert option not in molvae("train", "--help").out
