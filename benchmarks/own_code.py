"""Own code beside the library call that would replace it, and what it saves of a whole command.

    python benchmarks/own_code.py

One thread, the bundled molecules and the model `moses`, in the precision that it runs in here; the
best of several rounds is shown. Of two kernels all of `sample` is run, with and without them.
"Saves" is the share of the command's time that the library's call would add, of the time that the
command would then take: own code has to save a tenth.
"""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import selfies
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from molvae.config import DataConfig
from molvae.datasets.dataset import Dataset
from molvae.datasets.prepare import Row, encode_rows, prepare
from molvae.generation.codec import Codec
from molvae.generation.sampling import BLOCK, SamplingParams, draw_samples, resolved
from molvae.language.ids_to_smiles import decode_smiles
from molvae.language.smiles_to_ids import SelfiesEncoder
from molvae.nn import draws, input_embedder
from molvae.nn.draws import draw, exponential_noise
from molvae.nn.gru import GRU
from molvae.nn.input_embedder import InputEmbedder
from molvae.nn.model import Packed
from molvae.runtime import compilation
from molvae.storage import pretrained
from molvae.training.loop import begin, train

SAMPLE = Path(__file__).parents[1] / "data" / "moses_sample.csv.gz"
MOLECULES = 256
"""Molecules of a batch, which one thread trains on."""


class Line(NamedTuple):
    """One line of the table; times in microseconds a molecule."""

    own: str
    library: str
    own_time: float
    library_time: float
    command: str


def least(work: Callable[[], object], rounds: int = 7) -> float:
    """Processor seconds of a piece of work, threads included, the least of some rounds."""
    work()
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def micro(work: Callable[[], object], molecules: int) -> float:
    """Microseconds a molecule."""
    return 1e6 * least(work) / molecules


def gradients(output: Tensor, inputs: list[Tensor]) -> None:
    """Run the backward pass of a sum of outputs."""
    torch.autograd.grad(output.sum(), inputs)


def gru_line(packed: Packed, width: int, units: int, constant: int) -> Line:
    """The decoder's layer, forward and backward."""
    own, library = GRU(width, constant, units), nn.GRU(width + constant, units)
    x, c = torch.randn(len(packed.inputs), width), torch.randn(packed.sizes[0], constant)
    h0, counts = torch.zeros(packed.sizes[0], units), torch.tensor(packed.sizes)

    def ours() -> None:
        outputs, _ = own(x, c, h0, packed.sizes, packed.molecule)
        gradients(outputs, list(own.parameters()))

    def theirs() -> None:
        inputs = torch.cat([x, functional.embedding(packed.molecule, c)], 1)
        outputs, _ = library(PackedSequence(inputs, counts), h0[None])
        gradients(outputs.data, list(library.parameters()))

    times = micro(ours, packed.sizes[0]), micro(theirs, packed.sizes[0])
    return Line("GRU layer with compiled gates, fp32", "`nn.GRU`", *times, "train in fp32")


def embedding_line(codec: Codec, packed: Packed) -> Line:
    """The decoder input, forward and backward."""
    model, values = codec.model, packed.grammar
    assert values is not None
    assert model.grammar is not None
    assert model.surroundings is not None
    tables = [
        table.weight.detach().clone().requires_grad_()
        for table in (model.write, model.step, model.grammar, model.surroundings)
    ]
    plain, steps = len(model.features), packed.steps.clamp(max=model.max_steps - 1)
    starts = torch.tensor((0, *model.features[:-1])).cumsum(0)
    hashes = values.shape[1] - plain
    rows = len(tables[3]) // hashes
    slope = torch.randn(len(values), tables[0].shape[1])

    def ours() -> None:
        embed = InputEmbedder(*tables[:3], model.features, tables[3])
        out = embed(packed.inputs, steps, values, torch.float32)
        torch.autograd.grad(out, tables, slope)

    def theirs() -> None:
        of_zero = tables[2].index_select(0, starts)
        differences = tables[2] - of_zero.repeat_interleave(torch.tensor(model.features), 0)
        small = values[:, :plain].long()
        there = small != 0
        offsets = functional.pad(there.sum(1).cumsum(0)[:-1], (1, 0))
        hashed = values[:, plain:].long()
        folded = torch.where(hashed > 0, (hashed - 1) % (rows - 1) + 1, 0)
        out = functional.embedding(packed.inputs, tables[0]) + of_zero.sum(0)
        out = out + functional.embedding(steps, tables[1])
        places = (small + starts)[there]
        out = out + functional.embedding_bag(places, differences, offsets, mode="sum")
        places = folded + torch.arange(hashes) * rows
        out = out + functional.embedding_bag(places, tables[3], mode="sum")
        torch.autograd.grad(out, tables, slope)

    times = micro(ours, packed.sizes[0]), micro(theirs, packed.sizes[0])
    return Line("sums of embeddings", "`F.embedding_bag`", *times, "train")


def draw_line(columns: int, steps: float) -> Line:
    """Draws of symbols, as many a molecule as it has steps."""
    logits, rows = torch.randn(1024, columns), torch.arange(1024)

    def theirs() -> Tensor:
        race = exponential_noise(0, rows, 3, columns)
        return (logits.log_softmax(1) - race.log()).argmax(1)

    times = [micro(work, 1024) * steps for work in (lambda: draw(logits, 1.0, 0, rows, 3), theirs)]
    return Line("draws of symbols", "the same noise in torch", times[0], times[1], "sample")


def switched_line(codec: Codec, module: ModuleType, own: str, command: float) -> Line:
    """A whole `sample`, as it is and with the plain torch of a module in place of its kernel."""
    params = resolved(codec, SamplingParams())
    there = vars(module)
    there["compilation"] = SimpleNamespace(KERNELS=False)
    try:
        without = micro(lambda: draw_samples(codec, params, None, 0), BLOCK)
    finally:
        there["compilation"] = compilation
    return Line(own, "torch, all of `sample`", command, without, "sample")


def smiles_line(codec: Codec, dataset: Dataset) -> Line:
    """Ids to SMILES, not yet canonical."""
    lengths = dataset.lengths[: len(dataset)]
    ids, alphabet = dataset.ids[: int(lengths.sum())], codec.vocabulary
    texts = [codec.vocabulary.decode(one) for one in np.split(ids, np.cumsum(lengths)[:-1])]
    selfies.set_semantic_constraints(dict(codec.vocabulary.constraints))
    times = (
        micro(lambda: decode_smiles(ids, lengths, alphabet), len(texts)),
        micro(lambda: [selfies.decoder(text) for text in texts], len(texts)),
    )
    return Line("ids to SMILES", "`selfies.decoder`", *times, "sample")


def symbols_lines(smiles: list[str]) -> list[Line]:
    """SMILES to symbols: to prepare, and to see whether a draw is canonical."""
    encoder = SelfiesEncoder(smiles)
    selfies.set_semantic_constraints("default")
    times = (
        micro(lambda: encoder.write(smiles), len(smiles)),
        micro(lambda: [selfies.encoder(one) for one in smiles], len(smiles)),
    )
    name = "SMILES to symbols", "`selfies.encoder`"
    return [Line(*name, *times, "prepare"), Line(*name, *times, "sample")]


def command_times(codec: Codec, dataset: Dataset, smiles: list[str]) -> dict[str, float]:
    """Microseconds a molecule of whole commands, on one thread."""
    params = resolved(codec, SamplingParams())
    rows = [Row("", number, one, "") for number, one in enumerate(smiles)]
    times = {}
    for name, precision in (("train", codec.model.precision), ("train in fp32", "fp32")):
        state = begin(dataset, codec.saved.config, torch.device("cpu"))
        state.model.set_precision(precision)
        records = train(state, dataset)
        times[name] = micro(lambda run=records: next(run), codec.saved.config.training.batch_size)
    return times | {
        "sample": micro(lambda: draw_samples(codec, params, None, 0), BLOCK),
        "prepare": micro(lambda: encode_rows(rows, DataConfig()), len(rows)),
    }


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with gzip.open(SAMPLE, "rt", encoding="ascii") as handle:
        smiles = handle.read().split()[1:3001]
    codec = Codec.load(str(pretrained.find("moses")))
    dataset = prepare([SAMPLE], DataConfig(), base=codec.vocabulary, workers=1).dataset
    batch = dataset.batch(dataset.training_rows[:MOLECULES], codec.model.config.prefix_features)
    packed, config = Packed.from_batch(batch, torch.device("cpu")), codec.model.config
    commands = command_times(codec, dataset, smiles)
    steps = len(packed.inputs) / MOLECULES
    lines = [
        gru_line(packed, config.embedding, config.decoder, codec.model.posterior.code_size),
        embedding_line(codec, packed),
        draw_line(codec.model.vocabulary, steps),
        switched_line(codec, input_embedder, "sums of embeddings", commands["sample"]),
        switched_line(codec, draws, "draws of symbols", commands["sample"]),
        smiles_line(codec, dataset),
        *symbols_lines(smiles),
    ]
    print("| own code | library | own, µs a molecule | library's | command, µs | saves |")
    print("|---|---|---|---|---|---|")
    for line in lines:
        total, added = commands[line.command], line.library_time - line.own_time
        print(
            f"| {line.own} | {line.library} | {line.own_time:,.1f} | {line.library_time:,.1f} "
            f"| `{line.command}` {total:,.0f} | {added / (total + added):.0%} |"
        )


if __name__ == "__main__":
    main()
