"""A symbol n-gram over SELFIES: the simplest model of how molecules are written, for a baseline.

    python benchmarks/ngram.py moses_train.csv.gz -n 30000 --order 8 > ngram.csv

Every symbol is drawn from those that followed the longest context, of at most order - 1 symbols,
that training met often enough. Contexts are numbers whose highest bits are the latest symbol,
sorted: every shorter context is then one stretch of the table, and the counts of all orders need no
more memory than the text."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from selfies import decoder, set_semantic_constraints

from molvae.chem.molecule import canonical_or_empty
from molvae.chem.standardise import standard_smiles
from molvae.errors import MoleculeError
from molvae.evaluation.sample_report import read_smiles
from molvae.language.selfies_codec import (
    Constraints,
    constraints_for,
    default_constraints,
    split,
    to_selfies,
)
from molvae.runtime.process_pool import chunked, default_workers, map_chunks

END = 0
LONGEST = 150
"""Symbols after which a molecule is ended."""


class NGram:
    """A back-off n-gram of SELFIES symbols."""

    def __init__(self, selfies: Sequence[str], order: int = 8, often: int = 3) -> None:
        """Learn from SELFIES; a context met fewer than ``often`` times gives way to a shorter one.
        Order 2 at least.
        """
        self.symbols = ["", *sorted(set(split("".join(selfies))))]
        self.bits = max(1, (len(self.symbols) - 1).bit_length())
        self.depth = max(1, min(order - 1, 64 // self.bits))
        self.often = often
        index = {symbol: number for number, symbol in enumerate(self.symbols)}
        texts = [[index[symbol] for symbol in split(one)] + [END] for one in selfies]
        flat = np.fromiter((number for text in texts for number in text), np.uint64)
        places = np.concatenate([np.arange(len(text)) for text in texts])
        contexts = np.zeros(len(flat), np.uint64)
        for back in range(1, self.depth + 1):
            # The symbol so many steps before, where the molecule has one; the start is made of
            # ENDs.
            before = np.where(places >= back, np.roll(flat, back), np.uint64(END))
            contexts |= before << np.uint64(self._shift(back))
        order_of = np.argsort(contexts, kind="stable")
        self.contexts, self.following = contexts[order_of], flat[order_of].astype(np.int64)

    def _shift(self, back: int) -> int:
        return self.bits * (self.depth - back)

    def stretch(
        self, contexts: NDArray[np.uint64], length: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Range of the table's contexts that agree in their latest ``length`` symbols:
        first, and end.
        """
        if not length:
            return np.zeros(len(contexts), np.int64), np.full(len(contexts), len(self.contexts))
        width = np.uint64(self._shift(length))
        low = contexts >> width << width
        high = low | np.uint64((1 << int(width)) - 1)
        return np.searchsorted(self.contexts, low, "left"), np.searchsorted(
            self.contexts, high, "right"
        )

    def sample(self, n: int, seed: int = 0) -> list[str]:
        """``n`` SELFIES strings; some may have no atoms."""
        rng = np.random.default_rng(seed)
        contexts = np.zeros(n, np.uint64)
        written = np.zeros((n, LONGEST), np.int64)
        alive = np.arange(n)
        for step in range(LONGEST):
            chosen = self._next(contexts[alive], rng)
            written[alive, step] = chosen
            newest = chosen.astype(np.uint64) << np.uint64(self._shift(1))
            contexts[alive] = contexts[alive] >> np.uint64(self.bits) | newest
            alive = alive[chosen != END]
        ends = np.where((written == END).any(1), (written == END).argmax(1), LONGEST)
        return [
            "".join(self.symbols[number] for number in row[:end])
            for row, end in zip(written, ends, strict=True)
        ]

    def _next(self, contexts: NDArray[np.uint64], rng: np.random.Generator) -> NDArray[np.int64]:
        first, end = self.stretch(contexts, 0)
        for length in range(1, self.depth + 1):
            longer_first, longer_end = self.stretch(contexts, length)
            enough = longer_end - longer_first >= self.often
            first, end = np.where(enough, longer_first, first), np.where(enough, longer_end, end)
        return self.following[rng.integers(first, end)]


def read_selfies(smiles: list[str]) -> list[str]:
    """SELFIES of the molecules that have one."""
    found = []
    for text in smiles:
        try:
            found.append(to_selfies(standard_smiles(text), default_constraints()))
        except MoleculeError:
            continue
    return found


def write_smiles(selfies: list[str], constraints: Constraints) -> list[str]:
    """Canonical SMILES of each string, empty for one without atoms."""
    set_semantic_constraints(dict(constraints))
    return [canonical_or_empty(decoder(text)) for text in selfies]


def ngram_samples(
    train: Sequence[str],
    n: int,
    *,
    learned: int = 200_000,
    order: int = 8,
    seed: int = 0,
    workers: int | None = None,
) -> list[str]:
    """``n`` raw samples, as SMILES, of an n-gram learned from ``learned`` random training
    molecules.
    """
    count = default_workers() if workers is None else workers
    places = np.random.default_rng([seed, 1]).permutation(len(train))[:learned].tolist()
    chunks = chunked((train[place] for place in places), 500)
    model = NGram([one for part in map_chunks(read_selfies, chunks, count) for one in part], order)
    work = partial(write_smiles, constraints=constraints_for(model.symbols[1:]))
    return [
        one for part in map_chunks(work, chunked(model.sample(n, seed), 500), count) for one in part
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("train", help="file of training molecules")
    parser.add_argument("-n", type=int, default=30_000, help="molecules to draw")
    parser.add_argument("--order", type=int, default=8, help="symbols of the longest n-gram")
    parser.add_argument(
        "--learned", type=int, default=200_000, help="random training molecules to learn from"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    samples = ngram_samples(
        read_smiles(options.train),
        options.n,
        learned=options.learned,
        order=options.order,
        seed=options.seed,
    )
    sys.stdout.write("smiles\n" + "".join(f"{smiles}\n" for smiles in samples))


if __name__ == "__main__":
    main()
