"""Laws of `molvae info`: what a model is, said in words and in JSON, from its files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def test_a_model_is_described_in_sections_and_the_same_in_json(
    molvae: Any, tiny_run: Path, molecules_csv: Path
) -> None:
    code, text, err = molvae("info", tiny_run)
    assert (code, err) == (0, "")
    described = json.loads(molvae("info", tiny_run, "--json").out)
    assert list(described) == ["model", "data", "vocabulary", "training", "metrics", "versions"]
    for section, values in described.items():
        assert f"\n{section}\n" in f"\n{text}"
        assert all(f"  {key} " in text for key in values)
    assert described["model"]["latent"] == 8
    assert described["data"]["molecules"] == 300
    assert str(molecules_csv) in text
    assert "\n  molecules              300\n" in text
    assert described["training"]["epochs"] == 15
    assert "validation_elbo" in described["metrics"]
    assert {"molvae", "torch", "rdkit", "selfies"} <= described["versions"].keys()


def test_a_step_of_a_training_is_a_model_too(molvae: Any, tiny_run: Path) -> None:
    best = (tiny_run / "BEST").read_text()
    described = json.loads(molvae("info", tiny_run / best, "--json").out)
    assert described == json.loads(molvae("info", tiny_run, "--json").out)


def test_weights_need_not_be_there(molvae: Any, copied_run: Path) -> None:
    for weights in copied_run.rglob("*.safetensors"):
        weights.unlink()
    assert molvae("info", copied_run).code == 0


def test_a_damaged_file_is_told_of_by_its_name(molvae: Any, copied_run: Path) -> None:
    (config,) = (copied_run / (copied_run / "BEST").read_text()).glob("config.json")
    config.write_text(config.read_text().replace("8", "9", 1))
    code, out, err = molvae("info", copied_run)
    assert (code, out) == (1, "")
    assert f"{config}: damaged" in err
