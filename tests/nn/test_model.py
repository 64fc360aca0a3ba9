"""The model is the mathematics: a naive loop over one molecule at a time gives the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from molvae.config import ModelConfig
from molvae.datasets.dataset import Dataset
from molvae.language.vocabulary import END
from molvae.nn.model import MoleculeVAE, Packed
from molvae.nn.posterior import standard_normal

CPU = torch.device("cpu")
ROWS = np.array([0, 7, 200, 33, 120, 1])


def fresh_model(dataset: Dataset, grammar: str = "rings", seed: int = 0) -> MoleculeVAE:
    torch.manual_seed(seed)
    config = ModelConfig(
        embedding=6, encoder=5, decoder=7, latent=4, prefix_features=grammar, posterior="gaussian"
    )
    return MoleculeVAE(config, len(dataset.vocabulary), max_steps=40)


@pytest.fixture(params=["none", "place", "chemistry"])
def model(request: pytest.FixtureRequest, tiny_dataset: Dataset) -> MoleculeVAE:
    return fresh_model(tiny_dataset, request.param)


def packed(model: MoleculeVAE, dataset: Dataset, rows: Any) -> tuple[Packed, Any]:
    batch = dataset.batch(np.asarray(rows), model.config.prefix_features)
    return Packed.from_batch(batch, CPU), batch.order


def elbo_terms(
    model: MoleculeVAE, dataset: Dataset, rows: Any, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Log-likelihood and KL of each row, in the order given."""
    batch, order = packed(model, dataset, rows)
    q = model.encode(batch)
    back = np.argsort(order)
    return model.log_likelihood(batch, q.draw(noise[order]))[back], q.kl().sum(-1)[back]


def test_the_elbo_is_that_of_a_loop_over_molecules_and_symbols(
    model: MoleculeVAE, tiny_dataset: Dataset
) -> None:
    noise = standard_normal((len(ROWS), model.config.latent), torch.Generator().manual_seed(0))
    likelihood, kl = elbo_terms(model, tiny_dataset, ROWS, noise)
    for place, row in enumerate(ROWS):
        ids = tiny_dataset.ids[tiny_dataset.offsets[row] : tiny_dataset.offsets[row + 1]].astype(
            np.int64
        )
        states, first = [], torch.tensor([0])
        for layer, run in (
            (model.forward_encoder, ids),
            (model.backward_encoder, ids[::-1].copy()),
        ):
            h = torch.zeros(1, model.config.encoder)
            for symbol in run:
                h, _ = layer.reference(
                    torch.empty(1, 0), model.read(torch.tensor([symbol])), h, [1], first
                )
            states.append(h)
        q = model.posterior(torch.cat(states, -1))
        z = q.draw(noise[place : place + 1])
        alone, _ = packed(model, tiny_dataset, [row])
        told = model.input_embedder()(alone.inputs, alone.steps, alone.grammar)  # (T, E)
        assert alone.inputs.tolist() == [END, *ids]
        nats, h = torch.zeros(()), model.start(z).tanh()
        for step, target in enumerate([*ids, END]):
            h, _ = model.decoder.reference(told[step : step + 1], z, h, [1], first)
            logits = model.output(torch.cat([h, told[step : step + 1]], 1))
            nats = nats - logits.log_softmax(-1)[0, target]
        torch.testing.assert_close(likelihood[place], -nats, rtol=1e-4, atol=1e-4)
        variance = q.log_variance.exp()
        naive = 0.5 * (q.mean**2 + variance - 1 - q.log_variance).sum()
        torch.testing.assert_close(kl[place], naive, rtol=1e-4, atol=1e-4)


def test_a_molecule_costs_the_same_in_any_company(
    model: MoleculeVAE, tiny_dataset: Dataset
) -> None:
    noise = standard_normal((len(ROWS), model.config.latent), torch.Generator().manual_seed(0))
    together = elbo_terms(model, tiny_dataset, ROWS, noise)
    for place in range(len(ROWS)):
        alone = elbo_terms(model, tiny_dataset, ROWS[place : place + 1], noise[place : place + 1])
        for one, many in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], many[place], rtol=1e-4, atol=1e-4)


def test_the_order_of_a_batch_changes_no_molecule(
    model: MoleculeVAE, tiny_dataset: Dataset
) -> None:
    noise = standard_normal((len(ROWS), model.config.latent), torch.Generator().manual_seed(0))
    forwards = elbo_terms(model, tiny_dataset, ROWS, noise)
    backwards = elbo_terms(model, tiny_dataset, ROWS[::-1].copy(), noise.flip(0))
    for one, other in zip(forwards, backwards, strict=True):
        torch.testing.assert_close(one, other.flip(0), rtol=1e-4, atol=1e-4)


def test_the_gradient_of_the_elbo_equals_finite_differences(tiny_dataset: Dataset) -> None:
    model = fresh_model(tiny_dataset).double()
    batch, _ = packed(model, tiny_dataset, ROWS[:3])
    noise = standard_normal((3, model.config.latent), torch.Generator().manual_seed(0)).double()

    def loss() -> Tensor:
        q = model.encode(batch)
        return (q.kl().sum(-1) - model.log_likelihood(batch, q.draw(noise))).sum()

    gradients = dict(
        zip(
            dict(model.named_parameters()),
            torch.autograd.grad(loss(), model.parameters()),
            strict=True,
        )
    )
    rng = np.random.default_rng(0)
    for name, parameter in model.named_parameters():
        flat, slope = parameter.detach().view(-1), gradients[name].view(-1)
        for place in {int(slope.abs().argmax()), int(rng.integers(len(flat)))}:
            before, values = float(flat[place]), []
            for shift in (1e-5, -1e-5):
                flat[place] = before + shift
                values.append(float(loss().detach()))
            flat[place] = before
            assert (values[0] - values[1]) / 2e-5 == pytest.approx(
                float(slope[place]), rel=1e-5, abs=1e-6
            ), name


def test_every_weight_is_used(model: MoleculeVAE, tiny_dataset: Dataset) -> None:
    batch, _ = packed(model, tiny_dataset, ROWS)
    q = model.encode(batch)
    loss = q.kl().sum() - model.log_likelihood(batch, q.draw(torch.ones_like(q.mean))).sum()
    for (name, _), gradient in zip(
        model.named_parameters(), torch.autograd.grad(loss, model.parameters()), strict=True
    ):
        assert float(gradient.abs().sum()) > 0, name


def test_the_latent_reaches_the_first_state_and_every_step(
    model: MoleculeVAE, tiny_dataset: Dataset
) -> None:
    batch, _ = packed(model, tiny_dataset, ROWS[:1])
    z = torch.zeros(1, model.config.latent)
    plain = model.logits(batch, z)
    with torch.no_grad():
        model.start.weight.zero_()
    assert not torch.equal(model.logits(batch, z + 1.0), plain), (
        "z must still matter without the first state"
    )


def test_a_molecule_longer_than_is_written_has_a_likelihood(
    tiny_dataset: Dataset,
) -> None:
    model = fresh_model(tiny_dataset)
    model.max_steps = 3
    batch, _ = packed(model, tiny_dataset, ROWS)
    assert bool(torch.isfinite(model.log_likelihood(batch, torch.zeros(len(ROWS), 4))).all())


def test_half_precision_changes_little(model: MoleculeVAE, tiny_dataset: Dataset) -> None:
    noise = torch.zeros(len(ROWS), model.config.latent)
    exact = elbo_terms(model, tiny_dataset, ROWS, noise)[0]
    model.set_precision("bf16")
    torch.testing.assert_close(
        elbo_terms(model, tiny_dataset, ROWS, noise)[0], exact, rtol=0.02, atol=0.2
    )
