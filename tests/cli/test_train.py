"""Laws of `molvae train`: any file in, a model out; stopped, nothing is lost; resumed, the same bits come out."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import pytest

from molvae import distributed
from molvae.distributed import LostError
from molvae.processes import World

TEN = ["CCO", "CCN", "CCC", "CCCO", "CCCN", "c1ccccc1", "Cc1ccccc1", "CC(=O)O", "CC(C)O", "OCCO"]


@pytest.fixture
def train(molvae: Any, recipe: Path, molecules_csv: Path, tmp_path: Path) -> Any:
    """The function that trains in a folder of the test, by the recipe unless told otherwise."""

    def run(name: str, *args: object, files: tuple[object, ...] = (molecules_csv,), **more: Any) -> Any:
        given = () if "--config" in args or "--resume" in args else ("--config", recipe)
        return molvae("train", *files, "-o", tmp_path / name, "--device", "cpu", *given, *args, **more)

    return run


def result(run: Path) -> dict[str, bytes]:
    """What a training ended with: its newest state, bit for bit."""
    newest = max(path for path in run.iterdir() if path.name.startswith("step-"))
    return {name: (newest / name).read_bytes() for name in ("weights.safetensors", "training.safetensors")}


def test_a_training_says_what_it_reads_and_how_it_goes_and_leaves_its_files(train: Any, tmp_path: Path) -> None:
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


def test_the_configuration_written_is_read_back_to_the_same_training_and_options_win_over_it(
    train: Any, tmp_path: Path
) -> None:
    assert train("first", "--beta", 0.3, "--no-neutralise").code == 0
    written = tmp_path / "first" / "config.toml"
    assert train("second", "--config", written).code == 0
    assert result(tmp_path / "second") == result(tmp_path / "first")
    assert (tmp_path / "second" / "config.toml").read_text() == written.read_text()
    assert train("third", "--config", written, "--epochs", 1, "--neutralise").code == 0
    changed = written.read_text().replace("epochs = 3", "epochs = 1").replace("neutralise = false", "neutralise = true")
    assert (tmp_path / "third" / "config.toml").read_text() == changed


@pytest.mark.parametrize(
    ("content", "said"),
    [
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
def test_a_configuration_file_that_is_wrong_is_refused_by_name_before_anything_is_read(
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
def test_an_option_out_of_bounds_is_refused_by_name_before_anything_is_read(
    train: Any, tmp_path: Path, args: list[str]
) -> None:
    code, _, err = train("run", *args, files=("nowhere.csv",))
    assert code == 2
    assert args[0] in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("output", ["file", "file/x", "full", "", "n" * 300, "locked/x"])
def test_a_folder_that_cannot_be_is_refused_before_anything_is_read(
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


def test_a_training_is_kept_unless_forced_or_resumed(train: Any, tmp_path: Path) -> None:
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
def test_a_training_stopped_by_a_signal_is_saved_and_goes_on_to_the_same_end(
    train: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: int, stop_after: int
) -> None:
    from molvae_cli import train as verb

    assert train("whole").code == 0
    told: list[Any] = []

    def tell_and_be_stopped(record: Any) -> None:
        told.append(record)
        if len(told) == stop_after:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(verb, "tell", tell_and_be_stopped)
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

    monkeypatch.setattr(verb, "tell", impatient)
    code, _, err = train("run")
    assert code == 130
    assert "Interrupted" in err


def test_a_signal_before_the_first_step_ends_the_command(train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from molvae import runs

    def interrupted(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it went on")

    monkeypatch.setattr(runs, "open_dataset", interrupted)
    assert train("run").code == 143


def test_going_on_with_other_options_or_other_data_is_refused_and_the_option_named(
    train: Any, tmp_path: Path, recipe: Path, molecules: list[str]
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
    assert train("run", "--resume", "--epochs", 3, "--config", recipe).code == 0, "the same options are no change"
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("\n".join(["smiles", *molecules[1:]]))
    code, _, err = train("run", "--resume", files=(fewer,))
    assert code == 2
    assert "was trained on other data" in err
    assert "molecules to train on, here" in err
    assert result(tmp_path / "run") == before


@pytest.mark.parametrize("name", ["nowhere", "empty", "mine"])
def test_where_nothing_can_be_resumed_the_command_says_so(train: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    code, _, err = train(name, "--resume")
    assert code == 2
    assert "there is no training to resume" in err


def test_a_file_several_files_a_prepared_folder_and_stdin_train_the_same_model(
    train: Any, molvae: Any, molecules_csv: Path, molecules: list[str], tmp_path: Path
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


def test_a_file_of_ten_rows_is_enough_for_every_verb(train: Any, molvae: Any, tmp_path: Path) -> None:
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
def test_fewer_than_ten_molecules_train_and_are_validated_on_themselves(train: Any, tmp_path: Path, count: int) -> None:
    (tmp_path / "few.smi").write_text("\n".join(TEN[:count]))
    code, _, err = train("run", "--epochs", 1, files=(tmp_path / "few.smi",))
    assert code == 0
    assert f"{count} molecules to train on, none held out" in err


def test_rejected_rows_are_left_beside_the_model_also_when_read_from_the_cache(
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


NEW = ["C[Si](C)(C)c1ccccc1", "C[Si](C)(C)CCO", "CCOB(O)O", "CP(C)CC", "CC[N+](C)(C)C", "BrCCO", "ICC", "CC[Se]C"]


@pytest.fixture
def mine(molecules: list[str], tmp_path: Path) -> Path:
    """A file of molecules, some of them of symbols that the tiny model has never met."""
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["smiles", *molecules[::10], *NEW]))
    return path


def test_a_training_from_a_model_takes_its_options_and_goes_on_like_any_other(
    molvae: Any, tiny_run: Path, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from molvae import runs

    given = ("--epochs", 3, "--batch-size", 20, "--precision", "fp32", "--device", "cpu")
    code, _, err = molvae("train", mine, "--from", tiny_run, "-o", tmp_path / "whole", *given)
    assert code == 0
    assert "new symbols: [B] [I] [N+1] [Se] [Si]" in err
    written = (tmp_path / "whole" / "config.toml").read_text()
    assert "latent = 8" in written
    assert "vocabulary = 64" in written
    assert "epochs = 3" in written
    code, out, _ = molvae("encode", "-m", tmp_path / "whole", mine)
    assert code == 0
    assert len(out.splitlines()) == 1 + 30 + len(NEW), "every symbol is known now"
    assert molvae("encode", "-m", tiny_run, mine).out.count("\n") < 1 + 30 + len(NEW), "and was not before"

    real = runs.run_training

    def stopped(*arguments: Any, **options: Any) -> Any:
        seen: list[Any] = []
        options["stopping"] = lambda: len(seen) > 2
        for record in real(*arguments, **options):
            seen.append(record)
            yield record

    with monkeypatch.context() as patch:
        patch.setattr(runs, "run_training", stopped)
        code, _, err = molvae("train", mine, "--from", tiny_run, "-o", tmp_path / "run", *given)
    assert "Stopped and saved at step" in err
    assert result(tmp_path / "run") != result(tmp_path / "whole")
    assert molvae("train", mine, "-o", tmp_path / "run", "--resume", "--device", "cpu").code == 0
    assert result(tmp_path / "run") == result(tmp_path / "whole")
    again = molvae("train", mine, "-o", tmp_path / "run", "--from", tiny_run, "--resume", "--device", "cpu")
    assert again.code == 0
    assert "already complete" in again.err
    for run in ("run", "whole"):
        newest = max(path for path in (tmp_path / run).iterdir() if path.name.startswith("step-"))
        assert json.loads((newest / "info.json").read_text())["started_from"]["model"] == tiny_run.name


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--latent", 16), "--latent is 8 in the model, and cannot become 16"),
        (("--posterior", "levels"), "--posterior is 'gaussian' in the model"),
        (("--vocabulary", 99), "--vocabulary is 64 in the model"),
    ],
)
def test_an_option_that_would_make_it_another_model_is_refused_by_name(
    molvae: Any, tiny_run: Path, tmp_path: Path, args: tuple[object, ...], said: str
) -> None:
    code, _, err = molvae("train", "nowhere.csv", "--from", tiny_run, "-o", tmp_path / "run", *args)
    assert code == 2
    assert said in err
    recipe = tmp_path / "recipe.toml"
    section = "data" if args[0] == "--vocabulary" else "model"
    recipe.write_text(f"[{section}]\n{str(args[0])[2:]} = {json.dumps(args[1])}\n")
    code, _, err = molvae("train", "nowhere.csv", "--from", tiny_run, "-o", tmp_path / "run", "--config", recipe)
    assert code == 2
    assert said in err
    assert not (tmp_path / "run").exists()


def test_a_prepared_folder_fits_a_model_only_if_it_is_written_in_its_symbols(
    molvae: Any, tiny_run: Path, tiny_dataset: Any, mine: Path, tmp_path: Path
) -> None:
    assert molvae("prepare", mine, "-o", tmp_path / "other").code == 0
    code, _, err = molvae("train", tmp_path / "other", "--from", tiny_run, "-o", tmp_path / "run")
    assert code == 1
    assert "other: is written in other symbols than the model; give the file of the molecules itself" in err
    assert not (tmp_path / "run").exists()
    tiny_dataset.save(tmp_path / "same")
    given = ("--from", tiny_run, "-o", tmp_path / "run", "--epochs", 1, "--device", "cpu")
    code, _, err = molvae("train", tmp_path / "same", *given)
    assert code == 0
    assert "no new symbols" in err


def test_what_cannot_be_begun_with_is_refused_before_anything_is_read(
    molvae: Any, copied_run: Path, tiny_run: Path, tmp_path: Path, train: Any
) -> None:
    before = sorted(path.name for path in copied_run.iterdir())
    for model in (copied_run, max(path for path in copied_run.iterdir() if path.name.startswith("step-"))):
        code, _, err = molvae("train", "nowhere.csv", "--from", model, "-o", copied_run, "--force")
        assert code == 2
        assert "holds the model that the training is to begin with" in err
    assert sorted(path.name for path in copied_run.iterdir()) == before
    code, _, err = molvae("train", "nowhere.csv", "--from", tmp_path / "none", "-o", tmp_path / "run")
    assert code == 1
    assert "none: there is no such model folder" in err
    assert train("plain", "--epochs", 1).code == 0
    code, _, err = train("plain", "--resume", "--from", tiny_run)
    assert code == 2
    assert "did not begin with a model; leave it out" in err


def test_two_processes_leave_one_folder_and_the_first_one_speaks(
    two_processes: Any, command: Any, molvae: Any, recipe: Path, molecules_csv: Path, tmp_path: Path
) -> None:
    options = ("-o", tmp_path / "run", "--config", recipe, "--device", "cpu")
    first, second = two_processes(*command("train", molecules_csv, *options))
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert (first.out, second.out, second.err) == ("", "", "")
    assert first.err.count("held out: ELBO") == 3
    assert "weights on cpu, fp32 products, 2 processes" in first.err
    assert len(molvae("sample", "-m", tmp_path / "run", "-n", 5).rows) == 6


SIGNALLED = """
import os, signal, sys
from molvae import training
from molvae_cli.main import main
real = training.one_step
def one_step(state, *arguments):
    if state.step == 3 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGINT)
    return real(state, *arguments)
training.one_step = one_step
main(sys.argv[1:])
"""


def test_a_signal_to_one_of_two_processes_stops_both_and_the_training_is_saved(
    two_processes: Any, molvae: Any, recipe: Path, molecules_csv: Path, tmp_path: Path
) -> None:
    told = ("train", molecules_csv, "-o", tmp_path / "run", "--config", recipe, "--device", "cpu")
    first, second = two_processes(sys.executable, "-c", SIGNALLED, *told)
    assert (first.code, second.code, second.err) == (143, 130, "")
    assert "Stopped and saved at step 4; molvae train --resume goes on" in first.err
    code, _, err = molvae("train", molecules_csv, "-o", tmp_path / "run", "--resume", "--device", "cpu")
    assert code == 0
    assert "going on from step 4" in err


def test_each_of_several_processes_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from molvae_cli.train import own_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert own_device("auto") == own_device("cuda") == "cuda"
    monkeypatch.setenv("WORLD_SIZE", "3")
    for rank in ("0", "1"):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert own_device("auto") == own_device("cuda") == f"cuda:{rank}"
        assert own_device("cpu") == "cpu"
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(click.BadParameter, match="'cuda:2' is not usable here"):
        own_device("auto")


@pytest.mark.parametrize("rank", [0, 1])
def test_that_another_process_is_lost_the_first_one_tells_for_all(
    molvae: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rank: int
) -> None:
    in_group(monkeypatch, rank, LostError("another process ended"))
    code, _, err = molvae("train", "nowhere.csv", "-o", tmp_path / "run")
    assert (code, err) == (1, "Error: another process ended\n" if rank == 0 else "")


def test_several_processes_do_not_share_standard_input(
    molvae: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_group(monkeypatch, 0)
    code, _, err = molvae("train", "-", "-o", tmp_path / "run", stdin=b"CCO\n")
    assert code == 2
    assert "several processes cannot all read standard input: give a file" in err


def in_group(monkeypatch: pytest.MonkeyPatch, rank: int, error: Exception | None = None) -> None:
    """Make this process one of two, and let the beginning of its training fail with ``error``."""

    class Two(distributed.Group):
        def first_alone(self) -> Any:
            if error is not None:
                raise error
            return nullcontext()

    monkeypatch.setattr(distributed, "joined", lambda _: nullcontext(Two(World(rank, 2))))
