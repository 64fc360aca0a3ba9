"""SMILES in, vectors out, molecules back; what cannot be read is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rdkit import Chem

from molvae.errors import InputError, UsageError
from molvae.generation.codec import Codec
from molvae.nn.posterior import Gaussian, standard_normal


def test_a_molecule_has_the_same_latent_in_any_company_and_order(
    tiny_model: Codec, few: list[str]
) -> None:
    together = tiny_model.encode(few)
    assert together.shape == (len(few), 8)
    assert together.dtype == np.float32
    np.testing.assert_allclose(tiny_model.encode(few[::-1])[::-1], together, atol=1e-4)
    for place, one in enumerate(few):
        np.testing.assert_allclose(tiny_model.encode([one])[0], together[place], atol=1e-4)


def test_batches_change_no_latent_and_no_molecule(
    tiny_model: Codec, few: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    z, decoded = tiny_model.encode(few), tiny_model.decode(tiny_model.encode(few))
    refined, likelihood = (
        tiny_model.encode(few, refine=2),
        tiny_model.log_likelihood(tiny_model.read(few), samples=3),
    )
    monkeypatch.setattr("molvae.generation.codec.BATCH", 5)
    monkeypatch.setattr("molvae.generation.codec.PART", 5)
    np.testing.assert_allclose(tiny_model.encode(few), z, atol=1e-4)
    assert tiny_model.decode(z) == decoded
    assert tiny_model.encode(few, refine=2).shape == refined.shape
    assert tiny_model.log_likelihood(tiny_model.read(few), samples=3).shape == likelihood.shape


def test_all_ways_of_writing_a_molecule_have_one_latent(tiny_model: Codec) -> None:
    z = tiny_model.encode(["CCOc1ccccc1", "c1ccccc1OCC", "C(C)Oc1ccccc1"])
    np.testing.assert_allclose(z[1:], z[[0, 0]], atol=1e-5)


def test_a_molecule_that_was_learned_comes_back(memorised: Codec, few: list[str]) -> None:
    assert memorised.decode(memorised.encode(few)) == few


def test_what_is_decoded_is_a_valid_canonical_molecule(tiny_model: Codec) -> None:
    z = standard_normal((60, 8), torch.Generator().manual_seed(0)).numpy()
    for smiles in tiny_model.decode(z):
        assert Chem.CanonSmiles(smiles) == smiles
    assert tiny_model.decode(np.zeros((0, 8))) == []
    assert tiny_model.encode([]).shape == (0, 8)


@pytest.mark.parametrize(
    ("z", "words"),
    [
        (np.zeros((2, 7)), r"must have shape \(rows, 8\), not \(2, 7\)"),
        (np.zeros(8), r"must have shape \(rows, 8\), not \(8,\)"),
        ([[0.0] * 8, [np.nan] * 8], "latent vector 2 holds a number that is not finite"),
        ([[np.inf] * 8], "latent vector 1 holds a number that is not finite"),
        ([[1e300] * 8], "latent vector 1 holds a number that is not finite"),
        ([["a"] * 8], "latent vectors must be numbers"),
        ([[0.0] * 8, [0.0]], "latent vectors must be numbers"),
        ([[{}] * 8], "latent vectors must be numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_vectors_that_are_no_latents_are_refused_by_row(
    tiny_model: Codec, z: Any, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        tiny_model.decode(z)


def elbo(codec: Codec, smiles: list[str], posterior: Gaussian, draws: int = 50) -> float:
    """The ELBO of molecules under their posteriors, as a mean over draws."""
    packed, batch = codec.packed(codec.read(smiles))
    q = Gaussian(posterior.mean[batch.order], posterior.log_variance[batch.order])
    generator = torch.Generator().manual_seed(9)
    likelihood = [
        codec.model.log_likelihood(
            packed, q.draw(standard_normal(tuple(q.mean.shape), generator))
        ).mean()
        for _ in range(draws)
    ]
    return float(torch.stack(likelihood).mean() - q.kl().sum(-1).mean())


def test_refining_raises_the_elbo_and_is_repeatable(tiny_model: Codec, few: list[str]) -> None:
    readings = tiny_model.read(few)
    amortised = tiny_model.posterior(readings)
    refined = tiny_model.refine(readings, amortised, 30)
    assert elbo(tiny_model, few, refined) > elbo(tiny_model, few, amortised) + 0.5
    np.testing.assert_array_equal(tiny_model.encode(few, refine=30), refined.mean.numpy())
    assert not any(parameter.grad is not None for parameter in tiny_model.model.parameters())


def test_the_log_likelihood_is_seeded_and_rises_with_more_draws(
    tiny_model: Codec, few: list[str]
) -> None:
    one, many = (
        tiny_model.log_likelihood(tiny_model.read(few), samples=samples, seed=1)
        for samples in (1, 100)
    )
    np.testing.assert_array_equal(
        tiny_model.log_likelihood(tiny_model.read(few), samples=1, seed=1), one
    )
    assert (tiny_model.log_likelihood(tiny_model.read(few), samples=1, seed=2) != one).any()
    assert (many < 0).all()
    assert many.mean() > one.mean()


def test_with_posterior_equal_prior_iwae_is_the_plain_average(
    tiny_run: Path, few: list[str]
) -> None:
    codec = Codec.load(str(tiny_run))
    for parameter in codec.model.posterior.parameters():
        parameter.zero_()
    packed, _ = codec.packed(codec.read(few[:1]))
    generator = torch.Generator().manual_seed(0)
    draws = [
        codec.model.log_likelihood(packed, standard_normal((1, 8), generator)) for _ in range(50)
    ]
    average = torch.cat(draws).double().exp().mean().log()
    assert float(codec.log_likelihood(codec.read(few[:1]), samples=50, seed=0)[0]) == pytest.approx(
        float(average), rel=1e-5
    )


def test_two_models_in_one_process_do_not_disturb_each_other(
    tiny_run: Path, memorised_run: Path, few: list[str]
) -> None:
    first, second = Codec.load(str(tiny_run)), Codec.load(str(memorised_run))
    z = standard_normal((20, 8), torch.Generator().manual_seed(0)).numpy()
    alone = first.decode(z), second.decode(z)
    for _ in range(2):
        assert first.decode(z) == alone[0]
        assert second.decode(z) == alone[1]
        first.encode(few), second.encode(few)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_precision_is_taken_as_it_is_and_auto_is_one_of_them(
    tiny_run: Path, precision: str
) -> None:
    chosen = Codec.load(str(tiny_run), precision=precision)
    assert chosen.model.precision == precision
    z = np.zeros((1, 8), dtype=np.float32)
    assert chosen.decode(z) == Codec.load(str(tiny_run), precision=precision).decode(z)
    assert Codec.load(str(tiny_run)).model.precision in ("fp32", "bf16")


def test_a_precision_that_there_is_not_is_refused(tiny_run: Path) -> None:
    with pytest.raises(UsageError, match="auto, fp32 or bf16, not 'fp16'"):
        Codec.load(str(tiny_run), precision="fp16")
