"""SDF entries and their properties: each row by itself, none lost, none that takes others along."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from rdkit import Chem

from molvae.datasets import table_reader
from molvae.datasets.sdf import BAD_ENTRY
from molvae.datasets.table_reader import Record, open_table
from molvae.errors import InputError


def read(path: Path | str, column: str | None = None) -> list[Record]:
    with open_table(path, column) as table:
        return list(table)


def smiles(path: Path | str, column: str | None = None) -> list[str]:
    return [record.smiles for record in read(path, column)]


def sdf(*molecules: str, **properties: str) -> str:
    out = io.StringIO()
    writer = Chem.SDWriter(out)
    for n, text in enumerate(molecules):
        mol = Chem.MolFromSmiles(text)
        mol.SetProp("_Name", f"mol{n}")
        for key, value in properties.items():
            mol.SetProp(key, value)
        writer.write(mol)
    writer.close()
    return out.getvalue()


def test_a_bad_sdf_entry_takes_no_other_along(put: Any) -> None:
    good = sdf("CCO", "c1ccccc1O", note="n", smiles="other")
    first, second = good.split("$$$$\n")[:2]
    broken = first.replace("V2000", "V2xxx")
    missing_end = second.partition("M  END")[0][:60]
    with open_table(put("$$$$\n".join([first, broken, second, missing_end]), "x.sdf")) as table:
        assert table.columns == ("smiles", "name", "note", "smiles_property")
        records = list(table)
    assert [(r.smiles, r.problem) for r in records] == [
        ("CCO", ""),
        ("", BAD_ENTRY),
        ("Oc1ccccc1", ""),
        ("", BAD_ENTRY),
    ]
    assert records[0].fields == ("CCO", "mol0", "n", "other")
    assert {len(r.fields) for r in records} == {4}
    assert [r.line for r in records][:2] == [1, first.count("\n") + 2]


LATE = (
    sdf(*["C"] * 100, first="1")
    + sdf("CC", last="2").replace(">  <last>", ">  <last>  (101)")
    + sdf("CCC")
)


@pytest.mark.parametrize("zipped", [False, True])
def test_every_sdf_property_is_a_column_of_a_whole_table(put: Any, zipped: bool) -> None:
    path = put(gzip.compress(LATE.encode()) if zipped else LATE, "x.sdf")
    with open_table(path, whole=True) as table:
        assert table.columns == ("smiles", "name", "first", "last")
        records = list(table)
    assert [record.fields[2:] for record in records] == [*[("1", "")] * 100, ("", "2"), ("", "")]
    assert {record.problem for record in records} == {""}


def test_a_property_too_late_in_a_stream_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for whole, problem in ((True, f"{table_reader.LATE}: last"), (False, "")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LATE.encode())))
        with open_table("-", whole=whole) as table:
            records = list(table)
        assert [record.problem for record in records] == [*[""] * 100, problem, ""]
        assert records[100].smiles == "CC"


def test_properties_are_those_that_rdkit_finds(put: Any) -> None:
    odd = sdf("C", a="> <inner>\ntext", b="x").replace(">  <b>", "> 7 <b> <c>  (1)")
    broken = sdf("C", lost="1").replace("V2000", "V2xxx")
    path = put(odd + broken + sdf("C", inner="found", lost="found"), "x.sdf")
    with open_table(path, whole=True) as table:
        assert table.columns == ("smiles", "name", "a", "b> <c", "inner", "lost")
        assert list(table)[2].fields[2:] == ("", "", "found", "found")


def test_an_sdf_of_endlessly_many_properties_is_refused(
    put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molvae.datasets.sdf.MAX_PROPERTIES", 3)
    path = put("".join(sdf("C", **{f"p{n}": "1"}) for n in range(4)), "x.sdf")
    with pytest.raises(InputError, match="over 3 different properties"):
        open_table(path, whole=True)


def test_sdf_with_crlf_and_without_a_last_separator(put: Any) -> None:
    text = sdf("C[C@H](O)F").removesuffix("$$$$\n").replace("\n", "\r\n")
    assert smiles(put(text, "x.sdf")) == ["C[C@H](O)F"]
