"""Molecules whose properties become better: proposals of the model, chosen by a Gaussian process.

Every step stands on real molecules. The model proposes draws around the best ones found, between
them, and from the prior; a Gaussian process over fingerprints, which has seen what was scored,
judges the proposals; the scorer is called for those that promise most, and never twice for one
molecule. A round is a function of the seed, its number and what was scored before, so that a search
that is stopped goes on to the same end.

    Z latent
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..chem.count_features import count_features
from ..chem.scoring import Scored, stream
from ..generation.codec import Codec, slerp
from ..generation.reader import Reading, read_all
from ..generation.sampling import (
    Filters,
    Sample,
    SamplingParams,
    draw_around,
    draw_samples,
    highest_level,
    resolved,
)
from .gaussian_process import fit
from .graph_mutations import check_extra, offspring
from .objectives import Floats, Objective

if TYPE_CHECKING:
    from ..generation.conditional import Conditions

BATCH = 100
"""Molecules scored in a round."""

ELITE = 50
"""Best molecules that proposals are drawn around and between."""

NEAR, BETWEEN = 768, 256
"""Draws of a round around the best molecules, and between pairs of them."""

NEAR_LEVELS = (0.5, 0.65, 0.75, 0.85)
BETWEEN_LEVELS = (0.75, 0.9)
"""Noise levels of these draws, as shares of the model's highest."""

OFFSPRING = 512
"""Offspring of graphs in a generation."""

GENERATIONS = 3
"""Times that molecules are proposed in a round: around those scored, then around those proposed."""

LEARNED = 600
"""Molecules that the process sees of the best, of the last, and of a random choice."""

PATIENCE = 5
"""Rounds without a new molecule after which the search ends."""


class Call(NamedTuple):
    """A molecule that was scored: its round, SMILES, the values of the goals, and where it came
    from: start, prior, near, between or graph. ``status`` says what kept a value from it, or ok.
    ``parents`` are the scored molecules that it was proposed from, itself or by way of others that
    were proposed in the same round and not scored; none of start and prior."""

    round: int
    smiles: str
    values: tuple[float, ...]
    source: str
    status: str
    parents: tuple[str, ...] = ()


class Origin(NamedTuple):
    """The source of a proposal, and the molecules that it was made from."""

    source: str
    parents: tuple[str, ...] = ()


Proposals = dict[str, Origin]


@dataclass
class Search:
    """Goals, and what has been scored, in order; ``mutate`` adds offspring of graphs to
    the model's proposals."""

    codec: Codec
    objective: Objective
    conditions: Conditions
    seed: int = 0
    workers: int | None = None
    mutate: bool = False
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.mutate:
            check_extra()

    @property
    def values(self) -> Floats:
        """Values of all calls, ``(N, G)``."""
        return np.array([call.values for call in self.calls]).reshape(len(self.calls), -1)

    def scores(self) -> Floats:
        """The score of all calls, ``(N,)``: the larger, the better."""
        values = self.values
        first = [place for place, call in enumerate(self.calls) if call.round == 0]
        return self.objective.scores(values, values[first])

    def rng(self, number: int, generation: int) -> np.random.Generator:
        """The random numbers of a generation of proposals in a round."""
        return np.random.default_rng([self.seed, number, generation])

    def score(self, number: int, proposals: Proposals) -> list[Call]:
        """Call the scorers for molecules, given with their origins, and keep what they say."""
        rows: list[Scored] = [
            row
            for _, row in stream(
                ((smiles, None) for smiles in proposals), self.objective.plan, self.workers
            )
        ]
        numbers = self.objective.numbers(rows)
        made = [
            Call(number, smiles, tuple(values), origin.source, row.status, origin.parents)
            for (smiles, origin), values, row in zip(
                proposals.items(), numbers.tolist(), rows, strict=True
            )
        ]
        self.calls += made
        return made


def optimise(
    search: Search,
    calls: int,
    start: Sequence[str] = (),
    said: Callable[[str], object] = lambda _: None,
) -> Iterator[list[Call]]:
    """Score ``calls`` molecules in all, a round at a time, and yield each round.

    Rounds that the search holds already are not made again. The first is of ``start``, canonical
    SMILES, and draws of the prior; fewer calls come where the model proposes nothing new."""
    number = 1 + max((call.round for call in search.calls), default=-1)
    idle = 0
    while len(search.calls) < calls and idle < PATIENCE:
        room = calls - len(search.calls)
        if number == 0:
            chosen = dict.fromkeys(start, Origin("start")) | from_prior(search, 0)
            chosen |= dict.fromkeys(start, Origin("start"))
            chosen = dict(list(chosen.items())[: min(room, max(BATCH, len(start)))])
        else:
            chosen = promising(search, number, min(room, BATCH))
        idle = 0 if chosen else idle + 1
        if chosen:
            yield search.score(number, chosen)
        number += 1
    if idle:
        said(f"the model proposes nothing new after {len(search.calls):,} calls")


def allowed(search: Search, drawn: Sequence[Sample | str], origins: Iterable[Origin]) -> Proposals:
    """The molecules among draws that meet the conditions, each with the origin of its first draw;
    ``origins`` are one each."""
    molecules: Proposals = {}
    for one, origin in zip(drawn, origins, strict=False):
        if isinstance(one, Sample):
            molecules.setdefault(one.smiles, origin)
    return {one: origin for one, origin in molecules.items() if search.conditions.hold(one)}


def from_prior(search: Search, number: int) -> Proposals:
    """Molecules of the prior, of a block of their own for each round."""
    params = resolved(search.codec, SamplingParams(search.seed))
    drawn = draw_samples(search.codec, params, Filters(), [number])
    return allowed(search, drawn, repeat(Origin("prior")))


def propose(search: Search, number: int, generation: int, parents: Sequence[str]) -> Proposals:
    """Molecules of the model, each with its origin: around ``parents``, between them, and offspring
    of their graphs if the search wants these."""
    found = zip(parents, read_all(search.codec.reader, parents, 1), strict=True)
    readings = {parent: one for parent, one in found if isinstance(one, Reading)}
    proposals: Proposals = {}
    rng, place = search.rng(number, generation), number * GENERATIONS + generation
    if readings:
        codec, names = search.codec, list(readings)
        means, highest = codec.encode_readings(list(readings.values())), highest_level(codec)
        near = np.resize(np.arange(len(means)), NEAR)
        levels = highest * rng.choice(NEAR_LEVELS, NEAR)
        drawn = draw_around(codec, means[near], levels, search.seed, 2 * place * NEAR)
        proposals |= allowed(search, drawn, (Origin("near", (names[one],)) for one in near))
        pairs = rng.integers(len(means), size=(BETWEEN, 2))
        middle = np.array([slerp(means[a], means[b], float(rng.random())) for a, b in pairs])
        levels = highest * rng.choice(BETWEEN_LEVELS, BETWEEN)
        drawn = draw_around(codec, middle, levels, search.seed, (2 * place + 1) * NEAR)
        both = (tuple(dict.fromkeys((names[a], names[b]))) for a, b in pairs)
        made = allowed(search, drawn, (Origin("between", pair) for pair in both))
        proposals = made | proposals
    if search.mutate and parents:
        children = offspring(parents, OFFSPRING, int(rng.integers(2**31)))
        kept = {one: Origin("graph", own) for one, own in children.items()}
        kept = {one: origin for one, origin in kept.items() if search.conditions.hold(one)}
        proposals = kept | proposals
    return proposals


def promising(search: Search, number: int, count: int) -> Proposals:
    """``count`` molecules to score, each with its origin among those scored.

    The model proposes molecules around the best ones scored, the process judges them, and the model
    proposes more around those that promise most, for several generations. Then those with the
    highest upper bounds are chosen, each by a width of its own: widths from 0 to 2 standard
    deviations make a batch of some that are surely good and some that may be the best."""
    scores, known = search.scores(), {call.smiles for call in search.calls}
    order = np.argsort(-scores, kind="stable")[:ELITE]
    parents = [search.calls[place].smiles for place in order if np.isfinite(scores[place])]
    learned = sample_of(scores, search.rng(number, GENERATIONS))
    process = None
    if len(learned) >= 10:
        smiles = [search.calls[place].smiles for place in learned]
        process = fit(count_features(smiles), scores[learned])
    pool: Proposals = {}
    judged: list[tuple[Floats, Floats]] = []
    for generation in range(GENERATIONS):
        fresh = propose(search, number, generation, parents)
        if generation == 0 and (number % 4 == 0 or len(fresh) < BATCH):
            fresh |= from_prior(search, number)
        fresh = {one: fresh[one] for one in fresh if one not in known and one not in pool}
        pool |= fresh
        if process is None or not pool:
            return dict(list(pool.items())[:count])
        if fresh:
            judged.append(process.predict(count_features(list(fresh))))
        mean, deviation = (np.concatenate(part) for part in zip(*judged, strict=True))
        names = list(pool)
        likely = np.argsort(-(mean + deviation), kind="stable")[:ELITE]
        parents = [names[place] for place in likely]
    # Each width takes the best that is left.
    free, chosen = np.ones(len(names), dtype=bool), []
    for width in np.linspace(0.0, 2.0, min(count, len(names))):
        best = int(np.where(free, mean + width * deviation, -np.inf).argmax())
        free[best] = False
        chosen.append(names[best])
    scored = known.union(chosen)
    return {name: Origin(pool[name].source, scored_parents(pool, name, scored)) for name in chosen}


def scored_parents(pool: Mapping[str, Origin], name: str, scored: Set[str]) -> tuple[str, ...]:
    """The scored molecules that one of a pool was proposed from, those not scored passed over."""
    found: dict[str, None] = {}
    for parent in pool[name].parents:
        own = (parent,) if parent in scored else scored_parents(pool, parent, scored)
        found |= dict.fromkeys(own)
    return tuple(found)


def sample_of(scores: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """The calls that the process learns from: the best, the last, and a random choice."""
    known = np.flatnonzero(np.isfinite(scores))
    best = known[np.argsort(-scores[known], kind="stable")[:LEARNED]]
    others = rng.permutation(known)[:LEARNED]
    return np.unique(np.concatenate([best, known[-LEARNED:], others]))
