"""The ten molecules that seed 0 gives of each shipped model on a CPU in fp32, kept in
``tests/golden/<name>.csv``.

Whoever downloads another version should get the same molecules. ``python tests/golden.py`` writes
the files anew: on purpose, with a line in the changelog, where a change of the samples is meant;
``tests/storage/test_pretrained.py`` compares."""

from __future__ import annotations

import csv
from pathlib import Path

from molvae.chem.molecule import canonical, parse
from molvae.generation.codec import Codec
from molvae.generation.reader import Sample
from molvae.generation.sampling import sample
from molvae.storage import pretrained

FOLDER = Path(__file__).with_name("golden")
NUMBER = 10

CLOSE = 0.01
"""Nats by which a log-likelihood may differ: processors do not add in the same order."""


def draw(model: Path) -> list[Sample]:
    """The molecules of a model folder."""
    codec = Codec.load(str(model), precision="fp32")
    return list(sample(codec, NUMBER, workers=1))


def write(path: Path, samples: list[Sample]) -> None:
    """Write them down."""
    path.parent.mkdir(exist_ok=True)
    with open(path, "w", newline="", encoding="ascii") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(Sample._fields)
        writer.writerows((one.smiles, one.selfies, f"{one.log_likelihood:.4f}") for one in samples)


def differences(path: Path, samples: list[Sample]) -> list[str]:
    """Differences from what was written down, a sentence for each molecule; SMILES are compared in
    canonical form.
    """
    with open(path, newline="", encoding="ascii") as handle:
        rows = list(csv.DictReader(handle))
    found = (
        [f"{len(samples)} molecules in place of {len(rows)}"] if len(samples) != len(rows) else []
    )
    for number, (row, one) in enumerate(zip(rows, samples, strict=False), start=1):
        same = one.selfies == row["selfies"] and one.smiles == canonical(parse(row["smiles"]))
        if not same or abs(one.log_likelihood - float(row["log_likelihood"])) > CLOSE:
            found.append(f"molecule {number} is {one}, and was {row}")
    return found


if __name__ == "__main__":
    for name in pretrained.names():
        write(FOLDER / f"{name}.csv", draw(pretrained.folder_of(name)))
