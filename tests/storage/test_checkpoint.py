"""A saved model loads as it was; a damaged or hostile one is refused."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from molvae.chem.molecule import smiles_hash
from molvae.datasets.dataset import Dataset
from molvae.errors import ModelError
from molvae.runtime.atomic_folder import MANIFEST
from molvae.storage import checkpoint, model_folder
from molvae.training import checkpoints
from molvae.training.loop import begin

CPU = torch.device("cpu")


def weights(model: torch.nn.Module) -> bytes:
    return b"".join(tensor.detach().numpy().tobytes() for tensor in model.state_dict().values())


def in_json(**changes: Any) -> Any:
    """A change of a JSON file: keys with these values."""
    return lambda content: json.dumps(json.loads(content) | changes).encode()


def in_tensors(change: Any) -> Any:
    """A change of a safetensors file."""

    def apply(content: bytes) -> bytes:
        tensors = load_tensors(content)
        change(tensors)
        return save_tensors(tensors)

    return apply


@pytest.fixture
def folder(tiny_run: Path) -> Path:
    return model_folder.locate(tiny_run)


def test_what_was_saved_is_loaded(tiny_dataset: Dataset, make_config: Any, tmp_path: Path) -> None:
    state = begin(tiny_dataset, make_config(), CPU)
    saved = checkpoints.save(tmp_path, state, tiny_dataset, {"note": "x"}, best=True)
    loaded = checkpoint.load(saved)
    assert weights(loaded.model) == weights(state.average)
    assert loaded.vocabulary == tiny_dataset.vocabulary
    assert loaded.config == state.config
    assert loaded.info["note"] == "x"
    assert loaded.info["versions"]["torch"] == torch.__version__
    assert loaded.model.max_steps == state.model.max_steps
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert model_folder.locate(tmp_path) == saved


def test_steps_are_ordered_by_number_not_by_time(tiny_run: Path, tmp_path: Path) -> None:
    for place, name in enumerate(("step-00000009", "step-100000000", "step-00000010")):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (place, place))
    names = [path.name for path in model_folder.steps_of(tmp_path)]
    assert names == ["step-100000000", "step-00000010", "step-00000009"]


@pytest.mark.parametrize(
    "content", [b"", b"step-99999999", b"../../etc", b"\xff\xfe", b"/etc/passwd"]
)
def test_a_wrong_best_is_said_and_found_by_its_figures(
    copied_run: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    best = model_folder.locate(copied_run)
    assert best.name == (copied_run / "BEST").read_text()
    assert not caplog.records
    (copied_run / "BEST").write_bytes(content)
    assert model_folder.locate(copied_run) == model_folder.locate(copied_run) == best
    (record,) = caplog.records
    assert f"{best.name} is taken for the best step" in record.message


@pytest.mark.parametrize("content", [None, b"", b"{"])
def test_a_best_step_that_is_damaged_is_said(
    copied_run: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    best = model_folder.locate(copied_run)
    other = copied_run / "step-00000001"
    shutil.copytree(best, other)
    if content is None:
        (best / MANIFEST).unlink()
    else:
        (best / MANIFEST).write_bytes(content)
    found = model_folder.locate(copied_run)
    assert found != best
    (record,) = caplog.records
    assert str(best) in record.message
    assert f"{found.name} is taken for the best step" in record.message


def test_the_training_molecules_are_known_by_their_hashes(
    tiny_run: Path, tiny_dataset: Dataset, few: list[str]
) -> None:
    known = model_folder.known_hashes(tiny_run)
    assert known.tolist() == sorted(tiny_dataset.hashes.tolist())
    assert set(map(smiles_hash, few)) <= set(known.tolist())


def test_a_model_describes_itself(tiny_run: Path) -> None:
    described = model_folder.describe(tiny_run)
    assert list(described) == ["model", "data", "vocabulary", "training", "metrics", "versions"]
    assert described["data"]["rows"] == 300
    assert described["model"]["latent"] == 8
    assert float(described["metrics"]["validation_elbo"]) < 0
    json.dumps(described)


@pytest.mark.parametrize("name", [*model_folder.MODEL_FILES, MANIFEST])
def test_a_damaged_file_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "model"))
    content = (copy / name).read_bytes()
    for damaged in (b"", content[: len(content) // 2], content[:-1], content + b"\0"):
        (copy / name).write_bytes(damaged)
        with pytest.raises(ModelError):
            checkpoint.load(copy)
    if name != MANIFEST:
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 1
        (copy / name).write_bytes(flipped)
        with pytest.raises(ModelError, match=f"{name}: damaged"):
            checkpoint.load(copy)


def transposed(tensors: dict[str, torch.Tensor]) -> None:
    tensors["output.weight"] = tensors["output.weight"].t().contiguous()


def missing(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["output.weight"]


def extra(tensors: dict[str, torch.Tensor]) -> None:
    tensors["output.extra"] = torch.zeros(1)


def not_a_number(tensors: dict[str, torch.Tensor]) -> None:
    tensors["output.weight"][0, 0] = torch.nan


def whole_numbers(tensors: dict[str, torch.Tensor]) -> None:
    tensors["output.weight"] = tensors["output.weight"].long()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (transposed, "the weight output.weight has shape"),
        (missing, "the weight output.weight is missing"),
        (extra, "the weight output.extra is one too many"),
        (not_a_number, "the weight output.weight holds numbers that are not finite"),
        (whole_numbers, "the weight output.weight is of the type int64"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    folder: Path, rebuilt: Any, change: Any, words: str
) -> None:
    model = rebuilt(folder, model=in_tensors(change))
    with pytest.raises(ModelError, match=words):
        checkpoint.load(model)


class Bomb:
    """Runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def header_of(size: int) -> bytes:
    """A safetensors file whose header promises a tensor of ``size`` numbers it does not hold."""
    header = json.dumps(
        {"output.weight": {"dtype": "F32", "shape": [size], "data_offsets": [0, 4 * size]}}
    ).encode()
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize("kind", ["pickle", "empty", "html", "zip", "lying header"])
def test_what_is_no_tensor_file_is_refused_and_never_run(
    folder: Path, rebuilt: Any, tmp_path: Path, kind: str
) -> None:
    touched = tmp_path / "touched"
    content = {
        "pickle": pickle.dumps(Bomb(touched)),
        "empty": b"",
        "html": b"<html>Not found</html>",
        "zip": b"PK\x03\x04" + bytes(100),
        "lying header": header_of(10**12),
    }[kind]
    model = rebuilt(folder, model=lambda _: content)
    with pytest.raises(ModelError, match=r"model\.safetensors: not readable"):
        checkpoint.load(model)
    assert not touched.exists()


MODEL = {"embedding": 16, "encoder": 16, "decoder": 32, "latent": 8, "posterior": "gaussian"}


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("config", in_json(model=MODEL | {"decoder": 10**9}), "decoder must be between 1 and 8192"),
        ("config", in_json(model=MODEL | {"encoder": -1}), "encoder must be between"),
        ("config", in_json(model=MODEL | {"latent": "8"}), "latent must be a whole number"),
        ("config", in_json(model=MODEL | {"layers": 2}), 'unknown key "layers"'),
        ("config", in_json(model=MODEL | {"decoder": 8192}), "has shape"),
        ("config", lambda _: b"[" * 100_000, "not readable JSON"),
        ("config", lambda _: b'{"model": {"latent": NaN}}', "not a finite number"),
        ("config", lambda _: b"[]", "config.json"),
        ("vocabulary", in_json(symbols=["[C]"]), "vocabulary"),
        ("vocabulary", lambda _: b"3", "vocabulary"),
        ("info", in_json(max_steps=None), "lacks max_steps"),
        ("info", in_json(max_steps=10**9), "max_steps cannot be 1000000000"),
        ("info", in_json(max_steps=-1), "max_steps cannot be -1"),
        ("info", in_json(max_steps=True), "max_steps"),
        ("info", lambda _: b"[]", "lacks max_steps"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(
    folder: Path, rebuilt: Any, name: str, change: Any, words: str
) -> None:
    model = rebuilt(folder, **{name: change})
    with pytest.raises(ModelError, match=words):
        checkpoint.load(model)


def test_what_is_no_model_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "model.pt").write_bytes(pickle.dumps({}))
    (tmp_path / "empty").mkdir()
    for path, words in (
        ("missing", "no such model"),
        ("model.pt", "no such model"),
        ("empty", "not a molvae model"),
    ):
        with pytest.raises(ModelError, match=words):
            checkpoint.load(tmp_path / path)
    manifest = json.loads((folder / MANIFEST).read_text())
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / MANIFEST).write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(ModelError, match=r"newer version of molvae.* \(format 99, here 1\)"):
        checkpoint.load(copy)


def test_a_model_loads_by_a_link_and_without_training_state(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "a folder with ünusual names"))
    for name in (*model_folder.STATE_FILES, "known.safetensors"):
        (copy / name).unlink()
    (tmp_path / "link").symlink_to(copy)
    assert weights(checkpoint.load(tmp_path / "link").model) == weights(
        checkpoint.load(folder).model
    )
    with pytest.raises(ModelError, match=r"known\.safetensors: cannot be read"):
        model_folder.known_hashes(copy)
    with pytest.raises(ModelError, match=r"training\.safetensors: cannot be read"):
        checkpoints.read_state(copy, CPU)


def test_loading_a_model_does_not_load_the_compiler_of_torch(tiny_run: Path) -> None:
    code = (
        "import sys\nfrom molvae.storage.checkpoint import load\nload(sys.argv[1])\n"
        "assert not {'torch._dynamo', 'sympy'} & set(sys.modules), 'a second lost'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_run)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
