"""The public functions do in one call what their names say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import molvae
from molvae.errors import ModelError, UsageError
from molvae.generation import sampling
from molvae.runtime import progress


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> molvae.Model:
    return molvae.load(tiny_run)


def test_the_public_names_are_all_there() -> None:
    for name in molvae.__all__:
        assert getattr(molvae, name).__doc__, f"molvae.{name} has no docstring"
    assert set(dir(molvae)) >= set(molvae.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        molvae.nothing  # noqa: B018


def test_importing_molvae_loads_no_heavy_package() -> None:
    code = (
        "import sys, molvae; "
        "print({'torch', 'rdkit', 'pandas', 'numba', 'click'} & set(sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
        == "set()\n"
    )


def test_a_file_becomes_a_model_that_samples_and_explores(
    molecules_csv: Path, tmp_path: Path, few: list[str]
) -> None:
    dials = {"embedding": 8, "encoder": 8, "decoder": 16, "latent": 4, "vocabulary": 64}
    model = molvae.train(
        molecules_csv, tmp_path / "run", epochs=1, batch_size=100, learning_rate=0.02, **dials
    )
    assert isinstance(model, molvae.Model)
    samples = model.sample(20, seed=3)
    assert len({one.smiles for one in samples}) == 20
    assert model.sample(20, seed=3) == samples == molvae.load(tmp_path / "run").sample(20, seed=3)
    z = model.encode(few)
    assert z.shape == (len(few), 4)
    assert len(model.decode(z)) == len(few)
    assert model.log_likelihood(few[:2], samples=2).shape == (2,)
    assert (tmp_path / "run" / "metrics.csv").is_file()
    with pytest.raises(UsageError, match="already exists"):
        molvae.train(molecules_csv, tmp_path / "run")
    again = molvae.train(
        [molecules_csv],
        tmp_path / "run",
        force=True,
        epochs=1,
        batch_size=100,
        learning_rate=0.02,
        **dials,
    )
    np.testing.assert_array_equal(again.encode(few), z)


def test_novel_samples_are_not_training_molecules(
    model: molvae.Model, molecules: list[str]
) -> None:
    assert not {one.smiles for one in model.sample(30, novel=True)} & set(molecules)
    assert len(model.sample(30, keep="all", temperature=0.0)) == 30


def test_the_learned_prior_samples_as_on_the_command_line(
    model: molvae.Model, tiny_model: Any
) -> None:
    drawn = model.sample(20, seed=1, learned=True)
    params = sampling.SamplingParams(1, learned=True)
    assert drawn == list(sampling.sample(tiny_model, 20, params, workers=1))
    assert drawn != model.sample(20, seed=1)


def test_a_model_shows_what_users_need_and_no_more(model: molvae.Model, tiny_run: Path) -> None:
    names = [name for name in dir(model) if not name.startswith("_")]
    assert names == [
        *("analogs", "combine", "config", "decode", "decode_with_notes", "encode", "info"),
        *("interpolate", "likelihood", "log_likelihood", "optimize", "path", "sample"),
    ]
    assert model.path.parent == tiny_run
    assert str(model.path) in repr(model)
    assert (model.config.model.latent, model.info["step"] > 0) == (8, True)


def test_an_exported_model_leaves_out_its_training_molecules_too(
    memorised_run: Path, few: list[str], tmp_path: Path
) -> None:
    from molvae.storage.export import export_model

    memorised = molvae.load(memorised_run)
    exported = molvae.load(export_model(memorised_run, tmp_path / "exported"))
    assert {one.smiles for one in exported.sample(200, temperature=0.7)} & set(few)
    novel = {one.smiles for one in exported.sample(200, temperature=1.3, novel=True, keep="raw")}
    exact = {one.smiles for one in memorised.sample(200, temperature=1.3, novel=True, keep="raw")}
    assert not novel & set(few)
    assert len(novel & exact) > 180, "few others are left out with them"


def test_a_path_has_the_two_molecules_at_its_ends(memorised_run: Path, few: list[str]) -> None:
    points = molvae.load(memorised_run).interpolate(few[0], few[3], steps=4, path="lerp")
    assert len(points) == 4
    assert (points[0].smiles, points[-1].smiles) == (few[0], few[3])
    assert points.to_frame()["step"].tolist() == [0, 1, 2, 3]
    assert points._repr_html_().startswith("<img")


def test_results_are_tables_that_a_notebook_draws(memorised_run: Path, few: list[str]) -> None:
    model = molvae.load(memorised_run)
    table = model.sample(5).to_frame()
    assert list(table.columns) == ["smiles", "selfies", "log_likelihood", "canonical"]
    notes = model.decode_with_notes(model.encode(few[:2])).to_frame()
    assert notes["smiles"].tolist() == few[:2]
    made = [table, notes, molvae.score(few, ["tpsa"], workers=1), model.likelihood(few[:2])]
    made.append(model.analogs(few[0], 2, similarity=(0.0, 1.0), draws=50))
    made.append(model.optimize(maximize=["qed"], start=few, calls=15))
    for one in made:
        assert len(one) > 0
        assert "<img" in one._repr_html_()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epoch": 3}, 'there is no option "epoch"; did you mean "epochs"?'),
        ({"epochs": 0}, "epochs must be between"),
        ({"decoder": 10**9}, "decoder must be between"),
        ({"sharpest": 0.9}, 'it is called "max_signal" now'),
        ({"beta": float("nan")}, "beta must be a number"),
    ],
)
def test_a_bad_option_is_refused_before_reading(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        molvae.train(tmp_path / "missing.csv", tmp_path / "run", **options)
    assert words in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model: model.encode("CCO"), "`smiles` is one text; give a list"),
        (lambda model: model.log_likelihood("CCO"), "`smiles` is one text; give a list"),
        (lambda model: model.log_likelihood(["CCO"], samples=0), r"`samples` \(=0\)"),
        (lambda model: model.sample(2, keep="some"), "`keep`"),
        (lambda model: model.sample(-1), r"`n` \(=-1\) must be at least 0"),
        (lambda model: model.sample(2, seed=-1), r"`seed` \(=-1\) must lie between 0 and"),
        (lambda model: model.sample(2, seed=2**63), "`seed`"),
        (
            lambda model: model.sample(2, temperature=-0.1),
            r"`temperature` \(=-0.1\) must lie between 0 and 100",
        ),
        (lambda model: model.sample(2, temperature=101), "`temperature`"),
        (lambda model: model.sample(2, temperature=float("nan")), r"`temperature` \(=nan\)"),
        (
            lambda model: model.interpolate("CCO", "CCN", steps=1),
            r"`steps` \(=1\) must be at least 2",
        ),
        (
            lambda model: model.interpolate("CCO", "CCN", path="arc"),
            r"`path` \(='arc'\) must be slerp or lerp",
        ),
    ],
)
def test_an_argument_that_cannot_be_is_refused_in_words(
    model: molvae.Model, call: Any, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        call(model)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ModelError):
            molvae.load(path)


def test_a_training_begins_with_a_model_and_keeps_its_symbols(
    molecules_csv: Path, tiny_run: Path, tmp_path: Path
) -> None:
    mine = molvae.train(molecules_csv, tmp_path / "mine", start=tiny_run, epochs=1)
    before = molvae.load(tiny_run)
    symbols = before._codec.vocabulary.symbols
    assert mine._codec.vocabulary.symbols[: len(symbols)] == symbols
    assert mine.info["started_from"]["molecules"] == before.info["molecules"]
    with pytest.raises(UsageError, match="--decoder"):
        molvae.train(molecules_csv, tmp_path / "other", start=tiny_run, decoder=7)


def test_a_bar_shows_progress_where_it_is_asked_for(
    model: molvae.Model, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(model.sample(5, seed=1)) == 5
    assert molvae.score(["CCO"] * 3, ["tpsa"], workers=1).shape == (3, 3)
    assert capsys.readouterr().err == ""
    model.sample(5, seed=1, progress=True)
    assert "5/5" in capsys.readouterr().err
    molvae.score(["CCO"] * 3, ["tpsa"], workers=1, progress=True)
    assert "3/3" in capsys.readouterr().err
    monkeypatch.setattr(progress, "bars_are_seen", lambda: True)
    monkeypatch.setattr(progress, "DELAY", 0.0)
    model.analogs(["CCO", "CCN"], 1, draws=10)
    assert "2/2" in capsys.readouterr().err
    model.optimize(maximize=["qed"], calls=12)
    assert "12/12" in capsys.readouterr().err
