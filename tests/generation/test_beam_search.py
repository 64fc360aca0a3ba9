"""Candidates of a latent are molecules, the likeliest first, and likelihoods are the model's
own.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from molvae.generation import beam_search as module
from molvae.generation.beam_search import beam_search
from molvae.generation.reader import Sample
from molvae.nn import decoding


def test_candidates_are_different_molecules_the_likeliest_first(tiny_model: Any) -> None:
    z = torch.randn(20, tiny_model.latent, generator=torch.Generator().manual_seed(0))
    for found in beam_search(tiny_model, z):
        assert 0 < len(found) <= 5
        assert len({one.smiles for one in found}) == len(found)
        assert all(a.log_likelihood >= b.log_likelihood for a, b in pairwise(found))
        assert sum(math.exp(one.log_likelihood) for one in found) <= 1.0 + 1e-6


def test_a_beam_finds_likelier_molecules_than_greedy_decoding(tiny_model: Any) -> None:
    z = torch.randn(40, tiny_model.latent, generator=torch.Generator().manual_seed(1))
    greedy = decoding.write(tiny_model.model, tiny_model.vocabulary, z).log_likelihood
    best = np.array([found[0].log_likelihood for found in beam_search(tiny_model, z)])
    assert best.mean() > greedy.mean()
    assert (best > greedy - 0.05).mean() > 0.9


def test_a_candidates_likelihood_is_the_models_own(memorised: Any, few: list[str]) -> None:
    readings = memorised.read(few)
    means = memorised.posterior(readings).mean
    packed, batch = memorised.packed(readings)
    with torch.no_grad():
        own = memorised.model.log_likelihood(packed, means[batch.order])
    for place, row in enumerate(batch.order):
        found = beam_search(memorised, means[row : row + 1])[0][0]
        assert found.smiles == few[row]
        assert found.log_likelihood == pytest.approx(float(own[place]), abs=0.05)


def test_a_candidate_is_canonical_if_one_of_its_strings_is(
    tiny_model: Any, molecules: list[str]
) -> None:
    smiles, ids = tiny_model.read(molecules[:1])[0]
    other = np.append(
        ids, tiny_model.vocabulary.encode(["[Ring1]"])
    )  # a ring symbol without its number: to no effect
    texts = [tiny_model.vocabulary.decode(one) for one in (other, ids)]
    assert module._molecules(tiny_model, [(other, -1.0)]) == [Sample(smiles, texts[0], -1.0, False)]
    assert module._molecules(tiny_model, [(other, -1.0), (ids, -2.0)]) == [
        Sample(smiles, texts[1], -1.0, True)
    ]


def test_the_size_of_a_batch_does_not_change_the_candidates(
    memorised: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    z = torch.randn(12, memorised.latent, generator=torch.Generator().manual_seed(2))
    together = [[one.smiles for one in found][:1] for found in beam_search(memorised, z, width=3)]
    monkeypatch.setattr(module, "BATCH", 5)
    assert [
        [one.smiles for one in found][:1] for found in beam_search(memorised, z, width=3)
    ] == together
