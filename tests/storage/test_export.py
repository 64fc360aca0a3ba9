"""An exported model is the model, rounded, without what only resuming needs, and tells nothing of
where it was made.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard

from molvae.chem.molecule import smiles_hashes
from molvae.datasets.dataset import Dataset
from molvae.errors import InputError, ModelError, UsageError
from molvae.generation.codec import Codec
from molvae.generation.sampling import SamplingParams, resolved, sample
from molvae.runtime.atomic_folder import MANIFEST, commit_folder
from molvae.storage import checkpoint, model_folder
from molvae.storage.export import EIGHT_BITS, HALF, export_model, rounded
from molvae.storage.known_molecules import BloomFilter
from molvae.storage.model_card import front_matter
from molvae.training import checkpoints

FILES = {
    "model.safetensors",
    "config.json",
    "vocabulary.json",
    "info.json",
    "known.safetensors",
    "README.md",
    MANIFEST,
}


@pytest.fixture(scope="session")
def exported(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, exported; to be read only."""
    folder = tmp_path_factory.mktemp("exported") / "tiny"
    return export_model(tiny_run, folder, licence="MIT", text="A model of small molecules.\n")


def test_what_is_exported_is_the_model_with_its_weights_rounded(
    tiny_run: Path, exported: Path
) -> None:
    before, after = checkpoint.load(tiny_run), checkpoint.load(exported)
    weights = {name for name, _ in before.model.named_parameters()}
    state = after.model.state_dict()
    for name, tensor in before.model.state_dict().items():
        assert state[name].dtype == torch.float32
        kind = EIGHT_BITS if name == "surroundings.weight" else HALF
        assert torch.equal(state[name], tensor.to(kind).float() if name in weights else tensor), (
            name
        )
    assert (after.vocabulary, after.config) == (before.vocabulary, before.config)
    assert after.config.model.temperature == 1.0
    assert after.model.max_steps == before.model.max_steps
    assert not any(parameter.requires_grad for parameter in after.model.parameters())


def test_what_was_fitted_and_not_trained_is_not_rounded() -> None:
    layer = torch.nn.BatchNorm1d(3)
    layer.running_var.fill_(1.0 + 1e-6)
    with torch.no_grad():
        layer.weight.fill_(1.0 + 1e-6)
    tensors = rounded(layer)
    assert tensors["running_var"].tolist() == layer.running_var.tolist() != [1.0] * 3
    assert tensors["weight"].dtype == HALF
    assert tensors["weight"].tolist() == [1.0] * 3


def test_rounding_costs_less_than_bfloat16_would(tiny_run: Path, molecules: list[str]) -> None:
    codec = Codec.load(str(tiny_run), precision="fp32")
    packed, _ = codec.packed(codec.read(molecules[:100]))

    def likelihood() -> torch.Tensor:
        with torch.no_grad():
            return codec.model.log_likelihood(packed, codec.model.encode(packed).mean)

    exact, state = (
        likelihood(),
        {name: weight.clone() for name, weight in codec.model.named_parameters()},
    )
    worst = {}
    for kind in (HALF, torch.bfloat16):
        for name, weight in codec.model.named_parameters():
            weight.copy_(state[name].to(kind))
        worst[kind] = float((likelihood() - exact).abs().max())
    assert worst[HALF] < 0.05, "nats of a molecule"
    assert worst[HALF] < worst[torch.bfloat16] / 3
    tensors = rounded(codec.model)
    for name, weight in codec.model.named_parameters():
        weight.copy_(tensors[name].float())
    assert float((likelihood() - exact).abs().mean()) < 0.05, "nats of a molecule"


def test_only_what_is_needed_to_use_the_model_is_there(tiny_run: Path, exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == FILES
    assert set(json.loads((exported / MANIFEST).read_text())["files"]) == FILES - {MANIFEST}
    step = model_folder.locate(tiny_run)
    sizes = [sum(path.stat().st_size for path in folder.iterdir()) for folder in (exported, step)]
    assert sizes[0] < sizes[1] / 4
    with pytest.raises(ModelError, match=r"training\.safetensors is missing"):
        checkpoints.read_state(exported, torch.device("cpu"))


def test_the_training_molecules_are_still_known(
    exported: Path, tiny_dataset: Dataset, few: list[str]
) -> None:
    known = model_folder.load_known(exported)
    assert isinstance(known, BloomFilter)
    assert known.contains(tiny_dataset.hashes).all()
    assert known.contains(smiles_hashes(few)).all()
    others = np.random.default_rng(0).integers(0, 2**64, 10_000, dtype=np.uint64)
    assert known.contains(others).mean() < 0.03


def test_a_figure_never_takes_a_filter_for_the_molecules(exported: Path, tiny_run: Path) -> None:
    assert len(model_folder.known_hashes(tiny_run)) == 300
    with pytest.raises(
        ModelError, match=r"in 1\d\d for a training molecule by mistake; a figure needs"
    ):
        model_folder.known_hashes(exported)


def test_nothing_tells_where_it_was_made(
    exported: Path, tiny_run: Path, molecules_csv: Path
) -> None:
    assert str(molecules_csv) in (model_folder.locate(tiny_run) / "info.json").read_text()
    for path in exported.iterdir():
        for folder in (molecules_csv.parent, tiny_run.parent):
            assert str(folder).encode() not in path.read_bytes(), path.name
    assert model_folder.describe(exported)["data"]["sources"] == f"{molecules_csv.name} (300 rows)"


def test_the_card_says_what_the_model_is(exported: Path) -> None:
    card = model_folder.load_card(exported)
    info = json.loads((exported / "info.json").read_text())
    assert card.startswith("# tiny\n")
    assert "\nA model of small molecules.\n" in card
    assert "| licence | MIT |" in card
    assert "| trained on | molecules.csv (300 rows) |" in card
    assert "| molecules trained on | 270 |" in card
    assert f"| weights | {info['exported']['weights']:,} in float16 and float8_e4m3fn |" in card
    assert (
        "exact reconstruction of validation molecules | "
        f"{float(info['metrics']['validation_exact']):.1%} |" in card
    )
    assert f"torch {torch.__version__}" in card
    assert "one novel molecule in 1" in card


def test_the_head_of_the_card_is_what_hubs_read(exported: Path) -> None:
    text = (exported / "README.md").read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    card = ModelCard(text).data
    assert head["license"] == card.license == "mit"
    assert head["library_name"] == "molvae"
    assert {"chemistry", "selfies"} <= set(head["tags"])
    assert head["datasets"] == ["molecules.csv"]
    assert "validation_exact" in head["metrics"]
    (exact,) = [one for one in card.eval_results if one.metric_type == "validation_exact"]
    assert 0 <= exact.metric_value <= 1
    assert card.model_name == "tiny"


@pytest.mark.parametrize(
    "words", ['a: "b"', "---\n# x", "'\n---\nlicense: gpl", "caf\u00e9 \u2028", ""]
)
def test_no_name_or_licence_breaks_the_head(words: str) -> None:
    info = {
        "data": {"sources": [{"name": words, "rows": 3}]},
        "metrics": {"validation_exact": "0.5", "validation_elbo": "nan"},
        "exported": {"licence": words},
    }
    lines = [f"{key}: {json.dumps(one)}" for key, one in front_matter(words, info).items()]
    read = yaml.safe_load("\n".join(lines))
    assert read["datasets"] == [words]
    assert read["metrics"] == ["validation_exact"]
    assert read["model-index"][0]["name"] == words
    assert read.get("license") == ("other" if words else None)
    assert read.get("license_name", "") == " ".join(words.split())


def test_folders_of_earlier_versions_are_read(exported: Path, tmp_path: Path) -> None:
    earlier = {"model.safetensors": "weights.safetensors", "README.md": "card.md"}
    files = {earlier.get(name, name): (exported / name).read_bytes() for name in FILES}
    del files[MANIFEST]
    commit_folder(tmp_path / "old", files, kind="model")
    before, after = checkpoint.load(exported), checkpoint.load(tmp_path / "old")
    for name, tensor in before.model.state_dict().items():
        assert torch.equal(after.model.state_dict()[name], tensor)
    assert model_folder.load_card(tmp_path / "old") == model_folder.load_card(exported)
    again = export_model(tmp_path / "old", tmp_path / "tiny")
    assert {path.name for path in again.iterdir()} == FILES


def test_a_model_without_a_card_has_none(tiny_run: Path) -> None:
    assert model_folder.load_card(tiny_run) == ""


def test_an_exported_model_is_summed_up(exported: Path) -> None:
    summary = model_folder.summarise(exported)
    assert summary["data"] == "molecules.csv (300 rows)"
    assert summary["molecules"] == 270
    assert summary["licence"] == "MIT"
    assert summary["weights"] == sum(
        tensor.numel() for tensor in checkpoint.load(exported).model.parameters()
    )
    assert summary["bytes"] == sum(
        path.stat().st_size for path in exported.iterdir() if path.name != MANIFEST
    )
    assert 0 <= summary["exact"] <= 1


def test_exporting_anew_changes_the_card_alone(exported: Path, tmp_path: Path) -> None:
    again = export_model(exported, tmp_path / "tiny", text="Other words.")
    changed = {
        name for name in FILES if (again / name).read_bytes() != (exported / name).read_bytes()
    }
    assert changed == {"README.md", MANIFEST}
    assert "| licence | MIT |" in model_folder.load_card(again)


@pytest.mark.parametrize("name", sorted(FILES - {MANIFEST}))
def test_a_damaged_file_is_refused(exported: Path, tmp_path: Path, name: str) -> None:
    copy = export_model(exported, tmp_path / "copy")
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    read: Any = {"README.md": model_folder.load_card, "known.safetensors": model_folder.load_known}
    with pytest.raises(ModelError, match=f"{name}: damaged"):
        read.get(name, checkpoint.load)(copy)


def test_what_is_there_is_never_written_over(
    exported: Path, tmp_path: Path, tiny_run: Path
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="already exists"):
        export_model(tiny_run, tmp_path / "there")
    assert os.listdir(tmp_path / "there") == []


def test_a_weight_too_large_for_half_precision_is_named(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = checkpoint.load(tiny_run)
    saved.model.output.bias[3] = 70_000.0
    monkeypatch.setattr(checkpoint, "load", lambda _: saved)
    with pytest.raises(
        ModelError, match=r"output\.bias holds numbers too large for half precision"
    ):
        export_model(tiny_run, tmp_path / "model")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": []}, "data must be a section"),
        ({"data": {"sources": [{"rows": 3}]}}, "sources must each have a name"),
        ({"data": {"sources": 3}}, "sources must each have a name"),
        ({"metrics": "good"}, "metrics must be a section"),
        ({"exported": {"licence": 3}}, "licence must be text"),
        ({"exported": {"weights": "many"}}, "weights must be a whole number"),
        ({"molecules": "many"}, "molecules must be a whole number"),
        ({"step": 1.5}, "step must be a whole number"),
    ],
)
def test_an_info_that_people_cannot_be_told_of_is_refused(
    changes: dict[str, Any], words: str
) -> None:
    model_folder.check_info({}, "model")
    with pytest.raises(ModelError, match=words):
        model_folder.check_info(changes, "model")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"caf\xe9", "offset 3"),
        (b"x" * 100_001, "larger than 100,000 bytes"),
    ],
)
def test_words_that_cannot_stand_in_a_card_are_refused(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    from molvae.storage.model_card import read_words

    path = tmp_path / "words.md"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_words(path)
    path.write_bytes("\ufeffcafé".encode())
    assert read_words(path) == "café"


def test_a_model_is_drawn_at_the_temperature_of_its_export(tiny_run: Path, tmp_path: Path) -> None:
    cold = Codec.load(export_model(tiny_run, tmp_path / "cold", temperature=0.25))
    params = resolved(cold, SamplingParams())
    assert params.temperature == 0.25
    assert resolved(cold, SamplingParams(temperature=1.0)).temperature == 1.0
    own, named = (
        [one.smiles for one in sample(cold, 20, SamplingParams(temperature=value))]
        for value in (None, 0.25)
    )
    assert own == named
    assert own != [one.smiles for one in sample(cold, 20, SamplingParams(temperature=1.0))]
