"""Mistakes of a model: molecules that it does not rebuild greedily, at which symbol, and draws that
are not canonical.

    python benchmarks/mistakes.py heldout.smi -m druglike

A molecule is rebuilt if, given each true prefix and the mean of its posterior, the true symbol is
the likeliest at every step. The first symbol that is not is where it slips."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable

import click
import numpy as np
import torch
from rdkit import Chem

from molvae.datasets.table_reader import open_table
from molvae.generation import sampling
from molvae.generation.codec import Codec
from molvae.generation.reader import Reading, read_all
from molvae.language.vocabulary import END
from molvae.storage import pretrained

SIZES = (15, 20, 25, 30, 35, 45, 60, 1001)
KINDS = {
    "end of the molecule": re.compile(r"$"),
    "ring closure": re.compile(r"\[.?Ring"),
    "branch": re.compile(r"\[.?(Branch|\()"),
    "end of a branch": re.compile(r"\[\)"),
    "stereo atom": re.compile(r"\[.*@"),
    "double-bond stereo": re.compile(r"\[[/\\]"),
    "charged atom": re.compile(r"\[.*[+-]"),
    "carbon": re.compile(r"\[.?C\]"),
    "other atom": re.compile(r"\["),
}


def kind_of(symbol: str) -> str:
    """The kind of a SELFIES symbol; of the first one of merged symbols."""
    return next(kind for kind, pattern in KINDS.items() if pattern.match(symbol))


def size_of(mol: Chem.Mol) -> str:
    """The bin of a molecule's heavy atoms."""
    heavy = mol.GetNumHeavyAtoms()
    above = next(size for size in SIZES if heavy < size)
    below = SIZES[SIZES.index(above) - 1] if above != SIZES[0] else 1
    return f"{below} to {above - 1} heavy atoms"


def groups_of(mol: Chem.Mol) -> list[str]:
    """The groups that a molecule is counted in."""
    rings = mol.GetRingInfo()
    atoms = list(mol.GetAtoms())
    fused = max((rings.NumAtomRings(atom.GetIdx()) for atom in atoms), default=0)
    groups = [size_of(mol), f"{min(rings.NumRings(), 6)}{'+' * (rings.NumRings() > 5)} rings"]
    groups += ["an atom in three rings"] if fused > 2 else []
    if any(len(ring) > 8 for ring in rings.AtomRings()):
        groups.append("a ring of nine or more")
    if any(atom.GetChiralTag() for atom in atoms):
        groups.append("a stereocentre")
    if any(atom.GetFormalCharge() for atom in atoms):
        groups.append("a charge")
    return groups


@torch.no_grad()
def slips_of(codec: Codec, readings: list[Reading]) -> list[str]:
    """The kind of the symbol at which each molecule slips first; empty if it does not."""
    kinds = [""] * len(readings)
    for packed, rows in codec.batches(readings):
        chosen = codec.model.logits(packed, codec.model.encode(packed).mean).argmax(-1)
        wrong = (chosen != packed.targets).nonzero()[:, 0]
        for place in reversed(wrong.tolist()):  # so that the first one stays
            number = int(packed.targets[place])
            symbol = "" if number == END else codec.vocabulary.texts[number]
            kinds[rows[int(packed.molecule[place])]] = kind_of(symbol)
    return kinds


def print_shares(title: str, pairs: Iterable[tuple[str, bool]]) -> None:
    """A table of the share of what holds, by group."""
    right, every = Counter[str](), Counter[str]()
    for group, holds in pairs:
        every[group] += 1
        right[group] += holds
    print(f"| {title} | share | of |\n|---|---|---|")
    for group in sorted(every, key=lambda one: (int((re.match(r"\d*", one) or [0])[0] or 0), one)):
        print(f"| {group} | {right[group] / every[group]:.3f} | {every[group]:,} |")
    print()


@click.command(help=__doc__)
@click.argument("molecules")
@click.option("-m", "--model", required=True, metavar="MODEL")
@click.option("--count", type=int, default=5_000, show_default=True, help="Molecules, at most.")
@click.option("--draws", type=int, default=8_192, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(molecules: str, model: str, count: int, draws: int, seed: int) -> None:
    """Print what is rebuilt by group, where it slips, and the canonical share of draws."""
    codec = Codec.load(str(pretrained.find(model)))
    with open_table(molecules) as table:
        rows = [record.smiles for record in table]
    chosen = random.Random(seed).sample(rows, min(count, len(rows)))
    found = read_all(codec.reader, chosen)
    readings = [one for one in found if isinstance(one, Reading)]
    kinds = slips_of(codec, readings)
    mols = [Chem.MolFromSmiles(one.smiles) for one in readings]
    pairs = [
        (group, not kind)
        for mol, kind in zip(mols, kinds, strict=True)
        for group in ("all", *groups_of(mol))
    ]
    for title, pattern in (("size", "heavy"), ("rings", r"^\d.* rings$"), ("kind", r"^a")):
        some = [pair for pair in pairs if re.search(pattern, pair[0])]
        print_shares(f"rebuilt greedily, by {title}", some)
    counts = Counter(filter(None, kinds))
    print("| first slip at | share of slips |\n|---|---|")
    for kind, times in counts.most_common():
        print(f"| {kind} | {times / max(1, counts.total()):.3f} |")
    print()
    drawn = list(sampling.sample(codec, draws, sampling.SamplingParams(seed), None))
    sizes = [
        (size_of(Chem.MolFromSmiles(one.smiles)), one.canonical) for one in drawn if one.smiles
    ]
    print_shares("draws that are canonical", sizes)
    print(f"all draws: {np.mean([one.canonical for one in drawn]):.3f}")


if __name__ == "__main__":
    main()
