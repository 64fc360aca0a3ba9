"""What is said of a latent space is true of spaces whose truth is known, and never a number that is none."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from molvae import beam, checkpoint, latent_space, speed
from molvae.aggregate import Posteriors, capacity, information, mismatch, mmd
from molvae.beam import beam_search
from molvae.codec import Codec
from molvae.config import from_dict
from molvae.errors import MoleculeError
from molvae.evaluation import as_json
from molvae.latent_space import LatentSpace, likelihood_terms, measure, read_molecules, verdict
from molvae.neighbourhoods import encode_back, fingerprints_of, similarity, smoothness
from molvae.training import begin, train

Floats = NDArray[np.float64]


def gaussians(means: Floats, variance: float, seed: int = 0) -> Posteriors:
    """Posteriors of one variance around the means given."""
    rng = np.random.default_rng(seed)
    draws = means + math.sqrt(variance) * rng.standard_normal(means.shape)
    return Posteriors(means, np.full(means.shape, math.log(variance)), draws, rng.standard_normal(means.shape))


def value(space: LatentSpace, name: str) -> float | None:
    return next(figures[name].value for figures in space.groups.values() if name in figures)


# -- beam ---------------------------------------------------------------------------------------------------------


def test_candidates_are_different_molecules_the_likeliest_first(tiny_model: Any) -> None:
    z = torch.randn(20, tiny_model.latent, generator=torch.Generator().manual_seed(0))
    for found in beam_search(tiny_model, z):
        assert 0 < len(found) <= 5
        assert len({one.smiles for one in found}) == len(found)
        assert all(a.log_likelihood >= b.log_likelihood for a, b in pairwise(found))
        assert sum(math.exp(one.log_likelihood) for one in found) <= 1.0 + 1e-6


def test_a_beam_finds_likelier_molecules_than_greedy_decoding(tiny_model: Any) -> None:
    z = torch.randn(40, tiny_model.latent, generator=torch.Generator().manual_seed(1))
    greedy = tiny_model.write(z).log_likelihood
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


def test_a_candidate_is_consistent_if_one_of_its_strings_is_what_the_encoder_writes(
    tiny_model: Any, molecules: list[str]
) -> None:
    smiles, ids = tiny_model.read(molecules[:1])[0]
    other = np.append(ids, tiny_model.vocabulary.encode(["[Ring1]"]))  # a ring symbol without its number: to no effect
    assert beam._molecules(tiny_model, [(-1.0, other)]) == [beam.Candidate(smiles, -1.0, False)]
    assert beam._molecules(tiny_model, [(-1.0, other), (-2.0, ids)]) == [beam.Candidate(smiles, -1.0, True)]


def test_the_size_of_a_batch_does_not_change_the_candidates(memorised: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.randn(12, memorised.latent, generator=torch.Generator().manual_seed(2))
    together = [[one.smiles for one in found][:1] for found in beam_search(memorised, z, width=3)]
    monkeypatch.setattr(beam, "BATCH", 5)
    assert [[one.smiles for one in found][:1] for found in beam_search(memorised, z, width=3)] == together


def test_encode_back_chooses_the_molecule_that_the_latent_came_from(memorised: Any, few: list[str]) -> None:
    means = memorised.posterior(memorised.read(few)).mean
    candidates = [[beam.Candidate(one, -1.0) for one in (few[row - 1], few[row])] for row in range(len(few))]
    assert encode_back(memorised, means, candidates) == few


def test_a_latent_without_candidates_decodes_to_nothing(memorised: Any, few: list[str]) -> None:
    unreadable = [beam.Candidate("[Xe]", -1.0)]
    assert encode_back(memorised, torch.zeros(2, memorised.latent), [[], unreadable]) == ["", "[Xe]"]


# -- the aggregate posterior --------------------------------------------------------------------------------------


def test_a_gaussian_channel_carries_what_the_textbook_says() -> None:
    noise, latent = 0.36, 4
    signal = math.sqrt(1 - noise) * np.random.default_rng(1).standard_normal((3000, latent))
    posteriors = gaussians(signal, noise)
    figures = information(posteriors) | mismatch(posteriors)
    assert figures["mutual information, nats"].value == pytest.approx(-0.5 * latent * math.log(noise), rel=0.05)
    assert figures["KL of aggregate to prior, nats, at most"].value == pytest.approx(0.0, abs=0.1)
    assert figures["KL of aggregate to prior, nats, at least"].value == pytest.approx(0.0, abs=0.05)
    assert figures["MMD²"].value == pytest.approx(0.0, abs=0.01)


def test_collapsed_posteriors_carry_nothing_and_fit_the_prior() -> None:
    figures = capacity(gaussians(np.zeros((300, 6)), 1.0))
    assert figures["mutual information, nats"].value == pytest.approx(0.0, abs=1e-9)
    assert figures["active units"].value == 0
    assert figures["KL of a dimension, largest"].value == 0.0


def test_posteriors_far_apart_tell_all_molecules_of_the_set_from_each_other() -> None:
    posteriors = gaussians(30 * np.random.default_rng(2).standard_normal((50, 6)), 0.01)
    figures = capacity(posteriors)
    assert figures["mutual information, nats"].value == pytest.approx(math.log(50))
    assert "told apart" in figures["mutual information, nats"].note
    assert figures["active units"].value == 6


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_two_bounds_of_the_mismatch_are_in_their_order(shift: float) -> None:
    posteriors = gaussians(shift + 0.2 * np.random.default_rng(3).standard_normal((2000, 5)), 0.2)
    figures = information(posteriors) | mismatch(posteriors)
    low, high = (figures[f"KL of aggregate to prior, nats, at {side}"].value for side in ("least", "most"))
    assert low is not None
    assert high is not None
    assert 0.45 * 5 * shift**2 < low <= high + 0.05


def test_mmd_is_what_its_definition_says() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((7, 3)), 1 + rng.standard_normal((9, 3))

    def kernel(x: Floats, y: Floats) -> float:
        return math.exp(-float(((x - y) ** 2).sum()) / 6)

    within = [
        sum(kernel(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j) / (len(s) * (len(s) - 1))
        for s in (a, b)
    ]
    assert mmd(a, b) == pytest.approx(sum(within) - 2 * sum(kernel(x, y) for x in a for y in b) / 63)


# -- the whole ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def space(tiny_model: Any, molecules: list[str]) -> LatentSpace:
    """The latent space of the tiny model, on sixty molecules."""
    return measure(tiny_model, tiny_model.read(molecules[::5]), iwae=8)


def test_the_elbo_is_the_reconstruction_less_the_kl_and_below_the_likelihood(space: LatentSpace) -> None:
    elbo, reconstruction, kl, bound = (
        value(space, f"{name}, nats") for name in ("ELBO", "reconstruction", "KL", "log p(x)")
    )
    assert None not in (elbo, reconstruction, kl, bound)
    assert elbo == pytest.approx(reconstruction - kl)  # type: ignore[operator]
    assert bound > elbo  # type: ignore[operator]
    assert kl == pytest.approx(sum(space.kl_per_dimension))
    assert value(space, "rate, nats") == kl


def test_decoding_unperturbed_is_greedy_reconstruction(space: LatentSpace) -> None:
    assert space.rings[0].radius == 0
    assert space.rings[0].unchanged.value == value(space, "exact, greedy from the mean")


def test_the_same_seed_gives_the_same_figures(tiny_model: Any, molecules: list[str], space: LatentSpace) -> None:
    assert measure(tiny_model, tiny_model.read(molecules[::5]), iwae=8) == space


def test_every_figure_can_be_written_as_json(space: LatentSpace) -> None:
    json.dumps([as_json(figures) for figures in space.groups.values()], allow_nan=False)
    json.dumps(space.kl_per_dimension, allow_nan=False)


def test_memorised_molecules_are_rebuilt_exactly_in_every_way(memorised: Any, few: list[str]) -> None:
    found = measure(memorised, memorised.read(few), iwae=4)
    for name in ("greedy from the mean", "likeliest of beam 5 from the mean", "beam 5 with encode-back choice"):
        assert value(found, f"exact, {name}") == 1.0
    assert value(found, "token accuracy") == 1.0
    gap = value(found, "shuffled-latent gap, nats")
    assert gap is not None
    assert gap > 5
    assert found.verdict == "No verdict: 12 different molecules could be read, and it takes 50."


def test_more_draws_give_a_bound_that_is_higher(tiny_model: Any, molecules: list[str]) -> None:
    readings = tiny_model.read(molecules[::10])
    q = tiny_model.posterior(readings)
    one, many = (likelihood_terms(tiny_model, readings, q, q.mean, draws, 0).iwae.mean() for draws in (1, 32))
    assert many > one


def test_the_bound_is_the_one_the_codec_estimates(tiny_model: Any, molecules: list[str]) -> None:
    readings = tiny_model.read(molecules[::10])
    q = tiny_model.posterior(readings)
    bound = likelihood_terms(tiny_model, readings, q, q.mean, 500, 0).iwae
    assert bound.mean() == pytest.approx(tiny_model.log_likelihood(molecules[::10], samples=500).mean(), abs=1.0)


def test_a_decoder_that_is_not_told_its_latent_is_said_to_ignore_it(
    tiny_model: Any, molecules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = tiny_model.model.logits
    monkeypatch.setattr(tiny_model.model, "logits", lambda packed, z, level=None: logits(packed, 0 * z, level))
    found = measure(tiny_model, tiny_model.read(molecules[::5]), iwae=2)
    assert value(found, "shuffled-latent gap, nats") == 0.0
    assert found.verdict.startswith("The decoder ignores its latent (posterior collapse)")


def test_noise_levels_run_from_a_language_model_to_the_sharpest(
    tiny_dataset: Any, molecules: list[str], tmp_path: Path
) -> None:
    sizes = {"embedding": 16, "encoder": 16, "decoder": 32, "latent": 8, "posterior": "levels"}
    dials = {"epochs": 3, "batch_size": 32, "learning_rate": 0.02, "warmup": 10, "ema": 0.9, "precision": "fp32"}
    state = begin(tiny_dataset, from_dict({"model": sizes, "training": dials}, "tests"), torch.device("cpu"))
    for _ in train(state, tiny_dataset):
        pass
    checkpoint.save(tmp_path, state, tiny_dataset, {}, best=True)
    codec = Codec.load(str(tmp_path))
    readings = codec.read(molecules[::5])
    found = measure(codec, readings, iwae=2)
    assert found.verdict.startswith("At its sharpest noise level: the ")
    levels = [level for level, _ in found.levels]
    assert levels[0] == 0
    assert levels[-1] == pytest.approx(codec.saved.config.model.sharpest)
    kl = [figures["KL, nats"].value or 0.0 for _, figures in found.levels]
    np.testing.assert_allclose(kl, [-4 * math.log(1 - level**2) for level in levels], rtol=1e-4, atol=1e-4)
    assert kl[-1] == pytest.approx(value(found, "KL, nats"), rel=1e-4)
    blank = found.levels[0][1]
    assert blank["shuffled-latent gap, nats"].value == pytest.approx(0.0, abs=1e-4)
    exact = codec.log_likelihood([one.smiles for one in readings]).mean()
    assert blank["ELBO, nats"].value == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize(
    ("gap", "ways", "apart", "words"),
    [
        (0.9, 1.0, 0.0, "The decoder ignores its latent (posterior collapse)"),
        (0.9, 9.0, 9.0, "The decoder ignores its latent (posterior collapse)"),
        (1.1, 1.1, 4.9, "The decoder uses its latent"),
        (1.1, 1.3, 0.0, "The prior has holes"),
        (1.1, 1.1, 5.1, "The prior has holes"),
        (1.1, None, 5.1, "The prior has holes"),
        (1.1, None, 0.0, "The decoder uses its latent"),
        (None, None, None, "No verdict"),
    ],
)
def test_the_verdict_follows_its_thresholds(
    gap: float | None, ways: float | None, apart: float | None, words: str
) -> None:
    assert verdict(gap, ways, apart, 100).startswith(words)
    assert verdict(gap, ways, apart, 49).startswith("No verdict")


@pytest.mark.parametrize(
    "given", [[], ["CCO"], ["CCO", "CCN"], ["CCO"] * 8, ["CCO", "CCN", "CCO"]], ids=["0", "1", "2", "equal", "3"]
)
def test_few_or_equal_molecules_get_words_and_no_number_that_is_none(tiny_model: Any, given: list[str]) -> None:
    found = measure(tiny_model, tiny_model.read(given), iwae=2)
    for figures in found.groups.values():
        for figure in figures.values():
            assert figure.note if figure.value is None else math.isfinite(figure.value)
    assert found.verdict.startswith("No verdict")
    assert len(found.kl_per_dimension) in (0, tiny_model.latent)


def test_molecules_that_cannot_be_read_are_counted_by_their_reason(tiny_model: Any) -> None:
    given = ["CCO", "C(", "", "CCN", "[Xe]", "C("]
    readings, unreadable = read_molecules(tiny_model, given)
    assert [one.smiles for one in readings] == ["CCO", "CCN"]
    assert unreadable["does not parse"] == 2
    assert sum(unreadable.values()) + len(readings) == len(given)
    assert read_molecules(tiny_model, given * 20, workers=2)[1] == {key: 20 * n for key, n in unreadable.items()}
    with pytest.raises(MoleculeError):
        tiny_model.read(["C("])


# -- neighbourhoods -----------------------------------------------------------------------------------------------


def test_similarity_is_one_to_oneself_and_none_to_nothing() -> None:
    bits = fingerprints_of(["CCO", "c1ccccc1O", ""])
    assert similarity(bits, bits).tolist() == [1.0, 1.0, 0.0]
    assert similarity(bits, bits[[2, 2, 0]]).tolist() == [0.0, 0.0, 0.0]


def test_a_path_between_equal_latents_does_not_move(memorised: Any, few: list[str]) -> None:
    means = np.repeat(memorised.encode(few[:1]), 6, axis=0)
    figures = smoothness(memorised, means, np.random.default_rng(0))
    assert figures["neighbour similarity"].value == 1.0
    assert figures["largest jump"].value == 0.0
    assert figures["distinct on a path"].value == pytest.approx(1 / 11)


# -- speed --------------------------------------------------------------------------------------------------------


def test_every_job_has_a_speed(tiny_model: Any, molecules: list[str]) -> None:
    figures = speed.measure(tiny_model, molecules[:60], tiny_model.read(molecules[:60]), workers=1, seconds=0.05)
    assert len(figures) == 6
    assert all(figure.value is not None and figure.value > 0 for figure in figures.values())
    machine = speed.machine(tiny_model, workers=1)
    assert machine["worker processes"] == 1
    assert machine["latent"] == tiny_model.latent


def test_what_cannot_be_timed_has_its_reason(tiny_model: Any) -> None:
    figures = speed.measure(tiny_model, ["C("], [], workers=1, seconds=0.01)
    assert figures["prepare"].value is None
    assert "none of 1 rows is a usable molecule" in figures["training step"].note
    assert figures["encoding"].note == "no molecule that the model can read"


def test_latent_space_measures_in_batches_of_any_size(
    tiny_model: Any, molecules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = tiny_model.read(molecules[:30])
    q = tiny_model.posterior(readings)
    whole = likelihood_terms(tiny_model, readings, q, q.mean, 1, 0)
    monkeypatch.setattr(latent_space, "BATCH", 7)
    parts = likelihood_terms(tiny_model, readings, q, q.mean, 1, 0)
    np.testing.assert_allclose(parts.own, whole.own, rtol=0.02)
    np.testing.assert_allclose(parts.other, whole.other, rtol=0.02)
