"""README and docs/: links, names, commands and options are those of the tree."""

from __future__ import annotations

import ast
import re
import runpy
import tomllib
from pathlib import Path

import click
import pytest
from molvae_cli.main import VERBS, cli

import molvae

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "data/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "recipes").glob("*.md")),
]
EVERY_PAGE = pytest.mark.parametrize(
    "page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES]
)

SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(
    r"(?<![\w/.-])(?:molvae|cli|tests|benchmarks|docs|examples|recipes|data|nn|language)/"
    r"[\w/-]+(?:\.\w+)*\.(?:py|md|toml|svg|png|gz|cff)"
)
COMMAND = re.compile(r"(?<![\w/.-])molvae (" + "|".join(VERBS) + r")\b([^|&;#`)\n]*)")
SCRIPT = re.compile(r"python ((?:benchmarks|docs|examples)/[\w/]+\.py)([^|&;#`)\n]*)")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def text_of(page: Path) -> str:
    """The text of a page, with commands that are broken into lines on one."""
    text = page.read_text(encoding="utf-8").replace("```", "")
    text = re.sub(r"\\\n\s*", "", text)
    return SPAN.sub(lambda span: span[0].replace("\n", " "), text)


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def options_of(verb: str) -> set[str]:
    """The options of a verb, but for those that are only kept for old scripts."""
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    named = {name for one in shown for name in (*one.opts, *one.secondary_opts)}
    return {"-h", "--help", *named}


@EVERY_PAGE
def test_relative_links_resolve(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        found = page.parent / name if name else page
        assert found.exists(), target
        assert not anchor or anchor in slugs(found), target


@EVERY_PAGE
def test_lines_of_prose_are_short(page: Path) -> None:
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        verbatim = page.parent.name == "recipes" and line.startswith("    ")
        if not line.startswith("|") and not verbatim and "https://" not in line:
            assert len(line) <= 100, f"line {number} has {len(line)} characters"


@EVERY_PAGE
def test_words_are_the_field_s(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"\b(?:rooms?|sharpest|teller|slips|is told|hangs? on)\b", text)


@EVERY_PAGE
def test_named_files_exist(page: Path) -> None:
    for path in PATH.findall(page.read_text(encoding="utf-8")):
        home = ROOT / "molvae" if path.startswith(("nn/", "language/")) else ROOT
        assert (home / path).exists(), path


@EVERY_PAGE
def test_named_commands_have_their_options(page: Path) -> None:
    for verb, rest in COMMAND.findall(text_of(page)):
        wrong = set(OPTION.findall(re.sub(r"'[^']*'", "", rest))) - options_of(verb)
        assert not wrong, f"molvae {verb} has no {', '.join(sorted(wrong))}"


@EVERY_PAGE
def test_named_scripts_have_their_options(page: Path) -> None:
    for script, rest in SCRIPT.findall(text_of(page)):
        source = (ROOT / script).read_text(encoding="utf-8")
        for option in OPTION.findall(re.sub(r"'[^']*'", "", rest)):
            assert f'"{option}"' in source, f"{script} has no {option}"


@EVERY_PAGE
def test_options_in_the_text_exist(page: Path) -> None:
    known = set().union(*map(options_of, VERBS))
    scripts = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("*/*.py"))
    for span in SPAN.findall(text_of(page)):
        for option in re.findall(r"^--[a-z][a-z-]*", span):
            assert option in known or f'"{option}"' in scripts, option


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1300


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 45


def test_readme_has_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert "    pip install -c constraints.txt . && molvae demo" in lines
    assert "    pip install -c constraints.txt '.[test]' && pytest -n 2" in lines


def test_file_map_names_every_package() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for folder in {path.parent for path in (ROOT / "molvae").rglob("__init__.py")}:
        if folder.name != "molvae":
            assert f"    {folder.relative_to(ROOT).as_posix()}/ " in text, folder.name


def test_python_of_the_readme_uses_public_names() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            home = {"molvae": molvae, "model": molvae.Model}.get(node.value.id)
            assert home is None or hasattr(home, node.attr), node.attr


def test_every_kernel_has_a_section() -> None:
    page = (ROOT / "docs" / "kernels.md").read_text(encoding="utf-8")
    heads = "".join(re.findall(r"^## .*$", page, re.MULTILINE))
    kernels = [*(ROOT / "molvae/nn/kernels").glob("*.py"), *(ROOT / "molvae/language").glob("*.py")]
    for path in kernels:
        if "@compiled(" in path.read_text(encoding="utf-8") or path.parent.name == "kernels":
            assert path.stem == "__init__" or f"/{path.name}`" in heads, path.name


def test_recipes_are_listed() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert [
        one.name for one in ROOT.glob("recipes/*.toml") if f"`recipes/{one.name}`" not in page
    ] == []


def test_scripts_are_listed() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert [one.name for one in ROOT.glob("benchmarks/*.py") if one.name not in page] == []


def test_figure_is_what_its_script_draws() -> None:
    script = ROOT / "docs" / "figures" / "model.py"
    drawn = runpy.run_path(str(script))["drawing"]()
    assert script.with_suffix(".svg").read_text(encoding="utf-8") == drawn


def test_citation_has_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {project['version']}" in lines
    assert f"license: {project['license']}" in lines


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES if "docs" in page.parts]
    assert sorted(re.findall(r": ([\w/-]+\.md)$", text, re.MULTILINE)) == sorted(pages)
