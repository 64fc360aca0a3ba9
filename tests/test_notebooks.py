"""The notebooks in ``examples/`` run from top to bottom, and are stored without outputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem) for path in sorted(EXAMPLES.glob("*.ipynb"))]
)


@pytest.fixture
def done(path: Path, tmp_path: Path) -> Any:
    """A notebook after its run in an empty folder."""
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()
    return notebook


@NOTEBOOKS
def test_a_notebook_runs_and_draws_molecules(done: Any, tmp_path: Path) -> None:
    outputs = [one for cell in done.cells for one in cell.get("outputs", [])]
    pages = [one.data["text/html"] for one in outputs if "text/html" in one.get("data", {})]
    assert len(pages) >= 4
    assert all("<img" in page for page in pages)
    said = "".join(one.text for one in outputs if one.output_type == "stream")
    words = [line for line in said.splitlines() if not re.fullmatch(r"|\w+: .*\d+/\d+ .*", line)]
    assert not words, "only bars of progress are shown unasked"
    named = re.findall(r'to_csv\("(\w+\.csv)"', "".join(cell.source for cell in done.cells))
    assert sorted(one.name for one in tmp_path.iterdir()) == named


@NOTEBOOKS
def test_a_notebook_is_valid_short_and_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not [cell.id for cell in code if cell.outputs or cell.execution_count is not None]
    assert notebook.cells[0].source.startswith("# ")
    lines = [line for cell in notebook.cells for line in cell.source.splitlines()]
    assert len(lines) <= 100
    assert all(len(line) <= 100 for line in lines)


@NOTEBOOKS
def test_links_of_a_notebook_resolve(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        assert (path.parent / target).exists(), target
