"""The decoder writes step by step exactly what it says is likeliest when shown the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from molvae.datasets.dataset import pack
from molvae.language.prefix_features import TIERS
from molvae.language.vocabulary import END
from molvae.nn.decoding import Decoder, Written, write
from molvae.nn.model import MoleculeVAE, Packed
from molvae.nn.posterior import standard_normal
from molvae.training.loop import begin


@pytest.fixture(scope="module")
def model(tiny_model: Any) -> Iterator[MoleculeVAE]:
    before = tiny_model.model.precision
    tiny_model.model.set_precision("fp32")
    yield tiny_model.model
    tiny_model.model.set_precision(before)


@pytest.fixture(scope="module")
def codes() -> Tensor:
    return standard_normal((40, 8), torch.Generator().manual_seed(3))


def written_by(tiny_model: Any, codes: Tensor, **options: Any) -> Written:
    """Ids that the model writes, greedily unless told otherwise."""
    return write(tiny_model.model, tiny_model.vocabulary, codes, **options)


def repacked(tiny_model: Any, written: Written) -> tuple[Packed, Any]:
    """Pack what was written as the model would be shown it."""
    lengths = written.lengths.astype(np.int64)
    batch = pack(
        np.concatenate(written.molecules()),
        np.concatenate([[0], lengths.cumsum()]),
        np.arange(len(lengths)),
        tiny_model.vocabulary,
        tiny_model.model.config.prefix_features,
    )
    return Packed.from_batch(batch, torch.device("cpu")), batch.order


def test_greedy_writing_is_the_likeliest_symbol_at_every_step(
    tiny_model: Any, model: MoleculeVAE, codes: Tensor
) -> None:
    written = written_by(tiny_model, codes)
    packed, order = repacked(tiny_model, written)
    logits = model.logits(packed, codes[order])
    # The last step can be forced to end; it is not a choice.
    free = packed.steps < model.max_steps - 1
    assert torch.equal(logits.argmax(-1)[free], packed.targets[free])


@pytest.mark.parametrize("temperature", [0.0, 1.0, 2.0])
def test_log_likelihood_is_the_models_at_temperature_one(
    tiny_model: Any, model: MoleculeVAE, codes: Tensor, temperature: float
) -> None:
    written = written_by(tiny_model, codes, temperature=temperature, seed=1)
    packed, order = repacked(tiny_model, written)
    told = torch.from_numpy(written.log_likelihood)[order]
    ended = torch.from_numpy(written.lengths)[order] < model.max_steps - 1
    torch.testing.assert_close(
        told[ended], model.log_likelihood(packed, codes[order])[ended], rtol=1e-4, atol=1e-3
    )


def test_a_molecule_is_written_alike_in_any_company(
    tiny_model: Any, model: MoleculeVAE, codes: Tensor
) -> None:
    for temperature in (0.0, 1.0):
        together = written_by(tiny_model, codes, temperature=temperature, first=100)
        alone = written_by(tiny_model, codes[7:8], temperature=temperature, first=107)
        assert np.array_equal(together.ids[7], alone.ids[0])
        assert together.lengths[7] == alone.lengths[0]


def test_what_is_given_ends_where_the_model_does(tiny_model: Any, codes: Tensor) -> None:
    steps = tiny_model.model.max_steps
    carbon = tiny_model.vocabulary.encode(["[C]"])[0]
    given = torch.full((len(codes), steps + 2), int(carbon))
    written = written_by(tiny_model, codes, temperature=1.0, given=given)
    assert set(written.lengths.tolist()) == {steps - 1}
    assert (written.ids[:, -1] == END).all()
    assert np.isfinite(written.log_likelihood).all()


def test_molecules_begin_with_the_ids_given(
    tiny_model: Any, model: MoleculeVAE, codes: Tensor
) -> None:
    plain = written_by(tiny_model, codes, temperature=1.0, seed=1)
    others = written_by(tiny_model, codes, temperature=1.0, seed=2)
    given = torch.full((len(codes), 6), -1)
    for row in range(0, len(codes), 2):
        kept = min(4, int(others.lengths[row]))
        given[row, :kept] = torch.from_numpy(others.ids[row, :kept].astype(np.int64))
    written = written_by(tiny_model, codes, temperature=1.0, seed=1, given=given)
    begun = given.numpy() >= 0
    np.testing.assert_array_equal(written.ids[:, :6][begun], given.numpy()[begun])
    np.testing.assert_array_equal(written.ids[1::2], plain.ids[1::2])
    packed, order = repacked(tiny_model, written)
    expected = model.log_likelihood(packed, codes[order]).numpy()
    ended = written.lengths[order] < model.max_steps - 1
    np.testing.assert_allclose(
        written.log_likelihood[order][ended], expected[ended], rtol=1e-4, atol=1e-4
    )


def test_nothing_follows_the_end(tiny_model: Any, model: MoleculeVAE, codes: Tensor) -> None:
    written = written_by(tiny_model, codes, temperature=1.5, seed=1)
    for row, length in zip(written.ids, written.lengths, strict=True):
        assert (row[:length] != END).all()
        assert (row[length:] == END).all()
    assert written.lengths.max() < model.max_steps


def test_a_molecule_that_would_not_end_is_ended(
    tiny_model: Any, model: MoleculeVAE, codes: Tensor
) -> None:
    bias = model.output.bias.clone()
    try:
        model.output.bias[END] = -100.0
        written = written_by(tiny_model, codes)
    finally:
        model.output.bias.copy_(bias)
    assert (written.lengths == model.max_steps - 1).all()
    assert np.isfinite(written.log_likelihood).all()


def test_the_same_seed_writes_the_same(tiny_model: Any, model: MoleculeVAE, codes: Tensor) -> None:
    runs = [
        written_by(tiny_model, codes, temperature=1.0, seed=seed).ids.tobytes()
        for seed in (5, 5, 6)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_a_low_temperature_comes_to_the_greedy_choice(
    tiny_model: Any, model: MoleculeVAE, codes: Tensor
) -> None:
    cold = written_by(tiny_model, codes, temperature=1e-4, seed=0)
    assert (cold.ids == written_by(tiny_model, codes).ids).all(axis=1).mean() > 0.9


@pytest.mark.parametrize("told", ["rings", "none"])
def test_no_molecule_ends_before_it_has_an_atom(
    tiny_dataset: Any, make_config: Any, told: str
) -> None:
    from molvae.generation.reader import molecules_of, pairs_of

    config = make_config()
    config = replace(config, model=replace(config.model, prefix_features=told))
    untrained = begin(tiny_dataset, config, torch.device("cpu")).model.eval()
    vocabulary = tiny_dataset.vocabulary
    # An untrained model ends often: at this temperature one symbol in some dozens is the end.
    written = write(untrained, vocabulary, torch.randn(2000, 8), temperature=5.0, seed=1)
    assert all(one.smiles for one in molecules_of(pairs_of(written), vocabulary))
    assert written.lengths.min() >= 1


@pytest.fixture
def wide(tiny_dataset: Any, make_config: Any) -> MoleculeVAE:
    """An untrained model of sizes that steps in blocks take."""
    config = make_config()
    config = replace(
        config, model=replace(config.model, embedding=32, decoder=64, posterior="levels")
    )
    return begin(tiny_dataset, config, torch.device("cpu")).model.eval()


def test_a_training_step_is_seen_by_the_next_decoding(wide: MoleculeVAE) -> None:
    last, rows = torch.tensor([END]), torch.zeros(1, dtype=torch.long)

    def logits() -> torch.Tensor:
        return Decoder(wide, wide.posterior.code(torch.zeros(1, 8)))(last, 0, None, rows)

    before = logits()
    optimiser = torch.optim.AdamW(wide.parameters(), lr=0.1, fused=True)
    for weight in wide.parameters():
        weight.grad = torch.ones_like(weight)
    optimiser.step()
    assert not torch.equal(logits(), before)


def test_bf16_stays_near_fp32_while_rows_come_and_go(wide: MoleculeVAE) -> None:
    code = wide.posterior.code(standard_normal((13, 8), torch.Generator().manual_seed(1)), 0.5)
    decoders = []
    for precision in ("fp32", "bf16"):
        wide.set_precision(precision)  # type: ignore[arg-type]
        decoders.append(Decoder(wide, code))
    generator = torch.Generator().manual_seed(2)
    owners = torch.arange(13)
    features = torch.zeros(1, TIERS[wide.config.prefix_features], dtype=torch.int16)
    for step, rows in enumerate([13, 40, 7, 7, 1, 65, 64, 3]):
        kept = torch.randint(len(owners), (rows,), generator=generator)
        owners = owners[kept]
        last = torch.randint(1, wide.vocabulary, (rows,), generator=generator)
        for decoder in decoders:
            decoder.keep(kept)
        with torch.no_grad():
            exact, near = (one(last, step, features.expand(rows, -1), owners) for one in decoders)
        assert near.shape == (rows, wide.vocabulary)
        torch.testing.assert_close(near, exact, rtol=0, atol=0.03)


def test_in_bf16_too_a_molecule_is_written_alike_in_any_company(
    tiny_dataset: Any, wide: MoleculeVAE
) -> None:
    wide.set_precision("bf16")
    z = standard_normal((50, 8), torch.Generator().manual_seed(3))
    alphabet = tiny_dataset.vocabulary
    together = write(wide, alphabet, z, 1.0, 4, 0, 0.5)
    for size in (1, 7, 33):
        for first in range(0, 50, size):
            apart = write(wide, alphabet, z[first : first + size], 1.0, 4, first, 0.5)
            assert (apart.ids == together.ids[first : first + size]).all()
            np.testing.assert_allclose(
                apart.log_likelihood, together.log_likelihood[first : first + size], rtol=1e-5
            )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_nothing_is_written_for_no_latents(
    tiny_dataset: Any, wide: MoleculeVAE, precision: str
) -> None:
    wide.set_precision(precision)  # type: ignore[arg-type]
    written = write(wide, tiny_dataset.vocabulary, torch.zeros(0, 8), level=0.5)
    assert written.ids.shape == (0, wide.max_steps)
    assert not written.molecules()
