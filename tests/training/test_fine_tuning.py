"""A training from a model keeps what the model knows, and learns what it did not."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molvae.config import Config
from molvae.datasets.dataset import Dataset
from molvae.datasets.prepare import prepare
from molvae.errors import InputError, TrainingError, UsageError
from molvae.generation.codec import Codec
from molvae.nn.model import Packed
from molvae.storage import checkpoint
from molvae.storage.checkpoint import Saved
from molvae.training import fine_tuning, loop
from molvae.training.loop import Step

CPU = torch.device("cpu")
MINE = (
    *(
        "C[Si](C)(C)c1ccccc1",
        "C[Si](C)(C)CCO",
        "CO[Si](C)(C)C",
        "C[Si](C)(C)CN",
        "CC[Si](C)(C)CC",
        "C[Si](C)(C)C#N",
    ),
    *(
        "CCB(O)O",
        "OB(O)c1ccccc1",
        "CCOB(O)O",
        "CB(O)OC",
        "NCCB(O)O",
        "CC[Se]C",
        "C[Se]CCO",
        "C[N+](C)(C)CCO",
    ),
    "NCC(=O)" * 15 + "O",
)
"""Silanes, boronic acids, selenides, an ammonium: symbols the tiny model never met; and a peptide
of 61 atoms.
"""


@pytest.fixture(scope="module")
def saved(tiny_run: Path) -> Saved:
    """The tiny model."""
    return checkpoint.load(tiny_run)


@pytest.fixture(scope="module")
def mine(saved: Saved, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The molecules in the tiny model's vocabulary, extended."""
    path = tmp_path_factory.mktemp("mine") / "mine.smi"
    path.write_text("\n".join(MINE) + "\n")
    prepared = prepare([path], saved.config.data, workers=1, base=saved.vocabulary)
    assert not prepared.rejected
    prepared.dataset.validation[:] = False
    return prepared.dataset


@pytest.fixture
def state(saved: Saved, mine: Dataset, make_config: Any) -> loop.TrainingState:
    return fine_tuning.begin(saved, mine, make_config(), CPU)


def as_model(state: loop.TrainingState, saved: Saved, mine: Dataset) -> Codec:
    """The model that a training holds, as a user has it."""
    grown = replace(saved, model=state.average, vocabulary=mine.vocabulary)
    return Codec(grown)


def test_new_symbols_are_appended_and_every_molecule_is_written(
    saved: Saved, mine: Dataset
) -> None:
    old, new = saved.vocabulary, mine.vocabulary
    assert new.symbols[: len(old.symbols)] == old.symbols
    assert {"[Si]", "[B]", "[Se]", "[N+1]"} <= set(new.symbols) - set(old.symbols)
    assert len(mine) == len(MINE)
    assert old.constraints.items() <= new.constraints.items()
    assert new.constraints["Si"] == 4, "or a string of the new symbols could be no molecule"


def test_old_rows_and_all_other_weights_are_kept_bit_for_bit(
    state: loop.TrainingState, saved: Saved, mine: Dataset
) -> None:
    places = saved.vocabulary.places(mine.vocabulary)
    old, grown = saved.model.state_dict(), state.model.state_dict()
    tables = ("read.weight", "write.weight", "output.weight", "output.bias")
    assert state.model.max_steps > saved.model.max_steps
    for name, before in old.items():
        kept = grown[name][places] if name in tables else grown[name][: len(before)]
        assert torch.equal(kept, before), name
        assert (
            len(grown[name]) > len(before)
            if name in (*tables, "step.weight")
            else len(grown[name]) == len(before)
        )
        assert torch.equal(state.average.state_dict()[name], grown[name]), (
            "the average begins with the same"
        )
    assert not state.optimiser.state, "the optimiser begins anew"
    assert all(parameter.requires_grad for parameter in state.model.parameters())
    assert not any(parameter.requires_grad for parameter in saved.model.parameters()), (
        "the model itself is untouched"
    )


def test_an_id_and_its_place_mean_the_same_symbols(
    saved: Saved, mine: Dataset, few: list[str]
) -> None:
    places = saved.vocabulary.places(mine.vocabulary)
    assert places is not None
    for number, place in enumerate(places):
        assert saved.vocabulary.decode([number]) == mine.vocabulary.decode([int(place)])
    old, new = Codec(saved).reader, replace(Codec(saved).reader, vocabulary=mine.vocabulary)
    for smiles in few:
        assert np.array_equal(places[old.read(smiles).ids], new.read(smiles).ids)


def test_old_molecules_keep_their_likelihoods(
    state: loop.TrainingState, saved: Saved, mine: Dataset, molecules: list[str]
) -> None:
    before, after = Codec(saved), as_model(state, saved, mine)
    some = molecules[::6]
    assert np.array_equal(before.encode(some), after.encode(some))
    change = after.log_likelihood(after.read(some), samples=4) - before.log_likelihood(
        before.read(some), samples=4
    )
    assert np.abs(change).max() < 1e-3
    z = before.encode(some)
    assert before.decode(z) == after.decode(z)


@pytest.mark.parametrize("times", [1, 3])
def test_a_finer_environment_table_changes_no_likelihood(
    times: int, saved: Saved, tiny_dataset: Dataset, molecules: list[str]
) -> None:
    old = saved.config.model.environment_rows
    config = fine_tuning.configure(
        saved.config, {"model": {"environment_rows": 1 + times * (old - 1)}}
    )
    state = fine_tuning.begin(saved, tiny_dataset, config, CPU)
    before, after = Codec(saved), Codec(replace(saved, model=state.average, config=config))
    assert np.array_equal(
        before.log_likelihood(before.read(molecules[::6]), samples=4),
        after.log_likelihood(after.read(molecules[::6]), samples=4),
    )
    for _ in itertools.islice(loop.train(state, tiny_dataset), 1):
        pass
    tables = state.model.surroundings.weight.detach().view(
        -1, 1 + times * (old - 1), config.model.embedding
    )
    parts = tables[:, 1:].unflatten(1, (times, old - 1))
    assert times == 1 or not torch.equal(parts[:, 0], parts[:, 1]), "what shared a row learns apart"


@pytest.mark.parametrize("rows", [2, 4095, 5000])
def test_an_environment_table_can_only_become_finer(rows: int, saved: Saved) -> None:
    with pytest.raises(
        UsageError, match=f"--environment-rows is 4096 in the model, and cannot become {rows}"
    ):
        fine_tuning.configure(saved.config, {"model": {"environment_rows": rows}})


def test_steps_beyond_the_old_last_one_are_told_as_that_one_was(
    state: loop.TrainingState, saved: Saved
) -> None:
    steps = torch.arange(state.model.max_steps + 3)
    old, new = (
        model.step(steps.clamp(max=model.max_steps - 1)).detach()
        for model in (saved.model, state.average)
    )
    assert torch.equal(new, old)


@pytest.mark.parametrize("count", [1, 7])
def test_new_symbols_have_a_millionth_of_the_probability(count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias = (
        3 * torch.randn(50, 20, generator=generator),
        5 * torch.randn(50, generator=generator),
    )
    states = torch.cat([torch.zeros(1, 20), torch.randn(500, 20, generator=generator).sign()])
    row, low = fine_tuning.unlikely(weight, bias, count)
    old, new = (states @ weight.T + bias).double(), (states @ row.T + low).double()
    share = (new.logsumexp(-1) - old.logsumexp(-1)).exp()
    assert float(share.max()) <= fine_tuning.NEW_SHARE * (1 + 1e-4)
    # Where all old symbols are equally likely the bound is reached: the new ones are no rarer than
    # they must be.
    even = fine_tuning.unlikely(weight * 0, bias * 0 + 2.5, count)[1].double().exp().sum() / (
        50 * np.exp(2.5)
    )
    assert float(even) == pytest.approx(fine_tuning.NEW_SHARE, rel=1e-4)


def test_new_embeddings_lie_among_the_old_ones_and_differ(
    state: loop.TrainingState, saved: Saved, mine: Dataset
) -> None:
    count = len(saved.vocabulary.symbols)
    added = len(mine.vocabulary.symbols) - count
    for name in ("read", "write"):
        old, new = getattr(saved.model, name).weight, getattr(state.model, name).weight.detach()
        rows = new[1 + count : 1 + count + added]
        assert (rows - old.mean(0)).abs().max() < old.std(0).max()
        assert len({row.numpy().tobytes() for row in rows}) == added


def test_the_seed_alone_decides_the_new_rows(saved: Saved, mine: Dataset) -> None:
    grown = [
        fine_tuning.grown(saved, saved.config.model, mine.vocabulary, 60, seed)
        for seed in (0, 0, 1)
    ]
    first, again, other = (model.write.weight.detach() for model in grown)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_training_begins_with_what_its_model_knows(
    saved: Saved, tiny_dataset: Dataset, make_config: Any
) -> None:
    config = make_config(epochs=1, warmup=1)
    first = {}
    for name, state in (
        ("from a model", fine_tuning.begin(saved, tiny_dataset, config, CPU)),
        ("from nothing", loop.begin(tiny_dataset, config, CPU)),
    ):
        steps = [one for one in loop.train(state, tiny_dataset) if isinstance(one, Step)]
        first[name] = float(np.mean([one.reconstruction for one in steps[:3]]))
    assert first["from a model"] > first["from nothing"] + 3


def test_new_symbols_are_learned(saved: Saved, mine: Dataset, make_config: Any) -> None:
    state = fine_tuning.begin(saved, mine, make_config(batch_size=8, epochs=20), CPU)
    packed = Packed.from_batch(
        mine.batch(np.arange(len(mine)), state.model.config.prefix_features), CPU
    )
    new = packed.targets > len(saved.vocabulary.symbols)
    new &= packed.targets <= len(mine.vocabulary.symbols)

    def chance() -> float:
        with torch.no_grad():
            z = state.average.encode(packed).mean
            logits = state.average.logits(packed, z).log_softmax(-1)
        return float(logits[torch.arange(len(new)), packed.targets][new].mean())

    before = chance()
    assert before < np.log(fine_tuning.NEW_SHARE) + 1
    for _ in itertools.islice(loop.train(state, mine), 30):
        pass
    assert chance() > before + 5


def test_the_same_vocabulary_is_an_extension_by_nothing(
    saved: Saved, tiny_dataset: Dataset, make_config: Any
) -> None:
    state = fine_tuning.begin(saved, tiny_dataset, make_config(), CPU)
    for name, before in saved.model.state_dict().items():
        assert torch.equal(state.model.state_dict()[name], before)


def test_data_in_other_symbols_are_refused(
    saved: Saved, tiny_dataset: Dataset, make_config: Any, mine: Dataset
) -> None:
    fewer = replace(tiny_dataset.vocabulary, merges=tiny_dataset.vocabulary.merges[:-1])
    with pytest.raises(InputError, match="give the file of the molecules itself"):
        fine_tuning.begin(saved, replace(tiny_dataset, vocabulary=fewer), make_config(), CPU)
    empty = replace(mine, validation=np.ones(len(mine), bool))
    with pytest.raises(TrainingError, match="no molecule to train on"):
        fine_tuning.begin(saved, empty, make_config(), CPU)


def test_the_model_decides_the_options_of_its_shape(make_config: Any) -> None:
    model: Config = make_config(epochs=7)
    model = replace(
        model,
        data=replace(model.data, neutralise=False, max_heavy_atoms=50, rows=1000, validation=0.2),
    )
    found = fine_tuning.configure(
        model, {"training": {"beta": 0.7}, "model": {"latent": 8}, "data": {"rows": 5}}
    )
    assert found.model == model.model
    assert (found.data.neutralise, found.data.max_heavy_atoms, found.data.vocabulary) == (
        False,
        50,
        64,
    )
    assert (found.data.rows, found.data.validation) == (5, 0.05), (
        "how this file is used is asked anew"
    )
    assert (found.training.beta, found.training.epochs) == (0.7, 20)
    assert fine_tuning.configure(model, {"data": {"neutralise": True}}).data.neutralise
    assert fine_tuning.configure(model, {"model": {"max_signal": 0.95}}).model == replace(
        model.model, max_signal=0.95
    )
    for given, words in (
        ({"model": {"decoder": 64}}, "--decoder is 32 in the model, and cannot become 64"),
        (
            {"model": {"prefix_features": "none"}},
            f"--prefix-features is {model.model.prefix_features!r} in the model",
        ),
        ({"data": {"vocabulary": 65}}, "--vocabulary is 64 in the model"),
    ):
        with pytest.raises(UsageError, match=words):
            fine_tuning.configure(model, given)  # type: ignore[arg-type]
