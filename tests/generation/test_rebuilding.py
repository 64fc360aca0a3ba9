"""Of the molecules that a latent decodes to, the one that encodes to it again is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from molvae.generation.reader import Sample
from molvae.generation.rebuilding import Rebuilt, encoding_nearest, rebuild


def test_the_molecule_of_the_latent_is_chosen(memorised: Any, few: list[str]) -> None:
    means = memorised.posterior(memorised.read(few)).mean
    candidates = [
        [Sample(one, "", -1.0) for one in (few[row - 1], few[row])] for row in range(len(few))
    ]
    chosen = encoding_nearest(memorised, means, candidates)
    assert [one.smiles for one in chosen] == few
    assert all(one.encodes_back for one in chosen)


def test_a_latent_without_candidates_decodes_to_nothing(memorised: Any) -> None:
    unreadable = [Sample("[Xe]", "[Xe]", -1.0, False)]
    assert encoding_nearest(memorised, torch.zeros(2, memorised.latent), [[], unreadable]) == [
        Rebuilt("", "", False, False),
        Rebuilt("[Xe]", "[Xe]", False, False),
    ]


def test_molecules_known_by_heart_come_back_by_either_way(memorised: Any, few: list[str]) -> None:
    z = memorised.encode(few)
    for width in (1, 20):
        found = rebuild(memorised, z, width)
        assert [one.smiles for one in found] == few
        assert all(one.encodes_back and one.canonical for one in found)


def test_a_beam_mends_what_greedy_decoding_gets_wrong(tiny_model: Any, few: list[str]) -> None:
    """An untrained model rebuilds little: what a beam finds it finds because it encodes back."""
    z = tiny_model.encode(few)
    greedy, wide = rebuild(tiny_model, z, 1), rebuild(tiny_model, z)
    for before, after in zip(greedy, wide, strict=True):
        assert after.encodes_back or not before.encodes_back
        assert after == before or not before.encodes_back
    wanted = [one.smiles for one in tiny_model.read(few)]
    for one, smiles in zip(wide, wanted, strict=True):
        assert not one.encodes_back or one.smiles == smiles


def test_a_point_between_molecules_encodes_to_another_place(memorised: Any, few: list[str]) -> None:
    z = memorised.encode(few[:2])
    (between,) = rebuild(memorised, z.mean(axis=0, keepdims=True))
    assert between.smiles
    assert not between.encodes_back


def test_no_latents_give_no_molecules(memorised: Any) -> None:
    assert rebuild(memorised, np.zeros((0, memorised.latent))) == []
