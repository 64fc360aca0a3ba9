"""``molvae combine``: latent arithmetic, A - B + C."""

from __future__ import annotations

import click

from .options import (
    count_in,
    device_option,
    force_option,
    load_codec,
    model_option,
    output_option,
    seed_option,
)
from .output import check_table, open_rows


@click.command(
    epilog="""\b
Examples:
  molvae combine 'CC(=O)Nc1ccc(O)cc1' --minus 'Oc1ccccc1' --plus 'Nc1ccccc1'
  molvae combine 'CC(C)Cc1ccc(C(C)C(=O)O)cc1' --plus 'COc1ccc2cc(C(C)C(=O)O)ccc2c1' -n 20"""
)
@click.argument("molecule", metavar="SMILES")
@click.option("--plus", multiple=True, metavar="SMILES", help="A molecule whose latent is added.")
@click.option("--minus", multiple=True, metavar="SMILES", help="One whose latent is taken away.")
@model_option
@click.option(
    "-n", "--number", type=count_in(), default=10, metavar="N", help="Molecules to write."
)
@seed_option
@output_option
@force_option
@device_option
def combine(
    molecule: str,
    plus: tuple[str, ...],
    minus: tuple[str, ...],
    model: str,
    number: int,
    seed: int,
    output: str,
    force: bool,
    device: str,
) -> int:
    """Add and take away latents, and write the molecules nearest to the result.

    What differs between two molecules is carried over to a third: A, less B, plus C. Columns:
    smiles, the distance of its own latent to the result (0 is there, 1 the length of a latent), and
    its Tanimoto similarity to SMILES. Far from every molecule, the nearest ones are far too."""
    from molvae.generation.analogs import Combined, add_latents

    check_table(output, force)
    codec = load_codec(model, device)
    found = add_latents(codec, codec.read([molecule, *plus]), codec.read(minus), number, seed)
    with open_rows(output, force) as write:
        write(Combined._fields)
        for one in found:
            write([one.smiles, f"{one.distance:.4f}", f"{one.tanimoto:.4f}"])
    return 0 if found else 1
