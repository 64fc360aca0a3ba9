"""Speed of molvae on this machine, beside the reference VAE and what the hardware gives, in one
run.

    python benchmarks/speed.py -m model/ --data molecules.csv.gz

Everything is measured in turn, several times, and the fastest of each is shown: on a machine that
others use too the fastest is what says most. What is loaded or compiled at the first use is there
before, for all that is measured. The reference is `reference_vae.py`; where the package molsets is
installed its own VAE is measured too. Trained is a new model of the size of the one that is sampled
from, with the reference's batches unless told otherwise. Rates are molecules per second on all
cores."""

from __future__ import annotations

import itertools
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import click
import numpy as np
import torch
from original_vae import OriginalVAE, original
from rdkit import Chem, RDLogger
from reference_vae import BATCH, ReferenceVAE

from molvae.api import configured
from molvae.config import ModelConfig
from molvae.datasets.dataset import Dataset
from molvae.datasets.table_reader import open_table
from molvae.generation import sampling
from molvae.generation.codec import Codec
from molvae.nn.model import MoleculeVAE
from molvae.runtime.process_pool import chunked, map_chunks
from molvae.storage import pretrained
from molvae.training import run_folder
from molvae.training.loop import begin, train

CORES = len(os.sched_getaffinity(0))
STEPS = 3
"""Steps of a round of a reference's training: single ones differ by half, for the memory that they
ask for anew.
"""

TOGETHER = 10
"""Steps of a round of our training. Few, so that few rounds hold the validation that ends an epoch:
of so few molecules that is every hundredth step or so, of all of MOSES it would be every three
thousandth."""


def fastest(work: Callable[[], int], rounds: int) -> float:
    """Units of work per second, the best of some rounds."""
    best = 0.0
    for _ in range(rounds):
        began = time.perf_counter()
        done = work()
        best = max(best, done / (time.perf_counter() - began))
    return best


def product_rate(kind: torch.dtype) -> float:
    """GFLOP/s of a matrix product of the shape of a decoder step, (2048, 512) by (512, 1536), on
    all cores.
    """
    a, b = torch.randn(2048, 512).to(kind), torch.randn(1536, 512).to(kind)
    out = torch.empty(2048, 1536, dtype=kind)

    def work() -> int:
        for _ in range(20):
            torch.mm(a, b.t(), out=out)
        return 20

    return fastest(work, 10) * 2 * 2048 * 512 * 1536 / 1e9


def canonicalise(smiles: list[str]) -> list[str]:
    """Do what RDKit alone does: parse and write canonical SMILES."""
    RDLogger.DisableLog("rdApp.*")
    return [Chem.MolToSmiles(Chem.MolFromSmiles(one)) for one in smiles]


def rdkit_rate(smiles: list[str]) -> float:
    """Molecules per second that RDKit parses and canonicalises on all cores."""
    chunks = list(chunked(smiles, 500))
    return fastest(lambda: sum(len(part) for part in map_chunks(canonicalise, chunks, CORES)), 3)


def training_rate(
    dataset: Dataset, sizes: ModelConfig, batch: int, rounds: int
) -> tuple[float, float, int]:
    """Molecules per second of a new model, trained in batches of a size; GFLOP/s needed; its
    weights.
    """
    config = replace(configured({"batch_size": batch}), model=sizes)
    state = begin(dataset, config, torch.device("cpu"))
    records = train(state, dataset)
    for _ in itertools.islice(records, 60):
        pass

    def work() -> int:
        return sum(batch for _ in itertools.islice(records, TOGETHER))

    rate = fastest(work, rounds)
    steps = float(np.mean(dataset.lengths[: len(dataset)]))
    products = needed_products(
        state.model, steps, 1 - state.config.training.unconditional_fraction, batch
    )
    return rate, 6 * products * rate / 1e9, state.model.weight_count


def needed_products(model: MoleculeVAE, steps: float, read: float, batch: int) -> float:
    """Multiplications that a molecule of so many steps needs, forward; both gradients need as many
    each.

    ``read`` is the share of molecules that are encoded, for those at level 0 are not. The encoder's
    inputs are rows of a table, which a batch needs once."""
    sizes, code = model.config, model.posterior.code_size
    width, units, posterior = (
        sizes.embedding,
        sizes.decoder,
        [p for p in model.posterior.parameters() if p.ndim == 2],
    )
    encoder = 2 * 3 * sizes.encoder * sizes.encoder * steps + sum(
        weight.numel() for weight in posterior
    )
    table = 2 * model.vocabulary * width * 3 * sizes.encoder / batch
    decoder = (width + units) * (3 * units + model.vocabulary) * (steps + 1) + code * (
        units + 3 * units
    )
    return encoder * read + table + decoder


def reference_rates(
    model: ReferenceVAE | OriginalVAE, smiles: list[str]
) -> tuple[float, float, int]:
    """Molecules per second of a reference VAE in training and in sampling, and its weights."""
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-4)
    batch = [model.ids(one) for one in smiles[:BATCH]]

    def steps() -> int:
        for _ in range(STEPS):
            optimiser.zero_grad()
            model.loss(batch, 0.01).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 50)
            optimiser.step()
        return STEPS * BATCH

    weights = sum(p.numel() for p in model.parameters())
    return fastest(steps, 3), fastest(lambda: len(model.sample(BATCH)), 3), weights


def draw(codec: Codec, params: sampling.SamplingParams, numbers: list[int]) -> int:
    """Number of molecules in the blocks that are drawn, in a worker process."""
    torch.set_num_threads(1)
    return sum(len(sampling.draw_block(codec, params, number).lengths) for number in numbers)


def symbols_rate(codec: Codec, level: float | None, blocks: int) -> float:
    """Molecules per second from the prior to decoded symbols, at a noise level or at the one that
    is sampled at.
    """
    params = sampling.resolved(codec, sampling.SamplingParams(level=level))
    draw(codec, params, [0])  # the processes below find loaded what this process has
    work = partial(draw, codec, params)
    return fastest(lambda: sum(map_chunks(work, ([number] for number in range(blocks)), CORES)), 3)


def smiles_rate(codec: Codec, count: int, canonical: bool) -> float:
    """Molecules per second from the prior to distinct canonical SMILES, of canonical draws or of
    any.
    """
    sample = partial(sampling.sample, codec, filters=sampling.Filters(canonical))
    list(sample(100, workers=1))  # as above
    return fastest(lambda: sum(1 for _ in sample(count, workers=CORES)), 2)


@click.command(help=__doc__)
@click.option("-m", "--model", required=True, metavar="MODEL", help="Model to sample from.")
@click.option("--data", required=True, metavar="FILE", help="Molecules to train on and to parse.")
@click.option(
    "--rows", type=int, default=60_000, show_default=True, help="Molecules of the file to use."
)
@click.option(
    "--batch",
    type=int,
    default=BATCH,
    show_default=True,
    help="Molecules of a step of our training.",
)
@click.option(
    "--rounds",
    type=int,
    default=12,
    show_default=True,
    help="Rounds of training steps, the best counts.",
)
def main(model: str, data: str, rows: int, batch: int, rounds: int) -> None:
    """Measure everything and print the table."""
    with open_table(data) as table:
        smiles = [record.smiles for record in itertools.islice(table, rows)]
    dataset, _ = run_folder.open_dataset([data], configured({"rows": rows}).data)
    codec = Codec.load(str(pretrained.find(model)))
    print(
        f"{platform.machine()}, {CORES} cores, torch {torch.__version__}, rdkit "
        f"{Chem.rdBase.rdkitVersion}"
    )
    bf16, fp32 = product_rate(torch.bfloat16), product_rate(torch.float32)
    print(f"matrix products: {bf16:,.0f} GFLOP/s in bf16, {fp32:,.0f} in fp32\n")
    torch.manual_seed(0)
    alphabet = sorted(set("".join(smiles)))
    theirs_train, theirs_sample, theirs_weights = reference_rates(ReferenceVAE(alphabet), smiles)
    carried = original(alphabet)
    if carried is not None:
        training, drawing, weights = reference_rates(carried, smiles)
        rates = f"training {training:,.0f}/s, sampling {drawing:,.0f}/s"
        print(f"the VAE that molsets carries ({weights:,} weights): {rates}\n")
    ours_train, flops, ours_weights = training_rate(
        dataset, codec.saved.config.model, batch, rounds
    )
    alone = rdkit_rate(smiles)
    print(
        f"| work | reference VAE ({theirs_weights:,} weights) | molvae ({ours_weights:,} "
        "weights) | ratio | hardware |"
    )
    print("|---|---|---|---|---|")
    share = f"{flops:,.0f} GFLOP/s needed, {flops / bf16:.0%} of the bf16 product rate"
    print(
        f"| training | {theirs_train:,.0f}/s | {ours_train:,.0f}/s | "
        f"{ours_train / theirs_train:.0f} x | {share} |"
    )
    for kind, level in (("", None), (", at level 0", 0.0))[: 1 + codec.levels]:
        rate = symbols_rate(codec, level, 64)
        ratio = f"{rate / theirs_sample:.0f} x"
        print(
            f"| sampling, prior to symbols{kind} | {theirs_sample:,.0f}/s | {rate:,.0f}/s | "
            f"{ratio} | |"
        )
    for kind, canonical in (("", False), (", canonical", True)):
        rate = smiles_rate(codec, 30_000, canonical)
        share = f"{rate / alone:.0%} of RDKit alone, which parses and canonicalises {alone:,.0f}/s"
        print(
            f"| sampling, prior to distinct canonical SMILES{kind} | | {rate:,.0f}/s | | {share} |"
        )


if __name__ == "__main__":
    main()
