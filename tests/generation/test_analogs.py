"""Analogs are distinct, inside their window, and the same for a seed."""

from __future__ import annotations

from typing import Any

import pytest
from rdkit import Chem

from molvae.chem.fingerprints import tanimoto
from molvae.chem.properties import scaffold
from molvae.errors import MoleculeError, UsageError
from molvae.generation.analogs import (
    ROUND,
    Found,
    Wanted,
    add_latents,
    analogs,
    analogs_of_each,
    arms_of,
    no_stranger,
)
from molvae.generation.codec import Codec
from molvae.storage import pretrained

EVERYTHING = Wanted(0.0, 1.0)


def test_analogs_are_distinct_and_inside_their_window(memorised: Any, few: list[str]) -> None:
    (lead,) = memorised.read(few[1:2])
    wanted = Wanted(0.1, 0.6)
    found, draws = analogs(memorised, lead, 5, wanted)
    assert found
    assert len({one.smiles for one in found} | {lead.smiles}) == len(found) + 1
    for one in found:
        assert 0.1 <= one.tanimoto <= 0.6
        assert one.tanimoto == pytest.approx(tanimoto(lead.smiles, one.smiles))
        assert Chem.CanonSmiles(one.smiles) == one.smiles
    assert [one.tanimoto for one in found] == sorted((one.tanimoto for one in found), reverse=True)
    assert draws % ROUND == 0


def test_a_seed_gives_the_same_analogs_and_more_begin_with_fewer(
    memorised: Any, few: list[str]
) -> None:
    (lead,) = memorised.read(few[1:2])
    many, draws = analogs(memorised, lead, 10**6, EVERYTHING, 3, 2 * ROUND)
    assert draws == 2 * ROUND
    assert analogs(memorised, lead, 10**6, EVERYTHING, 3, 2 * ROUND) == (many, draws)
    some, _ = analogs(memorised, lead, 3, EVERYTHING, 3)
    assert set(some) <= set(many)
    other, _ = analogs(memorised, lead, 10**6, EVERYTHING, 4, 2 * ROUND)
    assert other != many


def test_analogs_of_each_lead_depend_on_no_number_of_workers(
    memorised: Any, few: list[str]
) -> None:
    leads = [few[1], MoleculeError("does not parse", "C1"), "CCI", *few[2:5]]
    alone, shared = (
        list(analogs_of_each(memorised, leads, 5, EVERYTHING, 3, ROUND, workers))
        for workers in (1, 2)
    )
    assert [str(one) for one in alone] == [str(one) for one in shared]
    assert [type(one) for one in alone] == [Found, MoleculeError, MoleculeError, *[Found] * 3]
    (lead,) = memorised.read(few[1:2])
    assert alone[0] == (lead.smiles, *analogs(memorised, lead, 5, EVERYTHING, 3, ROUND))


def test_what_is_to_be_kept_is_kept(memorised: Any, few: list[str]) -> None:
    (lead,) = memorised.read(few[8:9])
    mol = Chem.MolFromSmiles(lead.smiles)
    kept, _ = analogs(memorised, lead, 50, Wanted(0.0, 1.0, keep_scaffold=True), draws=4 * ROUND)
    assert all(scaffold(Chem.MolFromSmiles(one.smiles)) == scaffold(mol) for one in kept)
    some, _ = analogs(memorised, lead, 50, Wanted(0.0, 1.0, keep="[#7]"), draws=ROUND)
    assert all("N" in one.smiles.upper() for one in some)


def test_every_gap_of_a_lead_is_tried() -> None:
    gaps = [(arm.kept, arm.gap) for arm in arms_of(4) if arm.gap]
    assert gaps == [(0, 1), (1, 1), (2, 1), (3, 1), (0, 2), (1, 2), (2, 2), (0, 3), (1, 3)]
    assert not [arm for arm in arms_of(1) if arm.kept + arm.gap > 1]


def test_none_is_stranger_than_the_lead(memorised: Any, few: list[str]) -> None:
    codec = Codec.load(str(pretrained.find("moses")))
    lead, *others = codec.read(["CC(=O)Nc1ccc(O)cc1", "CC(=O)Nc1ccc(N)cc1", "NC=NC=NC=NC=N"])
    likely = codec.log_likelihood([lead, *others])
    atoms = [Chem.MolFromSmiles(one.smiles).GetNumHeavyAtoms() for one in (lead, *others)]
    assert likely[1] / atoms[1] > likely[0] / atoms[0] > likely[2] / atoms[2]
    asked = [one.smiles for one in others]
    assert no_stranger(codec, lead, asked) == {lead.smiles, others[0].smiles}
    assert no_stranger(memorised, *memorised.read(few[:1]), few) == set(), "it has no noise levels"


def test_what_cannot_be_asked_is_refused(memorised: Any) -> None:
    (lead,) = memorised.read(["CCCO"])
    with pytest.raises(MoleculeError, match="no scaffold to keep"):
        analogs(memorised, lead, 5, Wanted(keep_scaffold=True))
    with pytest.raises(UsageError, match="is no SMARTS"):
        Wanted(keep="C(")
    for low, high in ((0.7, 0.4), (-0.1, 0.5), (0.5, 1.1)):
        with pytest.raises(UsageError, match="window of similarity"):
            Wanted(low, high)
    with pytest.raises(UsageError, match="at least 1"):
        analogs(memorised, lead, 0, EVERYTHING)


def test_a_sum_of_one_latent_is_its_molecule(memorised: Any, few: list[str]) -> None:
    lead, other = memorised.read(few[1:3])
    found = add_latents(memorised, [lead, other], [other], 5)
    assert found[0].smiles == lead.smiles
    assert found[0].tanimoto == 1.0
    assert [one.distance for one in found] == sorted(one.distance for one in found)
    assert found == add_latents(memorised, [lead, other], [other], 5)
    with pytest.raises(UsageError, match="cancel"):
        add_latents(memorised, [lead], [lead])
