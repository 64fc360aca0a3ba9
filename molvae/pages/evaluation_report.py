"""The report of ``molvae evaluate`` as a page: its figures in tables, its curves drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from ..chem.molecule import parse
from ..errors import MoleculeError
from ..evaluation.estimates import number
from ..evaluation.published import FLOOR, PUBLISHED, SAMPLES, TEST_SIZE
from ..evaluation.sample_report import REFERENCE
from .charts import Series, curves
from .page import render
from .structures import Strip, strips_of, structures

Figures = Mapping[str, Mapping[str, Any]]

EXACT = "exact, greedy from the mean"
FCD = "FCD/Test"

EACH = 9
"""Molecules that are drawn of the samples, and of those beside them."""


class Section(NamedTuple):
    """A heading, a table of text with its header, words below it, and charts."""

    heading: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    charts: Sequence[Markup] = ()


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
    sections = [
        figure_section("Samples", samples["rows"], [f"molecules: {sizes}", *samples["remarks"]])
    ]
    verdict = ""
    if "latent_space" in report:
        space = report["latent_space"]
        verdict = space["verdict"]
        among = published_section(report)
        sections += [*([among] if among else []), *latent_sections(space)]
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
    return next((_value(group[EXACT]) for group in groups if EXACT in group), float("nan"))


def published_section(report: Mapping[str, Any]) -> Section | None:
    """FCD against reconstruction among what is published; None for any other test set than that of
    MOSES, which is known by its size, and where a figure is missing."""
    samples, exact = report["samples"], exact_share(report)
    own = {name: _value(row[FCD]) for name, row in samples["rows"].items() if FCD in row}
    if samples["sizes"]["test"] != TEST_SIZE or not math.isfinite(exact + own["samples"]):
        return None
    both = [one for one in PUBLISHED if one.exact is not None]
    ends = [min(one.exact or 1.0 for one in both), 1.0]
    others = [one for one in PUBLISHED if one.exact is None]
    # One line each, with a gap between them.
    x, y = zip(*((at, one.fcd) for one in others for at in (*ends, float("nan"))), strict=True)
    names = ", ".join(one.name for one in others)
    series = [
        Series(f"{names}: reconstruction not reported", x, y, "faint"),
        Series(f"{SAMPLES:,} real molecules", ends, [FLOOR, FLOOR], "third"),
        Series("DD-VAE", [one.exact or 0.0 for one in both], [one.fcd for one in both], "second"),
    ]
    ours = [name for name in own if name != REFERENCE]
    series.append(
        Series("this model", [exact] * len(ours), [own[name] for name in ours], "dots first")
    )
    count = samples["sizes"]["samples"]
    rows = [[f"this model, {name}", f"{100 * exact:.1f}", number(own[name])] for name in ours]
    said: dict[str, dict[str, None]] = {}
    for one in sorted(PUBLISHED, key=lambda one: one.fcd):
        share = "not reported" if one.exact is None else f"{100 * one.exact:.1f}"
        rows.append([one.name, share, f"{one.fcd:.3g}"])
        said.setdefault(one.source, {})[one.name] = None
    words = f"Published FCD is of {SAMPLES:,} samples, {REFERENCE} of that number have {FLOOR}."
    if count != SAMPLES:
        words += f" This is of {count:,}, and FCD falls with the number."
    notes = [words, *(f"{', '.join(some)}: {source}" for source, some in said.items())]
    chart = curves(series, "exact reconstruction, share", f"{FCD}, log scale", log=True)
    header = ("", "rebuilt exactly, %", FCD)
    heading = "Among published models, on the test set of MOSES"
    return Section(heading, header, rows, notes, [chart])


def latent_sections(space: Mapping[str, Any]) -> list[Section]:
    """Sections of a latent space: its figures by group, locality, noise levels."""
    remarks = [f"{count:,} could not be read: {why}" for why, count in space["unreadable"].items()]
    seen = space["in_training_data"]
    if seen:
        remarks.append(f"{seen:,} were in the training data, and are not held out")
    sections = [
        figure_section(heading, {"value": figures}, remarks if not place else [])
        for place, (heading, figures) in enumerate(space["figures"].items())
    ]
    if space["locality"]["radii"]:
        sections.append(locality_section(space["locality"]))
    if space["by_noise_level"]:
        sections.append(level_section(space["by_noise_level"]))
    return sections


def locality_section(found: Mapping[str, Any]) -> Section:
    """Similarity of molecules to the seed whose latent theirs is near, by distance."""
    radii, chance = found["radii"], found["random_pairs"]
    x = [one["radius"] for one in radii]
    series = [
        Series("pairs of different molecules", x, [_value(chance)] * len(x), "faint"),
        Series("unchanged", x, [_value(one["unchanged"]) for one in radii], "second"),
        Series("Tanimoto to the seed", x, [_value(one["similarity"]) for one in radii], "first"),
    ]
    names = ("similarity", "unchanged")
    rows = [
        [f"{one['radius']:g}", *(number(one[name]["value"]) for name in names)] for one in radii
    ]
    rows.append(["pairs of different molecules", number(chance["value"]), ""])
    radius = "radius, prior standard deviations"
    chart = curves(series, radius, "similarity and share")
    header = (radius, "Tanimoto to the seed", "unchanged")
    return Section("Locality", header, rows, (), [chart])


def level_section(levels: Sequence[Mapping[str, Any]]) -> Section:
    """Figures at each noise level."""
    names = [name for name in levels[0] if name != "level"]
    x = [one["level"] for one in levels]
    charts = [
        curves([Series("", x, [_value(one[name]) for one in levels])], "noise level a", name)
        for name in names
    ]
    rows = [
        [f"{one['level']:.3g}", *(number(one[name]["value"]) for name in names)] for one in levels
    ]
    return Section("By noise level", ("level", *names), rows, (), charts)


def figure_section(heading: str, rows: Mapping[str, Figures], notes: Sequence[str]) -> Section:
    """A section with a line for each figure, and a column for each row of figures."""
    names = dict.fromkeys(name for figures in rows.values() for name in figures)
    (first, figures), *_ = rows.items()
    lines = []
    for name in names:
        cells = [number(row[name]["value"]) if name in row else "" for row in rows.values()]
        own = figures.get(name, {})
        low, high = own.get("low"), own.get("high")
        bounds = "" if low is None else f"{number(low)} to {number(high)}"
        lines.append([name, *cells, bounds, f"{own['n']:,}" if own else ""])
    said: dict[str, list[str]] = {}
    for name, figure in figures.items():
        if figure.get("note"):
            said.setdefault(figure["note"], []).append(name)
    words = [f"{', '.join(some)}: {note}" for note, some in said.items()]
    return Section(heading, ("", *rows, f"95 % of {first}", "n"), lines, [*notes, *words])


def _value(figure: Mapping[str, Any]) -> float:
    """The value of a figure, nan where it has none."""
    return float("nan") if figure["value"] is None else float(figure["value"])
