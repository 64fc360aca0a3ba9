"""Well-known molecules, which a chemist tries first, come back without naming a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from molvae.chem.standardise import standard_smiles
from molvae.storage import pretrained

KNOWN = Path(__file__).parents[1] / "golden" / "known25.smi"

pytestmark = pytest.mark.skipif(pretrained.default() is None, reason="no model is shipped")


def test_well_known_molecules_are_read_and_rebuilt(molvae: Any, tmp_path: Path) -> None:
    rows = [line.split() for line in KNOWN.read_text().splitlines()]
    encoded = molvae("encode", KNOWN, "-o", tmp_path / "known.npz")
    assert encoded.code == 0
    assert "25 encoded" in encoded.err
    header, *decoded = molvae("decode", tmp_path / "known.npz").rows
    assert header[:2] == ["id", "smiles"]
    lost = [
        name
        for (smiles, name), row in zip(rows, decoded, strict=True)
        if row[1] != standard_smiles(smiles)
    ]
    assert not lost
    assert [row[0] for row in decoded] == [name for _, name in rows]
    assert all(row[3] == "true" for row in decoded)


def test_paracetamol_leads_to_ibuprofen_and_has_analogs(molvae: Any) -> None:
    ends = ("CC(=O)Nc1ccc(O)cc1", "CC(C)Cc1ccc(C(C)C(=O)O)cc1")
    path = molvae("interpolate", *ends, "--steps", 5)
    assert path.code == 0
    assert [path.rows[1][6], path.rows[-1][6]] == ["yes", "yes"]
    assert len({row[2] for row in path.rows[1:]}) == 5
    near = molvae("analogs", ends[0], "-n", 3)
    assert near.code == 0
    assert len(near.rows) == 4
    assert len(molvae("sample", "-n", 3).rows) == 4
