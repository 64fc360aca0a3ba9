"""Laws of the grammar: SMILES as selfies.decoder writes it, features that foretell what closing a ring does."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import selfies
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rdkit import Chem

from molvae.alphabet import Alphabet, meaning
from molvae.closures import LARGEST, REACH
from molvae.errors import InputError, ModelError, UsageError
from molvae.grammar import advance, feature_sizes, features, features_now, start
from molvae.place import GROUPS
from molvae.smiles import decode_smiles

CONSTRAINTS = selfies.get_preset_constraints("default")
ALL = tuple(GROUPS)

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


def alphabet(symbols: tuple[str, ...], merges: int = 0, seed: int = 0) -> Alphabet:
    """Symbols with pairs of ids merged at random, so that merges break off anywhere."""
    rng, pairs = random.Random(seed), []
    for size in range(1 + len(symbols), 1 + len(symbols) + merges):
        pairs.append((rng.randrange(1, size), rng.randrange(1, 1 + len(symbols))))
    return Alphabet(symbols, tuple(pairs), CONSTRAINTS)


def text_of(ids: list[int], letters: Alphabet) -> str:
    """The SELFIES string of ids."""
    expand = letters.tables
    parts = [expand.runs[expand.runs_start[token] : expand.runs_start[token + 1]] for token in ids]
    return "".join(letters.symbols[single - 1] for part in parts for single in part)


def ids_of(text: str, letters: Alphabet) -> NDArray[np.uint16]:
    """Single-symbol ids of a SELFIES string."""
    return np.array([1 + letters.symbols.index(part) for part in selfies.split_selfies(text)], np.uint16)


def decoded(ids: list[int] | NDArray[np.uint16], letters: Alphabet) -> str:
    """SMILES of one molecule."""
    return decode_smiles(np.array(ids, np.uint16), np.array([len(ids)]), letters)[0]


def described(ids: list[int] | NDArray[np.uint16], letters: Alphabet, group: str) -> NDArray[np.uint8]:
    """One group's features of every prefix of one molecule."""
    return features(np.array(ids, np.uint16), np.array([len(ids)]), letters, (group,))


ALPHABETS = {
    "plain": alphabet(PLAIN),
    "charged": alphabet(CHARGED),
    "rare": alphabet(RARE),
    "plain, merged": alphabet(PLAIN, 60, 1),
    "charged, merged": alphabet(CHARGED, 120, 2),
    "rare, merged": alphabet(RARE, 150, 3),
}


@st.composite
def strings(draw: st.DrawFn, longest: int = 60) -> tuple[list[int], Alphabet]:
    """Any string of ids over one of the alphabets, half of them real molecules with a few ids changed."""
    letters = ALPHABETS[draw(st.sampled_from(sorted(ALPHABETS)))]
    any_id = st.integers(1, len(letters) - 1)
    if draw(st.booleans()):
        return draw(st.lists(any_id, max_size=longest)), letters
    rng = random.Random(draw(st.integers(0, 2**32)))
    known = [molecule for molecule in MOLECULES if set(symbols_of(molecule)) <= set(letters.symbols)]
    ids = [int(number) for number in ids_of("".join(symbols_of(rng.choice(known))), letters)]
    for _ in range(draw(st.integers(0, 4))):
        place = rng.randrange(len(ids) + 1)
        ids[place : place + rng.randint(0, 2)] = [rng.randrange(1, len(letters)) for _ in range(rng.randint(0, 2))]
    return ids, letters


def symbols_of(smiles: str) -> list[str]:
    """SELFIES symbols of a SMILES string."""
    return list(selfies.split_selfies(selfies.encoder(smiles)))


@settings(max_examples=400, deadline=None)
@given(strings())
def test_any_string_gives_the_smiles_of_the_selfies_decoder(case: tuple[list[int], Alphabet]) -> None:
    ids, letters = case
    assert decoded(ids, letters) == selfies.decoder(text_of(ids, letters))


def test_random_strings_of_every_alphabet_give_the_smiles_of_the_selfies_decoder() -> None:
    rng = random.Random(0)
    for letters in ALPHABETS.values():
        batch = [[rng.randrange(1, len(letters)) for _ in range(rng.randrange(40))] for _ in range(600)]
        flat = np.array(list(itertools.chain.from_iterable(batch)), np.uint16)
        found = decode_smiles(flat, np.array([len(ids) for ids in batch]), letters)
        assert found == [selfies.decoder(text_of(ids, letters)) for ids in batch]


def test_the_smiles_is_the_same_molecule_with_its_stereochemistry() -> None:
    letters = ALPHABETS["charged"]
    for molecule in MOLECULES:
        found = decoded(ids_of(selfies.encoder(molecule), letters), letters)
        assert Chem.MolToSmiles(Chem.MolFromSmiles(found)) == Chem.MolToSmiles(Chem.MolFromSmiles(molecule))


@pytest.mark.parametrize(("preset"), ["octet_rule", "hypervalent"])
def test_the_stated_constraints_hold_and_not_the_default_ones(preset: str) -> None:
    constraints, rng = selfies.get_preset_constraints(preset), random.Random(1)
    letters = Alphabet(CHARGED, (), constraints)
    selfies.set_semantic_constraints(constraints)
    try:
        for _ in range(300):
            ids = [rng.randrange(1, len(letters)) for _ in range(30)]
            assert decoded(ids, letters) == selfies.decoder(text_of(ids, letters))
    finally:
        selfies.set_semantic_constraints()


def test_a_hundredth_ring_can_still_be_read() -> None:
    letters = ALPHABETS["plain"]
    found = decoded(ids_of("[C][C][C][Ring1][Ring1]" * 120, letters), letters)
    assert "%99" in found
    assert "%(100)" in found
    assert Chem.MolFromSmiles(found).GetRingInfo().NumRings() == 120


def test_an_end_symbol_ends_a_molecule() -> None:
    letters = ALPHABETS["plain"]
    carbon = 1 + PLAIN.index("[C]")
    assert decode_smiles(np.array([carbon, 0, carbon, carbon]), np.array([3, 1]), letters) == ["C", "C"]
    assert decode_smiles(np.array([], np.uint16), np.array([0, 0]), letters) == ["", ""]
    assert decode_smiles(np.array([], np.uint16), np.array([], np.int32), letters) == []


@settings(max_examples=150, deadline=None)
@given(strings(), st.integers(0, 2**32))
def test_steps_and_bulk_agree(case: tuple[list[int], Alphabet], seed: int) -> None:
    ids, letters = case
    rng = random.Random(seed)
    batch = [ids, ids[::-1], ids[: len(ids) // 2], [rng.randrange(1, len(letters)) for _ in range(20)]]
    lengths = np.array([len(one) for one in batch])
    whole = features(np.array(list(itertools.chain.from_iterable(batch)), np.uint16), lengths, letters, ALL)
    starts = np.cumsum(lengths + 1) - lengths - 1
    states, place = start(9), rng.sample(range(9), len(batch))
    for step in range(lengths.max() + 1):
        for chosen in np.array_split(rng.sample(list(np.flatnonzero(lengths >= step)), sum(lengths >= step)), 2):
            chosen = chosen.astype(int)
            now = features_now(states, np.array(place, int)[chosen], letters, ALL)
            np.testing.assert_array_equal(now, whole[starts[chosen] + step])
        going = np.flatnonzero(lengths > step)
        tokens = np.array([batch[one][step] for one in going], np.uint16)
        advance(states, np.array(place)[going], tokens, letters)


@settings(max_examples=150, deadline=None)
@given(strings(), st.integers(0, 60))
def test_features_follow_from_the_prefix_alone(case: tuple[list[int], Alphabet], cut: int) -> None:
    ids, letters = case
    whole = features(np.array(ids, np.uint16), np.array([len(ids)]), letters, ALL)
    prefix = features(np.array(ids[:cut], np.uint16), np.array([len(ids[:cut])]), letters, ALL)
    np.testing.assert_array_equal(prefix, whole[: len(prefix)])


@settings(max_examples=150, deadline=None)
@given(strings())
def test_merging_symbols_changes_no_feature(case: tuple[list[int], Alphabet]) -> None:
    ids, letters = case
    runs = letters.tables.runs_start
    singles = [int(one) for token in ids for one in letters.tables.runs[runs[token] : runs[token + 1]]]
    ends = np.cumsum([0, *(runs[token + 1] - runs[token] for token in ids)])
    merged = features(np.array(ids, np.uint16), np.array([len(ids)]), letters, ALL)
    single = features(np.array(singles, np.uint16), np.array([len(singles)]), letters, ALL)
    np.testing.assert_array_equal(merged, single[ends])


@settings(max_examples=150, deadline=None)
@given(strings(longest=200))
def test_features_stay_below_their_sizes(case: tuple[list[int], Alphabet]) -> None:
    ids, letters = case
    found = features(np.array(ids, np.uint16), np.array([len(ids)]), letters, ALL)
    assert found.shape == (len(ids) + 1, len(feature_sizes(ALL)))
    assert (found < np.array(feature_sizes(ALL))).all()


def test_a_molecule_of_any_length_has_features() -> None:
    letters = ALPHABETS["plain"]
    carbons = ids_of("[C]" * 3000, letters)
    branches = ids_of("[C]" + "[C][Branch2][P][P]" * 700, letters)
    for ids in (carbons, branches):
        assert (described(ids, letters, "ring_sizes") < LARGEST).all()


def test_groups_are_columns_of_the_whole() -> None:
    letters = ALPHABETS["charged"]
    ids = ids_of(selfies.encoder(MOLECULES[8]), letters)
    parts = [described(ids, letters, group) for group in ALL]
    assert [part.shape[1] for part in parts] == [len(GROUPS[group]) for group in ALL]
    whole = features(ids, np.array([len(ids)]), letters, ALL)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_branches_count_down_and_return() -> None:
    letters = ALPHABETS["plain"]
    ids = ids_of("[N][C][=Branch1][Ring2][=O][C][F][S]", letters)
    branch, valence = described(ids, letters, "branch"), described(ids, letters, "valence")
    pending, outer = described(ids, letters, "pending"), described(ids, letters, "outer")
    assert branch[:, 0].tolist() == [0, 0, 0, 0, 4, 3, 2, 0, 0]  # 1 + symbols left
    assert branch[:, 1].tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0]
    assert pending[:, 0].tolist() == [0, 0, 0, 4, 0, 0, 0, 0, 0]
    # no atom; NH2; CH3; less the branch; in the branch; =O, exhausted to its end; CH again; S
    assert valence[:, 0].tolist() == [1, 4, 4, 2, 3, 0, 0, 2, 6]
    assert valence[:, 1].tolist() == [0, 5, 2, 2, 2, 8, 8, 2, 11]
    assert outer[4:7, 0].tolist() == [2, 2, 2]
    assert outer[4:7, 1].tolist() == [2, 2, 2]


CLOSURES = [
    # the prefix before its ring symbol; atoms back; columns: 5 by single, 5 by double, 6 by single, 6 by double
    ("[C][=C][C][=C][C][=C]", 5, [0, 0, 5, 0]),  # benzene
    ("[C][C][=C][C][=C][C]", 5, [0, 0, 0, 5]),  # benzene, begun elsewhere
    ("[C][=C][C][=C][C]", 4, [0, 0, 0, 0]),  # cyclopentadiene
    ("[C][=C][C][=C][O]", 4, [4, 0, 0, 0]),  # furan
    ("[C][C][=C][NH1][C]", 4, [0, 4, 0, 0]),  # pyrrole, begun elsewhere
    ("[C][C][C][C][C][C]", 5, [0, 0, 0, 0]),  # cyclohexane
    ("[C][C][=Branch1][C][=O][N][C][=C][C]", 6, [0, 0, 0, 6]),  # pyridone, its carbonyl in a branch
]


@pytest.mark.parametrize(("prefix", "back", "columns"), CLOSURES)
def test_closures_that_complete_an_aromatic_ring_are_known(prefix: str, back: int, columns: list[int]) -> None:
    letters = ALPHABETS["plain"]
    assert described(ids_of(prefix, letters), letters, "aromatic")[-1].tolist() == columns
    index = selfies.constants.INDEX_ALPHABET[back - 1]
    order = "=" if columns[1] or columns[3] else ""
    smiles = decoded(ids_of(f"{prefix}[{order}Ring1]{index}", letters), letters)
    assert any(atom.GetIsAromatic() for atom in Chem.MolFromSmiles(smiles).GetAtoms()) == any(columns)


def test_closures_foretold_to_be_aromatic_are_so_in_the_finished_molecules() -> None:
    letters, foretold = ALPHABETS["charged"], 0
    for molecule in MOLECULES:
        symbols = symbols_of(molecule)
        known = described(ids_of("".join(symbols), letters), letters, "aromatic")
        whole = Chem.MolFromSmiles(selfies.decoder("".join(symbols)))
        for place, symbol in enumerate(symbols[:-1]):
            if symbol not in ("[Ring1]", "[=Ring1]"):
                continue
            back = 1 + selfies.constants.INDEX_ALPHABET.index(symbols[place + 1])
            if back in known[place][symbol == "[=Ring1]" :: 2]:
                # The first atom after the prefix has this number, and the prefix ends at an atom here.
                here = int(described(ids_of("".join(symbols[:place]), letters), letters, "position")[-1][1]) - 1
                bond = whole.GetBondBetweenAtoms(here, here - back)
                if bond is not None:
                    assert bond.GetIsAromatic()
                    foretold += 1
    assert foretold >= 15


def prefix_graph(smiles: str) -> Chem.Mol:
    """The graph of a SMILES as written, atoms in its order."""
    options = Chem.SmilesParserParams()
    options.sanitize, options.removeHs = False, False  # type: ignore[assignment]
    return Chem.MolFromSmiles(smiles, options)


def shortest_paths(mol: Chem.Mol, begin: int, end: int) -> list[list[int]]:
    """All shortest paths between two atoms, by brute force."""
    paths = [[begin]]
    while paths and not any(path[-1] == end for path in paths):
        seen = {atom for path in paths for atom in path}
        steps = [(path, near.GetIdx()) for path in paths for near in mol.GetAtomWithIdx(path[-1]).GetNeighbors()]
        paths = [[*path, atom] for path, atom in steps if atom not in seen]
    return [path for path in paths if path[-1] == end]


@settings(max_examples=120, deadline=None)
@given(strings(longest=30), st.integers(0, 40), st.integers(1, REACH))
def test_the_ring_foretold_is_the_ring_that_closing_makes(
    case: tuple[list[int], Alphabet], cut: int, back: int
) -> None:
    ids, letters = case
    ids = ids[:cut]
    known = {group: described(ids, letters, group)[-1] for group in ("valence", "ring_sizes", "ring_unsaturation")}
    before = prefix_graph(selfies.decoder(text_of(ids, letters)))
    place = [described(ids, letters, group)[-1] for group in ("pending", "branch")]
    begun, exhausted = known["valence"][0] != 1, known["valence"][0] == 0
    if not begun or place[0][0] or (exhausted and place[1][1]):
        return  # what is appended here would be read as something else than a ring
    digits = [selfies.constants.INDEX_ALPHABET[digit] for digit in divmod(back - 1, 16)]
    closed = f"{text_of(ids, letters)}[Ring2]{digits[0]}{digits[1]}"
    after = prefix_graph(selfies.decoder(closed))
    changed = [
        bond
        for bond in after.GetBonds()
        if (old := before.GetBondBetweenAtoms(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) is None
        or old.GetBondType() != bond.GetBondType()
    ]
    size = int(known["ring_sizes"][back - 1])
    if size == 0:
        # Index symbols that reach further than the first atom mean the first atom.
        assert all(0 in (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in changed)
        return
    if not changed:  # a triple bond cannot be raised further
        assert size + 1 == 2
        return
    (bond,) = changed
    ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    paths = shortest_paths(before, *ends)
    assert min(len(paths[0]) if paths else LARGEST, LARGEST) == size + 1
    if size + 1 < LARGEST:
        least = min(sum(lacks_double_bond(before, atom) for atom in path) for path in paths)
        assert known["ring_unsaturation"][back - 1] == 1 + min(least, 6)


def lacks_double_bond(mol: Chem.Mol, atom: int) -> bool:
    """Whether all bonds of an atom are single."""
    return all(bond.GetBondTypeAsDouble() == 1 for bond in mol.GetAtomWithIdx(atom).GetBonds())


def test_what_cannot_be_is_refused() -> None:
    letters = ALPHABETS["plain"]
    with pytest.raises(InputError, match="id 27 is not of an alphabet of 27 ids"):
        decode_smiles(np.array([27]), np.array([1]), letters)
    with pytest.raises(InputError, match="3 ids cannot be molecules of 4 ids"):
        features(np.array([1, 2, 3]), np.array([2, 2]), letters)
    with pytest.raises(UsageError, match="'rings' is no group"):
        feature_sizes(("rings",))
    with pytest.raises(UsageError, match="rows must lie between 0 and 1"):
        advance(start(2), np.array([2]), np.array([1]), letters)
    for symbol in ("[Xx]", "[Branch4]", "[--Ring1]", "C", "[C", "[CH99]", "[=-Ring1]"):
        with pytest.raises(ModelError, match="no SELFIES symbol"):
            meaning(symbol, CONSTRAINTS)
    with pytest.raises(ModelError, match="more hydrogens"):
        meaning("[CH5]", CONSTRAINTS)
    with pytest.raises(ModelError, match="merge 27 must be a pair of earlier ids"):
        decode_smiles(np.array([1]), np.array([1]), Alphabet(PLAIN, ((1, 27),), CONSTRAINTS))
