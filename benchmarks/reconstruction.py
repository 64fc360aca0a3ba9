"""Count the molecules of files that models read, and rebuild exactly from their latent.

    python benchmarks/reconstruction.py heldout.smi drugs.smi -m druglike -m zinc
    python benchmarks/reconstruction.py moses_test.csv.gz -m moses --count 20000

Molecules are compared as standard SMILES, and shares are of all that are molecules, read by the
model or not. `greedy` takes the likeliest symbol at every step; `rebuilt` is what `molvae decode`
does, `told` the share of those that it says encode back, and `wrong` the molecules that it says
encode back and that are others. Small ones have at most 35 heavy atoms."""

from __future__ import annotations

import random
import time
from collections import Counter

import click

from molvae.chem.molecule import parse
from molvae.chem.standardise import standard_smiles
from molvae.datasets.table_reader import open_table
from molvae.errors import MoleculeError
from molvae.evaluation.estimates import share
from molvae.generation.codec import Codec
from molvae.generation.reader import Reading, read_all
from molvae.generation.rebuilding import WIDTH, rebuild
from molvae.runtime.process_pool import chunked
from molvae.storage import pretrained

TOGETHER = 2_000
SMALL = 35
HEADER = "| file | model | molecules | read | greedy | rebuilt | 95 % | small | told | wrong | ms |"


def molecules_of_file(path: str, count: int, seed: int) -> list[str]:
    """The standard SMILES of a file's molecules, ``count`` of them drawn at random."""
    with open_table(path) as table:
        rows = [record.smiles for record in table]
    found = []
    for smiles in random.Random(seed).sample(rows, min(count, len(rows))):
        try:
            found.append(standard_smiles(smiles))
        except MoleculeError:
            continue
    return found


def count_rebuilt(codec: Codec, molecules: list[str], width: int) -> Counter[str]:
    """Counts of some molecules by what became of them."""
    found = read_all(codec.reader, molecules)
    readings = [one for one in found if isinstance(one, Reading)]
    z = codec.encode_readings(readings)
    greedy, wide = rebuild(codec, z, 1), rebuild(codec, z, width)
    counts = Counter({"read": len(readings)})
    for reading, first, one in zip(readings, greedy, wide, strict=True):
        exact = one.smiles == reading.smiles
        counts["greedy"] += first.smiles == reading.smiles
        counts["rebuilt"] += exact
        counts["told"] += exact and one.encodes_back
        counts["wrong"] += one.encodes_back and not exact
        counts["small rebuilt"] += exact and is_small(reading.smiles)
    counts["small"] = sum(map(is_small, molecules))
    return counts


def is_small(smiles: str) -> bool:
    """True for a molecule of at most :data:`SMALL` heavy atoms."""
    return bool(parse(smiles).GetNumHeavyAtoms() <= SMALL)


@click.command(help=__doc__)
@click.argument("files", nargs=-1, required=True)
@click.option("-m", "--model", "models", required=True, multiple=True, metavar="MODEL")
@click.option("--count", type=int, default=20_000, show_default=True, help="Molecules, at most.")
@click.option("--width", type=int, default=WIDTH, show_default=True, help="Of the beam.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice of molecules.")
def main(
    files: tuple[str, ...], models: tuple[str, ...], count: int, width: int, seed: int
) -> None:
    """Rebuild them and print the table."""
    print(HEADER)
    print("|---" * HEADER.count(" | ") + "|---|")
    for path in files:
        molecules = molecules_of_file(path, count, seed)
        for name in models:
            codec, began = Codec.load(str(pretrained.find(name))), time.perf_counter()
            counts: Counter[str] = Counter()
            for part in chunked(molecules, TOGETHER):
                counts += count_rebuilt(codec, part, width)
            spent = 1000 * (time.perf_counter() - began) / max(1, len(molecules))
            exact = share(counts["rebuilt"], len(molecules))
            cells = [
                *(path.rpartition("/")[2], name, f"{len(molecules):,}"),
                *(f"{counts[key] / len(molecules):.2%}" for key in ("read", "greedy")),
                *(f"{exact.value:.2%}", f"{exact.low:.2%} to {exact.high:.2%}"),
                f"{counts['small rebuilt'] / max(1, counts['small']):.2%}",
                f"{counts['told'] / max(1, counts['rebuilt']):.2%}",
                *(str(counts["wrong"]), f"{spent:.1f}"),
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
