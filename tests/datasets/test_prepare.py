"""Every row of every file is in the data set or among the rejected, under its reason."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molvae.chem.molecule import smiles_hash
from molvae.chem.standardise import standard_smiles
from molvae.config import DataConfig
from molvae.datasets.dataset import Dataset
from molvae.datasets.prepare import DUPLICATE, Prepared, prepare
from molvae.datasets.text_files import spreadsheet_safe
from molvae.errors import InputError, MoleculeError
from molvae.generation.reader import molecules_of

BAD = {
    "": "empty",
    "not a molecule": "space inside",
    "C(": "does not parse",
    "c1ccnc1": "does not parse",
    "C(C)(C)(C)(C)C": "does not parse",
    "C*": "wildcard or query atom",
    "\u0421": "not plain ASCII",
    "C" * 1001: "too long",
    "C" * 150: "too large",
    "[Na+].[Cl-]": "only metals or ions",
    "[Fe]": "contains a metal",
    "CC(=O)OI1(OC(C)=O)(OC(C)=O)OC(=O)c2ccccc21": "SELFIES cannot express it",
}
GOOD = (
    "CCO",
    "C[C@H](N)O",
    "C/C=C/C",
    "[13CH4]",
    "C[N+](C)(C)C",
    "c1ccccc1",
    "C[Si](C)C",
    "Clc1ccccc1Br",
    "CN=[N+]=[N-]",
)
SAME = ("OCC", "CCO.Cl", "C1=CC=CC=C1")


def written(path: Path, rows: list[str], header: str = "smiles") -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[header], *([row] for row in rows)])
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def prepared(paths: list[Path], **options: Any) -> Prepared:
    return prepare(paths, DataConfig(vocabulary=64), **({"workers": 1} | options))


def molecules(dataset: Dataset) -> list[str]:
    """The molecules of a data set, decoded."""
    strings = []
    for row in range(len(dataset)):
        ids = dataset.ids[dataset.offsets[row] : dataset.offsets[row + 1]]
        strings.append(ids)
    return [one.smiles for one in molecules_of([(ids, 0.0) for ids in strings], dataset.vocabulary)]


def test_every_row_is_kept_or_rejected_under_its_reason(tmp_path: Path) -> None:
    rows = [*GOOD[:3], *BAD, *GOOD[3:], *SAME]
    path = written(tmp_path / "all.csv", rows)
    result = prepared([path], column="smiles")
    report = result.dataset.report
    assert report["rows"] == len(rows) == report["molecules"] + sum(report["rejected"].values())
    assert report["rejected"] == dict(Counter([*BAD.values(), *[DUPLICATE] * 3]).most_common())
    assert report["molecules"] == len(result.dataset) == len(GOOD)
    for rejection in result.rejected:
        row = rows[rejection.line - 2]
        assert rejection.source == "all.csv" or rejection.source == str(path)
        assert rejection.reason == BAD.get(row, DUPLICATE)
        assert rejection.smiles == row or rejection.reason == DUPLICATE
    lines = [rejection.line for rejection in result.rejected]
    assert lines == sorted(lines)


def test_what_is_kept_decodes_to_the_molecule_that_was_read(tmp_path: Path, few: list[str]) -> None:
    rows = [
        *GOOD,
        *few,
        "O=S(=O)(c1ccccc1)N",
        "CP(=O)(O)O",
        "FC(F)(F)S",
        "B(O)(O)c1ccccc1",
        "C[S@](=O)CC",
        "[O-][Cl+3]([O-])([O-])[O-]",
    ]
    dataset = prepared([written(tmp_path / "all.csv", rows)]).dataset
    wanted = []
    for row in rows:
        try:
            wanted.append(standard_smiles(row))
        except MoleculeError:
            continue
    kept = set(dataset.hashes.tolist())
    assert molecules(dataset) == [smiles for smiles in wanted if smiles_hash(smiles) in kept]
    assert dataset.hashes.tolist() == [smiles_hash(smiles) for smiles in molecules(dataset)]
    assert len(dataset) + sum(dataset.report["rejected"].values()) == len(rows)


def test_rejected_rows_are_safe_to_open_in_a_spreadsheet(tmp_path: Path) -> None:
    rows = ["CCO", "=HYPERLINK(1)", "@SUM", "+1 phenol", "  =1", "-2+3", "C\x1b[2J", 'C"C']
    result = prepared([written(tmp_path / "rows.csv", rows)], column="smiles")
    table = list(csv.DictReader(io.StringIO(result.rejected_csv())))
    assert len(table) == len(rows) - 1
    assert [row["line"] for row in table] == ["3", "4", "5", "6", "7", "8", "9"]
    for row in table:
        for cell in row.values():
            assert spreadsheet_safe(cell) == cell
            assert cell.isprintable()


def test_workers_change_nothing(tmp_path: Path, molecules_csv: Path) -> None:
    bad = written(tmp_path / "bad.csv", [*BAD, *GOOD, *BAD])
    one, two = (
        prepared([bad, molecules_csv], column="smiles", workers=workers) for workers in (1, 2)
    )
    assert one.rejected == two.rejected
    assert one.dataset.fingerprint == two.dataset.fingerprint
    assert one.dataset.report == two.dataset.report


def test_the_same_rows_in_chunks_of_any_size_are_the_same_data(
    molecules_csv: Path, monkeypatch: pytest.MonkeyPatch, tiny_dataset: Dataset
) -> None:
    usual = prepared([molecules_csv]).dataset.fingerprint
    monkeypatch.setattr("molvae.datasets.prepare.CHUNK", 7)
    assert prepared([molecules_csv]).dataset.fingerprint == usual


def test_several_files_of_several_kinds_are_one_data_set(tmp_path: Path) -> None:
    first = written(tmp_path / "first.csv", ["CCO", "C("], header="Canonical_SMILES")
    second = tmp_path / "second.smi.gz"
    second.write_bytes(gzip.compress(b"CCN amine\nOCC again\n"))
    said: list[str] = []
    result = prepared([first, second], said=said.append)
    report = result.dataset.report
    assert [source["rows"] for source in report["sources"]] == [2, 2]
    assert molecules(result.dataset) == ["CCO", "CCN"]
    assert [(Path(one.source).name, one.line, one.reason) for one in result.rejected] == [
        ("first.csv", 3, "does not parse"),
        ("second.smi.gz", 2, DUPLICATE),
    ]
    assert "Canonical_SMILES" in said[0]
    assert len(said) == 2


def test_ten_rows_are_enough_and_fewer_hold_none_out(tmp_path: Path, few: list[str]) -> None:
    ten = prepared([written(tmp_path / "ten.csv", few[:10])]).dataset
    assert (len(ten.training_rows), len(ten.validation_rows)) == (9, 1)
    nine = prepared([written(tmp_path / "nine.csv", few[:9])]).dataset
    assert (len(nine.training_rows), len(nine.validation_rows)) == (9, 0)
    one = prepared([written(tmp_path / "one.csv", few[:1])]).dataset
    assert len(one) == 1


def test_the_split_depends_on_its_seed_alone(molecules_csv: Path) -> None:
    splits = {
        seed: prepare(
            [molecules_csv], DataConfig(validation=0.2, split_seed=seed), workers=1
        ).dataset.validation
        for seed in (0, 1)
    }
    assert splits[0].sum() == splits[1].sum() == 60
    assert (splits[0] != splits[1]).any()
    none = prepare([molecules_csv], DataConfig(validation=0.0), workers=1).dataset
    assert not none.validation.any()


def test_a_number_of_rows_is_a_fair_draw_in_file_order(
    molecules_csv: Path, tiny_dataset: Dataset
) -> None:
    result = prepare([molecules_csv], DataConfig(rows=50), workers=1)
    assert len(result.dataset) == result.dataset.report["rows"] == 50
    assert result.dataset.report["rows_read"] == 300
    order = {number: place for place, number in enumerate(tiny_dataset.hashes.tolist())}
    places = [order[number] for number in result.dataset.hashes.tolist()]
    assert places == sorted(places)
    assert 100 < np.mean(places) < 200
    other = prepare([molecules_csv], DataConfig(rows=50, split_seed=1), workers=1).dataset
    assert other.hashes.tolist() != result.dataset.hashes.tolist()
    assert len(prepare([molecules_csv], DataConfig(rows=1000), workers=1).dataset) == 300


def test_progress_counts_every_row(tmp_path: Path) -> None:
    counts: list[int] = []
    prepared(
        [written(tmp_path / "rows.csv", [*GOOD, *BAD])], column="smiles", progress=counts.append
    )
    assert sum(counts) == len(GOOD) + len(BAD)


@pytest.mark.parametrize("rows", [["nothing", "here"], ["C("], ["[Na+].[Cl-]", "C*"]])
def test_no_usable_molecule_is_an_error_that_says_why(tmp_path: Path, rows: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        prepared([written(tmp_path / "rows.csv", rows)], column="smiles")
    assert f"none of {len(rows)} rows is a usable molecule" in str(caught.value)
    assert "rows.csv" in str(caught.value)
    assert "line 2" in str(caught.value)
    assert "--column" in str(caught.value)


@pytest.mark.parametrize("content", ["", "smiles\n", "\n\n"])
def test_a_file_without_rows_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(InputError, match=r"rows\.csv"):
        prepared([tmp_path / "rows.csv"])


def test_merges_shorten_molecules_and_keep_to_the_size_asked_for(molecules_csv: Path) -> None:
    sizes = {}
    for size in (1, 40, 64):
        dataset = prepare([molecules_csv], DataConfig(vocabulary=size), workers=1).dataset
        sizes[size] = int(dataset.lengths.sum())
        assert len(dataset.vocabulary) <= max(size, 1 + len(dataset.vocabulary.symbols))
    assert sizes[1] > sizes[40] > sizes[64]


def test_other_spellings_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    path = written(
        tmp_path / "all.csv", [*GOOD, *BAD, *SAME, *("C" * length + "N" for length in range(1, 30))]
    )
    plain = prepared([path]).dataset
    found = prepare([path], DataConfig(vocabulary=64, spellings=3), workers=1)
    dataset = found.dataset
    assert (len(dataset), dataset.spellings, len(dataset.lengths)) == (
        len(plain),
        3,
        4 * len(plain),
    )
    assert (dataset.validation == plain.validation).all()
    rows = np.arange(len(dataset))
    for spelling in range(4):
        for row, place in enumerate(dataset.spelled(rows, np.full(len(rows), spelling))):
            ids = dataset.ids[dataset.offsets[place] : dataset.offsets[place + 1]]
            (found_again,) = molecules_of([(ids, 0.0)], dataset.vocabulary)
            assert smiles_hash(found_again.smiles) == dataset.hashes[row]
    others = {
        dataset.ids[a:b].tobytes() for a, b in itertools.pairwise(dataset.offsets[len(dataset) :])
    }
    assert len(others) > 1.5 * len(dataset), "they are different ones"
    again = prepare([path], DataConfig(vocabulary=64, spellings=3), workers=2).dataset
    assert again.fingerprint == dataset.fingerprint
    dataset.save(tmp_path / "saved")
    assert Dataset.load(tmp_path / "saved").spellings == 3


def test_a_given_vocabulary_is_extended_as_needed(tmp_path: Path) -> None:
    base = prepared(
        [written(tmp_path / "base.csv", ["C" * length + "O" for length in range(1, 30)])]
    ).dataset.vocabulary
    path = written(tmp_path / "more.csv", list(GOOD))
    found = prepared([path], base=base)
    vocabulary = found.dataset.vocabulary
    assert base.places(vocabulary) is not None
    assert len(vocabulary.merges) == len(base.merges) > 0
    assert vocabulary.symbols[len(base.symbols) :] == tuple(
        sorted(vocabulary.symbols[len(base.symbols) :])
    )
    dataset = found.dataset
    read = [dataset.ids[a:b] for a, b in itertools.pairwise(dataset.offsets)]
    assert {one.smiles for one in molecules_of([(ids, 0.0) for ids in read], vocabulary)} == {
        standard_smiles(one) for one in GOOD
    }
    again = prepared([path], base=vocabulary).dataset
    assert again.fingerprint == dataset.fingerprint, "what needs no new symbol changes nothing"


def test_a_charge_of_two_digits_does_not_end_preparing(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("smiles\nCCO\nC[Te+12]\nCC[Te+2]\nCCN\n")
    prepared = prepare([tmp_path / "odd.csv"], DataConfig(), workers=1)
    assert len(prepared.dataset.lengths) + len(prepared.rejected) == 4
