"""Laws of reading files of molecules: what is found, what is kept, what is refused."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molvae.datasets import table_reader
from molvae.datasets.table_reader import Record, open_table
from molvae.errors import InputError, MolvaeError, UsageError


def read(path: Path | str, column: str | None = None) -> list[Record]:
    with open_table(path, column) as table:
        return list(table)


def smiles(path: Path | str, column: str | None = None) -> list[str]:
    return [record.smiles for record in read(path, column)]


SDF = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")) + "$$$$\n"


@pytest.mark.parametrize(
    "cell", ["NA", "nan", "None", "null", "N", "1e5", "=1+1", " x ", "a;b", "é"]
)
def test_cells_are_kept_as_they_stand(put: Any, cell: str) -> None:
    assert read(put(f"smiles,note\nC,{cell}\n"))[0].fields == ("C", cell)
    assert smiles(put(f"smiles,note\n{cell},1\n")) == [cell]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.lists(
            st.text(
                st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8
            ),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
        max_size=6,
    ),
    delimiter=st.sampled_from(",\t;"),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    zipped=st.booleans(),
    bom=st.booleans(),
)
def test_whatever_is_quoted_by_the_rules_comes_back_to_the_byte(
    tmp_path: Path, rows: list[list[str]], delimiter: str, newline: str, zipped: bool, bom: bool
) -> None:
    quoted = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    text = ("\ufeff" if bom else "") + newline.join(
        [delimiter.join(["smiles", "note"]), *quoted, ""]
    )
    path = tmp_path / "table.csv"
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    assert [list(record.fields) for record in read(path)] == rows


def test_a_row_of_wrong_width_is_marked_and_never_shifted(put: Any) -> None:
    records = read(put("id,smiles\n1,C\n2,CC,extra\n3\n4,CCC\n"))
    assert [(r.line, r.smiles, r.problem) for r in records] == [
        (2, "C", ""),
        (3, "", table_reader.WRONG_WIDTH),
        (4, "", table_reader.WRONG_WIDTH),
        (5, "CCC", ""),
    ]
    assert records[1].fields == ("2", "CC", "extra")
    with pytest.raises(InputError, match="names 2 columns and every row has 3 fields"):
        open_table(put("id,smiles\n1,C,x\n2,CC,y\n"))


def test_line_numbers_are_those_of_the_file(put: Any) -> None:
    records = read(put('smiles,note\n\nC,"two\nlines"\n\n\nCC,one\n'))
    assert [(r.line, r.smiles, r.fields[1]) for r in records] == [
        (3, "C", "two\nlines"),
        (7, "CC", "one"),
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("end", ["", "newline"])
def test_any_newline_will_do(put: Any, newline: str, end: str) -> None:
    text = newline.join(["smiles", "C", "CC"]) + (newline if end else "")
    assert [(r.line, r.smiles) for r in read(put(text))] == [(2, "C"), (3, "CC")]


@pytest.mark.parametrize(
    ("text", "name", "format"),
    [
        ("smiles;logp\nCCO;-0,3\n", "x.csv", "csv"),
        ("CCO;-0,3\nCC;1,5\n", "x.csv", "csv"),
        ("smiles\tname\nCCO\tethanol, pure\n", "x.csv", "csv"),
        ("smiles\tname\nCCO\tethanol\n", "x.tsv", "tsv"),
        ("smiles\tname\nCCO\tethanol\n", "x.txt", "tsv"),
        ("smiles,name\nCCO,ethanol\n", "x", "csv"),
        ("CCO ethanol\n", "x.txt", "smi"),
        ("SMILES\nCCO\n", "x.dat", "smi"),
        ("# made, by hand\nCCO ethanol\n", "x.txt", "smi"),
        ("CCO\tethanol\n", "x.smi", "smi"),
        (SDF, "x.sdf", "sdf"),
        (SDF, "x", "sdf"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_the_format_is_told_by_name_or_content(
    put: Any, text: str, name: str, format: str, zipped: bool
) -> None:
    path = put(gzip.compress(text.encode()), f"{name}.gz") if zipped else put(text, name)
    with open_table(path) as table:
        assert table.format == format
        assert next(table).smiles == "CCO"


def test_gzip_is_told_by_its_first_bytes_not_by_the_name(put: Any) -> None:
    assert smiles(put(gzip.compress(b"smiles\nC\n"), "x.csv")) == ["C"]
    assert smiles(put(b"smiles\nC\n", "x.csv.gz")) == ["C"]
    assert smiles(put(gzip.compress(b"smiles\nC\n") + gzip.compress(b"CC\n"), "x.csv.gz")) == [
        "C",
        "CC",
    ]


def test_smi_files(put: Any) -> None:
    text = "# comment\nSMILES name\n\nCCO  ethanol (pure)\tx\n\tC\nCC |^1:0| radical\nN\n"
    with open_table(put(text, "x.smi")) as table:
        assert (table.columns, table.smiles_column, table.chosen_by) == (
            ("smiles", "name"),
            "smiles",
            "by format",
        )
        assert list(table) == [
            Record(4, "CCO", ("CCO", "ethanol (pure)\tx")),
            Record(5, "C", ("C", "")),
            Record(6, "", ("CC", "|^1:0| radical"), table_reader.EXTENDED),
            Record(7, "N", ("N", "")),
        ]
    with pytest.raises(UsageError, match="first word"):
        open_table(put(text, "x.smi"), "name")


def test_long_cells_and_blank_first_lines_lose_nothing(
    put: Any,
) -> None:
    assert smiles(put('smiles,n\nC,"' + "x" * 500_000 + '"\nCC,y\n')) == ["C", "CC"]
    assert smiles(put("\n" * 2_500 + "smiles,n\nC,x\nCC,y\n")) == ["C", "CC"]


# No time in what gzip writes: it is part of the names of the tests, and processes compare these.
BAD_FILES = [
    (b"", "is empty"),
    (b"\n\r\n  \n", "nothing but blank lines"),
    (b"smiles\n", "has a header and no rows"),
    ("smiles\nC\n".encode("utf-16"), "UTF-16"),
    ("smiles,n\nC,\xe9\n".encode("latin-1"), "line 2: not UTF-8 text, byte 0xE9 at offset 11"),
    (b"\xef\xbb\xbfsmiles,n\nC,\xe9\n", "offset 14"),
    (b"smiles\nC\n\0C\n", "line 3: a NUL byte at offset 9"),
    (b"\x89PNG\r\n\x1a\n", "a picture"),
    (b"PK\x03\x04abc", "Excel"),
    (gzip.compress(b"PK\x03\x04abc", mtime=0), "Excel"),
    (gzip.compress(b"smiles\nC\n" * 1000, mtime=0)[:-20], "truncated or damaged"),
    (b"\x1f\x8bnot gzip at all", "truncated or damaged"),
    (b'smiles,n\nC,"never closed\nCC,x\n', "opened at line 2"),
    (b'smiles,n\nC,"closed"early\n', "line 2"),
    (b'smiles,n\nC,"' + b"x" * 200_000, "opened at line 2 is not closed"),
    (b'smiles,n\nC,"' + b"xxxxxxx\n" * 200_000, "field larger than"),
    (b"smiles\n" + b"C" * (1 << 21), "line 2: longer than"),
]


@pytest.mark.parametrize(("content", "said"), BAD_FILES)
def test_a_file_that_cannot_be_read_is_refused_by_name_and_place(
    put: Any, content: bytes, said: str
) -> None:
    path = put(content)
    with pytest.raises(InputError, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(".")


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        open_table(tmp_path / "none.csv")
    with pytest.raises(InputError, match="is a folder"):
        open_table(tmp_path)
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "none")
    with pytest.raises(InputError, match="does not exist"):
        open_table(tmp_path / "dangling.csv")
    for url in ("https://example.org/x.csv", "s3://bucket/x.csv"):
        with pytest.raises(UsageError, match="only local files"):
            open_table(url)


def test_carriage_returns_alone_are_lines_in_files_of_any_size(put: Any) -> None:
    assert smiles(put("smiles\rC\rN")) == ["C", "N"]
    path = put(b"smiles\r" + b"CCCCCCC\r" * 300_000)
    assert sum(record.smiles == "CCCCCCC" for record in read(path)) == 300_000


def test_standard_input_is_read_and_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(gzip.compress(b"id,smiles\n1,CCO\n")))
    monkeypatch.setattr(sys, "stdin", stdin)
    with open_table("-") as table:
        assert (table.name, next(table).smiles) == ("standard input", "CCO")
    assert not stdin.buffer.closed
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="is closed"):
        open_table("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_read_once_and_whole(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"smiles\nC\nCC\n",))
    writer.start()
    assert smiles(pipe) == ["C", "CC"]
    writer.join()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.binary(max_size=120), name=st.sampled_from(["x.csv", "x.tsv", "x.smi", "x.sdf", "x"])
)
def test_any_bytes_are_read_or_refused_in_words(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    message = "."
    try:
        read(path)
    except MolvaeError as error:
        message = str(error)
    assert message.endswith(".")


def test_one_ragged_line_does_not_turn_a_table_into_a_list(tmp_path: Path) -> None:
    path = tmp_path / "no_extension"
    path.write_text("id,smiles\n1,CCO\nragged\n2,CCN\n3,CCC\n", encoding="utf-8")
    with open_table(path) as table:
        assert (table.format, table.smiles_column) == ("csv", "smiles")
        assert [record.smiles for record in table if not record.problem] == ["CCO", "CCN", "CCC"]


@pytest.mark.parametrize(
    ("name", "content", "fields"),
    [
        ("a.csv", "# made by\n# a tool\nsmiles,y\nCCO,1\n", ("CCO", "1")),
        ("a.tsv", "!from a repository\nid\tsmiles\n7\tCCO\n", ("7", "CCO")),
        ("a.csv", "sep=;\nsmiles;y\nCCO;1\n", ("CCO", "1")),
        ("a.csv", "#smiles,y\nCCO,1\n", ("CCO", "1")),  # a header that begins so
        ("a.tsv", 'name\tsmiles\n"A" (x)\tCCO\n', ('"A" (x)', "CCO")),
        ("a.tsv", 'name\tsmiles\n"A (x)\tCCO\nB" (y)\tCCN\n', ('"A (x)', "CCO")),
        ("a.tsv", 'name\tsmiles\n"A\nB"\tCCO\n', ("A\nB", "CCO")),
        ("a.tsv", "id\tsmiles\tKi\tnote\n2\tCCO\n3\tC\t1\tx\n", ("2", "CCO", "", "")),
        ("a.smi", "CCO,ethanol\nCCN,amine\n", ("CCO", "ethanol")),
        ("a.smi", "smiles,name\nCCO,ethanol\n", ("CCO", "ethanol")),
        ("a.smi", "id7 CCO\nid8 CCN\n", ("CCO", "id7")),
        ("a.smi", "name smiles\nid7 CCO\nid8 CCN\n", ("CCO", "id7")),
    ],
)
def test_files_as_the_world_writes_them(
    tmp_path: Path, name: str, content: str, fields: tuple[str, ...]
) -> None:
    (tmp_path / name).write_text(content)
    first, *_ = read(tmp_path / name)
    assert (first.smiles, first.fields) == ("CCO", fields)
    assert content.count("CCN") == [record.smiles for record in read(tmp_path / name)].count("CCN")


def test_skipped_comments_are_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.csv").write_text("# one\n# two\nsmiles,y\nCCO,1\n")
    with caplog.at_level("INFO", logger="molvae"):
        assert read(tmp_path / "a.csv")[0].line == 4
    assert [one.message.rpartition(": ")[2] for one in caplog.records] == [
        "2 lines before the header skipped"
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"\x28\xb5\x2f\xfd....", "compressed with zstd"),
        ("a.tar.gz", b"anything", "an archive"),
        ("a.jsonl", b'{"smiles": "CCO"}\n', "is JSON"),
        ("a.json", b'[\n  {"smiles": "CCO"}\n]\n', "is JSON"),
        ("a.mol2", b"@<TRIPOS>MOLECULE\n", "is MOL2"),
        ("a.pdb", b"HEADER    HYDROLASE\n", "is PDB"),
        ("a.xyz", b"3\nwater\nO 0 0 0\nH 0.7 0.6 0\nH -0.7 0.6 0\n", "is XYZ coordinates"),
        ("a.txt", b"InChI=1S/CH4/h1H4\nInChI=1S/H2O/h1H2\n", "InChI"),
        ("a.smi", b"smiles name\n", "a header and no rows"),
        ("a.csv", b"# nothing\n# else\n", "nothing but comments"),
    ],
)
def test_formats_that_are_not_read_are_named(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        read(tmp_path / name)


ENTRY = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")) + ">  <a>\n{}\n"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (ENTRY.format("1") + "$$$$\n", ("CCO", "", "1")),  # no line after the last value
        (ENTRY.format("1\n \n>  <b>\n2\n \n") + "$$$$\n", ("CCO", "", "1", "2")),
        (ENTRY.format("1\n2\n\n") + "$$$$\n", ("CCO", "", "1\n2")),
    ],
)
def test_values_of_an_sdf_end_where_they_are_meant_to(
    tmp_path: Path, text: str, fields: tuple[str, ...]
) -> None:
    (tmp_path / "a.sdf").write_text(text * 2)
    assert [record.fields for record in read(tmp_path / "a.sdf")] == [fields] * 2
