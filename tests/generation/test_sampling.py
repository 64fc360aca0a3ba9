"""Samples are distinct, valid, counted, and the same for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import selfies
import torch
from rdkit import Chem

from molvae.chem.molecule import smiles_hashes
from molvae.generation import sampling
from molvae.generation.reader import Sample
from molvae.generation.sampling import (
    NOT_CANONICAL,
    Filters,
    SamplingParams,
    Tally,
    draw_around,
    gap_in,
    given_of,
    padded,
    sample,
    shares,
)
from molvae.language.selfies_codec import split
from molvae.language.smiles_to_ids import is_canonical
from molvae.nn import threads as threads_module
from molvae.storage.known_molecules import SortedHashes


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 64, so that a test sees several."""
    monkeypatch.setattr(sampling, "BLOCK", 64)


@pytest.fixture
def narrow_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latents so close to each other that many decode alike."""
    real = sampling.standard_normal
    monkeypatch.setattr(
        sampling, "standard_normal", lambda shape, generator: 0.1 * real(shape, generator)
    )


def drawn(model: Any, n: int, **options: Any) -> list[Sample]:
    """The samples of named parameters and filters; those of other names go to ``sample``."""
    params = SamplingParams(**taken(options, SamplingParams._fields))
    filters = Filters(**taken(options, Filters._fields))
    filters = None if options.pop("keep_all", False) else filters
    return list(sample(model, n, params, filters, **({"workers": 1} | options)))


def taken(options: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The options of some names, taken out."""
    return {name: options.pop(name) for name in names if name in options}


def test_exactly_n_distinct_valid_molecules_come(tiny_model: Any) -> None:
    samples = drawn(tiny_model, 150)
    assert len(samples) == len({one.smiles for one in samples}) == 150
    selfies.set_semantic_constraints(tiny_model.vocabulary.constraints)
    for one in samples:
        assert Chem.CanonSmiles(one.smiles) == one.smiles
        assert Chem.CanonSmiles(selfies.decoder(one.selfies)) == one.smiles
        assert one.log_likelihood < 0
        assert one.canonical


def test_every_sample_is_canonical_unless_raw_is_asked_for(tiny_model: Any) -> None:
    tally = Tally()
    every = drawn(tiny_model, 300, keep_all=True)
    constraints = tiny_model.vocabulary.constraints
    assert [one.canonical for one in every] == [
        is_canonical(one.smiles, one.selfies, constraints) for one in every
    ]
    canonical = list({one.smiles: one for one in reversed(every) if one.canonical}.values())[::-1]
    assert 10 < len(canonical) < 290
    samples = drawn(tiny_model, len(canonical), tally=tally)
    assert {one.smiles for one in samples} == {one.smiles for one in canonical}
    assert tally.dropped[NOT_CANONICAL] == sum(not one.canonical for one in every[: tally.drawn])
    raw = drawn(tiny_model, 100, canonical=False)
    assert [one.smiles for one in raw] == list(dict.fromkeys(one.smiles for one in every))[:100]


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65])
def test_fewer_samples_are_the_first_of_more(tiny_model: Any, n: int) -> None:
    assert [one.smiles for one in drawn(tiny_model, n)] == [
        one.smiles for one in drawn(tiny_model, 150)[:n]
    ]


def test_workers_and_threads_do_not_change_the_samples(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = [(one.smiles, one.selfies) for one in drawn(tiny_model, 150)]
    assert [(one.smiles, one.selfies) for one in drawn(tiny_model, 150, workers=2)] == usual
    for cores in (1, 3):
        monkeypatch.setattr(threads_module, "default_workers", lambda cores=cores: cores)
        assert [(one.smiles, one.selfies) for one in drawn(tiny_model, 150)] == usual


def test_the_seed_decides_and_zero_is_a_seed(tiny_model: Any) -> None:
    torch.manual_seed(4)
    first = drawn(tiny_model, 30, seed=0)
    torch.manual_seed(5)
    assert drawn(tiny_model, 30, seed=0) == first == drawn(tiny_model, 30)
    assert drawn(tiny_model, 30, seed=1) != first


@pytest.mark.usefixtures("narrow_prior")
def test_the_counts_add_up(tiny_model: Any) -> None:
    tally = Tally()
    samples = drawn(tiny_model, 50, temperature=0.3, tally=tally)
    assert tally.kept == len(samples)
    assert tally.drawn == tally.kept + tally.dropped.total()
    assert tally.dropped["drawn before"] > 0


@pytest.mark.usefixtures("narrow_prior")
def test_keeping_all_keeps_the_first_n_draws(tiny_model: Any) -> None:
    tally = Tally()
    everything = drawn(tiny_model, 200, temperature=0.3, keep_all=True, tally=tally)
    assert (len(everything), tally.drawn, tally.kept, tally.dropped.total()) == (200, 200, 200, 0)
    distinct = list(dict.fromkeys(one.smiles for one in everything if one.smiles))
    assert len(distinct) < 200
    assert [
        one.smiles for one in drawn(tiny_model, len(distinct), temperature=0.3, canonical=False)
    ] == distinct


def test_known_molecules_are_left_out(tiny_model: Any) -> None:
    plain = [one.smiles for one in drawn(tiny_model, 60)]
    known = SortedHashes(smiles_hashes(plain[::2]))
    tally = Tally()
    novel = [one.smiles for one in drawn(tiny_model, 60, known=known, tally=tally)]
    assert novel[:30] == plain[1::2]
    assert not set(novel) & set(plain[::2])
    assert tally.dropped["in the training set"] >= 30
    assert drawn(tiny_model, 5, known=SortedHashes(smiles_hashes([]))) == drawn(tiny_model, 5)


def test_sampling_gives_up_where_there_is_no_more_to_find(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "PATIENCE", 2)
    tally = Tally()
    none = ["drawn before"]
    monkeypatch.setattr(sampling, "to_samples", lambda written, **_: none * len(written))
    assert drawn(tiny_model, 100, tally=tally) == []
    assert tally.drawn == tally.dropped["drawn before"] == 2 * 64 * 2


def test_temperature_zero_and_nearly_zero_are_greedy(
    tiny_model: Any,
) -> None:
    cold = drawn(tiny_model, 10, temperature=0.0, keep_all=True)
    block = sampling.draw_block(tiny_model, SamplingParams(temperature=0.0), 0)
    assert [one.selfies for one in cold] == [
        tiny_model.vocabulary.decode(ids) for ids in block.molecules()[:10]
    ]
    for almost in (1e-310, 1e-40, 1e-7):
        assert drawn(tiny_model, 10, temperature=almost, keep_all=True) == cold


def test_stopping_early_stops_the_drawing(tiny_model: Any) -> None:
    before = torch.get_num_threads()
    draws = sample(tiny_model, 10_000, workers=1)
    assert next(draws).smiles
    draws.close()
    assert torch.get_num_threads() == before


def test_no_block_is_begun_that_will_hardly_be_asked_for(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun = sampling.draw_block, list[int]()

    def draw_block(codec: Any, params: SamplingParams, block: int) -> Any:
        begun.append(block)
        return real(codec, params, block)

    monkeypatch.setattr(sampling, "draw_block", draw_block)
    monkeypatch.setattr(threads_module, "default_workers", lambda: 3)
    assert len(drawn(tiny_model, 20, canonical=False)) == 20
    assert begun == [0]
    begun.clear()
    assert len(drawn(tiny_model, 400, keep_all=True)) == 400
    assert sorted(begun) == list(range(7))


def test_the_kept_share_predicts_the_number_of_draws() -> None:
    assert Tally().likely(80) == 100
    assert Tally(drawn=64_000, kept=32_000).likely(32_000) == 64_000
    assert 127_500 < Tally(drawn=64_000, kept=32_000).likely(64_000) <= 128_000


def test_progress_counts_what_is_kept(tiny_model: Any) -> None:
    counts: list[int] = []
    drawn(tiny_model, 20, progress=counts.append)
    assert sum(counts) == 20


def test_draws_at_the_highest_level_are_mostly_the_molecule(memorised: Any, few: list[str]) -> None:
    means = memorised.encode(few).repeat(20, axis=0)
    drawn = draw_around(memorised, means, np.full(len(means), memorised.highest_level), 0)
    same = [
        isinstance(one, Sample) and one.smiles == smiles
        for one, smiles in zip(drawn, np.repeat(few, 20), strict=True)
    ]
    apart = draw_around(memorised, means, np.zeros(len(means)), 0)
    lost = [
        isinstance(one, Sample) and one.smiles == smiles
        for one, smiles in zip(apart, np.repeat(few, 20), strict=True)
    ]
    assert np.mean(same) > 0.5 > np.mean(lost)


def test_a_draw_depends_on_seed_and_number_alone(memorised: Any, few: list[str]) -> None:
    means = memorised.encode(few[:1]).repeat(200, axis=0)
    levels = np.full(200, 0.5)
    drawn = draw_around(memorised, means, levels, 5, 1024)
    assert draw_around(memorised, means, levels, 5, 1024) == drawn
    assert draw_around(memorised, means[:150], levels[:150], 5, 1024) == drawn[:150]
    assert draw_around(memorised, means, levels, 6, 1024) != drawn


def test_draws_go_where_most_was_found_and_everywhere_else_too() -> None:
    first = shares(np.zeros(8), np.zeros(8), 512)
    assert np.bincount(first).tolist() == [64] * 8
    hits = np.array([0.0, 0, 30, 10, 0, 0, 0, 0])
    later = np.bincount(shares(hits, np.full(8, 64.0), 512), minlength=8)
    assert later.sum() == 512
    assert later.argmax() == 2
    assert later[2] > 4 * later[3] > 0


def test_a_draw_is_given_what_is_around_a_gap(memorised: Any, few: list[str]) -> None:
    (lead,) = memorised.read(few[1:2])
    ids = lead.ids.tolist()
    assert len(ids) > 3
    assert given_of(lead, 0, 0).tolist() == [-1] * (len(ids) + 1)
    assert given_of(lead, 2, 0).tolist() == ids[:2] + [-1] * (len(ids) - 1)
    for more, gap in ((-1, 2), (0, 2), (1, 2), (-1, 1)):
        given = given_of(lead, 1, gap, more).tolist()
        written = max(1, gap + more)
        assert given[: 1 + written] == ids[:1] + [-1] * written
        assert given[1 + written :][: len(ids) - 1 - gap] == ids[1 + gap :]
        assert len(given) == len(ids) + 1


def test_a_gap_may_be_anywhere_and_leaves_the_rest(memorised: Any, few: list[str]) -> None:
    (lead,) = memorised.read(few[1:2])
    ids, rng = lead.ids.tolist(), np.random.default_rng(0)
    places = set()
    for _ in range(100):
        given = gap_in(lead, 2, rng).tolist()
        while given[-1] == -1 and len(given) > len(ids) - 2:
            given.pop()
        kept = given.index(-1) if -1 in given else len(ids) - 2
        places.add(kept)
        rest = given[len(given) - given[::-1].index(-1) :] if -1 in given else []
        assert given[:kept] + rest == ids[:kept] + ids[kept + 2 :]
    assert places == set(range(len(ids) - 1))
    assert gap_in(lead, 99, rng).tolist() == [-1] * (len(ids) + 1)


def test_rows_of_several_lengths_are_padded() -> None:
    rows = [np.array([3, 4]), np.zeros(0, np.int64), np.array([-1, 5, 6])]
    assert padded(rows).tolist() == [[3, 4, -1], [-1, -1, -1], [-1, 5, 6]]
    assert padded([]).shape == (0, 0)


def test_a_draw_has_what_it_was_given(memorised: Any, few: list[str]) -> None:
    (lead,) = memorised.read(few[1:2])
    mean, levels = memorised.encode_readings([lead]).repeat(8, axis=0), np.full(8, 0.4)
    given = np.stack([given_of(lead, 1, 1)] * 8)
    for one in draw_around(memorised, mean, levels, 0, 0, Filters(False), given):
        assert isinstance(one, Sample)
        symbols = memorised.vocabulary.encode(split(one.selfies)).tolist()
        # The model may end in the gap.
        assert symbols[:1] == lead.ids[:1].tolist()
        assert len(symbols) < 3 or symbols[2 : len(lead.ids)] == lead.ids[2:].tolist()
