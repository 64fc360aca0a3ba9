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

from molvae.pages.evaluation_report import DD_VAE, FLOOR, SAMPLED, exact_share

KINDS = {"samples": ("all draws", "o"), "canonical samples": ("canonical draws", "*")}


def point(report: dict[str, Any], row: str) -> tuple[float, float]:
    """Exact reconstruction in per cent and the FCD of a row of a report."""
    return 100 * exact_share(report), report["samples"]["rows"][row]["FCD/Test"]["value"]


@click.command(help=__doc__)
@click.argument("reports", nargs=-1, required=True, metavar="NAME=FILE...")
@click.option("-o", "--output", required=True, metavar="FILE", help="Picture to write: PNG or SVG.")
def main(reports: tuple[str, ...], output: str) -> None:
    """Draw the picture."""
    figure, axes = pyplot.subplots(figsize=(7, 4.5), dpi=110)
    both = [(100 * share, fcd) for share, fcd in DD_VAE.items()]
    axes.plot(*zip(*both, strict=True), "s--", color="0.5", label="DD-VAE, published")
    for (name, fcd), style in zip(SAMPLED.items(), (":", "-."), strict=True):
        axes.axhline(
            fcd,
            color="0.6",
            linestyle=style,
            linewidth=1,
            label=f"{name}, reconstruction not reported",
        )
    for number, given in enumerate(reports):
        name, _, path = given.partition("=")
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
