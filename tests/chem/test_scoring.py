"""Laws of scoring: every row comes back, in order, with its values or its reason, on any number of
workers.
"""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molvae.chem.properties import DEFAULT_SCORES, PROPERTIES
from molvae.chem.scoring import (
    CHUNK_SIZE,
    OK,
    Counts,
    Plan,
    Scored,
    free_names,
    plan_scores,
    score,
    score_one,
    stream,
)
from molvae.errors import UsageError

GOOD = ("CC(=O)Oc1ccccc1C(=O)O", "CCOc1ccc(C(=O)NCc2ccncc2)cc1", "C1CCCCC1N")
BAD = ("C1CC", "", "CC\nO", "nonsense", "*C", "C" * 2000, "\u0421c1ccccc1")
CHEAP = ("molwt", "hbd")


def heavy(mol: Chem.Mol) -> float:
    """A scorer that can be sent to other processes."""
    return float(mol.GetNumHeavyAtoms())


def scorer_file(folder: Path, text: str, name: str = "mine.py") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_every_row_comes_back_in_order_with_its_status() -> None:
    rows = [*GOOD, *BAD, *GOOD]
    table = score(rows, ["molwt"], workers=1)
    assert table.columns.tolist() == ["smiles", "MolWt", "status"]
    assert table["smiles"].tolist() == rows
    assert (table["status"] == OK).tolist() == [text in GOOD for text in rows]
    assert table["MolWt"].notna().tolist() == [text in GOOD for text in rows]


def test_the_number_of_workers_does_not_change_the_table() -> None:
    rows = [*GOOD, *BAD] * 20
    one = score(rows, ["molwt", "scaffold", "pains"], workers=1)
    assert len(one) > 2 * CHUNK_SIZE
    assert score(rows, ["molwt", "scaffold", "pains"], workers=2).equals(one)


def test_default_scores_equal_the_properties() -> None:
    table = score(GOOD, workers=1)
    assert table.columns.tolist() == [
        "smiles",
        *(PROPERTIES[name].name for name in DEFAULT_SCORES),
        "status",
    ]
    for row, smiles in enumerate(GOOD):
        mol = Chem.MolFromSmiles(smiles)
        for name in DEFAULT_SCORES:
            assert table.loc[row, PROPERTIES[name].name] == PROPERTIES[name].function(mol)


def test_an_undefined_score_is_an_empty_cell_with_a_status() -> None:
    row = score_one(plan_scores("qed,sa,molwt"), "C")
    assert row.values[:2] == (None, None)
    assert row.values[2] == pytest.approx(16.04, abs=0.01)
    assert row.status == "QED, SA not defined: 1 heavy atom, fewer than 4"
    assert row.reason == "not defined"


@pytest.mark.parametrize("smiles", BAD)
def test_what_is_no_molecule_has_no_value_at_all(smiles: str) -> None:
    row = score_one(plan_scores(), smiles)
    assert set(row.values) == {None}
    assert row.status.startswith(row.reason)
    assert row.status != OK


@pytest.mark.parametrize("missing", [None, float("nan"), 7])
def test_a_row_that_holds_no_text_is_a_row_with_a_reason(missing: object) -> None:
    table = score([GOOD[0], missing, GOOD[1]], CHEAP, workers=2)  # type: ignore[list-item]
    assert table["status"].tolist() == [OK, f"not text: {type(missing).__name__}", OK]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(max_size=30) | st.text(alphabet="CNOScnos123()[]=#@+-.%/\\*H", max_size=40))
def test_any_text_gives_finite_values_or_a_reason(text: str) -> None:
    plan = plan_scores("logp,molwt,qed,sa,tpsa,scaffold")
    row = score_one(plan, text)
    assert len(row.values) == len(plan.columns)
    assert all(not isinstance(value, float) or math.isfinite(value) for value in row.values)
    assert (row.status == OK) == (row.reason == "") == (None not in row.values)


def test_the_parent_of_a_salt_is_scored_when_asked_for() -> None:
    salt, parent = "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]", "CC(=O)Oc1ccccc1C(=O)O"
    scored = score([salt], parent=True, workers=1)
    assert list(scored["parent"]) == [parent]
    alone = score([parent], workers=1).drop(columns="smiles")
    assert scored.drop(columns=["smiles", "parent"]).equals(alone)
    refused = score(["[Na+].[Cl-]"], parent=True, workers=1)
    assert (refused["status"][0], refused["parent"][0]) == ("only metals or ions", None)
    assert score([salt], ["qed"], workers=1)["status"][0] == "QED not defined: not fitted for Na"


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("qde", "qed"), ("lipinski", "lipinski_violations"), ("rotatable", "rotatable_bonds")],
)
def test_an_unknown_score_is_refused_with_the_nearest_name(wrong: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"'{wrong}'.*'{near}'.*--list"):
        score(GOOD, ["qed", wrong])


def test_names_are_taken_in_any_case_and_once() -> None:
    assert plan_scores(" QED,sa ,qed").names == ("qed", "sa")


def test_a_single_text_is_not_taken_for_many_molecules() -> None:
    with pytest.raises(UsageError, match="list"):
        score("CCO")


def test_asking_for_nothing_or_for_no_workers_is_refused() -> None:
    with pytest.raises(UsageError, match="no scores"):
        plan_scores([])
    with pytest.raises(UsageError, match=r"`workers` \(=0\)"):
        score(GOOD, CHEAP, workers=0)


def test_functions_are_scorers_and_their_name_is_the_column() -> None:
    for workers in (1, 2):
        table = score(GOOD, CHEAP, [heavy, lambda mol: mol.GetNumBonds()], workers=workers)
        assert table.columns.tolist() == ["smiles", "MolWt", "HBD", "heavy", "<lambda>", "status"]
        assert table["heavy"].tolist() == [
            Chem.MolFromSmiles(smiles).GetNumHeavyAtoms() for smiles in GOOD
        ]


def test_a_scorer_file_works_in_every_worker_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer_file(tmp_path, "WEIGHT = 2\n", "neighbour_of_doubled.py")
    scorer_file(
        tmp_path,
        "from neighbour_of_doubled import WEIGHT\n"
        "def doubled(mol): return WEIGHT * mol.GetNumAtoms()\n",
    )
    monkeypatch.chdir(tmp_path)
    plan = plan_scores([], ["mine.py:doubled"])
    monkeypatch.chdir("/")
    rows = list(stream(((smiles, None) for smiles in GOOD * 50), plan, workers=2))
    assert [row.values[0] for _, row in rows[:3]] == [26.0, 38.0, 14.0]
    assert len(rows) == 150


SCORERS = """
import math, numpy, sys
def raises(mol): raise ValueError("not\\n this one")
def none(mol): return None
def nan(mol): return math.nan
def inf(mol): return numpy.float32("inf")
def text(mol): return "7"
def leaves(mol): sys.exit(3)
def array(mol): return [1, 2]
def numpy_number(mol): return numpy.int64(3)
not_a_function = 3
def changes(mol):
    for atom in mol.GetAtoms(): atom.SetAtomicNum(6)
    return 1
def talks(mol):
    print("hello")
    return 1
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "ValueError: not this one"),
        ("none", "returned None, not a number"),
        ("nan", "returned nan"),
        ("inf", "returned inf"),
        ("text", "returned '7', not a number"),
        ("leaves", "SystemExit: 3"),
        ("array", "TypeError"),
    ],
)
def test_a_scorer_without_a_number_costs_its_own_cell_only(
    tmp_path: Path, name: str, said: str
) -> None:
    plan = plan_scores(CHEAP, [f"{scorer_file(tmp_path, SCORERS)}:{name}", heavy])
    row = score_one(plan, GOOD[0])
    assert row.values[2] is None
    assert None not in row.values[:2] + row.values[3:]
    assert row.status.startswith(f"scorer {name}: {said}")
    assert row.reason == f"scorer {name} failed"


def test_a_scorer_may_do_what_it_likes_to_its_molecule(tmp_path: Path) -> None:
    file = scorer_file(tmp_path, SCORERS)
    changed = score(
        GOOD, ["scaffold"], [f"{file}:changes", heavy, f"{file}:numpy_number"], workers=1
    )
    assert changed.drop(columns="changes").equals(
        score(GOOD, ["scaffold"], [heavy, f"{file}:numpy_number"], workers=1)
    )
    assert changed["numpy_number"].tolist() == [3.0] * 3


def test_what_a_scorer_prints_stays_out_of_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score(GOOD, [], [f"{scorer_file(tmp_path, SCORERS)}:talks"], workers=1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{file}", "file.py:function"),
        ("{file}:", "file.py:function"),
        (":heavy", "file.py:function"),
        ("{file}:rises", "it has raises"),
        ("{file}:not_a_function", "int, not a function"),
        ("nowhere.py:heavy", "there is no file"),
        ("{broken}:heavy", "cannot be loaded: ZeroDivisionError"),
        ("{text}:heavy", "not Python"),
    ],
)
def test_a_scorer_that_cannot_be_loaded_is_refused_at_once(
    tmp_path: Path, spec: str, said: str
) -> None:
    files = {
        "file": scorer_file(tmp_path, SCORERS),
        "broken": scorer_file(tmp_path, "1 / 0\n", "broken.py"),
        "text": scorer_file(tmp_path, "", "notes.txt"),
    }
    with pytest.raises(UsageError, match=said):
        plan_scores(CHEAP, [spec.format(**files)])


def test_a_molecule_that_kills_its_worker_costs_its_own_row_only(tmp_path: Path) -> None:
    file = scorer_file(
        tmp_path,
        "import os\n"
        "def deadly(mol):\n"
        "    if mol.GetNumAtoms() == 7: os.kill(os.getpid(), 9)\n"
        "    return mol.GetNumAtoms()\n",
    )
    rows = ["CCO"] * 90 + ["C1CCCCC1N"] + ["CCCO"] * 90
    table = score(rows, CHEAP, [f"{file}:deadly"], workers=2)
    assert table["smiles"].tolist() == rows
    assert (
        table["status"].tolist()
        == [OK] * 90 + ["crashed: the process that scored it died"] + [OK] * 90
    )
    assert table["deadly"].dropna().tolist() == [3.0] * 90 + [4.0] * 90


def test_an_endless_stream_is_scored_in_bounded_memory() -> None:
    taken = 0

    def endless() -> Iterator[tuple[str, int]]:
        nonlocal taken
        for taken in itertools.count():
            yield "CCO", taken

    rows = stream(endless(), plan_scores(CHEAP), workers=2)
    assert [extra for extra, _ in itertools.islice(rows, 300)] == list(range(300))
    assert taken < 300 + 8 * CHUNK_SIZE
    rows.close()  # type: ignore[attr-defined]


def test_columns_never_clash(tmp_path: Path) -> None:
    file = scorer_file(
        tmp_path, "def QED(mol): return 0.5\ndef status(mol): return 1\ndef smiles(mol): return 2\n"
    )
    table = score(GOOD, ["qed"], [f"{file}:QED", f"{file}:status", f"{file}:smiles"], workers=1)
    assert table.columns.tolist() == ["smiles", "QED", "QED_2", "status_2", "smiles_2", "status"]


@given(
    st.lists(st.sampled_from(["a", "a_2", "a_3", "b"])),
    st.lists(st.sampled_from(["a", "a_2", "b"])),
)
def test_free_names_are_all_different_and_keep_what_is_free(
    wanted: list[str], taken: list[str]
) -> None:
    free = free_names(wanted, taken)
    assert len(set(free)) == len(free) == len(wanted)
    assert not set(free) & set(taken)
    assert all(new.startswith(name) for new, name in zip(free, wanted, strict=True))


def test_counts_add_up_and_name_every_reason() -> None:
    counts = Counts()
    for row in (
        Scored((1.0, 2), OK, ""),
        Scored((None, 2), "QED not defined: no carbon", "not defined"),
        *[Scored((None, None), "does not parse: valence", "does not parse")] * 2,
    ):
        counts.add(row)
    assert counts.rows == 4
    assert str(counts) == (
        "4 rows: 1 scored, 1 scored in part (not defined 1), 2 not scored (does not parse 2)"
    )


def test_scoring_loads_no_torch() -> None:
    code = (
        "import sys; from molvae.chem.scoring import plan_scores, stream;"
        "rows = list(stream([('CC(=O)Oc1ccccc1', 0)], plan_scores(), workers=1));"
        "assert rows[0][1].status == 'ok', rows; import molvae.chem.drawing;"
        "print(sorted({'torch', 'numba', 'pandas', 'click'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_a_plan_says_its_columns_in_order() -> None:
    assert Plan(("sa", "qed"), (heavy,)).columns == ("SA", "QED", "heavy")
