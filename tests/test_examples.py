"""``examples/``: the textbook VAE runs, learns, and writes molecules."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rdkit import Chem

SCRIPT = Path(__file__).parents[1] / "examples" / "train_by_hand.py"


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """The lines of a short training."""
    command = [sys.executable, str(SCRIPT), "--steps", "30"]
    # One thread: two that share a busy machine wait for each other.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


def test_elbo_rises(printed: list[str]) -> None:
    found = [re.fullmatch(r"step \d+ ELBO (-\S+) KL (\S+) nats", line) for line in printed]
    elbo, kl = zip(
        *([float(one) for one in match.groups()] for match in found if match), strict=True
    )
    assert len(elbo) == 11
    assert elbo[-1] > elbo[0] + 30
    assert min(kl) >= 0


def test_samples_are_molecules(printed: list[str]) -> None:
    samples = printed[-20:]
    molecules = [Chem.MolFromSmiles(one) for one in samples]
    assert all(molecules)
    assert sum(molecule.GetNumAtoms() > 0 for molecule in molecules) >= 15
    assert [Chem.MolToSmiles(molecule) for molecule in molecules] == samples


def test_example_needs_nothing_of_molvae() -> None:
    tree = ast.walk(ast.parse(SCRIPT.read_text(encoding="utf-8")))
    names = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name
        for node in tree
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {name.split(".")[0] for name in names} == {
        "argparse", "gzip", "pathlib", "rdkit", "selfies", "torch"
    }  # fmt: skip


def test_named_modules_exist() -> None:
    named = re.findall(r"molvae/[\w/]+\.py", SCRIPT.read_text(encoding="utf-8"))
    assert len(named) >= 5
    assert [path for path in named if not (SCRIPT.parents[1] / path).is_file()] == []
