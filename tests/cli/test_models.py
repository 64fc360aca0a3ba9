"""Laws of the models that come with molvae: listed by `molvae models`, meant by their names, and by
none at all.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from molvae.storage import pretrained
from molvae.storage.export import export_model


@pytest.fixture(scope="session")
def two(tiny_run: Path, memorised_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two models as they are shipped."""
    folder = tmp_path_factory.mktemp("models")
    export_model(tiny_run, folder / "druglike", licence="MIT")
    export_model(memorised_run, folder / "other")
    return folder


@pytest.fixture
def two_models(two: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """molvae with the two models shipped."""
    monkeypatch.setattr(pretrained, "home", lambda: two)
    return two


@pytest.fixture
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """molvae with no model shipped."""
    monkeypatch.setattr(pretrained, "home", lambda: tmp_path / "none")


def test_the_shipped_models_are_listed_with_their_facts(molvae: Any, two_models: Path) -> None:
    code, out, err = molvae("models")
    assert (code, err) == (0, "")
    header, druglike, other = out.splitlines()
    assert header.split() == [
        "name",
        "molecules",
        "weights",
        "size",
        "exact",
        "licence",
        "trained",
        "on",
    ]
    assert druglike.startswith("druglike  270  ")
    assert druglike.endswith("MIT      molecules.csv (300 rows)")
    assert other.startswith("other  ")
    listed = json.loads(molvae("models", "--json").out)
    assert list(listed) == ["druglike", "other"]
    assert listed["druglike"]["molecules"] == 270
    assert listed["druglike"]["licence"] == "MIT"
    assert f"{listed['druglike']['exact']:.1%}" in druglike
    assert f"{listed['druglike']['weights']:,}" in druglike
    assert listed["other"]["exact"] is None


@pytest.mark.usefixtures("no_models")
def test_where_none_is_shipped_the_list_is_empty(molvae: Any) -> None:
    code, out, err = molvae("models")
    assert (code, out) == (0, "")
    assert "molvae train makes one" in err
    assert json.loads(molvae("models", "--json").out) == {}


@pytest.mark.usefixtures("two_models")
def test_a_newcomer_names_no_model_at_all(molvae: Any, few: list[str], tmp_path: Path) -> None:
    code, out, err = molvae("sample", "-n", 20)
    assert code == 0
    assert "20 written" in err
    assert (
        out
        == molvae("sample", "-m", "druglike", "-n", 20).out
        != molvae("sample", "-m", "other", "-n", 20).out
    )
    (tmp_path / "in.csv").write_text("smiles\n" + "\n".join(few))
    assert molvae("encode", tmp_path / "in.csv", "-o", tmp_path / "z.csv").code == 0
    assert molvae("decode", tmp_path / "z.csv").code == 0
    assert molvae("interpolate", few[0], few[3], "--steps", 3).code == 0
    assert molvae("info").out == molvae("info", "druglike").out != molvae("info", "other").out


@pytest.mark.usefixtures("two_models")
def test_novelty_of_a_shipped_model_is_never_by_a_filter(
    molvae: Any, tiny_run: Path, molecules_csv: Path
) -> None:
    args = (
        "--test",
        molecules_csv,
        "-n",
        30,
        "--limit",
        5,
        "--iwae",
        2,
        "--no-fcd",
        "-o",
        "-",
    )
    args = (*args, "--workers", 1)
    report = json.loads(molvae("evaluate", "-m", "druglike", *args).out)
    assert report["samples"]["rows"]["samples"]["novelty"]["value"] is None
    assert "takes one molecule in" in " ".join(report["samples"]["remarks"])
    assert report["latent_space"]["in_training_data"] is None
    report = json.loads(molvae("evaluate", "-m", tiny_run, *args).out)
    assert report["samples"]["rows"]["samples"]["novelty"]["value"] > 0
    assert report["latent_space"]["in_training_data"] == 5


@pytest.mark.usefixtures("no_models")
@pytest.mark.parametrize(
    "args",
    [
        ["sample"],
        ["encode", "in.csv"],
        ["decode", "in.csv"],
        ["interpolate", "CCO", "CCN"],
        ["info"],
    ],
)
def test_where_none_is_shipped_it_is_said_how_to_get_one(molvae: Any, args: list[str]) -> None:
    code, out, err = molvae(*args)
    assert (code, out) == (2, "")
    assert (
        "none is shipped with this molvae; train one (molvae train molecules.csv -o model/)" in err
    )
    assert ("Missing '[MODEL]': " if args == ["info"] else "Missing '-m' / '--model': ") in err


@pytest.mark.usefixtures("two_models")
def test_a_wrong_name_is_answered_with_those_there_are(molvae: Any) -> None:
    code, out, err = molvae("sample", "-m", "chembl")
    assert (code, out) == (1, "")
    assert "chembl: there is no such model folder; shipped with molvae: druglike, other" in err


def test_a_folder_hidden_by_a_shipped_model_gets_a_note(
    molvae: Any,
    two_models: Path,
    memorised_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    args = ("sample", "-n", 3, "-m")
    alone = molvae(*args, "druglike")
    Path("druglike").symlink_to(memorised_run)
    hiding = molvae(*args, "druglike")
    assert hiding.out == alone.out
    assert (
        "druglike is the model shipped with molvae; for the folder of that name write ./druglike"
        in hiding.err
    )
    assert "./druglike" not in alone.err
    for path in ("./druglike", "druglike/", tmp_path / "druglike"):
        given = molvae(*args, path)
        assert given.out == molvae(*args, memorised_run).out != alone.out
        assert "shipped" not in given.err
    assert "./druglike" not in molvae("sample", "-n", 3).err, "nobody named it"


def test_a_model_tells_of_itself_without_torch(two: Path) -> None:
    code = (
        "import sys\nfrom molvae_cli.main import main\n"
        "try:\n    main(['info', sys.argv[1]])\n"
        "except SystemExit as stop:\n    assert not stop.code\n"
        "loaded = {'torch', 'rdkit', 'numba', 'pandas', 'selfies'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(two / "druglike")], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "# druglike" in done.stdout
