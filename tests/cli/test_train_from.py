"""Laws of `molvae train --from`: what a model knows is kept, and what it lacks is added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NEW = [
    "C[Si](C)(C)c1ccccc1",
    "C[Si](C)(C)CCO",
    "CCOB(O)O",
    "CP(C)CC",
    "CC[N+](C)(C)C",
    "BrCCO",
    "ICC",
    "CC[Se]C",
]


@pytest.fixture
def mine(molecules: list[str], tmp_path: Path) -> Path:
    """A file of molecules, some of them of symbols that the tiny model has never met."""
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["smiles", *molecules[::10], *NEW]))
    return path


def test_a_training_from_a_model_takes_its_options(
    molvae: Any,
    result: Any,
    tiny_run: Path,
    mine: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from molvae.training import run_folder

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
    assert molvae("encode", "-m", tiny_run, mine).out.count("\n") < 1 + 30 + len(NEW), (
        "and was not before"
    )

    real = run_folder.run_training

    def stopped(*arguments: Any, **options: Any) -> Any:
        seen: list[Any] = []
        options["stopping"] = lambda: len(seen) > 2
        for record in real(*arguments, **options):
            seen.append(record)
            yield record

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "run_training", stopped)
        code, _, err = molvae("train", mine, "--from", tiny_run, "-o", tmp_path / "run", *given)
    assert "Stopped and saved at step" in err
    assert result(tmp_path / "run") != result(tmp_path / "whole")
    assert molvae("train", mine, "-o", tmp_path / "run", "--resume", "--device", "cpu").code == 0
    assert result(tmp_path / "run") == result(tmp_path / "whole")
    again = molvae(
        "train", mine, "-o", tmp_path / "run", "--from", tiny_run, "--resume", "--device", "cpu"
    )
    assert again.code == 0
    assert "already complete" in again.err
    for run in ("run", "whole"):
        newest = max(path for path in (tmp_path / run).iterdir() if path.name.startswith("step-"))
        assert (
            json.loads((newest / "info.json").read_text())["started_from"]["model"] == tiny_run.name
        )


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--latent", 16), "--latent is 8 in the model, and cannot become 16"),
        (("--posterior", "levels"), "--posterior is 'gaussian' in the model"),
        (("--vocabulary", 99), "--vocabulary is 64 in the model"),
    ],
)
def test_an_option_of_another_model_is_refused_by_name(
    molvae: Any, tiny_run: Path, tmp_path: Path, args: tuple[object, ...], said: str
) -> None:
    code, _, err = molvae("train", "nowhere.csv", "--from", tiny_run, "-o", tmp_path / "run", *args)
    assert code == 2
    assert said in err
    recipe = tmp_path / "recipe.toml"
    section = "data" if args[0] == "--vocabulary" else "model"
    recipe.write_text(f"[{section}]\n{str(args[0])[2:]} = {json.dumps(args[1])}\n")
    code, _, err = molvae(
        "train", "nowhere.csv", "--from", tiny_run, "-o", tmp_path / "run", "--config", recipe
    )
    assert code == 2
    assert said in err
    assert not (tmp_path / "run").exists()


def test_a_prepared_folder_must_have_the_models_symbols(
    molvae: Any, tiny_run: Path, tiny_dataset: Any, mine: Path, tmp_path: Path
) -> None:
    assert molvae("prepare", mine, "-o", tmp_path / "other").code == 0
    code, _, err = molvae("train", tmp_path / "other", "--from", tiny_run, "-o", tmp_path / "run")
    assert code == 1
    assert (
        "other: is written in other symbols than the model; give the file of the molecules itself"
        in err
    )
    assert not (tmp_path / "run").exists()
    tiny_dataset.save(tmp_path / "same")
    given = ("--from", tiny_run, "-o", tmp_path / "run", "--epochs", 1, "--device", "cpu")
    code, _, err = molvae("train", tmp_path / "same", *given)
    assert code == 0
    assert "no new symbols" in err


def test_an_impossible_start_is_refused_before_reading(
    molvae: Any, copied_run: Path, tiny_run: Path, tmp_path: Path, train: Any
) -> None:
    before = sorted(path.name for path in copied_run.iterdir())
    for model in (
        copied_run,
        max(path for path in copied_run.iterdir() if path.name.startswith("step-")),
    ):
        code, _, err = molvae("train", "nowhere.csv", "--from", model, "-o", copied_run, "--force")
        assert code == 2
        assert "holds the model that the training is to begin with" in err
    assert sorted(path.name for path in copied_run.iterdir()) == before
    code, _, err = molvae(
        "train", "nowhere.csv", "--from", tmp_path / "none", "-o", tmp_path / "run"
    )
    assert code == 1
    assert "none: there is no such model folder" in err
    assert train("plain", "--epochs", 1).code == 0
    code, _, err = train("plain", "--resume", "--from", tiny_run)
    assert code == 2
    assert "did not begin with a model; leave it out" in err
