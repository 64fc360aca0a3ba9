"""Strings of ids to try the grammar on: several alphabets, molecules, and anything over them.

Loaded by the tests of what reads such strings; holds no test itself.
"""

from __future__ import annotations

import random

import numpy as np
import selfies
from hypothesis import strategies as st
from numpy.typing import NDArray

from molvae.language.ids_to_smiles import decode_smiles
from molvae.language.prefix_features import GROUPS, STARTS, features
from molvae.language.vocabulary import Vocabulary

CONSTRAINTS = selfies.get_preset_constraints("default")

PLAIN = tuple(
    selfies.split_selfies(
        "[#Branch1][#Branch2][#C][#N][=Branch1][=Branch2][=C][=N][=O][=Ring1][=Ring2][=S][Br][Branch1][Branch2]"
        "[C][Cl][F][H][NH1][N][O][P][Ring1][Ring2][S]"
    )
)
CHARGED = PLAIN + tuple(
    selfies.split_selfies(
        "[#N+1][/C@@H1][/C@H1][/C@][/C][/N+1][/N-1][/NH1+1][/O-1][/S][=N+1][=NH2+1][=OH1+1][=S@@][=S@][C@@H1]"
        r"[C@@][C@H1][C@][I][N+1][NH1+1][O-1][P@@][S-1][S@@][S@][\C@H1][\C][\N][\O-1][\S]"
    )
)
RARE = CHARGED + tuple(
    selfies.split_selfies(
        "[13C][2H][CH0][CH4][#13CH0-1][Fe][=Zn+2][C-1][#S][#Ring1][Ring3][=Ring3][-/Ring1][/-Ring2][Branch3]"
        r"[\/Ring1][\\Ring3][=Branch3][#Branch3][nop][epsilon]."
    )
)
MOLECULES = (
    "CC(=O)N1CCC(C(=O)NCC2CCC(C)(C)CC2)C1",
    "CCCS(=O)(=O)N1CCN(C(=O)c2cscn2)CC1",
    "COc1ccc(C)cc1-c1ccc(C(N)=O)c(N)n1",
    "Cn1c(=O)c2cc(NC(=O)CC3C=CCC3)cnc2n(C)c1=O",
    "c1ccc2c(c1)[nH]c1ccccc12",
    "C1CC2CCC1C2",
    "O=C1CCC2(CC1)OCCO2",
    "c1ccc2cc3ccccc3cc2c1",
    "COc1ccc2c(c1)CCC[C@H]2CC(=O)N[C@@H]1CCCn2c(C)nnc21",
    "C[NH+](C)[C@H](CNC(=O)N[C@@H](c1nccs1)C1CC1)c1cccs1",
    "CC(C)n1ncc2cc(/C=C/C(=O)NC[C@](C)(O)C)c(=O)[nH]c21",
    "CC[C@@H](C)NS(=O)(=O)[C@H]1CON(C)[C@@H]1c1ccccc1Cl",
    r"F/C=C\C=C/[C@@H](O)C",
    "CC(=O)c1c([O-])n(C)c2ccccc2c1=O",
    "C[C@@H]1CC(Nc2cncc(-c3nncn3C)c2)C[C@@H](C)C1",
    "O=[N+]([O-])c1ccc(-c2ccco2)cc1",
    "C[S@](=O)c1ccccc1C#N",
)


def alphabet(symbols: tuple[str, ...], merges: int = 0, seed: int = 0) -> Vocabulary:
    """Symbols with pairs of ids merged at random, so that merges break off anywhere."""
    rng, pairs = random.Random(seed), []
    for size in range(1 + len(symbols), 1 + len(symbols) + merges):
        pairs.append((rng.randrange(1, size), rng.randrange(1, 1 + len(symbols))))
    return Vocabulary(symbols, tuple(pairs), CONSTRAINTS)


def text_of(ids: list[int], letters: Vocabulary) -> str:
    """The SELFIES string of ids."""
    expand = letters.tables
    parts = [expand.runs[expand.runs_start[token] : expand.runs_start[token + 1]] for token in ids]
    return "".join(letters.symbols[single - 1] for part in parts for single in part)


def ids_of(text: str, letters: Vocabulary) -> NDArray[np.uint16]:
    """Single-symbol ids of a SELFIES string."""
    return np.array(
        [1 + letters.symbols.index(part) for part in selfies.split_selfies(text)], np.uint16
    )


def decoded(ids: list[int] | NDArray[np.uint16], letters: Vocabulary) -> str:
    """SMILES of one molecule."""
    return decode_smiles(np.array(ids, np.uint16), np.array([len(ids)]), letters)[0]


def described(
    ids: list[int] | NDArray[np.uint16], letters: Vocabulary, group: str
) -> NDArray[np.int16]:
    """One group's features of every prefix of one molecule."""
    whole = features(np.array(ids, np.uint16), np.array([len(ids)]), letters, "environments")
    return whole[:, STARTS[group] : STARTS[group] + len(GROUPS[group])]


ALPHABETS = {
    "plain": alphabet(PLAIN),
    "charged": alphabet(CHARGED),
    "rare": alphabet(RARE),
    "plain, merged": alphabet(PLAIN, 60, 1),
    "charged, merged": alphabet(CHARGED, 120, 2),
    "rare, merged": alphabet(RARE, 150, 3),
}


SYMBOLS = ("[=O]", "[Branch1]", "[C]", "[N]", "[Ring1]")


@st.composite
def merge_lists(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    """Distinct pairs, each of earlier ids, as learning gives them."""
    merges: list[tuple[int, int]] = []
    for _ in range(draw(st.integers(0, 8))):
        ids = st.integers(1, len(SYMBOLS) + len(merges))
        pair = draw(st.tuples(ids, ids))
        if pair not in merges:
            merges.append(pair)
    return tuple(merges)


@st.composite
def strings(draw: st.DrawFn, longest: int = 60) -> tuple[list[int], Vocabulary]:
    """Any string of ids over one of the alphabets, half of them real molecules with a few ids
    changed.
    """
    letters = ALPHABETS[draw(st.sampled_from(sorted(ALPHABETS)))]
    any_id = st.integers(1, len(letters) - 1)
    if draw(st.booleans()):
        return draw(st.lists(any_id, max_size=longest)), letters
    rng = random.Random(draw(st.integers(0, 2**32)))
    known = [
        molecule for molecule in MOLECULES if set(symbols_of(molecule)) <= set(letters.symbols)
    ]
    ids = [int(number) for number in ids_of("".join(symbols_of(rng.choice(known))), letters)]
    for _ in range(draw(st.integers(0, 4))):
        place = rng.randrange(len(ids) + 1)
        ids[place : place + rng.randint(0, 2)] = [
            rng.randrange(1, len(letters)) for _ in range(rng.randint(0, 2))
        ]
    return ids, letters


def symbols_of(smiles: str) -> list[str]:
    """SELFIES symbols of a SMILES string."""
    return list(selfies.split_selfies(selfies.encoder(smiles)))
