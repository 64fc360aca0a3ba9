"""Symbols have the meaning that SELFIES gives them, with compiled code as without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import selfies

from molvae.errors import ModelError
from molvae.language.symbols import ATOM, BRANCH, RING, meaning
from molvae.language.vocabulary import Vocabulary

CONSTRAINTS = selfies.get_preset_constraints("default")

SAMPLE = """
import runpy, sys
import numpy as np
from molvae.language.bpe import count_pairs
from molvae.language.ids_to_smiles import decode_smiles
from molvae.language.prefix_features import Prefixes, features
from molvae.language.smiles_to_ids import SelfiesEncoder, canonical_draws
from molvae.language.vocabulary import Vocabulary, learn_merges, merge

shared = runpy.run_path(sys.argv[1])
for name in ("plain", "charged, merged", "rare, merged"):
    letters, rng = shared["ALPHABETS"][name], np.random.default_rng(1)
    lengths = np.array([0, 9, 30, 14, 25])
    ids = rng.integers(1, len(letters), lengths.sum()).astype(np.uint16)
    real = shared["MOLECULES"][:6] if name == "plain" else shared["MOLECULES"][8:]
    texts = [shared["symbols_of"](one) for one in real]
    texts = [one for one in texts if set(one) <= set(letters.symbols)]
    singles = [np.array([1 + letters.symbols.index(one) for one in text]) for text in texts]
    lengths = np.array([*lengths, *map(len, singles)])
    ids = np.concatenate([ids, *singles]).astype(np.uint16)
    print(decode_smiles(ids, lengths, letters))
    print(features(ids, lengths, letters, "environments").tolist())
    prefixes = Prefixes(letters, 2, "environments")
    for token in ids[-12:]:
        prefixes.advance(np.arange(2), np.array([token, 1 + token % 7]))
        prefixes.keep(np.array([1, 1 if token % 5 else 0]))
    print(prefixes.features(np.array([1, 0])).tolist())
    print(prefixes.without_atoms(np.arange(2)).tolist())
    used = np.concatenate(singles).astype(np.uint16)
    counts = np.array([len(one) for one in singles])
    merges = learn_merges(used, counts, len(letters.symbols), len(letters.symbols) + 20, rare=2)
    vocabulary = Vocabulary(letters.symbols, merges, dict(letters.constraints))
    merged, shorter = merge(used, counts, vocabulary.ranks)
    print(merges, merged.tolist(), shorter.tolist())
    print(count_pairs(merged, shorter, len(vocabulary)).sum())
    encoder = SelfiesEncoder(shared["MOLECULES"])
    written = encoder.write([*shared["MOLECULES"], "C.C", "CI(C)C"])
    print([str(one) if isinstance(one, Exception) else one.tolist() for one in written])
    draws = np.split(merged, np.cumsum(shorter)[:-1])
    print(canonical_draws(list(real)[: len(draws)], draws, vocabulary))
    print(canonical_draws(["CC"] * len(draws), draws, vocabulary))
rings = "[C][C][C][Ring1][Ring1]" * 120
letters = shared["ALPHABETS"]["plain"]
print(shared["decoded"](shared["ids_of"](rings, letters), letters))
"numba" in sys.modules and print("compiled", file=sys.stderr)
"""


def test_plain_python_gives_what_compiled_code_gives() -> None:
    strings = Path(__file__).with_name("strings_of_ids.py")
    done = [
        subprocess.run(
            [sys.executable, "-c", SAMPLE, str(strings)],
            env=os.environ | {"MOLVAE_KERNELS": switch},
            capture_output=True,
            text=True,
            check=True,
        )
        for switch in ("on", "off")
    ]
    assert done[0].stdout == done[1].stdout
    assert "compiled" in done[0].stderr
    assert not done[1].stderr


def test_tables_hold_the_meaning_of_every_symbol() -> None:
    alphabet = Vocabulary(("[=C]", "[#Branch2]", "[/-Ring1]", "[NH1+1]"), ((1, 1),), CONSTRAINTS)
    carbon, branch, ring, nitrogen = list(alphabet.tables.symbols)[1:]
    assert (carbon.kind, carbon.order, carbon.capacity) == (ATOM, 2, 4)
    assert (branch.kind, branch.order, branch.reads, branch.digit) == (BRANCH, 3, 2, 8)
    assert (ring.kind, ring.reads, ring.mark, ring.far_mark) == (RING, 1, ord("/"), 0)
    assert (nitrogen.capacity, nitrogen.donor) == (3, 0)
    assert alphabet.tables.runs.tolist() == [0, 1, 2, 3, 4, 1, 1]
    assert len(alphabet) == 6


def test_symbols_without_a_meaning_are_refused() -> None:
    for symbol in ("[Xx]", "[Branch4]", "[--Ring1]", "C", "[C", "[CH99]", "[=-Ring1]"):
        with pytest.raises(ModelError, match="no SELFIES symbol"):
            meaning(symbol, CONSTRAINTS)
    with pytest.raises(ModelError, match="more hydrogens"):
        meaning("[CH5]", CONSTRAINTS)
