"""``molvae sample``: new molecules from the prior."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from molvae.config import MAX_TEMPERATURE, PRIOR_LEVEL
from molvae.datasets.text_files import cell
from molvae.errors import UsageError
from molvae.runtime.ranks import world

from .options import (
    count_in,
    device_option,
    force_option,
    keep_option,
    load_codec,
    model_option,
    number_in,
    old_option,
    report_option,
    seed_option,
    workers_option,
)
from .output import check_table, check_writable, note, open_rows, progress
from .pages import Kept, check_page, facts_of, write_table_page


@click.command(
    epilog="""\b
Examples:
  molvae sample -m model/ -n 1000 -o samples.csv
  molvae sample -m model/ -n 20 --novel --scores qed,sa,logp
  molvae sample -n 100 --with logp=2:3 --with molwt=:400 --keep 'C(=O)N'
  molvae sample -m model/ -n 1e6 | head
\b
  molvae sample -m model/ -n 1e9 -o shards/ && molvae distinct shards/ -o molecules.parquet
  torchrun --nproc-per-node 8 $(which molvae) sample -m model/ -n 1e9 -o shards/"""
)
@model_option
@click.option(
    "-n",
    "--number",
    type=count_in(0),
    default=100,
    metavar="N",
    help="Molecules to write; into a folder, draws.",
)
@click.option(
    "--temperature",
    type=number_in(0.0, MAX_TEMPERATURE),
    metavar="X",
    help="Below 1 keeps to likelier symbols, 0 takes the likeliest; z is drawn all the same. "
    "[default: the model's own; 1 unless its maker chose another]",
)
@click.option(
    "--level",
    type=number_in(0.0, 1.0),
    metavar="X",
    help="Noise level a (signal share) to sample at, of models with several; at 0 a draw does not "
    f"depend on z. [default: {PRIOR_LEVEL}; less for more than 128 dimensions]",
)
@click.option(
    "--prior",
    type=click.Choice(("normal", "learned")),
    default="normal",
    help="Distribution of z: N(0, I), or the Gaussian with the mean and covariance of real "
    "molecules' latents.",
)
@seed_option
@click.option(
    "--canonical/--raw",
    default=None,
    help="Leave out draws whose SELFIES s is not canonical, encode(canonical(decode(s))) = s; or "
    "keep them, with a column that says which are. [default: canonical]",
)
@click.option(
    "--all",
    "keep_all",
    is_flag=True,
    help="Keep every draw: repeats, empty ones and SELFIES that are not canonical too.",
)
@old_option("--consistent", "--canonical")
@click.option(
    "--novel",
    is_flag=True,
    help="Leave out the molecules that the model was last trained on; of one trained with --from, "
    "not those of the model that it began with.",
)
@click.option(
    "--with",
    "windows",
    multiple=True,
    metavar="NAME=LOW:HIGH",
    help="Only molecules with this property inside the window (see molvae score --list): draws go "
    "on around those found. May be given several times.",
)
@keep_option
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
    help="File to write, - for stdout: CSV, or TSV if named .tsv, compressed if it ends in .gz; or "
    "a folder, / at its end, for parquet parts.",
)
@report_option
@force_option
@workers_option
@device_option
@click.option(
    "--precision",
    type=click.Choice(("auto", "fp32", "bf16")),
    default="auto",
    help="Of matrix products; auto takes bf16 where it is fast. A seed gives the same molecules "
    "within one precision and, in bf16, on one kind of processor.",
)
def sample(
    model: str,
    number: int,
    temperature: float | None,
    level: float | None,
    prior: str,
    seed: int,
    canonical: bool | None,
    keep_all: bool,
    novel: bool,
    windows: tuple[str, ...],
    keep: str,
    scores: str | None,
    output: str,
    page: str | None,
    force: bool,
    workers: int | None,
    device: str,
    precision: str,
) -> int:
    """Draw new molecules from a model.

    z is drawn from the prior and decoded; N distinct valid molecules are written, with their
    SELFIES and log p(x|z) in nats. The same seed gives the same molecules.

    Into a folder, -o shards/, go parquet parts with the rows kept of N draws, repeats within a part
    removed. A second start writes only the parts that are missing, and under torchrun the processes
    share them; molvae distinct removes the repeats of all parts."""
    from molvae.chem.properties import Conditions, condition_of
    from molvae.chem.scoring import plan_scores
    from molvae.generation.sampling import Filters, SamplingParams
    from molvae.storage import model_folder

    here = world()
    for other, given in (("--novel", novel), ("--canonical", canonical)):
        if keep_all and given:
            raise UsageError(
                f"--all keeps every draw and {other} leaves some out: give one of them"
            )
    parts = is_for_parts(output)
    conditions = Conditions(tuple(map(condition_of, windows)), keep)
    if (windows or keep) and (parts or keep_all or canonical is False):
        raise UsageError("--with and --keep go with neither --all, --raw nor a folder of parts")
    if parts and page:
        raise UsageError("--report goes with a table, not with a folder of parts")
    if parts:
        check_parts(output)
    elif here.size > 1:
        raise UsageError(
            "several processes share the parts of a folder; name one with -o, and end it with /"
        )
    else:
        check_table(output, force)
        check_page(page, force, [output])
    plan = None if scores is None else plan_scores(scores)
    codec = load_codec(model, device, precision)
    known = model_folder.load_known(model) if novel else None
    params = SamplingParams(seed, temperature, level, prior == "learned")
    filters = None if keep_all else Filters(canonical is not False, known)
    if parts:
        return write_parts(codec, number, Path(output), force, params, filters, plan, workers)
    codec.check_level(level)  # before anything is written
    with open_rows(output, force) as plain:
        write = Kept(plain, page)
        if windows or keep:
            code = write_within(codec, number, write, params, filters, plan, conditions)
        else:
            code = write_table(codec, number, write, params, filters, plan, workers)
    if page and write.rows:
        write_table_page(page, write, f"Samples of {Path(model).name}", facts_of(model, seed))
    return code


def is_for_parts(output: str) -> bool:
    """True if ``-o`` names a folder: by a / at its end, or one that holds parts alone."""
    if output in ("", "-"):
        return False
    if output.endswith("/"):
        return True
    if not Path(output).is_dir():
        return False
    from molvae.generation.deduplication import parts_of, strangers

    return bool(parts_of(Path(output))) and not strangers(Path(output))


def check_parts(output: str) -> None:
    """UsageError before any work if a folder cannot take parts."""
    from molvae.generation.deduplication import arrow, strangers

    folder = Path(output)
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not place.is_dir():
        raise UsageError(f"{output}: cannot be a folder of parts, {place} is a file")
    if folder.is_dir() and (others := strangers(folder)):
        raise UsageError(f"{output}: holds other things than parts of samples, such as {others[0]}")
    check_writable(output, place)
    arrow()


def write_table(
    codec: Any, number: int, write: Any, params: Any, filters: Any, plan: Any, workers: Any
) -> int:
    """Write ``number`` molecules as a table, and report the draws and drops."""
    from molvae.chem.scoring import stream
    from molvae.generation import sampling
    from molvae.generation.reader import Sample

    tally = sampling.Tally()
    flagged = filters is None or not filters.canonical
    names = Sample._fields if flagged else Sample._fields[:-1]
    with progress("molecules", number) as advance:
        write([*names, *(plan.columns if plan else ())])
        found = sampling.sample(
            codec, number, params, filters, workers=workers, tally=tally, progress=advance
        )
        rows = (
            stream(((one.smiles, one) for one in found), plan, workers)
            if plan
            else ((one, None) for one in found)
        )
        for one, scored in rows:
            cells = [*([one.canonical] if flagged else []), *(scored.values if scored else [])]
            write([one.smiles, one.selfies, f"{one.log_likelihood:.4f}", *map(cell, cells)])
    note(summary(tally))
    if tally.kept == number:
        return 0
    untrained = tally.dropped[sampling.NOT_CANONICAL] > tally.drawn / 2
    advice = (
        "train longer, or take them as they are with --raw"
        if untrained
        else "a higher --temperature finds more"
    )
    note(f"Error: only {tally.kept:,} of {number:,} found in {tally.drawn:,} draws; {advice}")
    return 1


def write_within(
    codec: Any, number: int, write: Any, params: Any, filters: Any, plan: Any, conditions: Any
) -> int:
    """Write ``number`` molecules that meet conditions, and report how often draws did."""
    from molvae.chem.scoring import score_chunk
    from molvae.generation.conditional import Hits, sample_within
    from molvae.generation.reader import Sample

    hits, written = Hits(), 0
    with progress("molecules", number) as advance:
        write([*Sample._fields[:-1], *(plan.columns if plan else ())])
        for one in sample_within(codec, number, conditions, params, filters, hits):
            scores = score_chunk(plan, [one.smiles])[0].values if plan else ()
            write([one.smiles, one.selfies, f"{one.log_likelihood:.4f}", *map(cell, scores)])
            written += 1
            advance(1)
    rates = [
        f"{met / drawn:.1%} of {drawn:,} molecules {where}"
        for met, drawn, where in (
            (hits.yielded[-1], hits.tried[-1], "of the prior"),
            (hits.yielded[:-1].sum(), hits.tried[:-1].sum(), "of chosen latents"),
        )
        if drawn
    ]
    note(f"{written:,} written; new molecules that meet the conditions: {' and '.join(rates)}")
    if written == number:
        return 0
    note(f"Error: only {written:,} of {number:,} found in {hits.draws:,} draws; widen the windows")
    return 1


def write_parts(
    codec: Any,
    number: int,
    folder: Path,
    force: bool,
    params: Any,
    filters: Any,
    plan: Any,
    workers: Any,
) -> int:
    """Write this process's share of the parts of ``number`` draws, and report the drops."""
    from molvae.generation import large_scale, sampling
    from molvae.runtime.process_pool import default_workers

    here = world()
    settings = large_scale.settings_of(codec, params, filters, plan)
    wanted = large_scale.Shards(folder, settings, number)
    missing = wanted.missing(here, force)
    folder.mkdir(parents=True, exist_ok=True)
    draws = sum(len(wanted.span(part)) for part in missing)
    if workers is None:
        workers = max(1, default_workers() // here.local_size) if draws > 4 * sampling.BLOCK else 1
    total = sampling.Tally()
    with progress("draws", draws) as advance:
        for tally in wanted.write(codec, missing, filters, plan, workers, advance):
            total.drawn += tally.drawn
            total.kept += tally.kept
            total.dropped += tally.dropped
    who = f"process {here.rank + 1} of {here.size}: " if here.size > 1 else ""
    note(f"{who}{summary(total)}")
    share = len(range(here.rank, wanted.count, here.size))
    there = f", {share - len(missing):,} existed already" if len(missing) < share else ""
    parts = "1 part" if len(missing) == 1 else f"{len(missing):,} parts"
    note(f"{who}{parts} of {number:,} draws written to {folder}/{there}")
    if here.leads:
        note(f"into a folder -n counts draws; molvae distinct {folder}/ leaves each molecule once")
    return 0


def summary(tally: Any) -> str:
    """Counts of molecules drawn, written and dropped by reason, in words."""
    dropped = (f", {count:,} dropped ({reason})" for reason, count in tally.dropped.most_common())
    return f"{tally.drawn:,} drawn, {tally.kept:,} written{''.join(dropped)}"
