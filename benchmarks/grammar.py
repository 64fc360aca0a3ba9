"""Cost of the derivation and its features; proof that its SMILES equal those of selfies.decoder.

    python benchmarks/grammar.py FILE.csv.gz [--proof STRINGS] [--seed SEED]

FILE has SMILES in its first column. The proof draws strings of six kinds: real molecules, mutated
and recombined ones, symbols drawn by frequency and uniformly, and strings over an alphabet of
everything rare; half of all in tokens merged at random. A difference is printed and ends the run
with status 1."""

from __future__ import annotations

import argparse
import gzip
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import selfies
from numpy.typing import NDArray

from molvae.language.ids_to_smiles import decode_smiles
from molvae.language.prefix_features import (
    TIERS,
    Prefixes,
    features,
)
from molvae.language.vocabulary import Vocabulary, learn_merges, merge

ODD = tuple(
    selfies.split_selfies(
        "[C][=C][#C][O][N][=N][S][P][F][=S][#S][CH0][CH4][H][/C][/N][C@@H1][C@H1][/C@@H1][C@][S@@][P@@][13C][2H]"
        "[=N+1][N+1][O-1][=O+1][NH1][NH3+1][C-1][Fe][=Zn+2][#13CH0-1][Ring1][=Ring1][#Ring1][Ring2][=Ring2]"
        "[Ring3][#Ring3][-/Ring1][/-Ring1][Branch1][=Branch1][#Branch1][Branch2][=Branch2][#Branch2][Branch3]"
        r"[\C][\S][\/Ring2][\\Ring3][=Branch3][nop][epsilon]."
    )
)


def read(path: Path, count: int, rng: random.Random) -> list[list[str]]:
    """Symbols of ``count`` molecules drawn from a file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [line.split(",")[0].strip() for line in lines][1:]
    return [
        list(selfies.split_selfies(selfies.encoder(row)))
        for row in rng.sample(rows, min(count, len(rows)))
    ]


def drawn(real: list[list[str]], symbols: list[str], rng: random.Random) -> Iterator[list[str]]:
    """Strings without end: real, mutated, recombined, by frequency, uniform, odd."""
    counts = Counter(symbol for string in real for symbol in string)
    weights = [counts[symbol] for symbol in symbols]
    while True:
        string = list(rng.choice(real))
        yield string
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(len(string) + 1)
            string[place : place + rng.randint(0, 2)] = rng.choices(symbols, k=rng.randint(0, 2))
        yield string
        other = rng.choice(real)
        yield string[: rng.randrange(len(string) + 1)] + other[rng.randrange(len(other)) :]
        yield rng.choices(symbols, weights, k=rng.randint(0, 60))
        yield rng.choices(symbols, k=rng.randint(0, 80))
        yield rng.choices(ODD, k=rng.randint(0, 100))


def random_alphabet(symbols: list[str], rng: random.Random, merges: int) -> Vocabulary:
    """An alphabet over ``symbols`` with pairs merged at random."""
    pairs = []
    for size in range(1 + len(symbols), 1 + len(symbols) + merges):
        pairs.append((rng.randrange(1, size), rng.randrange(1, 1 + len(symbols))))
    return Vocabulary(tuple(symbols), tuple(pairs), selfies.get_semantic_constraints())


def prove(real: list[list[str]], strings: int, rng: random.Random) -> None:
    """Compare ``strings`` strings with selfies.decoder; exits with status 1 at the first
    difference.
    """
    symbols = sorted({symbol for string in real for symbol in string})
    source, done, begun, widest = drawn(real, symbols, rng), 0, time.perf_counter(), 0
    everything = sorted({*symbols, *ODD})
    while done < strings:
        alphabet = random_alphabet(everything, rng, merges=0 if done // 6000 % 2 else 200)
        ranks = np.zeros((len(alphabet), len(alphabet)), np.int32)
        for number, pair in enumerate(alphabet.merges, start=1 + len(everything)):
            ranks[pair] = number
        batch = [next(source) for _ in range(6000)]
        index = {symbol: number for number, symbol in enumerate(everything, start=1)}
        flat = np.array([index[symbol] for string in batch for symbol in string], np.uint16)
        merged, lengths = merge(flat, np.array([len(string) for string in batch]), ranks)
        found = decode_smiles(merged, lengths, alphabet)
        for string, smiles in zip(batch, found, strict=True):
            expected = selfies.decoder("".join(string))
            widest = max(widest, len(expected))
            if smiles != expected:
                print(f"DIFFERENT\n  {''.join(string)}\n  {smiles}\n  {expected}")
                sys.exit(1)
        done += len(batch)
        print(
            f"{done} strings equal, {time.perf_counter() - begun:.0f} s, longest SMILES {widest}",
            flush=True,
        )


def timed(work: Callable[[], object], molecules: int) -> float:
    """Microseconds a molecule, the best of three."""
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return 1e6 * best / molecules


def stepwise(ids: NDArray[np.uint16], lengths: NDArray[np.int32], alphabet: Vocabulary) -> None:
    """All molecules in parallel, one token at a time, finished ones dropped."""
    prefixes, starts = Prefixes(alphabet, len(lengths), "rings"), np.cumsum(lengths) - lengths
    for step in range(int(lengths.max()) + 1):
        prefixes.features(np.flatnonzero(lengths >= step))
        rows = np.flatnonzero(lengths > step)
        prefixes.advance(rows, ids[starts[rows] + step])


def measure(real: list[list[str]]) -> None:
    """Print one table."""
    symbols = sorted({symbol for string in real for symbol in string})
    index = {symbol: number for number, symbol in enumerate(symbols, start=1)}
    flat = np.array([index[symbol] for string in real for symbol in string], np.uint16)
    single = np.array([len(string) for string in real])
    constraints = selfies.get_semantic_constraints()
    merges = learn_merges(flat, single, len(symbols), 256)
    alphabet = Vocabulary(tuple(symbols), merges, constraints)
    ranks = np.zeros((len(alphabet), len(alphabet)), np.int32)
    for number, pair in enumerate(merges, start=1 + len(symbols)):
        ranks[pair] = number
    ids, lengths = merge(flat, single, ranks)
    texts = ["".join(string) for string in real]

    def line(label: str, work: Callable[[], object]) -> None:
        print(f"  {label:40}{timed(work, len(real)):8.1f}")

    print(
        f"{len(real)} molecules of {single.mean():.1f} symbols, {lengths.mean():.1f} tokens; "
        "us a molecule"
    )
    line("selfies.decoder", lambda: [selfies.decoder(text) for text in texts])
    line("decode_smiles", lambda: decode_smiles(ids, lengths, alphabet))
    for tier in ("rings", "environments", "place"):
        line(f"features, {tier} ({TIERS[tier]})", partial(features, ids, lengths, alphabet, tier))
    line("stepwise, rings", lambda: stepwise(ids, lengths, alphabet))


COMPILE = """
import os, tempfile, time
os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp()
import numpy as np
from molvae.language.vocabulary import Vocabulary
from molvae.language.prefix_features import Prefixes, features
from molvae.language.ids_to_smiles import decode_smiles
alphabet = Vocabulary(("[C]",), (), {"?": 4})
ids, lengths, rows = np.array([1], np.uint16), np.array([1]), np.array([0])
begun = time.perf_counter()
decode_smiles(ids, lengths, alphabet)
features(ids, lengths, alphabet, "rings")
prefixes = Prefixes(alphabet, 1, "rings")
prefixes.advance(rows, ids)
prefixes.features(rows)
print(f"  all compiled in     {time.perf_counter() - begun:8.1f} s")
"""


def main() -> None:
    """Read the options and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--molecules", type=int, default=5000)
    parser.add_argument("--proof", type=int, default=0, metavar="STRINGS")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    real = read(options.file, options.molecules, rng)
    if options.proof:
        prove(real, options.proof, rng)
    else:
        measure(real)
        subprocess.run([sys.executable, "-c", COMPILE], check=True)


if __name__ == "__main__":
    main()
