"""Diagnostics of a model's latent space on held-out molecules, and a verdict in a sentence.

Reconstruction, likelihood, information in the latent, mismatch of aggregate posterior and prior,
neighbourhoods. A seed gives the same figures on any number of threads.

    N molecules, B of them in a batch, Z latent
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import eq
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..config import PRIOR_LEVEL
from ..generation.beam_search import WIDTH, beam_search
from ..generation.codec import Codec
from ..generation.reader import Reading, read_all
from ..generation.rebuilding import rebuild
from ..nn.posterior import Gaussian, Level, prior_log_density, standard_normal
from ..nn.threads import Threads
from .aggregate_posterior import AT_LEAST, Posteriors, capacity, mismatch
from .estimates import Figure, Figures, Floats, absent, mean, share
from .latent_neighbourhoods import locality, re_encoding_errors, smoothness

MIN_GAP = 1.0
"""Nats of shuffled-z gap below which the decoder ignores its latent."""

MAX_RATIO = 1.2
"""Prior over posterior re-encoding error above which the prior does not match the posteriors.

Measured on small models of 10,000 molecules: 1.00 collapsed at beta 1, 1.05 at 0.3, 1.4 at 0.02,
1.3 at 0."""

MAX_KL = 5.0
"""Nats of KL from aggregate posterior to prior above which these do not match: less than a
hundredth of the prior's mass (e^-5) is then shared. A decoder that rebuilds little has a large
re-encoding error everywhere, and this alone shows the mismatch."""

ENOUGH = 50
"""Different molecules below which there is no verdict."""

LEVELS = (0.0, PRIOR_LEVEL, 0.5, 0.75)
"""Noise levels measured, of a model that has several, besides its highest."""

GAP = "shuffled-z gap, nats"
RATIO = "prior / posterior re-encoding error"

BATCH = 256


class LatentSpace(NamedTuple):
    """The figures in groups by heading, locality by radius, KL ``(Z,)`` in nats, and the verdict.

    Of a model with several noise levels all this is at the highest, and ``levels`` has the
    likelihood by level."""

    groups: dict[str, Figures]
    neighbourhoods: list[tuple[float, Figures]]
    random_pairs: Figure
    kl_per_dimension: list[float]
    verdict: str
    levels: list[tuple[float, Figures]]


class LikelihoodTerms(NamedTuple):
    """Per molecule ``(N,)``, in nats: E log p(x|z) under the posterior, the IWAE bound, and log
    p(x|z) for one draw from the molecule's own posterior and for another molecule's; then symbols
    right, and symbols."""

    reconstruction: Floats
    iwae: Floats
    own: Floats
    other: Floats
    right: Floats
    symbols: Floats


def read_molecules(
    codec: Codec, smiles: Sequence[str], workers: int | None = None
) -> tuple[list[Reading], dict[str, int]]:
    """The molecules a model can read, in their order, and how many it cannot, by reason."""
    found = read_all(codec.reader, smiles, workers)
    unreadable = Counter(one for one in found if not isinstance(one, Reading))
    return [one for one in found if isinstance(one, Reading)], dict(unreadable.most_common())


def measure_latent_space(
    codec: Codec,
    readings: Sequence[Reading],
    *,
    iwae: int = 64,
    seed: int = 0,
    workers: int | None = None,
    said: Callable[[str], object] = lambda _: None,
) -> LatentSpace:
    """The figures of a model's latent space on ``readings``, molecules it was not trained on.

    ``iwae`` draws from every posterior estimate log p(x) and the reconstruction term. ``said`` gets
    the name of each measurement as it begins. Fewer than two readings have no figures."""
    distinct = len({reading.smiles for reading in readings})
    if len(readings) < 2:
        nothing = absent(len(readings), "needs at least two molecules that the model can read")
        words = verdict(None, None, None, distinct)
        return LatentSpace({"Latent space": {"molecules": nothing}}, [], nothing, [], words, [])
    rng = np.random.default_rng([seed, 1])
    generator = torch.Generator().manual_seed(seed)
    q = codec.posterior(readings)
    noise = standard_normal(tuple(q.mean.shape), generator)
    prior = standard_normal(tuple(q.mean.shape), generator)
    draws = q.draw(noise.to(q.mean.device))
    said("latent space: reconstruction")
    rebuilt = reconstruction(codec, readings, q.mean, draws, workers)
    said("latent space: likelihood")
    terms = likelihood_terms(codec, readings, q, draws, iwae, seed)
    posteriors = Posteriors(*map(_numbers, (q.mean, q.log_variance, draws, prior)))
    bounds = likelihood(terms, posteriors.kl().sum(1), iwae, rng)
    rate = {"rate, nats": replace(bounds["KL, nats"], note="the KL of the ELBO")}
    carried, apart = shuffled(terms, rng) | rate | capacity(posteriors), mismatch(posteriors)
    said("latent space: neighbourhoods")
    means, drawn = q.mean.cpu().numpy(), draws.cpu().numpy()
    errors = re_encoding_errors(codec, drawn, prior.numpy(), rng, workers)
    groups = {
        "Reconstruction": rebuilt | symbol_accuracy(terms),
        "Likelihood": bounds,
        "Information in the latent": carried,
        "Aggregate posterior against the prior": apart,
        "Prior mismatch": errors,
        "Smoothness along arcs between molecules": smoothness(codec, means, rng),
    }
    neighbourhoods, random_pairs = locality(codec, readings, means, rng)
    words = verdict(carried[GAP].value, errors[RATIO].value, apart[AT_LEAST].value, distinct)
    by_level = noise_levels(codec, readings, noise, seed, rng) if codec.levels else []
    if by_level:
        words = f"At its highest noise level: {words[0].lower()}{words[1:]}"
    return LatentSpace(
        groups, neighbourhoods, random_pairs, posteriors.kl().mean(0).tolist(), words, by_level
    )


def _numbers(values: Tensor) -> Floats:
    return np.asarray(values.double().cpu())


def reconstruction(
    codec: Codec,
    readings: Sequence[Reading],
    means: Tensor,
    draws: Tensor,
    workers: int | None = None,
) -> Figures:
    """Share of molecules rebuilt exactly: decoded step by step and compared as canonical SMILES."""
    wanted = [reading.smiles for reading in readings]
    beams = beam_search(codec, means)
    ways = {
        "exact, greedy from the mean": codec.decode(means.cpu().numpy()),
        "exact, greedy from a posterior draw": codec.decode(draws.cpu().numpy()),
        f"exact, likeliest of beam {WIDTH} from the mean": [
            found[0].smiles if found else "" for found in beams
        ],
        "exact, as molvae decode writes them": [
            one.smiles for one in rebuild(codec, means, workers=workers)
        ],
    }
    return {name: share(sum(map(eq, found, wanted)), len(wanted)) for name, found in ways.items()}


@torch.no_grad()
def likelihood_terms(
    codec: Codec,
    readings: Sequence[Reading],
    q: Gaussian,
    draws: Tensor,
    iwae: int,
    seed: int,
    level: Level = None,
) -> LikelihoodTerms:
    """Log-likelihood of every molecule; ``draws`` ``(N, Z)`` is one draw from each posterior.

    ``level`` is the noise level of ``q`` and ``draws``, where the model has several. Each molecule
    also gets the draw of another: its neighbour in a random circle of them all.
    """
    circle = np.random.default_rng([seed, 2]).permutation(len(readings))
    partner = np.empty(len(readings), np.int64)
    partner[circle] = np.roll(circle, 1)

    values = np.empty((len(LikelihoodTerms._fields), len(readings)))

    def measure(start: int) -> None:
        packed, batch = codec.packed(readings[start : start + BATCH])
        rows = start + batch.order
        own = Gaussian(q.mean[rows], q.log_variance[rows])
        generator = torch.Generator().manual_seed(
            int(np.random.SeedSequence([seed, 3, start]).generate_state(1)[0])
        )
        likelihoods, weights = [], []
        for _ in range(iwae):
            z = own.draw(standard_normal(tuple(own.mean.shape), generator).to(own.mean.device))
            likelihoods.append(codec.model.log_likelihood(packed, z, level).double())
            weights.append(likelihoods[-1] + prior_log_density(z) - own.log_density(z))
        right = codec.model.logits(packed, own.mean, level).argmax(-1) == packed.targets
        found = (
            torch.stack(likelihoods).mean(0),
            torch.stack(weights).logsumexp(0) - math.log(iwae),
            codec.model.log_likelihood(packed, draws[rows], level),
            codec.model.log_likelihood(packed, draws[partner[rows]], level),
            packed.per_molecule(right.double()),
            packed.per_molecule(torch.ones_like(right, dtype=torch.double)),
        )
        values[:, rows] = [_numbers(one) for one in found]

    with Threads(codec.model.device, len(readings)) as threads:
        threads.map(measure, range(0, len(readings), BATCH))
    return LikelihoodTerms(*values)


def noise_levels(
    codec: Codec, readings: Sequence[Reading], noise: Tensor, seed: int, rng: np.random.Generator
) -> list[tuple[float, Figures]]:
    """The ELBO, its terms and the shuffled-z gap by noise level.

    At level 0 the ELBO is the exact log p(x). ``noise`` ``(N, Z)`` draws the latent of every
    molecule, once."""
    highest = codec.saved.config.model.max_signal
    mean_at_highest = codec.posterior(readings).mean
    rows = []
    for level in (*(level for level in LEVELS if level < highest), highest):
        # z = a mu + sqrt(1 - a²) eps: the mean grows with the level, and all molecules have one
        # variance.
        variance = torch.full_like(mean_at_highest, 1.0 - level**2)
        q = Gaussian(mean_at_highest * (level / highest), variance.log())
        terms = likelihood_terms(
            codec, readings, q, q.draw(noise.to(q.mean.device)), 1, seed, level
        )
        figures = likelihood(terms, _numbers(q.kl()).sum(1), 1, rng)
        del figures["log p(x), nats"]
        rows.append((level, figures | shuffled(terms, rng)))
    return rows


def symbol_accuracy(terms: LikelihoodTerms) -> Figures:
    """Share of symbols that are the likeliest one given the true prefix and the posterior mean."""
    symbols = int(terms.symbols.sum())
    value = float(terms.right.sum()) / symbols
    note = f"of {symbols:,} symbols, ends included, each after the true prefix"
    return {"token accuracy": Figure(value, len(terms.right), note=note)}


def likelihood(terms: LikelihoodTerms, kl: Floats, iwae: int, rng: np.random.Generator) -> Figures:
    """The ELBO, its two terms, and the importance-weighted bound, in nats per molecule."""
    return {
        "ELBO, nats": mean(terms.reconstruction - kl, rng, "reconstruction less KL"),
        "reconstruction, nats": mean(
            terms.reconstruction, rng, f"E log p(x|z), over {iwae:,} draws each"
        ),
        "KL, nats": mean(kl, rng, "E KL(q(z|x) ‖ p(z))"),
        "log p(x), nats": mean(
            terms.iwae, rng, f"IWAE: from below, by {iwae:,} weighted draws each"
        ),
    }


def shuffled(terms: LikelihoodTerms, rng: np.random.Generator) -> Figures:
    """Loss of log p(x|z) with another molecule's latent, in nats per molecule."""
    note = "log p(x|z) less the same with another molecule's z"
    return {GAP: mean(terms.own - terms.other, rng, note)}


def verdict(gap: float | None, ratio: float | None, kl: float | None, distinct: int) -> str:
    """One sentence: the decoder uses its latent, ignores it, or uses it with a prior mismatch.

    ``gap`` is the shuffled-z gap in nats, ``ratio`` the re-encoding error of prior draws over that
    of posterior draws, ``kl`` a lower bound of the KL from aggregate posterior to prior in nats;
    the thresholds are :data:`MIN_GAP`, :data:`MAX_RATIO`, :data:`MAX_KL` and :data:`ENOUGH`.

    >>> verdict(30.0, 1.1, 0.2, 2000)[:30]
    'The decoder uses its latent: s'
    >>> verdict(0.2, 1.0, 0.1, 2000)[:50]
    'The decoder ignores its latent (posterior collapse'
    """
    if gap is None or distinct < ENOUGH:
        return f"No verdict: {distinct:,} different molecules could be read, and it takes {ENOUGH}."
    uses = f"shuffled-z gap {gap:.1f} nats"
    if gap < MIN_GAP:
        return (
            f"The decoder ignores its latent (posterior collapse): {uses}, less than {MIN_GAP:g}."
        )
    error = "the re-encoding error of prior draws is {:.2f} times that of posterior draws"
    apart = "the KL from aggregate posterior to prior is at least {:.1f} nats"
    signs = [
        (value > limit, f"{words.format(value)} (limit {limit:g})")
        for value, limit, words in ((ratio, MAX_RATIO, error), (kl, MAX_KL, apart))
        if value is not None
    ]
    if found := [words for exceeded, words in signs if exceeded]:
        return f"Prior mismatch: the decoder uses its latent ({uses}), but {' and '.join(found)}."
    if len(signs) < 2:
        return f"The decoder uses its latent: {uses}. A prior mismatch could not be measured."
    words = " and ".join(words for _, words in signs)
    return f"The decoder uses its latent: {uses}; and no prior mismatch shows: {words}."
