"""``molvae prepare``: molecules in, a data set ready for training out."""

from __future__ import annotations

from typing import Any

import click

from .options import column_option, config_options, workers_option
from .output import check_new_folder, note, note_terminal, progress


@click.command(
    epilog="""\b
Examples:
  molvae prepare molecules.csv -o prepared/
  molvae prepare a.smi.gz b.sdf -o prepared/ --no-neutralise"""
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-o", "--output", required=True, metavar="FOLDER", help="Folder to make; it must not exist yet."
)
@column_option
@workers_option
@config_options("data")
def prepare(
    files: tuple[str, ...], output: str, column: str | None, workers: int | None, **given: Any
) -> None:
    """Read molecules once into a data set ready for training.

    CSV, TSV, SMI or SDF, each also gzipped; - is stdin. Every molecule is guarded, reduced to its
    parent (no salts and solvents, neutral), made canonical and written in SELFIES symbols. Rows
    that cannot be used are in rejected.csv of the folder, with their line and reason."""
    from molvae.config import DataConfig, build
    from molvae.datasets.prepare import prepare as prepare_files

    check_new_folder(output)
    note_terminal(*files)
    config = build(
        DataConfig, {name: value for name, value in given.items() if value is not None}, "prepare"
    )
    with progress("molecules read", None) as advance:
        prepared = prepare_files(
            files, config, column=column, workers=workers, said=note, progress=advance
        )
    prepared.dataset.save(output, rejected=prepared.rejected_csv())
    for line in summary(prepared.dataset):
        note(line)
    note(f"written to {output}")


def summary(dataset: Any) -> list[str]:
    """Counts of rows, molecules, symbols and steps, in lines for people."""
    import numpy as np

    report = dataset.report
    lines = [
        f"{report['rows']:,} rows: {report['molecules']:,} molecules, "
        f"{report['rows'] - report['molecules']:,} rejected"
    ]
    lines += [f"  {count:,}: {reason}" for reason, count in report["rejected"].items()]
    if report["rejected"] and report["molecules"] < 0.9 * report["rows"]:
        lines.append(
            "Warning: more than a tenth of the rows was rejected; rejected.csv lists them with the "
            "reasons"
        )
    vocabulary = dataset.vocabulary
    lines.append(
        f"{len(vocabulary.symbols)} SELFIES symbols and {len(vocabulary.merges)} merges; "
        f"{np.mean(dataset.lengths[: len(dataset)]):.1f} steps a molecule, "
        f"{dataset.lengths.max()} at most"
    )
    held = (
        f"{len(dataset.validation_rows):,} held out"
        if dataset.validation.any()
        else "none held out, validated on the same"
    )
    lines.append(f"{len(dataset.training_rows):,} molecules to train on, {held}")
    return lines
