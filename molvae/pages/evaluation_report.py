"""The report of ``molvae evaluate`` as a page: its figures in tables, its curves drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from ..chem.molecule import parse
from ..errors import MoleculeError
from ..evaluation.estimates import (
    BY_LEVEL,
    LOCALITY,
    PAIRS,
    RADIUS,
    Section,
    figure_section,
    latent_sections,
    number,
)
from ..evaluation.sample_report import REFERENCE
from .charts import Series, curves
from .page import render
from .structures import Strip, strips_of, structures

EXACT = "exact, greedy from the mean"
FCD = "FCD/Test"

EACH = 9
"""Molecules that are drawn of the samples, and of those beside them."""

TEST_SIZE = 176_074
"""Molecules of the test set of MOSES."""

SAMPLES = 30_000
"""Samples that FCD is of; it falls with their number."""

FLOOR = 0.048
"""FCD/Test of as many random training molecules, as ``molvae evaluate --train`` shows it."""

SAMPLED = {"CharRNN of MOSES": 0.073, "VAE of MOSES": 0.099}
"""FCD/Test of models whose reconstruction is not reported."""

DD_VAE = {0.70: 0.20, 0.80: 0.34, 0.85: 0.49, 0.90: 0.77, 0.945: 1.17}
"""FCD/Test of DD-VAE by the share of molecules that it reconstructs exactly."""

SOURCES = (
    "CharRNN of MOSES, VAE of MOSES: Polykovskiy et al., arXiv 1811.12823",
    "DD-VAE: Polykovskiy and Vetrov, AISTATS 2020; read off the figure in its repository",
)


def evaluation_report(
    report: Mapping[str, Any],
    title: str,
    facts: Mapping[str, str],
    sets: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """A page of a report as ``molvae evaluate -o`` writes it.

    Some random molecules of ``sets``, SMILES by the name of each set, are drawn side by side."""
    samples = report["samples"]
    sizes = ", ".join(f"{name} {size:,}" for name, size in samples["sizes"].items())
    remarks = [f"molecules: {sizes}", *samples["remarks"]]
    sections = [(figure_section("Samples", samples["rows"], remarks), list[Markup]())]
    verdict = ""
    if space := report.get("latent_space"):
        verdict = space["verdict"]
        charts = {
            LOCALITY: locality_charts(space["locality"]),
            BY_LEVEL: level_charts(space["by_noise_level"]),
        }
        sections += published_section(report)
        sections += [(one, charts.get(one.heading, [])) for one in latent_sections(space)]
    return render(
        "figures.html",
        title=title,
        facts=facts,
        styles=["figures.css"],
        lead=verdict,
        pictures=pictures_of(sets or {}),
        sections=sections,
        charts=[],
    )


def pictures_of(sets: Mapping[str, Sequence[str]]) -> Markup:
    """Grids of random molecules of some sets; nothing without any."""
    strips = []
    for name, smiles in sets.items():
        chosen = some_valid(smiles)
        captions = [[one] for one in chosen]
        strips.append(Strip(name, list(zip(structures(chosen), captions, strict=True))))
    if not any(strip.cells for strip in strips):
        return Markup("")
    return strips_of(strips, "Molecules", "Drawn at random from each set.")


def some_valid(smiles: Sequence[str]) -> list[str]:
    """Random molecules that can be read, :data:`EACH` at most; the same for the same list."""
    found: dict[str, None] = {}
    for place in np.random.default_rng(0).permutation(len(smiles)).tolist():
        try:
            parse(smiles[place])
        except MoleculeError:
            continue
        found[smiles[place]] = None
        if len(found) == EACH:
            break
    return list(found)


def exact_share(report: Mapping[str, Any]) -> float:
    """The share of held-out molecules that a report says are rebuilt, nan where it says none."""
    groups = report["latent_space"]["figures"].values()
    return next((_value(group[EXACT]) for group in groups if EXACT in group), math.nan)


def published_section(report: Mapping[str, Any]) -> list[tuple[Section, list[Markup]]]:
    """FCD against reconstruction among what is published; nothing for any other test set than
    that of MOSES, which is known by its size, and where a figure is missing."""
    samples, exact = report["samples"], exact_share(report)
    own = {name: _value(row[FCD]) for name, row in samples["rows"].items() if FCD in row}
    if samples["sizes"]["test"] != TEST_SIZE or not math.isfinite(exact + own["samples"]):
        return []
    ends = [min(DD_VAE), 1.0]
    # One line each, with a gap between them.
    x, y = zip(*((at, fcd) for fcd in SAMPLED.values() for at in (*ends, math.nan)), strict=True)
    own.pop(REFERENCE, None)
    series = [
        Series(f"{', '.join(SAMPLED)}: reconstruction not reported", x, y, "faint"),
        Series(f"{SAMPLES:,} real molecules", ends, [FLOOR, FLOOR], "third"),
        Series("DD-VAE", DD_VAE, DD_VAE.values(), "second"),
        Series("this model", [exact] * len(own), own.values(), "dots first"),
    ]
    count = samples["sizes"]["samples"]
    rows = [[f"this model, {name}", f"{100 * exact:.1f}", number(fcd)] for name, fcd in own.items()]
    rows += [[name, "not reported", f"{fcd:.3g}"] for name, fcd in SAMPLED.items()]
    rows += [["DD-VAE", f"{100 * share:.1f}", f"{fcd:.3g}"] for share, fcd in DD_VAE.items()]
    words = f"Published FCD is of {SAMPLES:,} samples, {REFERENCE} of that number have {FLOOR}."
    if count != SAMPLES:
        words += f" This is of {count:,}, and FCD falls with the number."
    chart = curves(series, "exact reconstruction, share", f"{FCD}, log scale", log=True)
    header = ("", "rebuilt exactly, %", FCD)
    heading = "Among published models, on the test set of MOSES"
    return [(Section(heading, header, rows, (words, *SOURCES)), [chart])]


def locality_charts(found: Mapping[str, Any]) -> list[Markup]:
    """Similarity of molecules to the seed whose latent theirs is near, by distance."""
    radii = found["radii"]
    x = [one["radius"] for one in radii]
    series = [
        Series(PAIRS, x, [_value(found["random_pairs"])] * len(x), "faint"),
        Series("unchanged", x, [_value(one["unchanged"]) for one in radii], "second"),
        Series("Tanimoto to the seed", x, [_value(one["similarity"]) for one in radii], "first"),
    ]
    return [curves(series, RADIUS, "similarity and share")]


def level_charts(levels: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """Figures against the noise level."""
    x = [one["level"] for one in levels]
    return [
        curves([Series("", x, [_value(one[name]) for one in levels])], "noise level a", name)
        for name in (levels[0] if levels else ())
        if name != "level"
    ]


def _value(figure: Mapping[str, Any]) -> float:
    """The value of a figure, nan where it has none."""
    return math.nan if figure["value"] is None else float(figure["value"])
