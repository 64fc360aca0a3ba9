"""A model that comes with molvae is found by its name, is whole, and gives the molecules it always
gave.

The laws hold for a tiny model too, so that they are put to the test where none is shipped.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import molvae
from molvae.errors import ModelError, UsageError
from molvae.runtime.atomic_folder import MANIFEST
from molvae.storage import checkpoint, model_folder, pretrained
from molvae.storage.export import export_model
from molvae.storage.known_molecules import BloomFilter

ROOT = Path(__file__).parents[2]
LARGEST = 40_000_000
"""Bytes, at most, of a shipped model: everyone who installs molvae fetches all of them."""

golden = SimpleNamespace(**runpy.run_path(str(ROOT / "tests" / "golden.py")))
real_home = pretrained.home


@pytest.fixture(scope="session")
def home(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models as they are shipped: two tiny ones, one of them the default, and what is
    no model.
    """
    folder = tmp_path_factory.mktemp("models")
    for name in ("druglike", "another"):
        export_model(tiny_run, folder / name, licence="MIT")
    (folder / "empty").mkdir()
    (folder / "A name").mkdir()
    (folder / "A name" / MANIFEST).touch()
    (folder / "README.md").touch()
    return folder


@pytest.fixture
def two_models(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """molvae with the two tiny models shipped."""
    monkeypatch.setattr(pretrained, "home", lambda: home)
    return home


@pytest.fixture(params=[pytest.param("", id="tiny"), *pretrained.names()])
def folder(request: pytest.FixtureRequest, home: Path) -> Path:
    """The folder of each model that is really shipped, and of a tiny one."""
    return real_home() / request.param if request.param else home / "druglike"


@pytest.fixture
def written(folder: Path, home: Path, tmp_path: Path) -> Path:
    """The file of the molecules that a model gave when it was added."""
    if folder.parent != home:
        return Path(golden.FOLDER / f"{folder.name}.csv")
    golden.write(tmp_path / "golden" / "tiny.csv", golden.draw(folder))
    return tmp_path / "golden" / "tiny.csv"


def test_a_model_gives_the_molecules_it_always_gave(folder: Path, written: Path) -> None:
    assert written.is_file(), f"{folder.name} is new: python tests/golden.py writes what it gives"
    different = golden.differences(written, golden.draw(folder))
    assert not different, "\n".join(
        [*different, "if that is meant: python tests/golden.py, and say so in the changelog"]
    )


def test_the_golden_file_holds_ten_distinct_molecules(folder: Path, written: Path) -> None:
    samples = golden.draw(folder)
    assert len({one.smiles for one in samples}) == golden.NUMBER == 10
    assert written.read_text().count("\n") == 11


def test_another_molecule_and_another_likelihood_are_noticed(folder: Path, written: Path) -> None:
    samples = golden.draw(folder)
    longer = samples[2]._replace(smiles="C" + samples[2].smiles)
    likelier = samples[4]._replace(log_likelihood=samples[4].log_likelihood + 0.02)
    for changed, number in ((longer, 2), (likelier, 4), (samples[0], 1)):
        others = [*samples[:number], changed, *samples[number + 1 :]]
        (said,) = golden.differences(written, others)
        assert said.startswith(f"molecule {number + 1} is ")
    assert golden.differences(written, samples[:9]) == ["9 molecules in place of 10"]
    slightly = samples[4]._replace(log_likelihood=samples[4].log_likelihood + 0.001)
    assert golden.differences(written, [*samples[:4], slightly, *samples[5:]]) == []


def test_changed_weights_are_noticed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden.write(tmp_path / "tiny.csv", golden.draw(home / "druglike"))
    saved = checkpoint.load(home / "druglike")
    saved.model.output.weight[3:] *= 1.5
    monkeypatch.setattr(checkpoint, "load", lambda *_: saved)
    assert golden.differences(tmp_path / "tiny.csv", golden.draw(home / "druglike"))


def test_every_file_of_golden_molecules_has_its_model() -> None:
    names = {path.stem for path in golden.FOLDER.glob("*.csv")}
    assert names <= set(pretrained.names()), "delete the files of models that are shipped no more"


def test_a_model_is_whole_and_holds_nothing_else(folder: Path) -> None:
    saved = checkpoint.load(folder)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in saved.model.state_dict().values())
    files = (*model_folder.MODEL_FILES, model_folder.KNOWN, model_folder.CARD)
    assert set(os.listdir(folder)) == {MANIFEST, *(model_folder.name_in(folder, n) for n in files)}
    assert sum(path.stat().st_size for path in folder.iterdir()) < LARGEST
    known = model_folder.load_known(folder)
    assert isinstance(known, BloomFilter)
    assert known.molecules >= 270


def test_a_shipped_model_names_its_data_and_its_licence(folder: Path) -> None:
    summary, card = model_folder.summarise(folder), model_folder.load_card(folder)
    assert all(summary[key] is not None for key in summary)
    assert summary["licence"], "export it with --licence"
    assert summary["data"] in card
    assert card.startswith(f"# {folder.name}\n"), (
        "export it into a folder of the name it is shipped by"
    )
    assert "/" not in model_folder.describe(folder)["data"]["sources"]


def test_a_model_of_moses_knows_the_bundled_molecules(home: Path, molecules: list[str]) -> None:
    from molvae.chem.molecule import smiles_hashes
    from molvae.chem.standardise import standard_smiles

    for folder in (
        home / "druglike",
        *(real_home() / name for name in pretrained.names() if name == "moses"),
    ):
        known = model_folder.load_known(folder)
        assert known.contains(
            smiles_hashes([standard_smiles(smiles) for smiles in molecules])
        ).all(), folder


def test_the_wheel_takes_every_file_of_a_model(home: Path) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]
    patterns = settings["package-data"]["molvae_data"]
    for path in (home / "druglike").iterdir():
        packaged = f"models/druglike/{path.name}"
        # One star is one level here, as it is to setuptools.
        assert any(
            pattern.count("/") == packaged.count("/") and fnmatch(packaged, pattern)
            for pattern in patterns
        ), packaged


def test_models_are_found_by_their_names_the_default_first(two_models: Path) -> None:
    assert pretrained.names() == ("druglike", "another")
    assert pretrained.default() == "druglike"
    assert pretrained.folder_of("another") == two_models / "another"
    assert pretrained.find() == pretrained.find("druglike") == two_models / "druglike"
    with pytest.raises(UsageError, match=r"chembl: .*shipped with molvae: druglike, another"):
        pretrained.folder_of("chembl")
    with pytest.raises(UsageError, match=r"empty: there is no shipped model"):
        pretrained.folder_of("empty")


@pytest.mark.usefixtures("two_models")
def test_a_name_and_a_path_are_never_confused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for there in (False, True):
        assert (
            pretrained.find("./druglike")
            == pretrained.find("druglike/")
            == pretrained.find(Path("druglike"))
            == Path("druglike")
        )
        assert pretrained.find("mine") == Path("mine")
        assert pretrained.find("druglike").is_absolute()
        if not there:
            (tmp_path / "druglike").mkdir()


def test_where_none_is_shipped_a_model_must_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_data() -> Path:
        raise ModuleNotFoundError("molvae_data")

    for nothing in (lambda: tmp_path, lambda: tmp_path / "missing", no_data):
        monkeypatch.setattr(pretrained, "home", nothing)
        assert pretrained.names() == ()
        assert pretrained.find("druglike") == Path("druglike")
        with pytest.raises(UsageError, match=r"none is shipped .* train one \(molvae train"):
            pretrained.find()


def test_another_model_alone_is_no_default(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(home / "another", tmp_path / "another")
    monkeypatch.setattr(pretrained, "home", lambda: tmp_path)
    assert pretrained.names() == ("another",)
    with pytest.raises(UsageError, match="shipped with molvae: another; train one"):
        pretrained.find()


def test_the_models_live_in_the_data_package() -> None:
    import molvae_data

    assert pretrained.home() == Path(molvae_data.__file__).parent / "models"


def test_python_loads_a_model_by_name_or_by_path(
    two_models: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert molvae.load().path == molvae.load("druglike").path == two_models / "druglike"
    assert molvae.load("another").path == two_models / "another"
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_run, "druglike")
    for path in ("./druglike", Path("druglike")):
        assert molvae.load(path).path.parent == Path("druglike")
    with pytest.raises(
        ModelError,
        match=r"mozes: there is no such model folder; shipped with molvae: druglike, another",
    ):
        molvae.load("mozes")


@pytest.mark.usefixtures("two_models")
def test_a_training_in_a_folder_of_that_name_gives_its_own_model(
    molecules_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dials: dict[str, Any] = {
        "embedding": 8,
        "encoder": 8,
        "decoder": 16,
        "latent": 3,
        "vocabulary": 64,
    }
    model = molvae.train(molecules_csv, "druglike", epochs=1, batch_size=150, **dials)
    assert model.config.model.latent == 3
    info = json.loads((model.path / "info.json").read_text())
    assert info["molecules"] == 285, "what a card says"
