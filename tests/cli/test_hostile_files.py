"""Laws of files that are no friends: without end, of odd names, damaged and yet consistent."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from molvae.runtime.atomic_folder import MANIFEST, commit_folder

ENDLESS = ("/dev/zero", "sparse")


def endless(place: Path, kind: str) -> Path:
    """Make ``place`` a link to a device without end, or a sparse terabyte."""
    place.unlink(missing_ok=True)
    if kind == "sparse":
        place.touch()
        os.truncate(place, 1 << 40)
    else:
        place.symlink_to(kind)
    return place


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["train", "MOLECULES", "-o", "out", "--config", "ENDLESS.toml"], 2),
        (["score", "MOLECULES", "--scorer", "ENDLESS.py:f"], 2),
        (["score", "ENDLESS.csv"], 1),
        (["score", "ENDLESS.sdf"], 1),
        (["decode", "-m", "MODEL", "ENDLESS.csv"], 1),
        (["decode", "-m", "MODEL", "ENDLESS.npz"], 1),
        (["decode", "-m", "MODEL", "ENDLESS.parquet"], 1),
        (["export", "MODEL", "-o", "out", "--card", "ENDLESS.txt"], 1),
        (["train", "ENDLESS.csv", "-o", "out"], 1),
    ],
    ids=lambda args: " ".join(args[::3]) if isinstance(args, list) else "",
)
def test_a_named_file_without_end_is_refused_in_a_line(
    molvae: Any,
    tiny_run: Path,
    molecules_csv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    args: list[str],
    expected: int,
) -> None:
    if any(arg.endswith("parquet") for arg in args):
        pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    (named,) = (arg.partition(":")[0] for arg in args if arg.startswith("ENDLESS"))
    endless(tmp_path / named, kind)
    given = {"MODEL": tiny_run, "MOLECULES": molecules_csv}
    code, out, err = molvae(*(given.get(arg, arg) for arg in args))
    assert (code, out) == (expected, "")
    assert named in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize(
    "name", ["config.json", "vocabulary.json", "info.json", "model.safetensors", MANIFEST]
)
def test_a_model_file_without_end_is_refused(
    molvae: Any, copied_run: Path, kind: str, name: str
) -> None:
    from molvae.storage import model_folder

    folder = model_folder.locate(copied_run)
    listed = json.loads((folder / MANIFEST).read_text())
    endless(folder / name, kind)
    for size in [None, 0, 1 << 40]:
        if size is not None and name != MANIFEST:  # what a manifest says of it changes nothing
            listed["files"][name]["bytes"] = size
            (folder / MANIFEST).write_text(json.dumps(listed))
        code, _, err = molvae("sample", "-m", folder, "-n", 1)
        assert code == 1
        assert str(folder) in err


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("name", ["BEST", "metrics.csv", "run.pid"])
def test_other_files_of_a_run_may_have_no_end(
    molvae: Any, train: Any, copied_run: Path, kind: str, name: str
) -> None:
    endless(copied_run / name, kind)
    code, out, err = molvae("info", copied_run)
    assert code == 0
    assert out
    assert ("is taken for the best step" in err) == (name == "BEST")


def test_a_stream_of_vectors_without_end_is_decoded_as_it_comes(
    command: Any, tiny_run: Path
) -> None:
    import subprocess

    endless_rows = "echo z1,z2,z3,z4,z5,z6,z7,z8; yes 0,0,0,0,0,0,0,1"
    line = command("decode", "-", "-m", tiny_run, "--greedy")
    run = subprocess.run(
        ["sh", "-c", f'({endless_rows}) | "$@" | head -3', "sh", *line],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert [row.split(",")[0] for row in run.stdout.splitlines()] == ["id", "1", "2"]
    assert "Traceback" not in run.stderr


def test_vectors_without_a_header_are_refused_at_once(command: Any, tiny_run: Path) -> None:
    import subprocess

    line = command("decode", "-", "-m", tiny_run, "--greedy")
    run = subprocess.run(
        ["sh", "-c", 'yes 0,0,0 | "$@"', "sh", *line], capture_output=True, text=True, timeout=200
    )
    assert run.returncode == 1
    assert "has no columns z1, z2" in run.stderr


@pytest.mark.parametrize("name", [b"bad\xff.csv", b"bad\xff.smi"])
def test_a_name_that_is_not_utf8_works_everywhere(
    molvae: Any, train: Any, molecules: list[str], tmp_path: Path, name: bytes
) -> None:
    path = tmp_path / os.fsdecode(name)
    head = "smiles\n" if path.suffix == ".csv" else ""
    path.write_text(head + "\n".join(molecules[:60]) + "\n")
    run = tmp_path / os.fsdecode(b"model\xff")
    assert train(run.name, files=(path,)).code == 0
    report, table = tmp_path / "report.json", tmp_path / "z.csv"
    assert molvae("encode", path, "-m", run, "-o", table).code == 0
    assert molvae("score", path, "--scores", "hbd", "-o", tmp_path / "s.csv").code == 0
    asked = ("evaluate", "-m", run, "--test", path, "-n", 20, "--limit", 5, "--iwae", 2)
    assert molvae(*asked, "--no-fcd", "-o", report).code == 0
    json.loads(report.read_text(encoding="utf-8"))
    out = molvae("info", run).out
    assert "bad\\udcff" in out
    assert molvae("export", run, "-o", tmp_path / os.fsdecode(b"small\xff")).code == 0
    card = (tmp_path / os.fsdecode(b"small\xff") / "README.md").read_text(encoding="utf-8")
    assert "small\\udcff" in card
    assert "bad\\udcff" in card


def test_a_surrogate_in_a_model_keeps_no_command_from_its_end(
    molvae: Any, tiny_run: Path, rebuilt: Any, tmp_path: Path
) -> None:
    def change(content: bytes) -> bytes:
        info = json.loads(content)
        info["data"]["sources"] = [{"name": "\ud800", "rows": 1}]
        return json.dumps(info).encode()

    from molvae.storage import model_folder

    model = rebuilt(model_folder.locate(tiny_run), info=change)
    assert "\\ud800" in molvae("info", model).out
    assert molvae("export", model, "-o", tmp_path / "small").code == 0
    assert "\\ud800" in (tmp_path / "small" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content",
    [
        b"\n" * 2_000_000,
        b"smiles\nCCO\n" + b"\n" * 2_000_000,
        b"smiles\nCCO\n" + b" \r" * 1_000_000,
    ],
)
def test_blank_lines_without_end_are_refused(molvae: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "blank.csv.gz").write_bytes(gzip.compress(content, 1))
    code, _, err = molvae("score", tmp_path / "blank.csv.gz", "--scores", "hbd", "--workers", 1)
    assert code == 1
    assert "blank lines" in err


def test_a_hash_filter_that_holds_nothing_is_refused_by_name(
    molvae: Any, tiny_run: Path, rebuilt: Any, tmp_path: Path
) -> None:
    import numpy as np

    from molvae.storage import known_molecules, model_folder

    nothing = known_molecules.SortedHashes(np.zeros(0, np.uint64))
    model = rebuilt(
        model_folder.locate(tiny_run), known=lambda _: known_molecules.to_bytes(nothing)
    )
    code, _, err = molvae("export", model, "-o", tmp_path / "small")
    assert code == 1
    assert "known.safetensors: holds no molecule" in err


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a JSON document."""
    children = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(one for key, child in children for one in leaves(child, (*path, key)))]


ODD = (None, True, -1, 0, 10**400, 1e308, "", "x", "\ud800", [], {}, [[]])


@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_but_consistent_model_is_refused_or_works(
    tiny_run: Path, tmp_path: Path, seed: int
) -> None:
    """Any value of its JSON files is replaced, under a manifest that verifies."""
    import random

    import torch

    from molvae.errors import MolvaeError
    from molvae.storage import checkpoint, export, model_folder
    from molvae.training import checkpoints

    rng = random.Random(seed)
    step = model_folder.locate(tiny_run)
    names = (*model_folder.MODEL_FILES, *model_folder.STATE_FILES, model_folder.KNOWN)
    files = {name: (step / name).read_bytes() for name in names}
    said: list[str] = []
    for number in range(60):
        name = rng.choice([name for name in names if name.endswith(".json")])
        document = json.loads(files[name])
        path = rng.choice(leaves(document)[1:])
        target = document
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = rng.choice(ODD)
        folder = tmp_path / str(number)
        changed = files | {name: json.dumps(document).encode()}
        commit_folder(folder, changed, kind="model")
        try:
            model_folder.describe(folder)
            model_folder.summarise(folder)
            checkpoint.load(folder)
            checkpoints.read_state(folder, torch.device("cpu"))
            export.export_model(folder, tmp_path / f"{number}-exported")
        except MolvaeError as error:
            said.append(str(error))
    assert 0 < len(said) < 60
    assert all(said)
