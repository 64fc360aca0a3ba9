"""The page of a training, renewed after every epoch: its figures against time."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from ..evaluation.estimates import Section
from .charts import Series, curves
from .page import foot, render, save_page

PAGE = "training.html"
LOG = logging.getLogger(__name__)

CHARTS = (
    ("reconstruction, nats a molecule", "reconstruction", "validation_reconstruction"),
    ("KL, nats", "kl", "validation_kl"),
    ("rebuilt exactly, share of held-out molecules", "", "validation_exact"),
    ("log p(x) at level 0, nats", "", "validation_unconditional"),
    ("loss with another molecule's z, nats", "", "validation_shuffled_gap"),
)
"""Heading of each chart, and the columns of ``metrics.csv`` for training and held-out molecules."""

SHOWN = ("epoch", "step", "elbo", "validation_elbo", "validation_exact", "validation_unconditional")
HEADS = ("epoch", "step", "ELBO", "held out", "exact", "log p(x)")


def renew(run: Path, command: str = "") -> None:
    """Write the page of the training in ``run`` anew.

    A training does not depend on it: what goes wrong is logged."""
    try:
        with open(run / "metrics.csv", newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        facts = foot(command, str(run))
        save_page(training_report(rows, f"Training in {run.name}", facts), run / PAGE)
    except Exception as error:
        LOG.warning("%s: could not be written (%s)", run / PAGE, error)


def training_report(rows: Sequence[Mapping[str, str]], title: str, facts: Mapping[str, str]) -> str:
    """A page of the rows of a ``metrics.csv``, an epoch each."""
    seconds = [float(row["seconds"]) for row in rows]
    unit, length = ("hours", 3600.0) if seconds[-1] > 3 * 3600 else ("minutes", 60.0)
    times = [one / length for one in seconds]
    charts = [_chart(rows, times, unit, *one) for one in CHARTS]
    lead = f"{len(rows)} epochs, step {int(rows[-1]['step']):,}"
    if best := [row["epoch"] for row in rows if row["best"] == "1"]:
        lead += f"; the best so far is epoch {best[-1]}"
    lines = [
        [*(_short(row[name]) for name in SHOWN), f"{time:.3g}", "best" * (row["best"] == "1")]
        for row, time in zip(rows, times, strict=True)
    ]
    section = Section("Epochs", (*HEADS, unit, ""), lines[::-1])
    return render(
        "figures.html",
        title=title,
        facts=facts,
        styles=["figures.css"],
        lead=lead,
        pictures="",
        charts=[chart for chart in charts if chart],
        sections=[(section, ())],
    )


def _chart(
    rows: Sequence[Mapping[str, str]], times: Sequence[float], unit: str, *names: str
) -> Markup:
    heading, training, held_out = names
    series = [
        Series(name, times, [float(row[column] or "nan") for row in rows], kind)
        for name, column, kind in (
            ("training", training, "second"),
            ("held out", held_out, "first"),
        )
        if column
    ]
    return curves(series, unit, heading)


def _short(text: str) -> str:
    """A cell of ``metrics.csv`` as people read it."""
    return f"{float(text):.4g}" if "." in text or "e" in text else text
