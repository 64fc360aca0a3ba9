"""Feed molvae what no one means: strings, vectors and files, mutated and random, from a seed.

    python benchmarks/fuzz.py --strings 1e6
    python benchmarks/fuzz.py --strings 1e4 --vectors 1e4 --files 1e4 -m model/

Strings (mutated, truncated and joined SMILES, random bytes, unicode, SELFIES symbols) go through
`score` and the reader of `encode`, ids of the vocabulary through the decoder, vectors with NaN,
infinities and huge numbers through `decode`, and mutated CSV, TSV, SMI, SDF, npz, safetensors and
JSON through their readers. Counted as a fault: any error but molvae's own, a second or more of this
process's time for one input, a row that is neither scored nor given a reason, and a molecule that
comes out invalid, not canonical, or as another one when it is read again. `tests/test_fuzz.py` does
the same with hypothesis, in small."""

from __future__ import annotations

import io
import json
import math
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs
from safetensors.numpy import save as save_arrays

from molvae.chem.scoring import OK, Plan, score_one
from molvae.chem.standardise import standard_smiles
from molvae.datasets.table_reader import open_table
from molvae.errors import MoleculeError, MolvaeError
from molvae.generation.latent_files import Latents, latent_parts, latent_writer
from molvae.generation.reader import Reader, molecules_of
from molvae.runtime.atomic_folder import read_json
from molvae.storage import known_molecules, model_folder, pretrained

SLOW = 1.0
"""Seconds of this process's time for one input."""

ALPHABET = "CNOSPFIBrclnos[]()=#-+@/\\123456789%.0H:*~$&>|{}^?! \t\n\0"
UNICODE = "\u0421\u200b\ufeff\U0001f600\u202e\uff23é\ud800\u0000\u2028"
PLAN = Plan(("hbd", "scaffold", "rings", "qed", "sa"))
HEADER = "id,smiles,note\n"


def mutated(chance: random.Random, text: str) -> str:
    """A text with some characters changed, doubled, cut or swapped with a piece of itself."""
    for _ in range(chance.randint(1, 4)):
        at, to = sorted((chance.randint(0, len(text)), chance.randint(0, len(text))))
        piece = chance.choice((chance.choice(ALPHABET), text[at:to], chance.choice(UNICODE), ""))
        text = chance.choice(
            (
                text[:at] + piece + text[at:],
                text[:at] + piece + text[at + 1 :],
                text[:at] + text[to:],
            )
        )
    return text[:3000]


def a_string(chance: random.Random, valid: list[str], symbols: list[str]) -> tuple[str, str]:
    """A kind of string, and one of it."""
    one = chance.choice(valid)
    kind = chance.choice(
        ("mutated", "mutated", "truncated", "joined", "random", "bytes", "symbols")
    )
    if kind == "mutated":
        return kind, mutated(chance, one)
    if kind == "truncated":
        return kind, one[: chance.randint(0, len(one))]
    if kind == "joined":
        return kind, chance.choice(("", ".", "1", "(", "=", " ")).join((one, chance.choice(valid)))
    if kind == "random":
        return kind, "".join(chance.choices(ALPHABET, k=chance.randint(0, 60)))
    if kind == "bytes":
        return kind, chance.randbytes(chance.randint(0, 60)).decode("utf-8", "surrogateescape")
    return kind, "".join(chance.choices(symbols, k=chance.randint(0, 60)))


def problem_of_string(text: str, reader: Reader) -> str:
    """Problem of what becomes of a string; empty if nothing is."""
    row = score_one(PLAN, text)
    if len(row.values) != len(PLAN.columns) or (row.status == OK) == bool(row.reason):
        return f"the row does not close: {row}"
    try:
        smiles = reader.read(text).smiles
    except MoleculeError as error:
        return "" if error.reason else "refused without a reason"
    return problem_of_molecule(smiles)


def problem_of_molecule(smiles: str) -> str:
    """Problem of a molecule that was given out: it has to be valid and a fixed point."""
    with BlockLogs():
        if Chem.MolFromSmiles(smiles) is None:
            return f"{smiles} is not valid"
    try:
        again = standard_smiles(smiles)
    except MoleculeError as error:
        return f"{smiles} is refused when it is read again: {error.reason}"
    return "" if again == smiles else f"{smiles} becomes {again}"


def problem_of_ids(chance: random.Random, reader: Reader) -> str:
    """Problem of the molecule of random symbols of the vocabulary."""
    count = chance.randint(1, reader.max_symbols)
    ids = np.array(chance.choices(range(1, len(reader.vocabulary)), k=count), dtype=np.uint16)
    (one,) = molecules_of([(ids, 0.0)], reader.vocabulary)
    if not one.smiles:
        return ""
    with BlockLogs():
        mol = Chem.MolFromSmiles(one.smiles)
        if mol is None:
            return f"{one.selfies} decodes to {one.smiles}, which is not valid"
        return "" if Chem.MolToSmiles(mol) else "a molecule without a text"


def problem_of_vectors(chance: random.Random, codec: Any) -> str:
    """Problem of the molecules of odd vectors: refused where not finite, else valid."""
    scale = chance.choice((0.0, 1e-30, 1.0, 10.0, 1e4, 1e18, 1e38))
    z = np.array([[chance.gauss(0, 1) * scale for _ in range(codec.latent)] for _ in range(8)])
    finite = chance.random() < 0.7
    if not finite:
        z[chance.randrange(8), chance.randrange(codec.latent)] = chance.choice(
            (math.nan, math.inf, -math.inf, 1e300)
        )
    try:
        with np.errstate(over="ignore"):
            decoded = codec.decode(z)
    except MolvaeError as error:
        with np.errstate(over="ignore"):
            fits = np.isfinite(z.astype(np.float32)).all()
        return f"refused: {error}" if finite and fits else ""
    if not finite:
        return "a vector that is not finite was decoded"
    with BlockLogs():
        wrong = [one for one in decoded if Chem.MolFromSmiles(one) is None]
    return f"{wrong[0]} is not valid" if wrong else ""


def files_of(valid: list[str]) -> dict[str, bytes]:
    """A sound file of every kind."""
    rows = [f"{number},{smiles},x" for number, smiles in enumerate(valid[:20])]
    table = HEADER + "\n".join(rows) + "\n"
    text = {
        "csv": table,
        "tsv": table.replace(",", "\t"),
        "smi": "\n".join(f"{smiles} name{number}" for number, smiles in enumerate(valid[:20])),
        "sdf": "".join(
            f"{Chem.MolToMolBlock(Chem.MolFromSmiles(smiles))}>  <a>\n{smiles}\n\n$$$$\n"
            for smiles in valid[:5]
        ),
        "json": json.dumps({"a": [1, 2.5, None, "x"], "b": {"c": True}}),
    }
    vectors, numbers = io.BytesIO(), np.linspace(-1, 1, 32, dtype=np.float32).reshape(8, 4)
    with latent_writer(vectors, 4, "npz") as write:
        write(Latents(list("abcdefgh"), ["C"] * 8, numbers))
    hashes = known_molecules.SortedHashes(np.arange(9, dtype=np.uint64))
    bloom = known_molecules.BloomFilter.of(hashes.hashes)
    return {name: content.encode() for name, content in text.items()} | {
        "npz": vectors.getvalue(),
        "latents.csv": b"id,z1,z2\na,0,1\nb,2,3\n",
        "hashes": known_molecules.to_bytes(hashes),
        "bloom": known_molecules.to_bytes(bloom),
        "arrays": save_arrays({"x": np.arange(5)}),
    }


def spoiled(chance: random.Random, content: bytes) -> bytes:
    """A file with bytes changed, cut, doubled or put in."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(data))
        way = chance.randrange(5)
        if way == 0 and data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        elif way == 1:
            data[at:at] = chance.choice(
                (b'"', b"\n", b"\r", b",", b"\t", b"\0", b"\xff", b"9" * 30)
            )
        elif way == 2:
            del data[at : at + chance.randint(1, 40)]
        elif way == 3:
            data[at:at] = data[: chance.randint(0, 60)]
        else:
            del data[at:]
    return bytes(data)


def problem_of_file(kind: str, content: bytes, folder: Path) -> str:
    """Problem of how a file is read: it is read, or refused by molvae's own error."""
    try:
        if kind == "json":
            read_json(content, "a.json")
        elif kind in ("hashes", "bloom", "arrays"):
            known_molecules.from_bytes(content, "known.safetensors").contains(
                np.arange(3, dtype=np.uint64)
            )
        else:
            path = folder / f"file.{kind.rpartition('.')[2]}"
            path.write_bytes(content)
            if kind in ("npz", "latents.csv"):
                list(latent_parts(str(path), 4096))
            else:
                return problem_of_table(path)
    except MolvaeError as error:
        return "" if str(error) else "refused without a word"
    return ""


def problem_of_table(path: Path) -> str:
    """Problem of the rows of a table: lines in order, as many cells as columns."""
    with open_table(path) as table:
        last = 0
        for record in table:
            if record.line < last:
                return f"line {record.line} after {last}"
            last = record.line
            if not record.problem and len(record.fields) != len(table.columns):
                return (
                    f"line {record.line}: {len(record.fields)} cells, {len(table.columns)} columns"
                )
    return ""


class Account:
    """Inputs by kind, faults, and the slowest input."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.slowest = (0.0, "")

    def run(self, kind: str, what: object, work: Callable[[], str]) -> None:
        """Do one piece of work, and note what is wrong with it."""
        began = time.process_time()
        try:
            problem = work()
        except Exception as error:  # the very thing that is looked for
            problem = f"{type(error).__name__}: {error}"
        took = time.process_time() - began
        self.counts[kind] += 1
        self.slowest = max(self.slowest, (took, f"{kind} {what!r:.200}"))
        if took >= SLOW:
            problem = problem or f"took {took:.1f} seconds"
        if problem:
            self.faults.append(f"{kind} {what!r:.300}: {problem}")
            print(f"fault: {self.faults[-1]}", file=sys.stderr, flush=True)


def inputs(
    chance: random.Random, model: Path, numbers: tuple[int, int, int], folder: Path
) -> Iterator[tuple[str, object, Callable[[], str]]]:
    """Kind, description and work of every input."""
    strings, vectors, files = numbers
    config, vocabulary, info = model_folder.load_info(model)
    reader = Reader(vocabulary, config.data, info["max_steps"] - 1, str(model))
    valid = sample_of_molecules()
    symbols = list(reader.vocabulary.plain.symbols)
    sound = files_of(valid)
    for number in range(strings):
        kind, text = a_string(chance, valid, symbols)
        yield kind, text, lambda text=text: problem_of_string(text, reader)
        if number % 10 == 0:
            yield "ids", number, lambda: problem_of_ids(chance, reader)
    if vectors:
        from molvae.generation.codec import Codec

        codec = Codec.load(str(model))
    for number in range(vectors // 8):
        yield "vectors, of eight", number, lambda: problem_of_vectors(chance, codec)
    for _ in range(files):
        kind = chance.choice(list(sound))
        content = spoiled(chance, sound[kind])
        yield (
            kind,
            content,
            lambda kind=kind, content=content: problem_of_file(kind, content, folder),
        )


def sample_of_molecules() -> list[str]:
    """Molecules of the bundled sample, and some with everything that SMILES has."""
    import gzip
    from importlib.resources import files

    sample = files("molvae_data") / "moses_sample.csv.gz"
    with sample.open("rb") as packed, gzip.open(packed, "rt", encoding="ascii") as handle:
        rows = handle.read().split()[1:2001]
    return [
        *rows,
        "C[C@H](N)C(=O)O",
        "F/C=C/F",
        "[2H]C([2H])([2H])Oc1ccccc1",
        "C[N+](C)(C)CC(=O)[O-]",
        "[Na+].[Cl-]",
        "O=[N+]([O-])c1ccccc1",
        "C1CC2CCC1CC2",
        "[cH:1]1[cH:2][cH:3][cH:4][cH:5][c:6]1[CH2:7][NH2:8]",
        "CS(=O)C.CC%11CCCC%11",
        "F[B-]1(F)n2cccc2C=C2C=CC=[N+]12",
    ]


@click.command(help=__doc__)
@click.option("-m", "--model", metavar="MODEL", help="A model; by default the shipped one.")
@click.option("--strings", type=float, default=1e4, show_default=True)
@click.option("--vectors", type=float, default=1e3, show_default=True)
@click.option("--files", type=float, default=1e4, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--minutes", default=0.0, help="Stop after so long. [default: never]")
def main(
    model: str | None, strings: float, vectors: float, files: float, seed: int, minutes: float
) -> None:
    """Run everything, say how far it is on stderr, and print the account."""
    account, began = Account(), time.monotonic()
    chance = random.Random(seed)
    numbers = (int(strings), int(vectors), int(files))
    with tempfile.TemporaryDirectory() as folder:
        for kind, what, work in inputs(chance, pretrained.find(model), numbers, Path(folder)):
            account.run(kind, what, work)
            done = account.counts.total()
            if done % 10_000 == 0:
                print(f"{done:,} inputs, {len(account.faults)} faults", file=sys.stderr, flush=True)
            if minutes and time.monotonic() - began > 60 * minutes:
                break
    print(f"seed {seed}, {time.monotonic() - began:.0f} seconds\n\n| kind | inputs |\n|---|---|")
    for kind, count in account.counts.most_common():
        print(f"| {kind} | {count:,} |")
    print(f"\n{len(account.faults)} faults; the slowest, {account.slowest[0]:.2f} s:")
    print(account.slowest[1])
    for fault in account.faults[:50]:
        print(f"fault: {fault}")
    raise SystemExit(1 if account.faults else 0)


if __name__ == "__main__":
    main()
