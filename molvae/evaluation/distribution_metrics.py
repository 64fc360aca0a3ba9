"""Distribution metrics: two lists of SMILES in, named figures out, each with its sample size.

Definitions and protocol are those of MOSES (Polykovskiy et al., arXiv 1811.12823) and GuacaMol
(Brown et al., J. Chem. Inf. Model. 59 (2019) 1096). Everything but validity is measured on the
valid samples in canonical form, duplicates included. A figure that cannot be had is absent, with
the reason in words. Needs torch only inside the Fréchet ChemNet distance.

Compared with the published figures, with RDKit 2026.9: on the six-molecule fixture of the
MOSES repository's own tests valid, SNN, Frag, Scaf, IntDiv, Filters, logP, QED and weight agree to
nine digits or more, FCD to six (52.5838). SA is 0.6280 where the fixture has 0.5238, because
today's RDKit takes the phosphorus of CCCP for a stereocentre; but for that it agrees too, and MOSES
has no phosphorus. PAINS are kept as MOSES has them (``moses_filters``). Valid is stricter for what
no model should be credited for: the empty string, wildcards, more than 200 heavy atoms
(``chem.molecule.MAX_HEAVY_ATOMS``). IntDiv2 follows MOSES's program, not the formula of its paper
(``_diversity``). The row "Train" of its README is compared by ``benchmarks/metrics.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..chem.fingerprints import mean_similarities, nearest_similarity
from ..chem.molecule import smiles_hashes
from ..errors import InputError
from ..runtime.process_pool import default_workers
from .estimates import Figure, Figures, absent, cosine_similarity, evenly, mean, share, wasserstein
from .fcd import FEW, MINIMUM, Moments, chemnet_moments, fcd_installed, frechet_distance
from .guacamol import SAMPLE_SIZE, descriptor_profile, fcd_score, kl_score
from .reference_statistics import ReferenceSet
from .set_statistics import PROPERTY_NAMES, DescribedSet, Statistics, describe_set

UNIQUE_AT = {"unique@1k": 1_000, "unique@10k": 10_000}
MOST_PAIRED = 100_000  # molecules of which all pairs are compared for IntDiv
NO_MOLECULE = "no valid molecule among the samples"
NO_REFERENCE = "no valid molecule in the reference set"

Hashes = NDArray[np.uint64]


def evaluate_samples(
    samples: Sequence[str],
    test: ReferenceSet,
    *,
    test_scaffolds: ReferenceSet | None = None,
    train: Hashes | None = None,
    workers: int | None = None,
    fcd: bool = True,
    seed: int = 0,
) -> Figures:
    """Distribution metrics of ``samples`` against ``test``, four also against ``test_scaffolds``.

    ``samples`` are raw: invalid ones and repetitions are part of what is measured, and ``unique@k``
    looks at the first valid ones in the order given. ``train`` are ``smiles_hashes`` of canonical
    SMILES; without it there is no novelty. Shares and means have 95 % bounds; ``seed`` is for their
    bootstrap alone. ``fcd=False`` leaves out the Fréchet ChemNet distance, the slowest part.

    Named as MOSES names them. ``FCD``, ``SNN``, ``Frag`` and ``Scaf`` carry the set they compare
    with: ``/Test``, ``/TestSF``. ``logP``, ``SA``, ``QED`` and ``MolWt`` are Wasserstein-1
    distances to ``test`` in the property's unit. ``GuacaMol KL`` and ``GuacaMol FCD`` take ``test``
    too, where GuacaMol takes its training set."""
    workers = default_workers() if workers is None else workers
    references = {"Test": test} | ({"TestSF": test_scaffolds} if test_scaffolds else {})
    described = describe_set(samples, workers)
    rng = np.random.default_rng(seed)
    figures = _counted(described, train)
    moments = _moments(described.smiles, workers) if fcd else "not asked for"
    for label, reference in references.items():
        figures[f"FCD/{label}"] = _fcd(moments, reference, len(described.smiles))
        for name, figure in _likeness(described, reference, rng):
            figures[f"{name}/{label}"] = figure
    figures |= _diversity(described, rng)
    figures["Filters"] = share(described.passing, len(described.smiles), NO_MOLECULE)
    figures |= _property_distances(described, test)
    figures["GuacaMol KL"] = _guacamol_kl(described, test, workers)
    figures["GuacaMol FCD"] = _guacamol_fcd(figures["FCD/Test"])
    return figures


def random_molecules(train: Sequence[str], count: int, seed: int) -> list[str]:
    """``count`` training molecules drawn without repetition, for the reference row.

    Take as many as there are valid samples and hand them to ``evaluate_samples``: that many real
    molecules have the same sampling error, and their FCD is the floor at that size, which is not 0.
    """
    chosen = np.random.default_rng(seed).choice(len(train), size=count, replace=False)
    return [train[index] for index in chosen.tolist()]


def with_fcd_excess(figures: Mapping[str, Figure], honest: Mapping[str, Figure]) -> Figures:
    """The figures with ``FCD/... excess`` beside each FCD: the difference to the reference row's.

    About 0 for a perfect model, a little below by chance. Both rows must have the same size to be
    compared; the note says so where they differ by more than a tenth."""
    extended: Figures = {}
    for name, figure in figures.items():
        extended[name] = figure
        if not name.startswith("FCD/"):
            continue
        floor = honest[name]
        if figure.value is None:
            excess = figure
        elif floor.value is None:
            excess = absent(figure.n, f"the reference row has none: {floor.note}")
        else:
            uneven = abs(figure.n - floor.n) > 0.1 * max(figure.n, floor.n)
            note = f"the reference row has {floor.n:,} molecules: not comparable" if uneven else ""
            excess = Figure(figure.value - floor.value, figure.n, note=note)
        extended[f"{name} excess"] = excess
    return extended


def _counted(described: DescribedSet, train: Hashes | None) -> Figures:
    """Valid, unique and novelty: what needs no description of the molecules."""
    valid = described.smiles
    missing = NO_MOLECULE if described.given else "no samples"
    figures: Figures = {"valid": share(len(valid), described.given, missing)}
    for name, size in UNIQUE_AT.items():
        first = valid[:size]
        short = f"of {len(first):,} valid molecules, not of {size:,}" if len(first) < size else ""
        figures[name] = (
            Figure(len(set(first)) / len(first), len(first), note=short)
            if first
            else absent(0, missing)
        )
    distinct = sorted(set(valid))
    if train is None and described.given:
        figures["novelty"] = absent(len(distinct), "no training molecules were given")
    else:
        new = ~np.isin(smiles_hashes(distinct), () if train is None else train)
        figures["novelty"] = share(int(new.sum()), len(distinct), missing)
    return figures


def _moments(smiles: Sequence[str], workers: int) -> Moments | str:
    """The ChemNet moments of the samples, or why there are none."""
    if not fcd_installed():
        return "needs the package fcd: pip install 'molvae[eval]'"
    try:
        return chemnet_moments(smiles, workers)
    except InputError as error:
        return str(error)


def _fcd(moments: Moments | str, reference: ReferenceSet, valid: int) -> Figure:
    if isinstance(moments, str):
        return absent(valid, moments)
    if reference.moments is None:
        why = "the reference set was prepared without it"
        if (count := reference.statistics.count) < MINIMUM:
            why = f"not enough molecules in the reference set: {count} valid ones, "
            why += f"at least {MINIMUM} are needed"
        return absent(moments.count, why)
    distance = frechet_distance(moments, reference.moments)
    notes = []
    if min(moments.count, reference.moments.count) < FEW:
        notes.append(
            f"below {FEW:,} molecules mostly sampling error: read it beside the reference row"
        )
    if left_out := valid - moments.count:
        notes.append(f"{left_out:,} molecules too long for ChemNet left out")
    return Figure(distance, moments.count, note="; ".join(notes))


def _likeness(
    described: DescribedSet, reference: ReferenceSet, rng: np.random.Generator
) -> Iterator[tuple[str, Figure]]:
    """SNN, Frag and Scaf against one reference set."""
    ours, theirs = described.statistics, reference.statistics
    if reason := _missing(ours, theirs):
        yield from ((name, absent(ours.count, reason)) for name in ("SNN", "Frag", "Scaf"))
        return
    yield "SNN", mean(nearest_similarity(ours.fingerprints, theirs.fingerprints), rng)
    yield "Frag", Figure(cosine_similarity(ours.fragments, theirs.fragments), ours.count)
    if ours.scaffolds and theirs.scaffolds:
        yield "Scaf", Figure(cosine_similarity(ours.scaffolds, theirs.scaffolds), ours.count)
    else:
        owner = "reference set" if ours.scaffolds else "samples"
        yield "Scaf", absent(ours.count, f"no molecule with two rings or more in the {owner}")


def _diversity(described: DescribedSet, rng: np.random.Generator) -> Figures:
    """IntDiv and IntDiv2 over all pairs, each with itself included, as in MOSES's program.

    IntDiv2 is the mean over molecules of 1 - (mean T²)^½, where the paper's formula takes the root
    last; for the MOSES training set they differ in the third digit."""
    bits = described.statistics.fingerprints
    if (n := len(bits)) < 2:
        return {name: absent(n, "fewer than two valid molecules") for name in ("IntDiv", "IntDiv2")}
    note = ""
    if n > MOST_PAIRED:
        bits = bits[evenly(n, MOST_PAIRED)]
        note = f"over {MOST_PAIRED:,} of {n:,} molecules, evenly spaced"
    plain, squared = mean_similarities(bits)
    # A molecule is in its own row and in every column: it moves the mean twice as its row does.
    return {
        name: mean(1 - (2 * rows - rows.mean()), rng, note)
        for name, rows in (("IntDiv", plain), ("IntDiv2", np.sqrt(squared)))
    }


def _property_distances(described: DescribedSet, reference: ReferenceSet) -> Figures:
    ours, theirs = described.statistics, reference.statistics
    if reason := _missing(ours, theirs):
        return {name: absent(ours.count, reason) for name in PROPERTY_NAMES}
    return {
        name: Figure(wasserstein(ours.properties[name], theirs.properties[name]), ours.count)
        for name in PROPERTY_NAMES
    }


def _missing(ours: Statistics, theirs: Statistics) -> str:
    """The set that is empty, in words; empty text where neither is."""
    if not ours.count:
        return NO_MOLECULE
    return "" if theirs.count else NO_REFERENCE


def _guacamol_kl(described: DescribedSet, reference: ReferenceSet, workers: int) -> Figure:
    first = list(dict.fromkeys(described.smiles))[:SAMPLE_SIZE]
    profile = descriptor_profile(first, workers)
    n = len(profile)
    try:
        score = kl_score(reference.profile, profile)
    except ValueError as error:
        return absent(n, str(error))
    note = f"of {n:,} distinct molecules, not of {SAMPLE_SIZE:,}" if n < SAMPLE_SIZE else ""
    return Figure(score, n, note=note)


def _guacamol_fcd(distance: Figure) -> Figure:
    if distance.value is None:
        return distance
    note = "GuacaMol's published scores are of 10,000 against 10,000 training molecules"
    note = f"{distance.note}; {note}" if distance.note else note
    return Figure(fcd_score(distance.value), distance.n, note=note)
