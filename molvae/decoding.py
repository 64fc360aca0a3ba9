"""Latents become symbols, one step at a time: the likeliest symbol, or one drawn at a temperature.

Knows no molecules.

    B molecules still being written, V vocabulary, H hidden, C code, T steps
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import grammar
from .alphabet import Alphabet
from .categorical import draw
from .gru import Stepper
from .model import MoleculeVAE, feature_marks
from .posterior import Level
from .vocabulary import END

COMPACT_EVERY = 3
"""Steps between two clearings of finished molecules: clearing costs a copy, not clearing costs their steps."""


class Written(NamedTuple):
    """What the decoder wrote: ``ids`` ``(B, T)``, the end symbol after each molecule and beyond; the number of
    symbols before the end ``(B,)``; and log p(x|z) at temperature 1 in nats ``(B,)``, the end included."""

    ids: NDArray[np.uint16]
    lengths: NDArray[np.int32]
    log_likelihood: NDArray[np.float32]

    def molecules(self) -> list[NDArray[np.uint16]]:
        """The ids of each molecule, without its end."""
        return [row[:length] for row, length in zip(self.ids, self.lengths, strict=True)]


@torch.no_grad()
def write(
    model: MoleculeVAE,
    alphabet: Alphabet,
    z: Tensor,
    temperature: float = 0.0,
    seed: int = 0,
    first: int = 0,
    level: Level = None,
) -> Written:
    """Write one molecule for every row of ``z`` ``(B, Z)``, taken to be of noise ``level``.

    ``alphabet`` is that of the model's vocabulary.

    Temperature 0 takes the likeliest symbol at every step; otherwise one is drawn from the logits divided by
    the temperature, by noise that depends on the ``seed`` and on the molecule's number alone; ``first`` is
    the number of the first. A molecule cannot end before it has an atom; one that reaches the model's ``max_steps``
    is ended there.
    """
    total, code = len(z), model.posterior.code(z, level)
    ids = torch.full((total, model.max_steps), END, dtype=torch.long)
    likelihood = torch.zeros(total)
    place = Place(alphabet, total)
    fixed = model.decoder.constant_gates(code)
    stepper = Stepper(model.decoder)
    state = stepper.begin(model.first_state(code))
    rows = torch.arange(total)
    last = torch.full((total,), END, dtype=torch.long, device=z.device)
    alive = torch.ones(total, dtype=torch.bool, device=z.device)
    for step in range(model.max_steps):
        steps = torch.full_like(last, step)
        features = place.features(rows)
        x = model.told(last, steps, None if model.grammar is None else feature_marks(features).to(z.device))
        state = stepper(model.decoder.input_gates(x), state, fixed=fixed, out=state)
        logits = model.output(state.h)  # (B, V)
        spared = bar_the_end(logits, without_atoms(features).to(z.device))
        if step == model.max_steps - 1:
            logits[:, :END] = logits[:, END + 1 :] = -torch.inf
        last, chosen = pick(logits) if temperature == 0.0 else draw(logits, temperature, seed, first + rows, step)
        ids[rows, step] = torch.where(alive, last, END).cpu()
        likelihood[rows] += torch.where(alive, chosen + spared, 0.0).cpu()
        alive &= last != END
        place.advance(rows[alive.cpu()], last[alive].cpu())
        if step % COMPACT_EVERY == COMPACT_EVERY - 1:
            kept = alive.nonzero()[:, 0]
            if len(kept) == 0:
                break
            state, fixed, last, alive = state.rows(kept), fixed[kept], last[kept], alive[kept]
            rows = rows[kept.cpu()]
    lengths = (ids != END).sum(1)
    return Written(ids.numpy().astype(np.uint16), lengths.numpy().astype(np.int32), likelihood.numpy())


class Place:
    """Where each of ``total`` molecules being written stands in the grammar."""

    def __init__(self, alphabet: Alphabet, total: int) -> None:
        self.states, self.alphabet = grammar.start(total), alphabet

    def features(self, rows: Tensor) -> NDArray[np.uint8]:
        """The features of the molecules ``rows``, ``(B, F)``."""
        return grammar.features_now(self.states, rows.numpy(), self.alphabet)

    def advance(self, rows: Tensor, symbols: Tensor) -> None:
        """Append a symbol to each of the molecules ``rows``."""
        grammar.advance(self.states, rows.numpy(), symbols.numpy(), self.alphabet)


def bar_the_end(logits: Tensor, barred: Tensor) -> Tensor:
    """Take the end from the rows ``barred`` ``(B,)`` of ``logits`` ``(B, V)``, in place.

    Returns, ``(B,)``, what the log-probabilities of their other symbols have thereby gained, with its sign turned: so
    that what is reported stays the model's own log p(x|z).
    """
    if not barred.any():
        return torch.zeros_like(logits[:, 0])
    gained = torch.where(barred, torch.log1p(-logits.softmax(-1)[:, END]), 0.0)
    logits[:, END].masked_fill_(barred, -torch.inf)
    return gained


def without_atoms(features: NDArray[np.uint8]) -> Tensor:
    """Which prefixes, by their features ``(B, F)``, are no molecule yet, ``(B,)``."""
    return torch.from_numpy(features[:, grammar.ATOMS_SO_FAR] == 0)


def pick(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest symbol of every row of ``logits`` ``(B, V)`` and its log-probability: ``(B,)``, ``(B,)``."""
    best = logits.log_softmax(-1).max(-1)
    return best.indices, best.values
