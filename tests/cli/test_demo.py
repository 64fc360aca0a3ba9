"""Laws of `molvae demo`: the whole job in one command, in a folder of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

QUICK = (
    "--rows 600 --vocabulary 64 --embedding 16 --encoder 16 --decoder 32 --latent 8 --epochs 2 "
    "--batch-size 100 --learning-rate 0.02 --warmup 3 --precision fp32"
)


def test_the_demo_runs_every_step_as_a_command(
    molvae: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_rows: Any
) -> None:
    from molvae_cli import demo

    monkeypatch.setattr(demo, "SETTINGS", QUICK)
    folder = tmp_path / "a new 'demo'"
    code, out, err = molvae("demo", "-o", folder)
    assert (code, out) == (0, "")
    for verb in ("train", "sample", "score", "interpolate"):
        assert f"\n$ molvae {verb} " in err
    listed = [line.split()[0].rstrip("/") for line in demo.CONTENTS.splitlines()[2:]]
    assert sorted(os.listdir(folder)) == sorted([*listed, "README.txt"])
    samples, scored = read_rows(folder / "samples.csv"), read_rows(folder / "scored.csv")
    assert len(samples) == 201
    assert [row[:3] for row in scored] == samples
    assert {"QED", "SA"} <= set(scored[0])
    assert [row[2] for row in read_rows(folder / "path.csv")[1::8]] == list(demo.ENDS)
    for picture in ("samples.svg", "path.svg"):
        assert (folder / picture).read_text().startswith("<svg")


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_what_is_not_a_demo_is_never_removed(molvae: Any, tmp_path: Path, force: list[str]) -> None:
    from molvae_cli import demo

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.txt").write_text("precious")
    (tmp_path / "file").write_text("precious")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "README.txt").write_text(demo.CONTENTS)
    (tmp_path / "link").symlink_to(tmp_path / "demo")
    for name in ("mine", "file", "link"):
        code, _, err = molvae("demo", "-o", tmp_path / name, *force)
        assert code == 2
        assert name in err
    assert (
        (tmp_path / "mine" / "README.txt").read_text()
        == (tmp_path / "file").read_text()
        == "precious"
    )
    assert (tmp_path / "link" / "README.txt").read_text() == demo.CONTENTS


def test_a_step_that_fails_ends_the_demo_with_its_exit_code(
    molvae: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from molvae_cli import demo

    monkeypatch.setattr(demo, "SETTINGS", "--epochs 0")
    code, _, err = molvae("demo", "-o", tmp_path / "demo")
    assert code == 2
    assert "--epochs" in err
    assert "2. Draw" not in err
    monkeypatch.setattr(demo, "SETTINGS", QUICK)
    assert molvae("demo", "-o", tmp_path / "demo").code == 2
    monkeypatch.setattr(demo, "step", lambda *_: None)
    monkeypatch.setattr(demo, "pictures", lambda *_: None)
    assert molvae("demo", "-o", tmp_path / "demo", "--force").code == 0
