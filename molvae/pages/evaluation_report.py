"""The report of ``molvae evaluate`` as a page: its figures in tables, its curves drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from ..evaluation.estimates import number
from .charts import Series, curves
from .page import render

Figures = Mapping[str, Mapping[str, Any]]


class Section(NamedTuple):
    """A heading, a table of text with its header, words below it, and charts."""

    heading: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    charts: Sequence[Markup] = ()


def evaluation_report(report: Mapping[str, Any], title: str, facts: Mapping[str, str]) -> str:
    """A page of a report as ``molvae evaluate -o`` writes it."""
    samples = report["samples"]
    sizes = ", ".join(f"{name} {size:,}" for name, size in samples["sizes"].items())
    sections = [
        figure_section("Samples", samples["rows"], [f"molecules: {sizes}", *samples["remarks"]])
    ]
    verdict = ""
    if "latent_space" in report:
        space = report["latent_space"]
        verdict = space["verdict"]
        sections += latent_sections(space)
    return render(
        "figures.html",
        title=title,
        facts=facts,
        styles=["figures.css"],
        lead=verdict,
        sections=sections,
        charts=[],
    )


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
