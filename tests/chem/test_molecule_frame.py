"""A table of molecules is a pandas DataFrame that a notebook draws, whatever its cells hold."""

from __future__ import annotations

import copy
import pickle
import re
from base64 import b64decode

import pandas
import pytest
from IPython.core.formatters import DisplayFormatter

from molvae.chem.molecule_frame import MoleculeFrame

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def table() -> MoleculeFrame:
    return MoleculeFrame({"name": ["a", "b", "c"], "smiles": ["CCO", "c1ccccc1", "CCN"]})


def drawings(page: str) -> list[str]:
    """The drawings in a page, as SVG."""
    sources = re.findall(r'<img alt="" src="data:image/svg\+xml;base64,([\w+/=]+)">', page)
    return [b64decode(one).decode() for one in sources]


def test_a_notebook_shows_a_drawing_in_each_row(table: MoleculeFrame) -> None:
    page = DisplayFormatter().format(table)[0]["text/html"]
    found = drawings(page)
    assert len(found) == len(set(found)) == 3
    assert all(one.startswith("<svg") for one in found)
    heads = re.findall(r"<th>(\w+)</th>", page)
    assert heads[:3] == ["name", "structure", "smiles"]
    assert list(table.columns) == ["name", "smiles"]


def test_text_of_cells_and_names_is_escaped() -> None:
    table = MoleculeFrame({"smiles": ["CCO", HOSTILE], HOSTILE: [HOSTILE, "x"]}, [HOSTILE, "b"])
    page = table._repr_html_()
    assert page.count("&lt;script&gt;") == 4
    assert "<script" not in page
    assert len(drawings(page)) == 2


def test_what_pandas_makes_of_it_is_drawn_too(table: MoleculeFrame) -> None:
    made = [
        table.sort_values("name", ascending=False),
        table[table["name"] != "b"],
        table.head(2),
        table.iloc[1:],
        table.assign(more=1),
        table.merge(pandas.DataFrame({"name": ["a"], "logP": [0.1]}), on="name"),
        table.drop_duplicates("name").reset_index(),
        table.set_index("name"),
        table.groupby("name").first(),
        pandas.concat([table, table]),
        pickle.loads(pickle.dumps(table)),
        copy.deepcopy(table),
    ]
    for one in made:
        assert isinstance(one, MoleculeFrame)
        assert len(drawings(one._repr_html_())) == len(one)


def test_it_computes_and_writes_as_any_table(table: MoleculeFrame) -> None:
    plain = pandas.DataFrame(table)
    assert type(plain) is pandas.DataFrame
    assert table.to_csv() == plain.to_csv()
    assert table.describe().shape == plain.describe().shape
    assert isinstance(table["smiles"], pandas.Series)


def test_only_rows_that_are_shown_are_drawn() -> None:
    table = MoleculeFrame({"smiles": ["C" * n for n in range(1, 101)]})
    assert len(drawings(table._repr_html_())) == 10
    with pandas.option_context("display.max_colwidth", 5):
        assert len(drawings(table.head(20)._repr_html_())) == 20
    with pandas.option_context("display.notebook_repr_html", False):
        assert table._repr_html_() is None


def test_cells_without_a_molecule_are_no_error() -> None:
    table = MoleculeFrame({"smiles": ["CCO", "", "no molecule", None, float("nan")]})
    assert len(drawings(table._repr_html_())) == 3


@pytest.mark.parametrize(
    "table",
    [
        MoleculeFrame({"name": ["a"]}),
        MoleculeFrame([["CCO", "CCN"]], columns=["smiles", "smiles"]),
        MoleculeFrame(
            [["CCO", "CCN"]], columns=pandas.MultiIndex.from_tuples([("smiles", "a"), ("b", "")])
        ),
        MoleculeFrame(),
    ],
)
def test_a_table_without_one_such_column_is_plain(table: MoleculeFrame) -> None:
    assert table._repr_html_() == pandas.DataFrame(table)._repr_html_()


def test_a_column_called_structure_stays(table: MoleculeFrame) -> None:
    page = table.assign(structure="mine")._repr_html_()
    assert page.count("<th>structure</th>") == 2
    assert page.count("mine") == len(drawings(page)) == 3


def test_marimo_is_given_the_same_page(table: MoleculeFrame) -> None:
    assert len(drawings(table._display_()._repr_html_())) == 3
    with pandas.option_context("display.notebook_repr_html", False):
        assert type(table._display_()) is pandas.DataFrame
