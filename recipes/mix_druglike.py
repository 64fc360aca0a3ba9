"""Mix the training molecules of the shipped model "druglike", and split off its held-out ones.

    python recipes/mix_druglike.py druglike.smi.gz zinc250k.csv.gz moses_train.csv.gz
        --never drugs.smi --never chembl_heldout.smi --never moses_test.csv.gz
        -o train.smi.gz --heldout heldout.smi

All of the first file, nine tenths of the second (every tenth row is the test set of ZINC-250k) and
300,000 molecules of the third. Molecules are compared flat: standardised, uncharged, without
stereo. None that is flatly one of a file given with --never is mixed in; one in 400 of the others,
by a hash of its flat SMILES, so that stereoisomers stay together and the split never changes, is
held out: of the first file for measuring, of the others for nothing."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable, Iterator
from hashlib import sha256

import click
from rdkit import Chem

from molvae.chem.molecule import parse
from molvae.chem.standardise import standard_smiles
from molvae.datasets.table_reader import open_table
from molvae.errors import MoleculeError
from molvae.runtime.process_pool import chunked, default_workers, map_chunks

ONE_IN = 400
MOSES = 300_000

Pair = tuple[str, str]
"""A standard SMILES and its flat form; both empty for what cannot be used."""


def flat_pairs(rows: list[str]) -> list[Pair]:
    """The standard and the flat SMILES of some molecules."""
    pairs = []
    for smiles in rows:
        try:
            standard = standard_smiles(smiles)
            mol = parse(standard)
            Chem.RemoveStereochemistry(mol)
            pairs.append((standard, standard_smiles(Chem.MolToSmiles(mol))))
        except MoleculeError:
            pairs.append(("", ""))
    return pairs


def is_held_out(flat: str) -> bool:
    """The split: a hash of the flat SMILES alone decides."""
    return int.from_bytes(sha256(flat.encode()).digest()[:8], "big") % ONE_IN == 0


def rows_of(path: str) -> Iterator[str]:
    """The SMILES of a file."""
    with open_table(path) as table:
        for record in table:
            yield record.smiles


def crashed(_: str) -> list[Pair]:
    """The pair of a molecule that ends the process that reads it."""
    return [("", "")]


def standardised(rows: Iterable[str]) -> Iterator[Pair]:
    """The pairs of all rows, on every core."""
    for pairs in map_chunks(flat_pairs, chunked(rows, 1000), default_workers(), crashed):
        yield from pairs


@click.command(help=__doc__)
@click.argument("druglike")
@click.argument("zinc")
@click.argument("moses")
@click.option("--never", multiple=True, required=True, metavar="FILE", help="Not to be trained on.")
@click.option("-o", "--output", required=True, metavar="FILE.smi.gz", help="Training molecules.")
@click.option("--heldout", required=True, metavar="FILE.smi", help="Held-out ones of the first.")
def main(
    druglike: str, zinc: str, moses: str, never: tuple[str, ...], output: str, heldout: str
) -> None:
    """Write both files and say what went where."""
    rng = random.Random(0)
    out = {flat for path in never for _, flat in standardised(rows_of(path))}
    parts: dict[str, Iterable[str]] = {
        druglike: rows_of(druglike),
        zinc: (row for line, row in enumerate(rows_of(zinc), start=2) if line % 10),
        moses: rng.sample(list(rows_of(moses)), MOSES),
    }
    train: list[str] = []
    held: list[str] = []
    for path, rows in parts.items():
        counts = {"used": 0, "held out": 0, "never to be trained on": 0, "unusable": 0}
        for standard, flat in standardised(rows):
            if not standard:
                counts["unusable"] += 1
            elif flat in out:
                counts["never to be trained on"] += 1
            elif is_held_out(flat):
                counts["held out"] += 1
                held += [standard] if path == druglike else []
            else:
                counts["used"] += 1
                train.append(standard)
        print(path, ", ".join(f"{count:,} {what}" for what, count in counts.items()), flush=True)
    rng.shuffle(train)
    with gzip.open(output, "wt") as file:
        file.writelines(f"{smiles}\n" for smiles in train)
    with open(heldout, "w", encoding="ascii") as plain:
        plain.writelines(f"{smiles}\n" for smiles in held)


if __name__ == "__main__":
    main()
