"""Latents to symbols, step by step: the likeliest symbol, or one drawn at a temperature.

B molecules still being written, V vocabulary, H decoder units, C conditioning vector, T steps
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..language.prefix_features import Prefixes
from ..language.vocabulary import END, Vocabulary
from .draws import draw, pick
from .gru import Stepper
from .kernels.products import filled, tanh_linear
from .model import MoleculeVAE, cross_entropy
from .posterior import Level

COLDEST = 1e-6
"""Lowest temperature that logits are divided by: below it their last digits would decide, or they
overflow."""


class Written(NamedTuple):
    """Molecules that the decoder wrote.

    ``ids`` (B, T): the end symbol after each molecule and beyond; ``lengths`` (B,): symbols before
    the end; ``log_likelihood`` (B,): log p(x|z) at temperature 1 in nats, the end included.
    """

    ids: NDArray[np.uint16]
    lengths: NDArray[np.int32]
    log_likelihood: NDArray[np.float32]

    def molecules(self) -> list[NDArray[np.uint16]]:
        """Return the ids of each molecule, without its end."""
        return [row[:length] for row, length in zip(self.ids, self.lengths, strict=True)]


@torch.no_grad()
def write(
    model: MoleculeVAE,
    vocabulary: Vocabulary,
    z: Tensor,
    temperature: float = 0.0,
    seed: int = 0,
    first: int = 0,
    level: Level = None,
    given: Tensor | None = None,
) -> Written:
    """Write one molecule for every row of ``z`` (B, Z), taken to be of noise ``level``.

    ``vocabulary`` is the model's. Temperature 0, or less than :data:`COLDEST`,
    takes the likeliest symbol at every step; otherwise one is drawn from the logits divided by the
    temperature, by noise that depends on the ``seed`` and on the molecule's number alone; ``first``
    is the number of the first. ``given`` (B, S) holds ids that molecules have in their places, none
    of them the end, and -1 where each is left to the model. A molecule cannot end before it has an
    atom; one that reaches the model's ``max_steps`` is ended there.
    """
    total, code = len(z), model.posterior.code(z, level)
    rows = torch.arange(total, device=z.device)
    if isinstance(level, float) and level == 0.0:
        decoder = Decoder(model, code[:1])  # nothing of a latent is passed on: one row serves all
        decoder.keep(torch.zeros_like(rows))
    else:
        decoder = Decoder(model, code)
    prefixes = Prefixes(vocabulary, total, model.config.prefix_features)
    last, ids = torch.full_like(rows, END), rows.new_full((total, model.max_steps), END)
    likelihood = torch.zeros(total, device=z.device)
    for step in range(model.max_steps):
        places = rows.cpu().numpy()
        features = torch.from_numpy(prefixes.features(places)).to(z.device)
        logits = decoder(last, step, features, rows)  # (B, V)
        bare = torch.from_numpy(prefixes.without_atoms(places)).to(z.device)
        spared = bar_the_end(logits, bare) if len(bare) else None  # (B,)
        if step == model.max_steps - 1:
            logits[:, :END] = logits[:, END + 1 :] = -torch.inf
        greedy = temperature < COLDEST
        last, chosen = (
            pick(logits) if greedy else draw(logits, temperature, seed, first + rows, step)
        )
        if given is not None and step < min(given.shape[1], model.max_steps - 1):
            last, chosen = as_given(logits, given[rows, step], last, chosen)
        ids[rows, step] = last
        chosen = chosen if spared is None else chosen + spared
        likelihood.index_add_(0, rows, chosen.float())
        alive = (last != END).nonzero()[:, 0]
        if not len(alive):
            break
        if len(alive) < len(rows):
            rows, last = rows[alive], last[alive]
            decoder.keep(alive)
        prefixes.advance(rows.cpu().numpy(), last.cpu().numpy())
    lengths = (ids != END).sum(1).cpu().numpy().astype(np.int32)
    return Written(ids.cpu().numpy().astype(np.uint16), lengths, likelihood.cpu().numpy())


def as_given(logits: Tensor, given: Tensor, last: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Symbols ``last`` (B) and their log-probabilities ``chosen`` (B) with those that are ``given``
    (B), -1 where none is."""
    some = (given >= 0).nonzero()[:, 0]
    if not len(some):
        return last, chosen
    wanted = given[some]
    values = -cross_entropy(logits[some], wanted)
    return last.index_copy(0, some, wanted), chosen.index_copy(0, some, values.to(chosen))


class Decoder:
    """The model's decoder, step by step, for conditioning vectors (R, C).

    Some rows more than are asked for are computed and not read, so that every product has whole
    blocks of them.
    """

    @torch.no_grad()
    def __init__(self, model: MoleculeVAE, code: Tensor) -> None:
        self.model, self.stepper = model, Stepper(model.decoder)
        self.embed = model.input_embedder(narrow=True)
        self.static = self.stepper.static(code)
        h0 = tanh_linear(code, model.start.weight, model.start.bias)
        self.state, self.count = self.stepper.begin(h0), 0
        self.keep(torch.arange(len(code), device=code.device))

    def __call__(self, last: Tensor, step: int, features: Tensor, static_row: Tensor) -> Tensor:
        """Return logits (B, V) of what follows prefixes: by their last symbols (B), prefix features
        (B, F), and which row of the conditioning each has (B)."""
        more = len(self.state.h) - len(last)
        inputs = self.embed(last, torch.full_like(last, step), features)
        x = functional.pad(inputs, (0, 0, 0, more))
        self.stepper(x, self.state, self.static, functional.pad(static_row, (0, more)))
        logits: Tensor = self.model.predict(self.state.h, x)
        return logits[: len(last)]

    def keep(self, prefixes: Tensor) -> None:
        """Go on with these prefixes only, each as often and in the order as they are named."""
        if torch.equal(prefixes, torch.arange(self.count, device=prefixes.device)):
            return
        self.count = len(prefixes)
        more = filled(self.count) - self.count
        self.state = self.state.rows(functional.pad(prefixes, (0, more)))


def bar_the_end(logits: Tensor, some: Tensor) -> Tensor:
    """Take the end from the rows ``some`` of ``logits`` (B, V), in place.

    Returns (B,) what the log-probabilities of their other symbols have thereby gained, negated, so
    that the log p(x|z) that is reported stays the model's own.
    """
    gained = torch.zeros_like(logits[:, 0])
    gained[some] = torch.log1p(-(-cross_entropy(logits[some], torch.full_like(some, END))).exp())
    logits[some, END] = -torch.inf
    return gained
