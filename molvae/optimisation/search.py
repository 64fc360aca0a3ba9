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
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import repeat
from typing import NamedTuple

import numpy as np

from ..chem.fingerprints import (
    LEAD_BITS,
    Fingerprints,
    count_features,
    fingerprint_of_text,
    similarity,
)
from ..chem.properties import Conditions
from ..chem.scoring import stream
from ..errors import UsageError
from ..generation.codec import Codec, Floats, Ints, slerp
from ..generation.reader import Reading, Sample, read_all
from ..generation.sampling import (
    Filters,
    SamplingParams,
    draw_around,
    draw_samples,
)
from .gaussian_process import fit
from .graph_mutations import offspring
from .objectives import Objective

FIRST = 100
"""Molecules scored in the first round, which has nothing to go by."""

LEAST, MOST = 20, 250
"""Molecules scored in each later round: a tenth of those scored before, within these bounds."""

ELITE = 20
"""Best molecules that proposals are drawn around and between, and whose graphs are edited."""

NEAR, BETWEEN = 192, 64
"""Draws of a round around the best molecules, and between pairs of them."""

NEAR_LEVELS = (0.5, 0.65, 0.75, 0.85)
BETWEEN_LEVELS = (0.75, 0.9)
"""Noise levels of these draws, as shares of the model's highest."""

OFFSPRING = 256
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
    the model's proposals. The first round scores ``start``, canonical SMILES; all other molecules
    are at least ``similarity`` (Tanimoto) like one of these."""

    codec: Codec
    objective: Objective
    conditions: Conditions
    seed: int = 0
    workers: int | None = None
    mutate: bool = False
    calls: list[Call] = field(default_factory=list)
    start: Sequence[str] = ()
    similarity: float = 0.0

    def __post_init__(self) -> None:
        if self.similarity > 0 and not self.start:
            raise UsageError("a similarity is to the molecules of the start: there are none")

    @property
    def values(self) -> Floats:
        """Values of all calls, ``(N, G)``."""
        return self.values_of(self.calls)

    def values_of(self, calls: Sequence[Call]) -> Floats:
        """Values of calls, ``(N, G)``."""
        table = np.array([call.values for call in calls], np.float64)
        return table.reshape(len(calls), len(self.objective.goals))

    def scores(self, calls: Sequence[Call] | None = None) -> Floats:
        """The score of all calls, or of others, ``(N,)``: the larger, the better."""
        first = self.values_of([call for call in self.calls if call.round == 0])
        values = self.values_of(self.calls if calls is None else calls)
        return self.objective.scores(values, first)

    def admits(self, smiles: str) -> bool:
        """True for a molecule that meets the conditions and is near enough to a lead."""
        if not self.conditions.hold(smiles):
            return False
        if self.similarity <= 0:
            return True
        own = fingerprint_of_text(smiles, LEAD_BITS)[None]
        return bool(similarity(self.start_bits, own).max() >= self.similarity)

    def allowed(self, proposals: Proposals) -> Proposals:
        """The proposals that the search admits."""
        return {one: origin for one, origin in proposals.items() if self.admits(one)}

    @cached_property
    def start_bits(self) -> Fingerprints:
        """Fingerprints of the molecules of the start."""
        return np.stack([fingerprint_of_text(one, LEAD_BITS) for one in self.start])

    def score(self, number: int, proposals: Proposals) -> list[Call]:
        """Call the scorers for molecules, given with their origins, and keep what they say."""
        scored = list(stream(proposals.items(), self.objective.plan, self.workers))
        numbers = self.objective.numbers([row for _, row in scored]).tolist()
        made = [
            Call(number, smiles, tuple(values), origin.source, row.status, origin.parents)
            for smiles, values, (origin, row) in zip(proposals, numbers, scored, strict=True)
        ]
        self.calls += made
        return made


def optimise(
    search: Search,
    calls: int,
    said: Callable[[str], object] = lambda _: None,
) -> Iterator[list[Call]]:
    """Score ``calls`` molecules in all, a round at a time, and yield each round.

    Rounds that the search holds already are not made again. The first is of the start and draws of
    the prior; fewer calls come where the model proposes nothing new."""
    number = 1 + max((call.round for call in search.calls), default=-1)
    idle = 0
    while len(search.calls) < calls and idle < PATIENCE:
        room = calls - len(search.calls)
        if number == 0:
            begun = dict.fromkeys(search.start, Origin("start"))
            chosen = begun | from_prior(search, 0) | begun
            chosen = dict(list(chosen.items())[: min(room, max(FIRST, len(search.start)))])
        else:
            # Few at first, when each teaches most.
            batch = max(LEAST, min(MOST, len(search.calls) // 10))
            chosen = promising(search, number, min(room, batch))
        idle = 0 if chosen else idle + 1
        if chosen:
            yield search.score(number, chosen)
        number += 1
    if idle:
        said(f"the model proposes nothing new after {len(search.calls):,} calls")


def chance(search: Search, count: int) -> list[Call]:
    """Score ``count`` distinct draws of the prior that the search admits, or as many as are found:
    what the same calls find without a search. What was scored before is not scored again."""
    drawn: Proposals = {}
    block = idle = 0
    while len(drawn) < count and idle < PATIENCE:
        before = len(drawn)
        drawn |= from_prior(search, block)
        block, idle = block + 1, 0 if len(drawn) > before else idle + 1
    wanted = list(drawn)[:count]
    known = {call.smiles: call for call in search.calls}
    missing = {one: drawn[one] for one in wanted if one not in known}
    known |= {call.smiles: call for call in replace(search, calls=[]).score(0, missing)}
    return [known[one] for one in wanted]


def proposed(drawn: Sequence[Sample | str], origins: Iterable[Origin]) -> Proposals:
    """The molecules among draws, each with the origin of its first draw; ``origins`` are one
    each."""
    molecules: Proposals = {}
    for one, origin in zip(drawn, origins, strict=False):
        if isinstance(one, Sample):
            molecules.setdefault(one.smiles, origin)
    return molecules


def from_prior(search: Search, number: int) -> Proposals:
    """Molecules of the prior, of a block of their own for each round."""
    drawn = draw_samples(search.codec, SamplingParams(search.seed), Filters(), number)
    return search.allowed(proposed(drawn, repeat(Origin("prior"))))


def propose(search: Search, number: int, generation: int, parents: Sequence[str]) -> Proposals:
    """Molecules of the model, each with its origin: around ``parents``, between them, and offspring
    of their graphs if the search wants these."""
    found = zip(parents, read_all(search.codec.reader, parents, 1), strict=True)
    readings = {parent: one for parent, one in found if isinstance(one, Reading)}
    proposals: Proposals = {}
    rng = np.random.default_rng([search.seed, number, generation])
    place = number * GENERATIONS + generation
    if readings:
        codec, names = search.codec, list(readings)
        means, highest = codec.encode_readings(list(readings.values())), codec.highest_level
        near = np.resize(np.arange(len(means)), NEAR)
        levels = highest * rng.choice(NEAR_LEVELS, NEAR)
        drawn = draw_around(codec, means[near], levels, search.seed, 2 * place * NEAR)
        proposals |= proposed(drawn, (Origin("near", (names[one],)) for one in near))
        pairs = rng.integers(len(means), size=(BETWEEN, 2))
        middle = np.array([slerp(means[a], means[b], float(rng.random())) for a, b in pairs])
        levels = highest * rng.choice(BETWEEN_LEVELS, BETWEEN)
        drawn = draw_around(codec, middle, levels, search.seed, (2 * place + 1) * NEAR)
        both = (tuple(dict.fromkeys((names[a], names[b]))) for a, b in pairs)
        proposals = proposed(drawn, (Origin("between", pair) for pair in both)) | proposals
    if search.mutate and parents:
        children = offspring(parents, OFFSPRING, int(rng.integers(2**31)))
        proposals = {one: Origin("graph", own) for one, own in children.items()} | proposals
    return search.allowed(proposals)


def promising(search: Search, number: int, count: int) -> Proposals:
    """``count`` molecules to score, each with its origin among those scored.

    The model proposes molecules around the best ones scored, the process judges them, and the model
    proposes more around those that promise most, for several generations. Then those with the
    highest upper bounds are chosen, each by a width of its own: widths from 0 to 2 standard
    deviations make a batch of some that are surely good and some that may be the best."""
    scores, known = search.scores(), {call.smiles for call in search.calls}
    order = np.argsort(-scores, kind="stable")[:ELITE]
    parents = [search.calls[place].smiles for place in order if np.isfinite(scores[place])]
    learned = sample_of(scores, np.random.default_rng([search.seed, number, GENERATIONS]))
    process = None
    if len(learned) >= 10:
        smiles = [search.calls[place].smiles for place in learned]
        process = fit(count_features(smiles), scores[learned])
    pool: Proposals = {}
    judged: list[tuple[Floats, Floats]] = []
    for generation in range(GENERATIONS):
        fresh = propose(search, number, generation, parents)
        if generation == 0 and (number % 4 == 0 or len(fresh) < count):
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


def sample_of(scores: Floats, rng: np.random.Generator) -> Ints:
    """The calls that the process learns from: the best, the last, and a random choice."""
    known = np.flatnonzero(np.isfinite(scores))
    best = known[np.argsort(-scores[known], kind="stable")[:LEARNED]]
    others = rng.permutation(known)[:LEARNED]
    return np.unique(np.concatenate([best, known[-LEARNED:], others]))
