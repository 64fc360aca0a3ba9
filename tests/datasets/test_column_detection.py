"""The column of the SMILES is found, or it is said why it cannot be told."""

from __future__ import annotations

from typing import Any

import pytest

from molvae.datasets.table_reader import Record, open_table
from molvae.errors import InputError, UsageError


@pytest.mark.parametrize(
    "name", ["SMILES", "smiles", " Smiles ", "Canonical SMILES", "canonical_smiles", "mol"]
)
def test_the_column_is_found_by_its_name_in_any_spelling(put: Any, name: str) -> None:
    with open_table(put(f"id,{name},note\n1,CCO,x\n2,not a molecule,y\n")) as table:
        assert (table.smiles_column, table.chosen_by, table.format) == (name, "by name", "csv")
        assert table.columns == ("id", name, "note")
        assert list(table) == [
            Record(2, "CCO", ("1", "CCO", "x")),
            Record(3, "not a molecule", ("2", "not a molecule", "y")),
        ]


def test_a_better_name_goes_first(put: Any) -> None:
    with open_table(put("structure,canonical_smiles,smiles\nC,CC,CCC\n")) as table:
        assert table.smiles_column == "smiles"


def test_a_vague_name_gives_way_to_molecules(put: Any) -> None:
    with open_table(put("molecule,can\nethanol,CCO\nbenzene,c1ccccc1\n")) as table:
        assert (table.smiles_column, table.chosen_by) == ("can", "by content")


def test_the_column_is_found_by_content(put: Any) -> None:
    with open_table(put("id,what,logp\nX1,CCO,-0.1\nX2,c1ccccc1,2\nX3,bad,2\n")) as table:
        assert (table.smiles_column, table.chosen_by) == ("what", "by content")
        assert [record.line for record in table] == [2, 3, 4]


def test_a_table_without_header_loses_no_row(put: Any) -> None:
    for text in ("CCO,X1\nCCN,X2\n", "CCO,X1\n"):
        with open_table(put(text)) as table:
            assert (table.columns, table.smiles_column) == (("column1", "column2"), "column1")
            assert next(table) == Record(1, "CCO", ("CCO", "X1"))
    for column in ("2", "column2"):
        with open_table(put("X1,CCO\nX2,CCN\n"), column) as table:
            assert [record.smiles for record in table] == ["CCO", "CCN"]


def test_an_unreadable_first_row_is_no_header(put: Any) -> None:
    for text in (
        "C1CC,1\nCCO,2\nCCN,3\n",
        "c1ccccc1[Xx,1\nCCO,2\nCCN,3\n",
        "CFF,1\nCCO,2\nCCN,3\n",
    ):
        with open_table(put(text)) as table:
            assert table.columns == ("column1", "column2")
            assert [record.line for record in table] == [1, 2, 3]
    for name in ("smi", "Col_1", "b", "SMILES (canonical)", "분자", "prop"):
        with open_table(put(f"{name},n\nCCO,2\nCCN,3\n")) as table:
            assert (table.columns, len(list(table))) == ((name, "n"), 2)


@pytest.mark.parametrize(
    ("column", "expected"),
    [("a", "C"), ("A", "CC"), ("b", "CCC"), ("B", "CCC"), ("1", "C"), ("3", "CCC"), ("2", "CC")],
)
def test_a_column_is_chosen_by_name_then_any_case_then_number(
    put: Any, column: str, expected: str
) -> None:
    with open_table(put("a,A,b\nC,CC,CCC\n"), column) as table:
        assert table.chosen_by == "by --column"
        assert next(table).smiles == expected


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("a,b\nC,CC\n", None, "more than one column"),
        ("a,b\n1,2\n", None, "no column holds SMILES, of 'a', 'b'"),
        ("smiles,SMILES\nC,CC\n", None, "several columns called smiles"),
        ("a,b\nC,CC\n", "c", "has no column 'c'; it has 'a', 'b'"),
        ("a,b\nC,CC\n", "3", "has no column '3'"),
        ("a,b\nC,CC\n", "0", "has no column '0'"),
        ("xA,xa\nC,CC\n", "XA", "fits several"),
    ],
)
def test_a_column_that_cannot_be_told_is_wrong_usage(
    put: Any, text: str, column: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        open_table(put(text), column)


@pytest.mark.parametrize(
    ("cells", "notation"),
    [
        (["InChI=1S/CH4/h1H4"], "InChI"),
        (["CC>>CO", "C>O>N"], "reactions"),
        (["[C][=O]", "[C][C][Branch1][C][O][C]"], "SELFIES"),
        (["VNWKTOKETHGBQD-UHFFFAOYSA-N"], "InChI keys"),
    ],
)
def test_another_notation_is_called_by_its_name(put: Any, cells: list[str], notation: str) -> None:
    if notation == "SELFIES":
        cells = cells[1:]
    with pytest.raises(InputError, match=f"holds {notation}, not SMILES"):
        open_table(put("smiles\n" + "\n".join(cells) + "\n"))
