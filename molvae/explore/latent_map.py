"""The page of a map: molecules as points of latent space in two dimensions, coloured by a column.

    N molecules, Z latent

Colours are classes of the page's style, so that they are right by day and by night: sixteen even
steps of one scale for numbers, ten and "others" for text."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..chem.fingerprints import Floats
from ..errors import UsageError
from ..pages.page import render
from ..pages.structures import structures
from ..pages.table_report import DRAWN, numbers_of

POINTS = 20_000
"""Molecules of a map."""

SIDE = 1000
"""Places of points are whole numbers from 0 to this."""

MARGIN = 25
STEPS = 16
CATEGORIES = 10
NO_COLOUR = -1
COLUMNS = 24
"""Columns that a page holds; of a wider table the first."""

LONGEST = 200
"""Characters shown of a cell."""

EDGE = 0.01
"""Share of the values on each side that gets the colour at the end of the scale."""


class Projection(NamedTuple):
    """Places ``(N, 2)``, and the share of the variance on each axis; None where axes have none."""

    places: Floats
    explained: tuple[float, float] | None


def project(latents: NDArray[np.float32], method: str = "pca", seed: int = 0) -> Projection:
    """Latent vectors ``(N, Z)``, at least three, in two dimensions, by "pca" or "umap"."""
    return pca(latents) if method == "pca" else umap(latents, seed)


def check_method(method: str) -> None:
    """UsageError for a method that is not installed."""
    if method == "umap" and find_spec("umap") is None:
        raise UsageError("UMAP needs the extra: pip install 'molvae[umap]'; --method pca does not")


def pca(latents: NDArray[np.float32]) -> Projection:
    """The two principal components of latent vectors ``(N, Z)``, by SVD.

    The sign of an axis is such that its longest loading is positive, on every machine."""
    centred = latents.astype(np.float64) - latents.mean(0, dtype=np.float64)
    if centred.shape[1] < 2:  # a line: the second axis is empty
        centred = np.pad(centred, ((0, 0), (0, 1)))
    _, singular, loadings = np.linalg.svd(centred, full_matrices=False)
    axes = loadings[:2]
    axes *= np.sign(axes[[0, 1], np.abs(axes).argmax(1)])[:, None]
    share = singular**2 / max(float((singular**2).sum()), 1e-12)
    return Projection(centred @ axes.T, (float(share[0]), float(share[1])))


def umap(latents: NDArray[np.float32], seed: int) -> Projection:
    """An embedding by UMAP (McInnes, Healy and Melville 2018): neighbours stay neighbours.

    Distances between far groups, and the axes, mean nothing."""
    from umap import UMAP

    # Fewer neighbours than molecules; 15 is UMAP's own default.
    model = UMAP(n_neighbors=min(15, len(latents) - 1), random_state=seed, n_jobs=1, init="pca")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = model.fit_transform(latents)
    return Projection(np.asarray(places, np.float64), None)


class Shade(NamedTuple):
    """A column as colours: its name, the colour of each row or :data:`NO_COLOUR`, a legend, one
    label for each colour or the two ends of a scale, and whether it is a scale."""

    name: str
    colours: Sequence[int]
    legend: Sequence[str]
    scale: bool


def map_page(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    smiles_at: int,
    projection: Projection,
    *,
    title: str,
    facts: Mapping[str, str],
    words: str = "",
    color: str | None = None,
) -> str:
    """The page of the molecules in ``rows``, at the places of a projection.

    It can be coloured by every column that varies; ``color`` is the one at first, else the first
    of numbers. ``words`` come before those on the axes."""
    cells = list(zip(*rows, strict=True))
    smiles = cells[smiles_at]
    kept = [place for place in range(len(columns)) if place != smiles_at][:COLUMNS]
    if color is not None and (wanted := columns.index(color)) not in kept:
        kept = [*kept[:-1], wanted]
    shades = [shade for place in kept if (shade := shade_of(columns[place], cells[place]))]
    first = next((one for one in shades if (one.name == color if color else one.scale)), None)
    places, few = whole_places(projection.places), len(rows) <= DRAWN
    if len(columns) - 1 > COLUMNS:
        words += f" Of {len(columns)} columns {COLUMNS} are shown."
    data: dict[str, Any] = {
        "points": {
            "x": places[:, 0].tolist(),
            "y": places[:, 1].tolist(),
            "smiles": smiles,
            "drawn": structures(smiles) if few else None,
            "names": [columns[place] for place in kept],
            "cells": [list(map(shortened, cells[place])) for place in kept],
            "shades": [one._asdict() for one in shades],
            "first": -1 if first is None else shades.index(first),
        }
    }
    return render(
        "map.html",
        title=title,
        facts=facts,
        data=data,
        styles=["map.css"],
        scripts=["map.js"],
        drawing=not few,
        words=f"{words} {axes_in_words(projection)}".strip(),
        shades=shades,
        first=first,
        paths=paths_of(places, first),
        side=SIDE,
    )


def shade_of(name: str, cells: Sequence[str]) -> Shade | None:
    """A column as colours; None for one that does not vary."""
    cells = [one.strip() for one in cells]
    numbers = numbers_of(cells)
    if numbers is not None:
        values = np.array(numbers, np.float64)  # nan for None
        known = values[~np.isnan(values)]
        if len(np.unique(known)) < 2:
            return None
        low, high = np.quantile(known, [EDGE, 1.0 - EDGE])
        if low == high:
            low, high = known.min(), known.max()
        steps = np.floor((values - low) / (high - low) * STEPS).clip(0, STEPS - 1)
        colours = np.nan_to_num(steps, nan=NO_COLOUR).astype(np.int64).tolist()
        return Shade(name, colours, (f"{low:.4g}", f"{high:.4g}"), True)
    counts = Counter(one for one in cells if one).most_common()
    if len(counts) + (not all(cells)) < 2:
        return None
    top, rest = counts[:CATEGORIES], counts[CATEGORIES:]
    legend = [f"{shortened(text)} ({count:,})" for text, count in top]
    if rest:
        legend.append(f"{len(rest):,} others ({sum(count for _, count in rest):,})")
    number = {text: place for place, (text, _) in enumerate(top)} | {"": NO_COLOUR}
    return Shade(name, [number.get(one, CATEGORIES) for one in cells], legend, False)


def shortened(cell: str) -> str:
    """A cell as it is shown: its beginning, if it is long."""
    return cell if len(cell) <= LONGEST else f"{cell[: LONGEST - 1]}…"


def whole_places(places: Floats) -> NDArray[np.int64]:
    """Places ``(N, 2)`` as whole numbers from 0 to :data:`SIDE` with a margin, y downwards; both
    axes have one scale."""
    middle = (places.max(0) + places.min(0)) / 2
    half = max(float(np.ptp(places, axis=0).max()) / 2, 1e-9)
    scaled = (places - middle) / half * (SIDE / 2 - MARGIN) * np.array([1.0, -1.0]) + SIDE / 2
    whole: NDArray[np.int64] = np.rint(scaled).astype(np.int64)
    return whole


def paths_of(places: NDArray[np.int64], shade: Shade | None) -> list[tuple[str, str]]:
    """The points of each colour as one path of dots: class in the page's style, and outline."""
    colours = np.array(shade.colours if shade else [NO_COLOUR] * len(places))
    kind = "s" if shade and shade.scale else "c"
    return [
        (
            "c-none" if one == NO_COLOUR else f"{kind}-{one}",
            "".join(f"M{x} {y}h0" for x, y in places[colours == one].tolist()),
        )
        for one in np.unique(colours)
    ]


def axes_in_words(projection: Projection) -> str:
    """A sentence on what the axes are."""
    if projection.explained is None:
        return (
            "Projected by UMAP: neighbours in latent space lie together; the axes, and distances "
            "between far groups, mean nothing."
        )
    one, other = (100.0 * share for share in projection.explained)
    return (
        f"The axes are the two principal components of the posterior means, with {one:.1f} % and "
        f"{other:.1f} % of their variance: what lies apart here is apart in latent space; what "
        "lies together need not be near."
    )
