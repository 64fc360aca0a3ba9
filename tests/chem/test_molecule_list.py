"""A list of molecules is a list; it becomes a table, and a notebook draws it."""

from __future__ import annotations

import copy
import pickle
from typing import NamedTuple

import pytest
from IPython.core.formatters import DisplayFormatter

from molvae.chem.molecule_frame import MoleculeFrame
from molvae.chem.molecule_list import SHOWN, MoleculeList


class Noted(NamedTuple):
    """A molecule and a number."""

    smiles: str
    number: int


@pytest.fixture
def few() -> MoleculeList[Noted]:
    return MoleculeList([Noted("CCO", 1), Noted("c1ccccc1", 2), Noted("", 3)], Noted._fields)


def test_it_is_equal_to_the_plain_list(few: MoleculeList[Noted]) -> None:
    assert few == list(few)
    assert few[0] == ("CCO", 1)
    assert [one.number for one in few] == [1, 2, 3]


def test_it_becomes_a_table_of_molecules(few: MoleculeList[Noted]) -> None:
    table = few.to_frame()
    assert isinstance(table, MoleculeFrame)
    assert table.to_dict("list") == {"smiles": ["CCO", "c1ccccc1", ""], "number": [1, 2, 3]}
    assert list(few[:0].to_frame().columns) == ["smiles", "number"]


def test_slices_and_copies_are_such_lists(few: MoleculeList[Noted]) -> None:
    for one in (few[:], few[::1], copy.copy(few), copy.deepcopy(few)):
        assert (type(one), one, one.fields) == (MoleculeList, few, Noted._fields)
    assert few[1:].to_frame()["number"].tolist() == [2, 3]


def test_it_survives_pickling(few: MoleculeList[Noted], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = MoleculeList([("CCO", 1)], Noted._fields)  # type: ignore[type-var]
    again = pickle.loads(pickle.dumps(plain))
    assert (type(again), again, again.fields) == (MoleculeList, plain, plain.fields)


def test_a_notebook_draws_it(few: MoleculeList[Noted]) -> None:
    page = DisplayFormatter().format(few)[0]["text/html"]
    assert page.startswith('<img alt="" src="data:image/svg+xml;base64,')
    assert "are drawn" not in page
    assert few._display_()._repr_html_() == few._repr_html_() == page


def test_a_long_list_says_how_much_is_drawn(few: MoleculeList[Noted]) -> None:
    long = MoleculeList(list(few) * 1000, Noted._fields)
    assert len(long.picture().cells) == SHOWN
    assert f"{SHOWN} of 3,000 are drawn" in long._repr_html_()


def test_an_empty_list_is_shown_in_words(few: MoleculeList[Noted]) -> None:
    assert few[:0]._repr_html_() == "<p>no molecules</p>"
