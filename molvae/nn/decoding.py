"""Latents become symbols, one step at a time: the likeliest symbol, or one drawn at a temperature.

Knows no molecules.

    B molecules still being written, P distinct beginnings of theirs, V vocabulary, H hidden, C
    code, T steps
"""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..language import prefix_features
from ..language.symbols import Alphabet
from ..language.vocabulary import END
from .categorical import cross_entropy, draw
from .gru import State, Stepper
from .model import MoleculeVAE
from .posterior import Level
from .products import PackedLinear, tanh_linear

COLDEST = 1e-6
"""The least temperature that logits are divided by: below it their last digits would decide, or
they overflow.
"""


class Written(NamedTuple):
    """What the decoder wrote: ``ids`` ``(B, T)``, the end symbol after each molecule and beyond;
    the number of symbols before the end ``(B,)``; and log p(x|z) at temperature 1 in nats ``(B,)``,
    the end included."""

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

    Temperature 0, or less than :data:`COLDEST`, takes the likeliest symbol at every step; otherwise
    one is drawn from the logits divided by the temperature, by noise that depends on the ``seed``
    and on the molecule's number alone; ``first`` is the number of the first. A molecule cannot end
    before it has an atom; one that reaches the model's ``max_steps`` is ended there."""
    total, code = len(z), model.posterior.code(z, level)
    alike = isinstance(level, float) and level == 0.0  # nothing is told of the latent there
    code = code[:1] if alike else code
    decoder, place = Decoder(model, code), Place(alphabet, total, model.config.prefix_features)
    rows = torch.arange(total, device=z.device)
    prefixes, written = Prefixes.empty(rows, alike), []
    for step in range(model.max_steps):
        heads = prefixes.heads.cpu()
        logits = decoder(
            prefixes.last, step, place.features(heads, z.device), prefixes.heads
        )  # (P, V)
        bare = place.without_atoms(heads).to(z.device)
        spared = prefixes.spread(bar_the_end(logits, bare)) if len(bare) else None  # (B,)
        if step == model.max_steps - 1:
            logits[:, :END] = logits[:, END + 1 :] = -torch.inf
        logits = prefixes.spread(logits)  # (B, V)
        last, chosen = (
            pick(logits)
            if temperature < COLDEST
            else draw(logits, temperature, seed, first + rows, step)
        )
        written.append((rows, last, chosen if spared is None else chosen + spared))
        alive = (last != END).nonzero()[:, 0]
        if not len(alive):
            break
        if len(alive) < len(rows):
            rows, last = rows[alive], last[alive]
        place.advance(rows.cpu(), last.cpu())
        before, prefixes = prefixes.grown(alive, rows, last)
        decoder.keep(before)
    return assembled(written, total, model.max_steps)


def assembled(written: list[tuple[Tensor, Tensor, Tensor]], total: int, steps: int) -> Written:
    """What was written, from the molecules ``(B,)`` that each step wrote at, their symbols and
    log-probabilities.
    """
    rows, symbols, chosen = (torch.cat(parts).cpu() for parts in zip(*written, strict=True))
    counts = torch.tensor([len(one[0]) for one in written])
    ids = torch.full((total, steps), END)
    ids[rows, torch.arange(len(written)).repeat_interleave(counts)] = symbols
    likelihood = torch.zeros(total).index_add_(0, rows, chosen.float())
    lengths = (ids != END).sum(1)
    return Written(
        ids.numpy().astype(np.uint16), lengths.numpy().astype(np.int32), likelihood.numpy()
    )


class Prepared:
    """A model's decoder made ready to be run step by step, with its weights as they are now."""

    def __init__(self, model: MoleculeVAE) -> None:
        self.tell, self.stepper, self.model = (
            model.teller(narrow=True),
            Stepper(model.decoder),
            weakref.proxy(model),
        )
        self.start, units, weight = model.start, model.config.decoder, model.output.weight
        self.output = (
            PackedLinear(weight, model.output.bias, units) if self.stepper.blocked else None
        )

    def first_state(self, code: Tensor) -> State:
        """The state before the first symbol of latents told as ``code`` ``(B, C)``."""
        return self.stepper.begin(tanh_linear(code, self.start.weight, self.start.bias))

    def predict(self, state: State, hidden: Tensor, told: Tensor) -> Tensor:
        """Logits ``(P, V)`` from the decoder's state, also in the type of the products, and what it
        was told ``(P, E)``; as :meth:`molvae.nn.model.MoleculeVAE.predict`, but with the operands
        of the other products."""
        if self.output is not None:
            return self.output(hidden, told)
        logits: Tensor = self.model.predict(state.h, told)
        return logits


_prepared: weakref.WeakKeyDictionary[MoleculeVAE, tuple[Any, Prepared]] = (
    weakref.WeakKeyDictionary()
)


@torch.no_grad()
def prepared(model: MoleculeVAE) -> Prepared:
    """The decoder made ready, anew only if a weight or the precision has changed since it last was.

    A weight has changed where torch counts a new version of it, or has it in another place or type.
    """
    weights = ((one.data_ptr(), one._version, one.dtype, one.device) for one in model.parameters())
    state = [model.precision, *weights]
    known, found = _prepared.get(model, (None, None))
    if found is None or known != state:
        found = Prepared(model)
        _prepared[model] = state, found
    return found


class Decoder:
    """The model's decoder, step by step, for latents told as ``code`` ``(B, C)``.

    Some rows more than are asked for are computed and not read, so that every product has whole
    blocks of them."""

    def __init__(self, model: MoleculeVAE, code: Tensor) -> None:
        self.ready = prepared(model)
        self.stepper = self.ready.stepper
        self.fixed, self.state = self.stepper.fixed(code), self.ready.first_state(code)
        self.count = 0
        self.keep(torch.arange(len(code), device=code.device))

    def __call__(self, last: Tensor, step: int, features: Tensor | None, owners: Tensor) -> Tensor:
        """Logits ``(P, V)`` of what follows the beginnings: their last symbols, places, and
        latents, ``(P, ...)``.
        """
        more = len(self.state.h) - len(last)
        x = functional.pad(
            self.ready.tell(last, torch.full_like(last, step), features), (0, 0, 0, more)
        )
        hidden = self.stepper(x, self.state, self.fixed, functional.pad(owners, (0, more)))
        return self.ready.predict(self.state, hidden, x)[: len(last)]

    def keep(self, beginnings: Tensor) -> None:
        """Go on with these beginnings only, each as often and in the order as they are named."""
        if torch.equal(beginnings, torch.arange(self.count, device=beginnings.device)):
            return
        self.count = len(beginnings)
        more = self.stepper.filled(self.count) - self.count
        self.state = self.state.rows(functional.pad(beginnings, (0, more)))


class Prefixes(NamedTuple):
    """The distinct beginnings of the molecules being written: as long as these are few, each is
    computed once.
    """

    heads: Tensor  # (P,), a molecule that begins so
    last: Tensor  # (P,), its last symbol
    owners: Tensor | None = (
        None  # (B,), the beginning of each molecule; None where each has one of its own
    )

    @classmethod
    def empty(cls, rows: Tensor, alike: bool) -> Prefixes:
        """That of all molecules ``rows`` ``(B,)`` before their first symbol, or that of each if
        they are not alike.
        """
        heads = rows[:1] if alike else rows
        return cls(heads, torch.full_like(heads, END), torch.zeros_like(rows) if alike else None)

    def spread(self, values: Tensor) -> Tensor:
        """What holds of every beginning, ``(P, ...)``, for every molecule, ``(B, ...)``."""
        return values if self.owners is None else values[self.owners]

    def grown(self, alive: Tensor, rows: Tensor, last: Tensor) -> tuple[Tensor, Prefixes]:
        """The beginnings one symbol on, and the place ``(P,)`` that each grew from.

        ``alive`` are the places of the molecules ``rows`` that go on, with the symbols ``last``,
        all ``(B,)``."""
        if self.owners is None:
            return alive, Prefixes(rows, last)
        before = self.owners[alive]
        symbols = int(last.max()) + 1
        distinct, owners = (before * symbols + last).unique(return_inverse=True)  # type: ignore[no-untyped-call]
        if 4 * len(distinct) > 3 * len(rows):
            return before, Prefixes(rows, last)
        heads = torch.empty_like(distinct).scatter_(0, owners, rows)
        return distinct // symbols, Prefixes(heads, distinct % symbols, owners)


class Place:
    """Where each of ``total`` molecules being written stands in the grammar."""

    def __init__(self, alphabet: Alphabet, total: int, tier: str) -> None:
        self.states, self.alphabet, self.groups = (
            prefix_features.start(total),
            alphabet,
            prefix_features.TIERS[tier],
        )
        self.begun = False

    def features(self, rows: Tensor, device: torch.device) -> Tensor | None:
        """What the decoder is told of the molecules ``rows``, ``(B, F)``, if it is told
        anything.
        """
        if not self.groups:
            return None
        return torch.from_numpy(
            prefix_features.features_now(self.states, rows.numpy(), self.alphabet, self.groups)
        ).to(device)

    def without_atoms(self, rows: Tensor) -> Tensor:
        """The places among the molecules ``rows`` of those that are none yet; once all are some,
        nobody looks again.
        """
        if self.begun:
            return rows[:0]
        bare = torch.from_numpy(
            prefix_features.atoms_so_far(self.states, rows.numpy()) == 0
        ).nonzero()[:, 0]
        self.begun = not len(bare)
        return bare

    def keep(self, rows: Tensor) -> None:
        """Go on with these molecules only, each as often and in the order as they are named."""
        self.states = self.states[rows.numpy()]

    def advance(self, rows: Tensor, symbols: Tensor) -> None:
        """Append a symbol to each of the molecules ``rows``."""
        prefix_features.advance(self.states, rows.numpy(), symbols.numpy(), self.alphabet)


def bar_the_end(logits: Tensor, some: Tensor) -> Tensor:
    """Take the end from the rows ``some`` of ``logits`` ``(B, V)``, in place.

    Returns, ``(B,)``, what the log-probabilities of their other symbols have thereby gained, with
    its sign turned: so that what is reported stays the model's own log p(x|z)."""
    gained = torch.zeros_like(logits[:, 0])
    gained[some] = torch.log1p(-(-cross_entropy(logits[some], torch.full_like(some, END))).exp())
    logits[some, END] = -torch.inf
    return gained


def pick(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest symbol of every row of ``logits`` ``(B, V)`` and its log-probability: ``(B,)``,
    ``(B,)``.
    """
    best = logits.log_softmax(-1).max(-1)
    return best.indices, best.values
