"""``molvae sample``: new molecules from the prior."""

from __future__ import annotations

import csv

import click

from .options import (
    Count,
    Number,
    chosen_device,
    device_option,
    force_option,
    model_option,
    output_option,
    seed_option,
    workers_option,
)
from .output import check_output, note, open_output, progress


@click.command(
    epilog="""\b
Examples:
  molvae sample -m model/ -n 1000 -o samples.csv
  molvae sample -m model/ -n 20 --novel --scores qed,sa,logp
  molvae sample -m model/ -n 1e6 | head"""
)
@model_option
@click.option("-n", "--number", type=Count(0), default=100, metavar="N", help="Molecules to write.")
@click.option(
    "--temperature",
    type=Number(0.0, 100.0),
    default=1.0,
    metavar="X",
    help="Below 1 keeps to likelier symbols, 0 takes the likeliest; z is drawn from N(0, I) in any case.",
)
@click.option(
    "--level",
    type=Number(0.0, 1.0),
    metavar="X",
    help="Noise level to sample at, for models trained with --posterior levels. [default: 0]",
)
@seed_option
@click.option("--all", "keep_all", is_flag=True, help="Keep every draw: repeats and empty ones too.")
@click.option("--novel", is_flag=True, help="Leave out molecules of the training set.")
@click.option("--scores", metavar="NAMES", help="Properties to add, such as qed,sa,logp (see molvae score --list).")
@output_option
@force_option
@workers_option
@device_option
def sample(
    model: str,
    number: int,
    temperature: float,
    level: float | None,
    seed: int,
    keep_all: bool,
    novel: bool,
    scores: str | None,
    output: str,
    force: bool,
    workers: int | None,
    device: str,
) -> int:
    """Draw new molecules from a model.

    z is drawn from the prior and decoded; N distinct valid molecules are written, with their SELFIES and
    log p(x|z) in nats. The same seed gives the same molecules.
    """
    from molvae import checkpoint, sampling
    from molvae.codec import Codec
    from molvae.errors import UsageError
    from molvae.scoring import plan_scores, stream

    from .score import cell

    if keep_all and novel:
        raise UsageError("--all keeps every draw and --novel leaves some out: give one of them")
    check_output(output, force)
    plan = None if scores is None else plan_scores(scores)
    codec = Codec.load(model, chosen_device(device))
    known = checkpoint.known_hashes(model) if novel else None
    tally = sampling.Tally()
    with open_output(output, force) as handle, progress("molecules", number) as advance:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([*sampling.Sample._fields, *(plan.columns if plan else ())])
        found = sampling.sample(
            codec,
            number,
            temperature=temperature,
            level=level,
            seed=seed,
            keep_all=keep_all,
            known=known,
            workers=workers,
            tally=tally,
            progress=advance,
        )
        rows = stream(((one.smiles, one) for one in found), plan, workers) if plan else ((one, None) for one in found)
        for one, scored in rows:
            cells = [cell(value) for value in scored.values] if scored else []
            writer.writerow([one.smiles, one.selfies, f"{one.log_likelihood:.4f}", *cells])
    note(
        f"{tally.drawn:,} drawn, {tally.kept:,} written"
        + "".join(f", {count:,} dropped ({reason})" for reason, count in tally.dropped.most_common())
    )
    if tally.kept < number:
        note(
            f"Error: only {tally.kept:,} of {number:,} found in {tally.drawn:,} draws; "
            "a higher --temperature finds more"
        )
        return 1
    return 0
