"""Speed of all that is not the network: reading, scoring and starting, beside the bare
work.

    python benchmarks/pipeline.py molecules.csv.gz -m model/

Both sides of a comparison work on the same molecules in the same number of processes, in turn,
several times, and the fastest of each is shown. Bare preparing is RDKit's parsing and canonical
SMILES and ``selfies.encoder``, nothing else; bare scoring is the descriptors' own functions on
molecules that have been parsed, the parsing not counted. Rates are molecules per second on all
cores."""

from __future__ import annotations

import csv
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import click
import selfies
from rdkit import Chem, RDLogger

from molvae.chem.properties import DEFAULT_SCORES, PROPERTIES
from molvae.chem.scoring import CHUNK_SIZE, plan_scores, stream
from molvae.config import DataConfig
from molvae.datasets.prepare import CHUNK, prepare
from molvae.datasets.table_reader import open_table
from molvae.errors import MoleculeError
from molvae.runtime.process_pool import chunked, default_workers, map_chunks
from molvae.training import run_folder

CORES = default_workers()
COMMAND = str(Path(sys.executable).with_name("molvae"))
PARTS = ("prepare", "score", "start")


def seconds(work: Callable[[], object]) -> float:
    """Time of a piece of work, in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turn(rounds: int, *works: Callable[[], float]) -> list[float]:
    """The least of each work's figures; the works take turns, so that a busy machine is unjust to
    none.
    """
    return [
        min(figures)
        for figures in zip(*([work() for work in works] for _ in range(rounds)), strict=True)
    ]


def encode_bare(smiles: list[str]) -> int:
    """Do what every preparation has to: parse, write canonical SMILES, translate to SELFIES."""
    RDLogger.DisableLog("rdApp.*")
    for one in smiles:
        with suppress(selfies.EncoderError):
            selfies.encoder(Chem.MolToSmiles(Chem.MolFromSmiles(one)))
    return len(smiles)


def encode_bare_in_passes(smiles: list[str]) -> int:
    """The same, all molecules through RDKit before any goes through selfies, which spares the
    processor's caches.
    """
    RDLogger.DisableLog("rdApp.*")
    for one in [Chem.MolToSmiles(Chem.MolFromSmiles(one)) for one in smiles]:
        with suppress(selfies.EncoderError):
            selfies.encoder(one)
    return len(smiles)


def describe_bare(smiles: list[str]) -> float:
    """Seconds that the default descriptors of some molecules take, their parsing not counted."""
    mols = [Chem.MolFromSmiles(one) for one in smiles]
    functions = [PROPERTIES[name].function for name in DEFAULT_SCORES]
    began = time.perf_counter()
    for mol in mols:
        for function in functions:
            with suppress(MoleculeError):
                function(mol)
    return time.perf_counter() - began


def measure_prepare(smiles: list[str], folder: Path, rounds: int) -> None:
    """Print what preparing gives, as a share of the bare work, and what finding it prepared
    costs.
    """
    path, count = folder / "molecules.csv", len(smiles)
    with open(path, "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, lineterminator="\n").writerows([["smiles"], *([one] for one in smiles)])
    ours, bare, passes = in_turn(
        rounds,
        lambda: seconds(lambda: prepare([path])),
        lambda: seconds(lambda: sum(map_chunks(encode_bare, chunked(smiles, CHUNK), CORES))),
        lambda: seconds(
            lambda: sum(map_chunks(encode_bare_in_passes, chunked(smiles, CHUNK), CORES))
        ),
    )
    os.environ["XDG_CACHE_HOME"] = str(folder)
    run_folder.open_dataset([path], DataConfig())
    (again,) = in_turn(
        rounds, lambda: seconds(lambda: run_folder.open_dataset([path], DataConfig()))
    )
    shares = (
        f"{bare / ours:.0%} of the bare rate (goal: 90 %), {passes / ours:.0%} of that in passes"
    )
    print(
        "| bare: RDKit's canonical SMILES, then SELFIES, of each molecule in turn | "
        f"{count / bare:,.0f}/s | |"
    )
    print(
        f"| bare, in passes: RDKit for {CHUNK:,} molecules, then selfies for them | "
        f"{count / passes:,.0f}/s | |"
    )
    print(f"| prepare, CSV to token ids | {count / ours:,.0f}/s | {shares} |")
    print(f"| the same file again, from the cache | {count / again:,.0f}/s | {again:.2f} s |")


def measure_score(smiles: list[str], folder: Path, rounds: int) -> None:
    """Print what scoring gives, and its overhead over the descriptors alone."""
    path, count = folder / "scored.csv", len(smiles)
    with open(path, "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, lineterminator="\n").writerows([["smiles"], *([one] for one in smiles)])
    plan = plan_scores()
    list(
        stream([("CCCCO", None)], plan, 1)
    )  # loads the descriptors' tables, which the workers then share
    ours, command, nothing, bare = in_turn(
        rounds,
        lambda: seconds(
            lambda: sum(1 for _ in stream(((one, None) for one in smiles), plan, CORES))
        ),
        lambda: run("score", str(path), "-o", "/dev/null"),
        lambda: run("score", "-", "-o", "/dev/null", given="smiles\nCCCCO\n"),
        lambda: sum(map_chunks(describe_bare, chunked(smiles, CHUNK_SIZE), CORES)) / CORES,
    )
    command -= nothing
    print(f"| bare descriptors of parsed molecules | {count / bare:,.0f}/s | |")
    print(
        f"| score, SMILES to values | {count / ours:,.0f}/s | overhead {ours / bare - 1:.1%} "
        "(goal: 10 %) |"
    )
    print(
        f"| `molvae score`, file to file, once started | {count / command:,.0f}/s | "
        f"{command / bare - 1:.1%} |"
    )


def run(*args: str, given: str = "", environment: dict[str, str] | None = None) -> float:
    """Seconds of the installed command in a process of its own."""

    def work() -> None:
        # What it says goes to a pipe, as it would to a log: a terminal would be told of progress.
        done = subprocess.run(
            [COMMAND, *args],
            input=given,
            capture_output=True,
            text=True,
            env=os.environ | (environment or {}),
        )
        if done.returncode:
            sys.exit(f"molvae {' '.join(args)}: {done.stderr.strip()}")

    return seconds(work)


def measure_start(model: str, folder: Path, rounds: int) -> None:
    """Print what starting costs, with nothing to do and with a thousand molecules."""
    one = folder / "one.csv"
    one.write_text("smiles\nCC(=O)Nc1ccc(O)cc1\n")
    score, sample = (
        ("score", str(one), "-o", "/dev/null"),
        ("sample", "-n", "1000", "-m", model, "-o", "/dev/null"),
    )
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, *score], capture_output=True, text=True
    )
    torch = any(line.endswith(" torch") for line in loaded.stderr.splitlines())
    compiling = [
        run(*sample, environment={"NUMBA_CACHE_DIR": str(folder / f"compiled{number}")})
        for number in range(rounds)
    ]
    helping, scoring, sampling = in_turn(
        rounds, lambda: run("--help"), lambda: run(*score), lambda: run(*sample)
    )
    print(f"| `molvae --help` | {helping:.2f} s | goal: 0.3 s |")
    print(
        f"| `molvae score` of one molecule | {scoring:.2f} s | torch is "
        f"{'' if torch else 'not '}imported |"
    )
    print(f"| `molvae sample -n 1000` | {sampling:.1f} s | goal: 6 s |")
    print(f"| the same, the first time ever, kernels not yet compiled | {min(compiling):.1f} s | |")


@click.command(help=__doc__)
@click.argument("molecules")
@click.option("-m", "--model", metavar="FOLDER", help="Trained model, for the times of starting.")
@click.option(
    "--rows", type=int, default=100_000, show_default=True, help="Molecules of the file to prepare."
)
@click.option(
    "--scored", type=int, default=10_000, show_default=True, help="Molecules of the file to score."
)
@click.option(
    "--rounds", type=int, default=3, show_default=True, help="Rounds of each, the best counts."
)
@click.option("--only", type=click.Choice(PARTS), help="Measure this alone.")
def main(
    molecules: str, model: str | None, rows: int, scored: int, rounds: int, only: str | None
) -> None:
    """Measure everything and print the table."""
    parts = (only,) if only else PARTS
    if "start" in parts and model is None:
        raise click.UsageError(
            "--model is needed for the times of starting; --only prepare does without"
        )
    with open_table(molecules) as table:
        smiles = [record.smiles for record in itertools.islice(table, max(rows, scored))]
    smiles = [one for one in smiles if Chem.MolFromSmiles(one) is not None]
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("rdkit", "selfies", "numpy", "numba", "torch")
    )
    print(f"{platform.machine()}, {CORES} cores, python {platform.python_version()}, {versions}")
    prepared, judged = smiles[:rows], smiles[:scored]
    print(
        f"{len(prepared):,} molecules prepared, {len(judged):,} scored; the best of {rounds} "
        "rounds\n"
    )
    print("| work | speed | |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        if "prepare" in parts:
            measure_prepare(prepared, Path(folder), rounds)
        if "score" in parts:
            measure_score(judged, Path(folder), rounds)
        if "start" in parts:
            measure_start(str(model), Path(folder), rounds)


if __name__ == "__main__":
    main()
