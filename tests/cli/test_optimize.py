"""Laws of `molvae optimize`: the best of what was scored, a history, and going on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

pytestmark = pytest.mark.usefixtures("small_rounds")


def test_the_best_are_written_with_their_history(
    molvae: Any, memorised_run: Path, tmp_path: Path, few: list[str], read_rows: Any
) -> None:
    (tmp_path / "leads.csv").write_text(f"smiles\n{few[0]}\nC1CC\n")
    history = tmp_path / "calls.csv"
    outcome = molvae(
        *("optimize", "-m", memorised_run, "--maximize", "qed", "--minimize", "logp"),
        *("--calls", 12, "-n", 5, "--start", tmp_path / "leads.csv", "--history", history),
    )
    assert outcome.code == 0
    header, *rows = outcome.rows
    assert header == ["smiles", "QED", "logP", "score", "pareto", "source", "round"]
    assert len(rows) == 5
    scores = [float(row[3]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert "leads.csv, line 3: does not parse" in outcome.err
    assert "12 molecules scored" in outcome.err
    calls = read_rows(history)
    assert len(calls) == 13
    assert calls[1][1] == few[0]
    assert calls[0][-1] == "parents"
    proposed = [row for row in calls[1:] if row[-3] in ("near", "between")]
    assert proposed
    scored = {row[1] for row in calls[1:]}
    assert all(row[-1] and set(row[-1].split()) <= scored for row in proposed)
    history.write_text("\n".join(history.read_text().splitlines()[:11]) + "\n2,CC")
    again = molvae(
        *("optimize", "-m", memorised_run, "--maximize", "qed", "--minimize", "logp", "--resume"),
        *("--calls", 12, "-n", 5, "--start", tmp_path / "leads.csv", "--history", history),
    )
    assert again.out == outcome.out
    assert read_rows(history) == calls


def test_chance_is_said_beside_the_search_and_leads_are_kept_to(
    molvae: Any, memorised_run: Path, tmp_path: Path, few: list[str]
) -> None:
    (tmp_path / "leads.smi").write_text(few[0] + "\n")
    outcome = molvae(
        *("optimize", "-m", memorised_run, "--maximize", "logp", "--calls", 8, "--baseline"),
        *("--start", tmp_path / "leads.smi", "--similarity", 0.2, "--report", tmp_path / "a.html"),
    )
    assert outcome.code == 0
    lead = Chem.MolFromSmiles(few[0])
    for row in outcome.rows[1:]:
        assert alike(Chem.MolFromSmiles(row[0]), lead) >= 0.2
    assert re.search(
        r"mean score of the ten best: \S+; of \d+ draws of the prior: \S+", outcome.err
    )
    assert "as many draws from the prior" in (tmp_path / "a.html").read_text()


def test_chance_may_find_nothing_that_conditions_allow(
    molvae: Any, memorised_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "leads.smi").write_text("CCCCCCCCCCCC\n")
    outcome = molvae(
        *("optimize", "-m", memorised_run, "--maximize", "qed", "--calls", 2, "--baseline"),
        *("--start", tmp_path / "leads.smi", "--similarity", 1),
    )
    assert "Traceback" not in outcome.err
    assert "of 0 draws of the prior: none that the conditions allow" in outcome.err


def test_leads_that_cannot_be_read_leave_nothing_to_be_like(
    molvae: Any, memorised_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "leads.smi").write_text("C1CC\n")
    options = ("--start", tmp_path / "leads.smi", "--similarity", 0.2)
    outcome = molvae("optimize", "-m", memorised_run, "--maximize", "qed", *options)
    assert outcome.code == 1
    assert "no molecule in it can be used" in outcome.err


def alike(first: Any, second: Any) -> float:
    """Tanimoto similarity of two molecules."""
    make = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048).GetFingerprint
    return float(DataStructs.TanimotoSimilarity(make(first), make(second)))


def test_a_scorer_of_ones_own_is_maximised(
    molvae: Any, memorised_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text("def carbons(mol):\n    return 2.0 * mol.GetNumAtoms()\n")
    scorer = f"{tmp_path / 'mine.py'}:carbons"
    options = ("--calls", 8, "--workers", 1)
    outcome = molvae("optimize", "-m", memorised_run, "--scorer", scorer, *options)
    assert outcome.code == 0
    assert outcome.rows[0][1] == "carbons"
    assert float(outcome.rows[1][1]) >= float(outcome.rows[2][1])


def test_a_history_without_parents_goes_on(
    molvae: Any, memorised_run: Path, tmp_path: Path, read_rows: Any
) -> None:
    history = tmp_path / "calls.csv"
    given = ("optimize", "-m", memorised_run, "--maximize", "qed", "--history", history)
    assert molvae(*given, "--calls", 12).code == 0
    calls = read_rows(history)
    lines = [",".join(row[:-1]) for row in calls]
    history.write_text("\n".join(lines) + "\n")
    assert molvae(*given, "--calls", 12, "--resume").code == 0
    again = read_rows(history)
    assert [row[:-1] for row in again] == [row[:-1] for row in calls]
    last = [row for row in calls if row[0] == calls[-1][0]]
    assert again[-len(last) :] == last
    assert not any(row[-1] for row in again[1 : -len(last)])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "nothing is to be made better"),
        (["--maximize", "qde"], "did you mean 'qed'"),
        (["--maximize", "qed", "--with", "logp"], "is no condition"),
        (["--maximize", "qed", "--resume"], "--history"),
        (["--maximize", "qed", "--calls", "0"], "--calls"),
        (["--maximize", "qed", "--similarity", "0.4"], "name a file"),
    ],
)
def test_wrong_usage_exits_2(molvae: Any, memorised_run: Path, args: list[str], said: str) -> None:
    code, out, err = molvae("optimize", "-m", memorised_run, *args)
    assert (code, out) == (2, "")
    assert said in err
