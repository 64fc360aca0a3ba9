"""Laws of `molvae score`: rows in are rows out, whatever is in them, and no file is harmed."""

from __future__ import annotations

import csv
import gzip
import io
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

(ENTRY_POINT,) = entry_points(group="console_scripts", name="molvae")
CSV = (
    "id,smiles,qed,status\n"
    "1,CC(=O)Oc1ccccc1C(=O)O,mine,=HYPERLINK()\n"
    '2,C1CC,"a,b",NA\n'
    '3,CCO,"say ""no""",  -2+3\n'
    '4,c1ccncc1CC,"two\nlines",1e5\n'
)

Outcome = tuple[int, str, str]


@pytest.fixture
def molvae(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    main: Any = import_module(f"{ENTRY_POINT.module}.main").main

    def run(*args: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def molecules(tmp_path: Path) -> Path:
    path = tmp_path / "molecules.csv"
    path.write_text(CSV)
    return path


def rows_of(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text), delimiter=delimiter))


def test_every_row_column_and_cell_is_kept_and_scores_are_added(
    molvae: Callable[..., Outcome], molecules: Path, tmp_path: Path
) -> None:
    scored = tmp_path / "scored.csv"
    code, out, err = molvae("score", molecules, "--scores", "qed,molwt,scaffold", "-o", scored)
    assert (code, out) == (0, "")
    before, after = rows_of(CSV), rows_of(scored.read_text())
    assert [row[:4] for row in after] == before
    assert after[0][4:] == ["QED", "MolWt", "Scaffold", "status_2"]
    assert [row[7].partition(":")[0] for row in after[1:]] == [
        "ok",
        "does not parse",
        "QED not defined",
        "ok",
    ]
    assert after[1][4:7] == ["0.550122", "180.159", "c1ccccc1"]
    assert after[2][4:7] == ["", "", ""]
    assert "'smiles'" in err
    assert (
        "4 rows: 2 scored, 1 scored in part (not defined 1), 1 not scored (does not parse 1)" in err
    )


def test_without_picking_every_default_column_is_there(
    molvae: Callable[..., Outcome], molecules: Path
) -> None:
    _, out, _ = molvae("score", molecules)
    added = rows_of(out)[0][4:]
    wanted = (
        "QED SA logP MolWt TPSA HBD HBA RotatableBonds Rings LipinskiViolations PAINS Brenk NIH "
        "Scaffold"
    )
    assert set(wanted.split()) <= set(added)
    assert added[-1] == "status_2"


def test_workers_do_not_change_the_file(molvae: Callable[..., Outcome], tmp_path: Path) -> None:
    path = tmp_path / "many.smi"
    path.write_text("".join(f"{'C' * (n % 9 + 1)}O molecule {n}\n" for n in range(200)))
    outputs = {
        molvae("score", path, "--scores", "logp,rings", "--workers", count)[1] for count in (1, 2)
    }
    assert len(outputs) == 1
    assert len(rows_of(outputs.pop())) == 201


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.csv.gz", "out.TSV.gz"])
def test_the_name_of_the_output_decides_its_format(
    molvae: Callable[..., Outcome], molecules: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    assert molvae("score", molecules, "--scores", "hbd", "-o", path)[0] == 0
    content = path.read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
    rows = rows_of(text, "\t" if "tsv" in name.lower() else ",")
    assert [row[:4] for row in rows] == rows_of(CSV)
    assert [row[4] for row in rows] == ["HBD", "1", "", "1", "0"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([molecules.name, name])


def test_a_scorer_of_ones_own_is_a_column_with_its_full_number(
    molvae: Callable[..., Outcome], molecules: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(
        "def third(mol): return mol.GetNumAtoms() / 3\ndef fails(mol): raise KeyError(7)\n"
    )
    spec = tmp_path / "own.py"
    code, out, err = molvae(
        "score",
        molecules,
        "--scores",
        "hbd",
        "--scorer",
        f"{spec}:third",
        "--scorer",
        f"{spec}:fails",
    )
    rows = rows_of(out)
    assert code == 0
    assert rows[0][4:] == ["HBD", "third", "fails", "status_2"]
    assert rows[1][4:] == ["1", "4.333333333333333", "", "scorer fails: KeyError: 7"]
    assert "3 scored in part (scorer fails failed 3)" in err


def test_rows_of_wrong_width_shift_no_column(
    molvae: Callable[..., Outcome], tmp_path: Path
) -> None:
    path = tmp_path / "ragged.csv"
    path.write_text("smiles,name\nCCCCO,a\nCCCCO\nCCCCO,b,c\n")
    _, out, _ = molvae("score", path, "--scores", "hbd")
    assert rows_of(out) == [
        ["smiles", "name", "HBD", "status"],
        ["CCCCO", "a", "1", "ok"],
        ["CCCCO", "", "1", "ok"],
        ["CCCCO", "b,c", "", "wrong number of fields"],
    ]


HOSTILE = [
    "=HYPERLINK(1)",
    "+1 phenol",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "  =1",
    "\uff1d1",
    "-",
    "=1,2",
]
HARMLESS = ["-1.5", "+1", "-2e3", "CC-1", "a=b", "", "'=1", "\u2212-1", "1-2"]


def test_a_spreadsheet_finds_no_formula_where_it_was_asked_for(
    molvae: Callable[..., Outcome], tmp_path: Path
) -> None:
    path, scored = tmp_path / "names.csv", tmp_path / "scored.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        table = [
            ["smiles", "@name"],
            *(["CCO", name] for name in HOSTILE + HARMLESS),
            ["=C", "of no molecule"],
        ]
        csv.writer(handle).writerows(table)
    for options, before in (([], ""), (["--excel-safe"], "'")):
        assert (
            molvae("score", path, "--scores", "hbd,logp", "-o", scored, "--force", *options)[0] == 0
        )
        with scored.open(newline="", encoding="utf-8") as handle:
            head, *rows = csv.reader(handle)
        assert head == ["smiles", f"{before}@name", "HBD", "logP", "status"]
        assert [row[1] for row in rows[:-1]] == [*(before + name for name in HOSTILE), *HARMLESS]
        assert {tuple(row[2:]) for row in rows[:-1]} == {("1", "-0.0014", "ok")}, (
            "a negative number stays a number"
        )
        assert rows[-1][0] == f"{before}=C"


def test_the_list_names_every_score_with_a_line(molvae: Callable[..., Outcome]) -> None:
    from molvae.chem.properties import PROPERTIES

    code, out, _ = molvae("score", "--list")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == list(PROPERTIES)
    assert all(
        entry.description in line for entry, line in zip(PROPERTIES.values(), lines, strict=True)
    )


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--scores", "qde"], "'qed'"),
        (["--scores", ""], "not a score"),
        (["--scorer", "nowhere.py:f"], "no file"),
        (["--scorer", "nowhere.py"], "file.py:function"),
        (["--workers", "0"], "--workers"),
        (["--column", "structure"], "structure"),
    ],
)
def test_wrong_usage_exits_2_with_one_reason_and_no_output(
    molvae: Callable[..., Outcome], molecules: Path, tmp_path: Path, args: list[str], said: str
) -> None:
    code, out, err = molvae("score", molecules, "-o", tmp_path / "scored.csv", *args)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "scored.csv").exists()


def test_an_existing_output_is_kept_unless_forced(
    molvae: Callable[..., Outcome], molecules: Path, tmp_path: Path
) -> None:
    scored = tmp_path / "scored.csv"
    scored.write_text("precious")
    assert molvae("score", molecules, "-o", scored)[0] == 1
    assert scored.read_text() == "precious"
    assert molvae("score", molecules, "-o", scored, "--force", "--scores", "hbd")[0] == 0
    assert scored.read_text().startswith("id,smiles")


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_the_input_is_never_written_over(
    molvae: Callable[..., Outcome], molecules: Path, force: list[str]
) -> None:
    linked = molecules.with_name("link.csv")
    linked.symlink_to(molecules)
    for output in (molecules, linked):
        assert molvae("score", molecules, "-o", output, *force)[0] == 2
    assert molecules.read_text() == CSV


def test_a_failed_run_leaves_no_file_of_the_final_name(
    molvae: Callable[..., Outcome], tmp_path: Path
) -> None:
    path = tmp_path / "torn.csv"
    path.write_text("smiles,name\n" + "CCCCO,x\n" * 300 + 'CCO,"never closed\n')
    scored = tmp_path / "scored.csv"
    code, _, err = molvae("score", path, "--scores", "hbd", "-o", scored)
    assert code == 1
    assert "301" in err or "302" in err
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("content", ["", "smiles\n", "\n\n\n"])
def test_a_file_without_molecules_is_an_error_and_writes_nothing(
    molvae: Callable[..., Outcome], tmp_path: Path, content: str
) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(content)
    code, out, err = molvae("score", path)
    assert (code, out) == (1, "")
    assert "empty.csv" in err


def test_rows_without_any_score_are_an_error_but_written(
    molvae: Callable[..., Outcome], tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("smiles\nC1CC\nnonsense\n")
    code, out, err = molvae("score", tmp_path / "in.csv", "--scores", "hbd")
    assert code == 1
    assert [row[0] for row in rows_of(out)] == ["smiles", "C1CC", "nonsense"]
    assert "no row could be scored: does 'smiles' hold SMILES?" in err
    (tmp_path / "in.csv").write_text("smiles\nC1CC\nCCO\n")
    assert molvae("score", tmp_path / "in.csv", "--scores", "hbd")[0] == 0


def test_no_property_of_an_sdf_is_lost_in_silence(
    molvae: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rdkit import Chem

    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    text = f"{block}$$$$\n" * 150 + f"{block}> <activity>\n7.5\n\n$$$$\n"
    (tmp_path / "in.sdf").write_text(text)
    code, out, _ = molvae("score", tmp_path / "in.sdf", "--scores", "hbd")
    assert code == 0
    assert rows_of(out)[0] == ["smiles", "name", "activity", "HBD", "status"]
    assert rows_of(out)[-1] == ["CCO", "", "7.5", "1", "ok"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code, out, err = molvae("score", "-", "--scores", "hbd")
    assert code == 0
    said = "property too late in the stream for a column of its own"
    assert rows_of(out)[-1] == ["CCO", "", "1", f"{said}: activity"]
    assert f"151 rows: 150 scored, 1 scored in part ({said} 1)" in err


def command(*args: object) -> list[str]:
    code = (
        "from importlib.metadata import entry_points; "
        "(e,) = entry_points(group='console_scripts', name='molvae')"
    )
    return [sys.executable, "-c", f"{code}; e.load()()", *map(str, args)]


def test_standard_input_to_standard_output_holds_rows_only(molecules: Path) -> None:
    with molecules.open() as source:
        run = subprocess.run(
            command("score", "-", "--scores", "hbd"), stdin=source, capture_output=True, text=True
        )
    assert run.returncode == 0
    assert [row[:4] for row in rows_of(run.stdout)] == rows_of(CSV)
    assert "\r" not in run.stderr
    assert "\x1b" not in run.stderr


def test_a_reader_that_leaves_early_ends_the_command_quietly(tmp_path: Path) -> None:
    path = tmp_path / "many.smi"
    path.write_text("CCCCCO\n" * 20_000)
    with subprocess.Popen(
        command("score", path, "--scores", "hbd"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline() == "smiles,name,HBD,status\n"
        run.stdout.close()
        said = run.stderr.read()
        assert run.wait(timeout=60) in (0, 141)
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_scoring_from_the_command_line_loads_no_torch(molecules: Path) -> None:
    code = (
        "import sys; from importlib.metadata import entry_points;"
        "(e,) = entry_points(group='console_scripts', name='molvae');"
        "import atexit; "
        "atexit.register(lambda: sys.stderr.write(f\"torch: {'torch' in sys.modules}\"));"
        f"e.load()(['score', {str(molecules)!r}])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0
    assert run.stderr.endswith("torch: False")
