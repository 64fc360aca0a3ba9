"""``molvae evaluate``: figures of samples and of a latent space."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import click

from molvae.config import PRIOR_LEVEL

from .options import (
    column_option,
    count_in,
    device_option,
    force_option,
    load_codec,
    named_model,
    number_in,
    report_option,
    seed_option,
    workers_option,
)
from .output import check_output, live, note, open_output
from .pages import check_page, facts_of, write_page

SAMPLES = 30_000


@click.command(
    epilog="""\b
Examples:
  molvae evaluate -m model/ --test held-out.csv --train train.csv -o report.json
  molvae evaluate -m model/ --test held-out.csv -n 1000 --limit 500 --no-fcd
  molvae evaluate --samples other.csv --test held-out.csv --train train.csv"""
)
@click.option(
    "-m",
    "--model",
    callback=named_model,
    metavar="MODEL",
    help="Folder or name of a trained model.",
)
@click.option(
    "--samples",
    metavar="FILE",
    help="Molecules from anywhere to judge, in place of draws from the model.",
)
@click.option("--test", required=True, metavar="FILE", help="Held-out molecules.")
@click.option("--test-scaffolds", metavar="FILE", help="A second test set, of other scaffolds.")
@click.option(
    "--train",
    metavar="FILE",
    help="Training molecules: for novelty, and for the reference row.",
)
@click.option(
    "-n",
    "--number",
    type=count_in(1),
    metavar="N",
    help=f"Molecules to draw, or to take from --samples. [default: {SAMPLES}, or all]",
)
@seed_option
@click.option(
    "--level",
    type=number_in(0.0, 1.0),
    metavar="X",
    help="Noise level a (signal share) to draw at, for models trained with --posterior levels. "
    f"[default: {PRIOR_LEVEL}; less for more than 128 dimensions]",
)
@click.option(
    "--limit",
    type=count_in(1),
    default=2000,
    metavar="N",
    help="Held-out molecules for the latent space.",
)
@click.option(
    "--iwae",
    type=count_in(1),
    default=64,
    metavar="K",
    help="Draws from each posterior to estimate log p(x).",
)
@click.option(
    "--fcd/--no-fcd", default=True, help="The Fréchet ChemNet distance, the slowest figure."
)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="JSON file to write; - is stdout, and the tables go to stderr.",
)
@report_option
@column_option
@force_option
@workers_option
@device_option
def evaluate(
    model: str | None,
    samples: str | None,
    test: str,
    test_scaffolds: str | None,
    train: str | None,
    number: int | None,
    seed: int,
    level: float | None,
    limit: int,
    iwae: int,
    fcd: bool,
    output: str | None,
    page: str | None,
    column: str | None,
    force: bool,
    workers: int | None,
    device: str,
) -> None:
    """Measure a model on molecules it has not seen, or judge molecules that come from anywhere.

    Two tables: samples, by the definitions of MOSES (arXiv 1811.12823), beside as many random
    training molecules; the latent space, with a verdict. Nats are per molecule. With --samples and
    no model, the first table alone. --column, where given, is that of every file.

    Canonical samples are those whose SELFIES s is that of its molecule:
    encode(canonical(decode(s))) = s."""
    from molvae.errors import ModelError, UsageError
    from molvae.evaluation.estimates import figure_section, latent_sections
    from molvae.evaluation.sample_report import prepare_sets, read_smiles
    from molvae.storage.model_folder import known_hashes

    if model is None and samples is None:
        raise UsageError("give a model with -m, or molecules with --samples")
    inputs = [test, test_scaffolds, train, samples]
    if output:
        check_output(output, force, inputs)
    check_page(page, force, [*inputs, output])
    codec: Any = None
    known: Any = None
    remarks: list[str] = []
    if model is not None:
        codec = load_codec(model, device)
        codec.check_level(level)
        try:
            known = known_hashes(model)
        except ModelError as error:
            remarks = [f"the training molecules of the model are unknown: {error}"]
    held_out = read_smiles(test, column, note)
    second, training, judged = (
        None if path is None else read_smiles(path, column, note)
        for path in (test_scaffolds, train, samples)
    )
    sets, more = prepare_sets(
        held_out, second, training, known, workers=workers, fcd=fcd, said=live
    )
    remarks += more
    settings = {
        "model": model,
        "test": test,
        "test_scaffolds": test_scaffolds,
        "train": train,
        "samples": samples,
        "seed": seed,
        "level": level,
        "limit": limit,
        "iwae": iwae,
        "fcd": fcd,
    }
    report: dict[str, Any] = {"versions": versions(), "settings": settings}
    if judged is not None:
        raw, canonical = judged[:number], None
        title = f"{len(raw):,} of {samples}"
    else:
        raw, canonical, more = drawn(codec, number or SAMPLES, level, seed, workers)
        remarks += more
        title = f"{len(raw):,} draws from the prior, seed {seed}"
    title = f"Samples: {title}, against {len(held_out):,} molecules of {test}"
    report["samples"] = table = sample_table(raw, sets, remarks, canonical, seed, workers, fcd)
    lines = figure_section(f"1 {title}", table["rows"], table["remarks"]).lines()
    if codec is not None:
        report["latent_space"] = space = latent_table(
            codec, held_out, limit, iwae, known, seed, workers
        )
        of = f"{space['molecules']:,} of {len(held_out):,} held-out molecules, drawn at random"
        lines += ["", "", f"2 Latent space: {of}", ""]
        lines += [line for section in latent_sections(space) for line in section.lines()]
        lines += ["", space["verdict"]]
    live("")
    if page:
        from molvae.pages.evaluation_report import evaluation_report

        beside = "held-out molecules" if training is None else "training molecules"
        shown = {"samples": raw, beside: held_out if training is None else training}
        write_page(page, evaluation_report(report, title, facts_of(model, seed), shown))
    write_out(report, lines, output, force)


def write_out(report: dict[str, Any], lines: list[str], output: str | None, force: bool) -> None:
    """The report to its file, then the tables to stdout, or to stderr if the report goes there.

    In this order, as a reader of stdout may have left."""
    if output == "-":
        note("\n".join(lines))
    if output:
        with open_output(output, force) as handle:
            json.dump(report, handle, indent=1, ensure_ascii=False, allow_nan=False)
            handle.write("\n")
    if output != "-":
        click.echo("\n".join(lines))


def versions() -> dict[str, str]:
    """Versions of what decides the figures, found without importing it."""
    from importlib.metadata import version
    from importlib.util import find_spec

    names = ("molvae", "rdkit", "selfies", "numpy", "torch", "fcd")
    return {name: version(name) for name in names if find_spec(name)}


def drawn(
    codec: Any, count: int, level: float | None, seed: int, workers: int | None
) -> tuple[list[str], Any, list[str]]:
    """Draws from the prior; the share of them with canonical SELFIES, with as many of these alone;
    and remarks."""
    from itertools import islice

    from molvae.evaluation.sample_report import canonical_alone
    from molvae.generation.reader import Sample
    from molvae.generation.sampling import SamplingParams, resolve_level, sample

    remarks = []
    if codec.levels:
        at = resolve_level(codec, level)
        note = "" if at else ", where the decoder gets no z and is a language model"
        remarks.append(f"drawn at noise level {at:g}{note}")
    live("samples: drawing")
    # As many draws again fill the canonical ones up to the same number.
    with closing(
        sample(
            codec,
            2 * count,
            SamplingParams(seed, level=level),
            None,
            workers=workers,
        )
    ) as draws:  # type: ignore[type-var]
        first: list[Sample] = list(islice(draws, count))
        return [one.smiles for one in first], canonical_alone(first, draws), remarks


def sample_table(
    raw: list[str],
    sets: Any,
    remarks: list[str],
    canonical: Any,
    seed: int,
    workers: int | None,
    fcd: bool,
) -> dict[str, Any]:
    """The first table, of draws with their share of ``canonical`` ones and a row of these alone."""
    from molvae.evaluation.sample_report import as_json, judge

    share, kept = canonical or (None, None)
    table = judge(raw, sets, kept=kept, workers=workers, fcd=fcd, seed=seed, said=live)
    if share is not None:
        table.rows["samples"]["canonical"] = share
    rows = {name: as_json(figures) for name, figures in table.rows.items()}
    return {"sizes": table.sizes, "rows": rows, "remarks": [*remarks, *table.remarks]}


def latent_table(
    codec: Any,
    held_out: list[str],
    limit: int,
    iwae: int,
    known: Any,
    seed: int,
    workers: int | None,
) -> dict[str, Any]:
    """The second table."""
    import numpy as np

    from molvae.chem.molecule import smiles_hashes
    from molvae.evaluation.latent_diagnostics import measure_latent_space, read_molecules
    from molvae.evaluation.sample_report import as_json

    chosen = np.sort(np.random.default_rng(seed).permutation(len(held_out))[:limit]).tolist()
    readings, unreadable = read_molecules(codec, [held_out[place] for place in chosen], workers)
    space = measure_latent_space(codec, readings, iwae=iwae, seed=seed, workers=workers, said=live)
    seen = None
    if known is not None:
        seen = int(np.isin(smiles_hashes([one.smiles for one in readings]), known).sum())
    radii = [{"radius": radius} | as_json(figures) for radius, figures in space.neighbourhoods]
    return {
        "molecules": len(readings),
        "unreadable": unreadable,
        "in_training_data": seen,
        "figures": {heading: as_json(figures) for heading, figures in space.groups.items()},
        "kl_per_dimension_nats": space.kl_per_dimension,
        "locality": {"radii": radii} | as_json({"random_pairs": space.random_pairs}),
        "by_noise_level": [{"level": level} | as_json(figures) for level, figures in space.levels],
        "verdict": space.verdict,
    }
