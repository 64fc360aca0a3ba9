"""How many molecules models rebuild exactly, greedily from the posterior's mean: of more than
`molvae evaluate` takes.

    python benchmarks/reconstruction.py moses_test.csv.gz -m moses --count 20000

Molecules are drawn at random and compared as standard SMILES; all must be such that the models can
read them."""

from __future__ import annotations

import random

import click

from molvae.datasets.table_reader import open_table
from molvae.evaluation.estimates import share
from molvae.generation.codec import Codec
from molvae.runtime.process_pool import chunked
from molvae.storage import pretrained

TOGETHER = 2_000


def rebuilt(codec: Codec, molecules: list[str]) -> int:
    """How many of the molecules come back."""
    readings = codec.read(molecules)
    found = codec.decode(codec.posterior(readings).mean)
    return sum(one.smiles == smiles for one, smiles in zip(readings, found, strict=True))


@click.command(help=__doc__)
@click.argument("molecules")
@click.option(
    "-m",
    "--model",
    "models",
    required=True,
    multiple=True,
    metavar="MODEL",
    help="Several may be given.",
)
@click.option("--count", type=int, default=20_000, show_default=True, help="Molecules to rebuild.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice of molecules.")
def main(molecules: str, models: tuple[str, ...], count: int, seed: int) -> None:
    """Rebuild them and print the table."""
    with open_table(molecules) as table:
        every = [record.smiles for record in table]
    chosen = random.Random(seed).sample(every, min(count, len(every)))
    print("| model | exact | 95 % | molecules |")
    print("|---|---|---|---|")
    for name in models:
        codec = Codec.load(str(pretrained.find(name)))
        exact = share(
            sum(rebuilt(codec, part) for part in chunked(chosen, TOGETHER)),
            len(chosen),
            interval=True,
        )
        print(
            f"| {name} | {exact.value:.2%} | {exact.low:.2%} to {exact.high:.2%} | {exact.n:,} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
