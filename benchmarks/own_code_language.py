"""Byte-pair merges of molvae beside Hugging Face tokenizers, and their share of `prepare`.

    pip install tokenizers
    python benchmarks/own_code_language.py moses_train.csv.gz [--molecules 100000]

One thread. Each SELFIES symbol is a private Unicode character for tokenizers, so that both learn
merges over the same symbols: all of them plus 256. "Saves" is the share of the command's time that
the library would add, of the time that the command would then take."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
from numpy.typing import NDArray

from molvae.config import DataConfig
from molvae.datasets.prepare import prepare
from molvae.language.vocabulary import RARE, Vocabulary, learn_merges, merge

MERGES = 256
PRIVATE = 0xE000
"""First character of Unicode's private use area."""


class Measured(NamedTuple):
    """Seconds for learning merges and for encoding, and the number of ids written."""

    learn: float
    encode: float
    ids: int


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time of one call, and what it returns."""
    begun = time.process_time()
    found = work()
    return time.process_time() - begun, found


def own(ids: NDArray[np.uint16], lengths: NDArray[np.int32], symbols: int) -> Measured:
    """Measure molvae's merges; kernels are compiled before."""
    few, size = np.array([10], np.int32), 1 + symbols + MERGES
    names = tuple(map(str, range(symbols)))
    merge(ids[:10], few, Vocabulary(names, learn_merges(ids[:10], few, symbols, size), {}).ranks)
    learn, merges = seconds(lambda: learn_merges(ids, lengths, symbols, size))
    ranks = Vocabulary(names, merges, {}).ranks
    encode, (merged, _) = seconds(lambda: merge(ids, lengths, ranks))
    return Measured(learn, encode, len(merged))


def library(ids: NDArray[np.uint16], lengths: NDArray[np.int32], symbols: int) -> Measured:
    """Measure tokenizers; making its strings is not counted, making arrays of its ids is."""
    from tokenizers import Tokenizer, models, trainers

    letters = [chr(PRIVATE + number) for number in range(symbols + 1)]
    ends = [0, *np.cumsum(lengths).tolist()]
    texts = ["".join(letters[one] for one in ids[a:b].tolist()) for a, b in pairwise(ends)]
    tokenizer = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=symbols + MERGES,
        min_frequency=RARE,
        show_progress=False,
        initial_alphabet=letters[1:],
    )
    learn, _ = seconds(lambda: tokenizer.train_from_iterator(texts, trainer))

    def encode() -> NDArray[np.uint16]:
        found = tokenizer.encode_batch_fast(texts)
        return np.concatenate([np.array(one.ids, np.uint16) for one in found])

    spent, merged = seconds(encode)
    return Measured(learn, spent, len(merged))


def row(file: Path, molecules: int) -> str:
    """One row of the table: own, library, ratio, share of `prepare` that own code saves."""
    config = DataConfig(rows=molecules, vocabulary=1)  # no merges: single symbols
    command, prepared = seconds(lambda: prepare([file], config, workers=1))
    dataset = prepared.dataset
    symbols = len(dataset.vocabulary) - 1
    ours = own(dataset.ids, dataset.lengths, symbols)
    theirs = library(dataset.ids, dataset.lengths, symbols)
    mine, other = ours.learn + ours.encode, theirs.learn + theirs.encode
    saves = (other - mine) / (command + other)
    print(f"  own: learn {ours.learn:.1f} s, encode {ours.encode:.1f} s, {ours.ids} ids")
    print(f"  library: learn {theirs.learn:.1f} s, encode {theirs.encode:.1f} s, {theirs.ids} ids")
    print(f"  prepare without merges: {command:.1f} s for {len(dataset)} molecules")
    return (
        f"| byte-pair merges | tokenizers | {mine:.1f} s | {other:.1f} s | {other / mine:.1f} "
        f"| {saves:.0%} of prepare |"
    )


def main() -> None:
    """Read the options and print the row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--molecules", type=int, default=100_000)
    options = parser.parse_args()
    text = row(options.file, options.molecules)
    print("| own | library | own time | library time | ratio | saves |")
    print("|---|---|---|---|---|---|")
    print(text)


if __name__ == "__main__":
    main()
