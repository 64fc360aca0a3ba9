"""``molvae sample``: new molecules from the prior."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from molvae.config import MAX_TEMPERATURE, PRIOR_LEVEL

from .options import (
    Count,
    Number,
    chosen_device,
    device_option,
    force_option,
    model_option,
    seed_option,
    workers_option,
)
from .output import check_table, check_writable, delimiter_of, note, open_output, progress


@click.command(
    epilog="""\b
Examples:
  molvae sample -m model/ -n 1000 -o samples.csv
  molvae sample -m model/ -n 20 --novel --scores qed,sa,logp
  molvae sample -m model/ -n 1e6 | head
\b
  molvae sample -m model/ -n 1e9 -o shards/ && molvae distinct shards/ -o molecules.parquet
  torchrun --nproc-per-node 8 $(which molvae) sample -m model/ -n 1e9 -o shards/"""
)
@model_option
@click.option(
    "-n",
    "--number",
    type=Count(0),
    default=100,
    metavar="N",
    help="Molecules to write; into a folder, draws.",
)
@click.option(
    "--temperature",
    type=Number(0.0, MAX_TEMPERATURE),
    default=1.0,
    metavar="X",
    help="Below 1 keeps to likelier symbols, 0 takes the likeliest; z is drawn all the same.",
)
@click.option(
    "--level",
    type=Number(0.0, 1.0),
    metavar="X",
    help=f"Noise level to sample at, of models with several; at 0 a draw owes nothing to z. [default: {PRIOR_LEVEL}]",
)
@click.option(
    "--prior",
    type=click.Choice(("normal", "learned")),
    default="normal",
    help="Where z comes from: N(0, I), or the Gaussian with the mean and covariance of real molecules' latents.",
)
@seed_option
@click.option(
    "--consistent/--raw",
    default=None,
    help="Leave out draws that are not written in the SELFIES of their molecule, the slips of a model; or keep them "
    "and say of each which it is. [default: consistent]",
)
@click.option(
    "--all",
    "keep_all",
    is_flag=True,
    help="Keep every draw: repeats, empty and inconsistent ones too.",
)
@click.option(
    "--novel",
    is_flag=True,
    help="Leave out the molecules that the model was last trained on; of one trained with --from, not those of the "
    "model that it began with.",
)
@click.option(
    "--scores",
    metavar="NAMES",
    help="Properties to add, such as qed,sa,logp (see molvae score --list).",
)
@click.option(
    "-o",
    "--output",
    default="-",
    metavar="PATH",
    help="File to write, - for stdout: CSV, or TSV if named .tsv, compressed if it ends in .gz; or a folder, / at its "
    "end, for parquet parts.",
)
@force_option
@workers_option
@device_option
@click.option(
    "--precision",
    type=click.Choice(("auto", "fp32", "bf16")),
    default="auto",
    help="Of matrix products; auto takes bf16 where it is fast. A seed gives the same molecules within one precision "
    "and, in bf16, on one kind of processor.",
)
def sample(
    model: str,
    number: int,
    temperature: float,
    level: float | None,
    prior: str,
    seed: int,
    consistent: bool | None,
    keep_all: bool,
    novel: bool,
    scores: str | None,
    output: str,
    force: bool,
    workers: int | None,
    device: str,
    precision: str,
) -> int:
    """Draw new molecules from a model.

    z is drawn from the prior and decoded; N distinct valid molecules are written, with their
    SELFIES and log p(x|z) in nats. The same seed gives the same molecules.

    Into a folder, -o shards/, go parquet parts with what is left of N draws, repeats within a part
    removed. A second start writes only the parts that are missing, and under torchrun the processes
    share them; molvae distinct removes the repeats of all parts."""
    from molvae.chem.scoring import plan_scores
    from molvae.errors import UsageError
    from molvae.generation.codec import Codec
    from molvae.runtime.ranks import world
    from molvae.storage import model_folder

    here = world()
    for other, given in (("--novel", novel), ("--consistent", consistent)):
        if keep_all and given:
            raise UsageError(
                f"--all keeps every draw and {other} leaves some out: give one of them"
            )
    parts = is_for_parts(output)
    if parts:
        check_parts(output)
    elif here.size > 1:
        raise UsageError(
            "several processes share the parts of a folder; name one with -o, and end it with /"
        )
    else:
        check_table(output, force)
    plan = None if scores is None else plan_scores(scores)
    chosen = chosen_device(device)
    if chosen == "cuda" and here.size > 1:
        chosen = chosen_device(f"cuda:{here.local_rank}")
    codec = Codec.load(model, chosen, precision)
    known = model_folder.load_known(model) if novel else None
    drawn = {
        "temperature": temperature,
        "level": level,
        "learned": prior == "learned",
        "seed": seed,
    }
    options = drawn | {"keep_all": keep_all, "consistent": consistent is not False}
    if parts:
        return write_parts(codec, number, Path(output), force, options, known, plan, workers)
    return write_table(codec, number, output, force, options, known, plan, workers)


def is_for_parts(output: str) -> bool:
    """Whether ``-o`` names a folder: by a / at its end, or because parts and nothing else are in
    it.
    """
    if output in ("", "-"):
        return False
    if output.endswith("/"):
        return True
    if not Path(output).is_dir():
        return False
    from molvae.generation.parts import parts_of, strangers

    return bool(parts_of(Path(output))) and not strangers(Path(output))


def check_parts(output: str) -> None:
    """UsageError before any work if a folder cannot take parts."""
    from molvae.errors import UsageError
    from molvae.generation.parts import arrow, strangers

    folder = Path(output)
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not place.is_dir():
        raise UsageError(f"{output}: cannot be a folder of parts, {place} is a file")
    if folder.is_dir() and (others := strangers(folder)):
        raise UsageError(f"{output}: holds other things than parts of samples, such as {others[0]}")
    check_writable(output, place)
    arrow()


def write_table(
    codec: Any,
    number: int,
    output: str,
    force: bool,
    options: dict[str, Any],
    known: Any,
    plan: Any,
    workers: Any,
) -> int:
    """Write so many molecules as a table, and say what was drawn and left out."""
    from molvae.chem.scoring import stream
    from molvae.datasets.text_files import cell, row_writer
    from molvae.generation import sampling

    codec.check_level(options["level"])  # before anything is written
    tally = sampling.Tally()
    flagged = options["keep_all"] or not options["consistent"]
    names = sampling.Sample._fields if flagged else sampling.Sample._fields[:-1]
    with open_output(output, force) as handle, progress("molecules", number) as advance:
        write = row_writer(handle, delimiter_of(output))
        write([*names, *(plan.columns if plan else ())])
        found = sampling.sample(
            codec, number, known=known, workers=workers, tally=tally, progress=advance, **options
        )
        rows = (
            stream(((one.smiles, one) for one in found), plan, workers)
            if plan
            else ((one, None) for one in found)
        )
        for one, scored in rows:
            cells = [*([one.consistent] if flagged else []), *(scored.values if scored else [])]
            write([one.smiles, one.selfies, f"{one.log_likelihood:.4f}", *map(cell, cells)])
    note(told(tally))
    if tally.kept == number:
        return 0
    slips = tally.dropped[sampling.INCONSISTENT] > tally.drawn / 2
    advice = (
        "train longer, or take them as they are with --raw"
        if slips
        else "a higher --temperature finds more"
    )
    note(f"Error: only {tally.kept:,} of {number:,} found in {tally.drawn:,} draws; {advice}")
    return 1


def write_parts(
    codec: Any,
    number: int,
    folder: Path,
    force: bool,
    options: dict[str, Any],
    known: Any,
    plan: Any,
    workers: Any,
) -> int:
    """Write this process's share of the parts of so many draws, and say what was left out."""
    from molvae.generation import large_scale, sampling
    from molvae.runtime.process_pool import default_workers
    from molvae.runtime.ranks import world

    here = world()
    settings = large_scale.settings_of(codec, novel=known is not None, plan=plan, **options)
    wanted = large_scale.Shards(folder, settings, number)
    missing = wanted.missing(here, force)
    folder.mkdir(parents=True, exist_ok=True)
    draws = sum(len(wanted.span(part)) for part in missing)
    if workers is None:
        workers = max(1, default_workers() // here.local_size) if draws > 4 * sampling.BLOCK else 1
    total = sampling.Tally()
    with progress("draws", draws) as advance:
        for tally in wanted.write(
            codec, missing, known=known, plan=plan, workers=workers, progress=advance
        ):
            total.drawn += tally.drawn
            total.kept += tally.kept
            total.dropped += tally.dropped
    who = f"process {here.rank + 1} of {here.size}: " if here.size > 1 else ""
    note(f"{who}{told(total)}")
    share = len(range(here.rank, wanted.count, here.size))
    there = f", {share - len(missing):,} were there already" if len(missing) < share else ""
    parts = "1 part" if len(missing) == 1 else f"{len(missing):,} parts"
    note(f"{who}{parts} of {number:,} draws written to {folder}/{there}")
    if here.leads:
        note(f"into a folder -n counts draws; molvae distinct {folder}/ leaves each molecule once")
    return 0


def told(tally: Any) -> str:
    """What was drawn, written and left out, in words."""
    dropped = (f", {count:,} dropped ({reason})" for reason, count in tally.dropped.most_common())
    return f"{tally.drawn:,} drawn, {tally.kept:,} written{''.join(dropped)}"
