"""The picture of FCD against exact reconstruction: reports of ``molvae evaluate`` among what is
published.

    python benchmarks/curve.py 'moses=moses.json' -o docs/pictures/curve.png

A model that reconstructs and samples stands at the lower right. The DD-VAE curve (Polykovskiy and
Vetrov, AISTATS 2020) is read off the figure in its repository; CharRNN and the VAE of MOSES (arXiv
1811.12823) report no reconstruction, and are lines. (Needs the extra ``bench``.)"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from matplotlib import pyplot

DD_VAE = {70.0: 0.20, 80.0: 0.34, 85.0: 0.49, 90.0: 0.77, 94.5: 1.17}
"""Exact reconstruction in per cent, FCD/Test at 30,000 samples."""

LINES = {"CharRNN of MOSES": 0.073, "VAE of MOSES": 0.099}
FLOOR = 0.048
"""FCD/Test of 30,000 random training molecules, as ``molvae evaluate --train`` shows it."""

KINDS = {"samples": ("all draws", "o"), "canonical samples": ("canonical draws", "*")}


def point(report: dict[str, Any], row: str) -> tuple[float, float]:
    """Exact reconstruction in per cent and the FCD of a row of a report."""
    groups = report["latent_space"]["figures"].values()
    exact = next(
        group["exact, greedy from the mean"]["value"]
        for group in groups
        if "exact, greedy from the mean" in group
    )
    return 100 * exact, report["samples"]["rows"][row]["FCD/Test"]["value"]


@click.command(help=__doc__)
@click.argument("reports", nargs=-1, required=True, metavar="NAME=FILE...")
@click.option("-o", "--output", required=True, metavar="FILE", help="Picture to write: PNG or SVG.")
def main(reports: tuple[str, ...], output: str) -> None:
    """Draw the picture."""
    figure, axes = pyplot.subplots(figsize=(7, 4.5), dpi=110)
    axes.plot(list(DD_VAE), list(DD_VAE.values()), "s--", color="0.5", label="DD-VAE, published")
    for (name, value), style in zip(LINES.items(), (":", "-."), strict=True):
        axes.axhline(
            value,
            color="0.6",
            linestyle=style,
            linewidth=1,
            label=f"{name}, reconstruction not reported",
        )
    for number, one in enumerate(reports):
        name, _, path = one.partition("=")
        report = json.loads(Path(path).read_text(encoding="utf-8"))
        for row, (words, marker) in KINDS.items():
            axes.plot(
                *point(report, row),
                marker,
                color=f"C{number}",
                markersize=11,
                label=f"{name}, {words}",
            )
    axes.axhline(FLOOR, color="k", linewidth=1, label="30,000 real molecules: the floor")
    axes.set(
        yscale="log",
        xlim=(65, 101),
        xlabel="exact reconstruction, greedy from the posterior mean, %",
    )
    axes.set(
        ylabel="FCD/Test of 30,000 samples",
        title="MOSES: reconstruct and sample with one set of weights",
    )
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1))
    figure.savefig(output, bbox_inches="tight")


if __name__ == "__main__":
    main()
