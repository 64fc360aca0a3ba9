"""Files that make a release agree with pyproject.toml: versions, dependencies, Pythons, hooks."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def read(path: str) -> Any:
    """A file in YAML."""
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def bounds(text: str) -> tuple[str, set[str]]:
    """Name and bounds of a requirement, however it is spaced."""
    name, rest = re.fullmatch(r"([\w-]+)(?:\[\w+\])?\s*(.*)", text).groups()  # type: ignore[union-attr]
    return name, set(filter(None, re.split(r"[,\s]+", rest)))


def test_the_version_is_that_of_the_project() -> None:
    assert read("recipes/conda/recipe.yaml")["context"]["version"] == PROJECT["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{PROJECT['version']}]" in changelog


def test_the_conda_recipe_has_the_same_dependencies() -> None:
    run = dict(map(bounds, read("recipes/conda/recipe.yaml")["requirements"]["run"]))
    wanted = dict(map(bounds, PROJECT["dependencies"]))
    wanted["pytorch"] = wanted.pop("torch")
    wanted["python"] = set(PROJECT["requires-python"].split(","))
    assert run == wanted


def test_the_workflow_runs_every_python_that_is_promised() -> None:
    matrix = read(".github/workflows/ci.yml")["jobs"]["tests"]["strategy"]["matrix"]
    promised = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if ":: 3." in one]
    assert matrix["python"] == promised
    assert [one.partition("-")[0] for one in matrix["os"]] == ["ubuntu", "macos", "windows"]


def test_hooks_are_the_checks_of_ci() -> None:
    (repo,) = read(".pre-commit-config.yaml")["repos"]
    checks = {hook["entry"].removesuffix(" --force-exclude") for hook in repo["hooks"]}
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert repo["repo"] == "local"
    for check in checks:
        assert any(line.startswith(check) for line in script), check


def test_extras_are_bounded_and_listed() -> None:
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/index.md")]
    for extra in PROJECT["optional-dependencies"]:
        assert all(f"`{extra}`" in page for page in pages), extra
    for extra in ("docs", "hub", "sklearn"):
        for one in PROJECT["optional-dependencies"][extra]:
            assert "<" in one, one


def test_every_dependency_is_pinned_where_it_is_tested() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().splitlines()
    pinned = {line.partition("==")[0].replace("_", "-") for line in lines}
    extras = PROJECT["optional-dependencies"].values()
    for one in chain(PROJECT["dependencies"], *extras):
        name = re.split(r"[\[<>=]", one)[0].lower().replace("_", "-")
        assert name == "molvae" or name in pinned, name
