"""Fixtures that tests share: real molecules, a tiny data set, and two tiny trained models.

One thread for torch: several test machines share their cores, and tiny products gain nothing from
more."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# The same cases every time, and no clock: on a busy machine any example may be slow.
settings.register_profile("molvae", deadline=None, derandomize=True)
settings.load_profile("molvae")

# A shell that runs the tests in the background has Ctrl-C and quit ignored, and so would have all
# that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGQUIT"):
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)

SAMPLE = Path(__file__).parents[1] / "data" / "moses_sample.csv.gz"

TINY = {
    "data": {"vocabulary": 64, "validation": 0.1},
    "model": {"embedding": 16, "encoder": 16, "decoder": 32, "latent": 8, "posterior": "gaussian"},
    "training": {
        "epochs": 15,
        "batch_size": 32,
        "learning_rate": 0.02,
        "warmup": 10,
        "beta": 0.005,
        "ema": 0.9,
        "precision": "fp32",
    },
}
"""Dials of the tiny model: quick, and far too small to be good."""

if os.environ.get("MOLVAE_KERNELS") == "off":
    # In plain Python the features of a prefix take a thousand times as long; they have own tests.
    TINY["model"]["prefix_features"] = "none"

SLOW_IN_PYTHON = (
    *("cli", "evaluation", "explore", "generation", "optimisation", "storage", "training"),
    *("test_api.py", "test_browser_explore.py", "test_examples.py", "test_faults.py"),
    *("test_fuzz.py", "test_levels.py", "test_notebooks.py", "test_portability.py"),
    *("test_sklearn.py",),
)
"""Tests of whole commands and shipped models, which take far too long without kernels."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without kernels, mark as ``compiled`` what is far too slow."""
    for item in items if os.environ.get("MOLVAE_KERNELS") == "off" else []:
        parts = item.path.relative_to(Path(__file__).parent).parts
        if parts[0] in SLOW_IN_PYTHON or parts[-1] in SLOW_IN_PYTHON:
            item.add_marker("compiled")


def tiny_config(**training: Any) -> Any:
    """The tiny configuration, some dials of its training changed."""
    from molvae.config import from_dict

    return from_dict(TINY | {"training": TINY["training"] | training}, "tests")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def molecules() -> list[str]:
    """The 300 shortest molecules of the bundled sample."""
    with gzip.open(SAMPLE, "rt", encoding="ascii") as handle:
        rows = handle.read().split()[1:]
    return sorted(rows, key=lambda row: (len(row), row))[:300]


@pytest.fixture(scope="session")
def molecules_csv(molecules: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of these molecules as a CSV file."""
    path = tmp_path_factory.mktemp("data") / "molecules.csv"
    path.write_text("smiles\n" + "\n".join(molecules) + "\n", encoding="ascii")
    return path


@pytest.fixture
def put(tmp_path: Path) -> Any:
    """The function that writes a file of molecules, from text or bytes, and tells its path."""

    def write(content: str | bytes, name: str = "molecules.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture(scope="session")
def tiny_dataset(molecules_csv: Path) -> Any:
    """Data set prepared of these molecules."""
    from molvae.datasets.prepare import prepare

    return prepare([molecules_csv], tiny_config().data, workers=1).dataset


@pytest.fixture(scope="session")
def make_config() -> Any:
    """The function that makes the tiny configuration with some dials of its training changed."""
    return tiny_config


def train_in(run: Path, dataset: Any, config: Any) -> Path:
    """Train in a folder, to the end."""
    import torch

    from molvae.training import run_folder

    state = run_folder.create(run, dataset, config, torch.device("cpu"))
    info = {
        "data": dataset.report,
        "fingerprint": dataset.fingerprint,
        "molecules": len(dataset.training_rows),
    }
    for _ in run_folder.run_training(run, state, dataset, info):
        pass
    return run


@pytest.fixture(scope="session")
def _tiny_run(tiny_dataset: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_in(tmp_path_factory.mktemp("tiny") / "run", tiny_dataset, tiny_config())


@pytest.fixture(scope="session")
def tiny_run(_tiny_run: Path) -> Path:
    """The folder of a tiny training, to be read only."""
    return _tiny_run


@pytest.fixture
def copied_run(_tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the folder of the tiny training, to be damaged."""
    return Path(shutil.copytree(_tiny_run, tmp_path / "copied-run"))


@pytest.fixture
def rebuilt(tmp_path: Path) -> Any:
    """The function that copies a model folder, some of its files changed and a manifest that
    verifies.
    """
    from molvae.runtime.atomic_folder import commit_folder
    from molvae.storage import model_folder

    def rebuild(folder: Path, **changes: Any) -> Path:
        names = (*model_folder.MODEL_FILES, *model_folder.STATE_FILES, model_folder.KNOWN)
        files = {name: (folder / name).read_bytes() for name in names}
        for start, change in changes.items():
            name = next(name for name in names if name.startswith(start))
            files[name] = change(files[name])
        commit_folder(tmp_path / "model", files, kind="model")
        return tmp_path / "model"

    return rebuild


@pytest.fixture(scope="session")
def tiny_model(tiny_run: Path) -> Any:
    """A tiny trained model: its samples are molecules, its reconstructions are poor."""
    from molvae.generation.codec import Codec

    return Codec.load(str(tiny_run))


@pytest.fixture(scope="session")
def few(molecules: list[str]) -> list[str]:
    """Twelve molecules, canonical, that the memorised model was trained on."""
    from molvae.chem.standardise import standard_smiles

    return [standard_smiles(smiles) for smiles in molecules[:120:10]]


@pytest.fixture(scope="session")
def memorised_run(few: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that went on until twelve molecules were known by heart."""
    import torch

    from molvae.datasets.prepare import prepare
    from molvae.training import checkpoints, loop

    folder = tmp_path_factory.mktemp("memorised")
    (folder / "few.smi").write_text("\n".join(few) + "\n", encoding="ascii")
    config = tiny_config(epochs=250, beta=0.0)
    dataset = prepare([folder / "few.smi"], config.data, workers=1).dataset
    dataset.validation[:] = False
    state = loop.begin(dataset, config, torch.device("cpu"))
    for _ in loop.train(state, dataset):
        pass
    checkpoints.save(folder / "run", state, dataset, {"data": dataset.report}, best=True)
    return folder / "run"


@pytest.fixture(scope="session")
def memorised(memorised_run: Path) -> Any:
    """A model that reproduces the twelve molecules of ``few`` exactly."""
    from molvae.generation.codec import Codec

    return Codec.load(str(memorised_run))


@pytest.fixture(scope="session")
def served() -> Any:
    """The context in which a server answers, in a thread of its own."""

    @contextmanager
    def serving(server: Any) -> Iterator[Any]:
        with server:
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            yield server
            server.shutdown()
            thread.join()

    return serving


class Ended(NamedTuple):
    """End of one of several processes: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def two_processes() -> Any:
    """The function that runs a command in two processes that find each other, as torchrun would
    start them.

    They meet at a free port of 127.0.0.1: torchrun itself listens on every address of the machine.
    """
    import torch.distributed as dist

    def run(*command: object, **environment: str) -> list[Ended]:
        meeting = socket.create_server(("127.0.0.1", 0))
        port = meeting.getsockname()[1]
        store = dist.TCPStore(
            "127.0.0.1",
            port,
            is_master=True,
            wait_for_workers=False,
            master_listen_fd=meeting.detach(),
        )
        shared = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "GLOO_SOCKET_IFNAME": "lo",
            "WORLD_SIZE": "2",
            "LOCAL_WORLD_SIZE": "2",
        }
        children = [
            subprocess.Popen(
                [str(part) for part in command],
                env=os.environ | shared | environment | {"RANK": rank, "LOCAL_RANK": rank},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in "01"
        ]
        try:
            told = [child.communicate(timeout=600) for child in children]
        finally:
            for child in children:
                child.kill()
                child.communicate()
            del store
        return [
            Ended(child.returncode, out, err)
            for child, (out, err) in zip(children, told, strict=True)
        ]

    return run


@pytest.fixture
def small_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches with rounds of four calls."""
    from molvae.optimisation import search

    sizes = {"FIRST": 4, "LEAST": 4, "MOST": 4, "NEAR": 64, "BETWEEN": 16, "ELITE": 10}
    for name, value in (sizes | {"OFFSPRING": 20, "GENERATIONS": 2}).items():
        monkeypatch.setattr(search, name, value)
