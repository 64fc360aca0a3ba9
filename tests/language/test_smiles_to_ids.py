"""Symbols are those of the selfies package, and draws are canonical by its definition."""

from __future__ import annotations

import random

import pytest

from molvae.chem.standardise import standard_smiles
from molvae.datasets.prepare import random_smiles
from molvae.errors import MoleculeError
from molvae.generation.reader import Sample, molecules_of
from molvae.language import smiles_to_ids
from molvae.language.selfies_codec import (
    constraints_for,
    default_constraints,
    split,
    to_selfies,
)
from molvae.language.smiles_to_ids import SelfiesEncoder, canonical_draws, ids_of, is_canonical
from molvae.language.vocabulary import Vocabulary

MARKED = [
    r"C[C@H]1C=[N+]2C(=N)/C(=C/c3ccc(OC(=O)c4ccc(F)cc4)c(Br)c3)C(=O)N=C2S1",
    r"CC(=O)[C@@]1(O)CC[C@@H]2[C@H]3CCC4=C/C(=N\OCC(=O)NCCc5c[nH]cn5)CC[C@]4(C)[C@H]3CC[C@@]21C",
    r"CC(C)(C)/[N+]([O-])=C/[C@]1([C@@]2(/C=[N+](\[O-])C(C)(C)C)Cc3ccccc3C2=O)Cc2ccccc2C1=O",
    r"C/[S@](=N\S(=O)(=O)c1cccc2nsnc12)c1ncccc1C(F)(F)F",
    r"O=c1[nH]/c(=C(/Br)c2ccccc2)c(=O)[nH]/c1=C(\Br)c1ccccc1",
    r"C1=N\c2ccccc2/N=C\c2cc3ccccc3cc2/1",
    r"COc1ccc(-c2cc(-c3ccccc3)cc(-c3ccc(I)cc3)[o+]2)cc1",
    r"Cc1sc(N2CCCCC2)[s+]c1SCC(=O)[O-]",
    r"C[P@@](=O)(Nc1ccccc1Cl)Oc1cccc(Cl)c1Cl",
    r"C[Si](C)(C)c1cc[se]c1",
    r"OB(O)c1c[n-]c2ccccc12",
    r"[2H]C([2H])([2H])O[13CH2]C#N",
    r"O=C1NC23NC(=O)NC2(N1)c1ccccc1-c1ccccc13",
    r"CCCCCCCCCCCCCCCCCCCC(CCCCCCCCCCCCCCCCCCCCCCCC)(c1ccccc1)C1CCCCCCCCCCCCCCCCCCCCC1",
    r"C[Te+2]",
    "C",
]
"""Charges, chirality with and without rings at the atom, double-bond stereo in chains and at ring
closures, aromatic atoms in brackets, fused and spiro rings, odd elements, isotopes, branches and
rings of two digits."""

REFUSED = [
    "CC(=O)OI1(OC(C)=O)(OC(C)=O)OC(=O)c2ccccc21",
    "C.C",
    "C$C",
    "C1CC",
    "CN->[Fe]",
    "c1cccc1",
    "C(C)(C)(C)(C)C",
]
ODD = [
    "C%(100)CC%(100)",
    "[CH3:1]C",
    "[013CH4]",
    "[C+1]C",
    "[CH0]",
    "[CH1]C",
    "C1.C1",
    "C-C",
    "C/1=C/CCCCCC1",
]


def by_definition(smiles: str) -> str:
    """The symbols that the package writes, or why it cannot."""
    try:
        return to_selfies(smiles, default_constraints())
    except MoleculeError as error:
        return f"{error.reason}: {error.detail}"


def encoded(smiles: list[str]) -> list[str]:
    """The same, by compiled code where that understands the text."""
    encoder = SelfiesEncoder(smiles)
    written = encoder.write(smiles)
    symbols = ("", *encoder.vocabulary.symbols)
    return [
        f"{ids.reason}: {ids.detail}"
        if isinstance(ids, MoleculeError)
        else "".join(symbols[number] for number in ids)
        for ids in written
    ]


def test_one_molecule_has_the_ids_that_the_package_gives_it() -> None:
    written = {smiles: split(to_selfies(smiles, default_constraints())) for smiles in MARKED}
    known = tuple(dict.fromkeys(symbol for symbols in written.values() for symbol in symbols))
    vocabulary = Vocabulary(known, ((1, 1), (1, 2)), default_constraints())
    found = {smiles: ids_of(smiles, vocabulary) for smiles in [*MARKED, *REFUSED]}
    for smiles, symbols in written.items():
        ids = found[smiles]
        assert ids is None or ids.tolist() == vocabulary.encode(symbols).tolist()
    assert all(found[smiles] is None for smiles in REFUSED)
    understood = sum(ids is not None for ids in found.values())
    assert understood > len(MARKED) // 2


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """SMILES that the package is asked for."""
    found: list[str] = []

    def ask(smiles: str, constraints: dict[str, int]) -> str:
        found.append(smiles)
        return to_selfies(smiles, constraints)

    monkeypatch.setattr("molvae.language.smiles_to_ids.to_selfies", ask)
    return found


def test_canonical_smiles_are_encoded_as_by_the_package(
    molecules: list[str], asked: list[str]
) -> None:
    smiles = [standard_smiles(one, neutralise=False) for one in [*molecules, *MARKED]]
    assert encoded(smiles) == [by_definition(one) for one in smiles]
    assert not asked


def test_other_spellings_are_written_as_by_the_package(
    molecules: list[str], asked: list[str]
) -> None:
    smiles = [
        text
        for one in [*molecules[:100], *MARKED]
        for text in random_smiles(standard_smiles(one), 5, 1)
    ]
    assert encoded(smiles) == [by_definition(one) for one in smiles]
    assert len(asked) < len(smiles) / 20


def test_what_selfies_cannot_express_is_refused_for_its_reason(asked: list[str]) -> None:
    assert encoded([*REFUSED, "CC"])[-1] == "[C][C]"
    asked.clear()
    assert encoded(REFUSED) == [by_definition(one) for one in REFUSED]
    assert set(asked) == set(REFUSED)


def test_odd_text_is_written_as_by_the_package() -> None:
    assert encoded(ODD) == [by_definition(one) for one in ODD]


def test_molecules_beside_it_change_nothing() -> None:
    every = [*MARKED, *ODD, *REFUSED]
    assert encoded(every) == [text for one in every for text in encoded([one])]
    assert encoded(every[::-1]) == encoded(every)[::-1]


def test_more_atoms_than_are_numbered_in_advance_are_encoded() -> None:
    isotopes = [f"[{mass}CH3]O" for mass in range(1, 700)]
    assert encoded(isotopes) == [by_definition(one) for one in isotopes]


def test_nothing_is_written_for_nothing() -> None:
    assert SelfiesEncoder([]).write([]) == []


def test_what_the_package_writes_and_cannot_read_is_refused() -> None:
    assert encoded(["C[Fe+10]", "CC"]) == [
        "SELFIES cannot express it: [Fe+10] means nothing",
        "[C][C]",
    ]


# Charges, chirality with and without rings at the atom, double-bond stereo in chains and at ring
# closures, aromatic atoms in brackets, fused and spiro rings, odd elements, isotopes.
STEREO = [
    r"C[C@H]1C=[N+]2C(=N)/C(=C/c3ccc(OC(=O)c4ccc(F)cc4)c(Br)c3)C(=O)N=C2S1",
    r"CC(=O)[C@@]1(O)CC[C@@H]2[C@H]3CCC4=C/C(=N\OCC(=O)NCCc5c[nH]cn5)CC[C@]4(C)[C@H]3CC[C@@]21C",
    r"CC(C)(C)/[N+]([O-])=C/[C@]1([C@@]2(/C=[N+](\[O-])C(C)(C)C)Cc3ccccc3C2=O)Cc2ccccc2C1=O",
    r"C/[S@](=N\S(=O)(=O)c1cccc2nsnc12)c1ncccc1C(F)(F)F",
    r"C[NH+](C)[N-]/C(=N/C(=O)c1ccccc1)N1CCOCC1",
    r"C/[O+]=C1\C=CC(Cl)=C\C1=c1\[n-]/c(=C/Nc2cc([N+](=O)[O-])ccc2C)c(=O)o1",
    r"O=c1[nH]/c(=C(/Br)c2ccccc2)c(=O)[nH]/c1=C(\Br)c1ccccc1",
    r"C1=N\c2ccccc2/N=C\c2cc3ccccc3cc2/1",
    r"COc1ccc(-c2cc(-c3ccccc3)cc(-c3ccc(I)cc3)[o+]2)cc1",
    r"Cc1sc(N2CCCCC2)[s+]c1SCC(=O)[O-]",
    r"C[P@@](=O)(Nc1ccccc1Cl)Oc1cccc(Cl)c1Cl",
    r"C[Si](C)(C)c1cc[se]c1",
    r"OB(O)c1c[n-]c2ccccc12",
    r"[2H]C([2H])([2H])O[13CH2]C#N",
    r"O=C1NC23NC(=O)NC2(N1)c1ccccc1-c1ccccc13",
    r"C1CN(c2nc(N3CCOCC3)nc(N3CCOCC3)n2)CCO1",
]


def vocabulary_of(smiles: list[str]) -> Vocabulary:
    """The symbols of some molecules, under their own constraints."""
    written = "".join(to_selfies(one, default_constraints()) for one in smiles)
    symbols = tuple(sorted(set(split(written))))
    return Vocabulary(symbols, (), constraints_for(symbols))


def answers(strings: list[list[str]], vocabulary: Vocabulary) -> tuple[list[bool], list[bool]]:
    """Judgements of strings of symbols by compiled code, and by the definition."""
    ids = [vocabulary.encode(symbols) for symbols in strings]
    decoded = molecules_of([(one, 0.0) for one in ids], vocabulary)
    plain = [is_canonical(one.smiles, one.selfies, vocabulary.constraints) for one in decoded]
    return [one.canonical for one in decoded], plain


def slips(
    strings: list[list[str]], symbols: tuple[str, ...], number: int, seed: int
) -> list[list[str]]:
    """Strings with one to three symbols changed, added or left away: what a model writes that is
    nearly right.
    """
    draw = random.Random(seed)
    found = []
    for _ in range(number):
        string = list(draw.choice(strings))
        for _ in range(draw.randint(1, 3)):
            place = draw.randrange(len(string))
            string[place : place + draw.randint(0, 1)] = draw.choices(symbols, k=draw.randint(0, 1))
            string = string or ["[C]"]
        found.append(string)
    return found


def test_every_molecule_of_the_data_passes(molecules: list[str]) -> None:
    standard = [standard_smiles(one) for one in molecules]
    vocabulary = vocabulary_of(standard)
    ids = [vocabulary.encode(split(to_selfies(one, vocabulary.constraints))) for one in standard]
    assert all(canonical_draws(standard, ids, vocabulary))


def test_stereo_charges_and_symmetry_pass_in_canonical_selfies() -> None:
    standard = [standard_smiles(one, neutralise=False) for one in STEREO]
    vocabulary = vocabulary_of(standard)
    for one in standard:
        selfies = to_selfies(one, vocabulary.constraints)
        ids = vocabulary.encode(split(selfies))
        assert molecules_of([(ids, 0.0)], vocabulary) == [Sample(one, selfies, 0.0, canonical=True)]
        assert canonical_draws([one], [ids], vocabulary) == [True], one


@pytest.mark.parametrize(
    ("smiles", "selfies"),
    [
        ("CCO", "[O][C][C]"),  # another order
        ("c1ccccc1", "[C][C][=C][C][=C][C][=Ring1][=Branch1]"),  # the other Kekulé form
        ("CC", "[C][#C]"),  # a triple bond cut down: read under a table where carbon has one bond
        ("CCO", "[=C][C][O]"),  # a bond to nothing
        ("CCO", "[C][C][Branch1][C][O]"),  # a branch that should be the chain
        ("CC(C)O", "[C][C][Branch1][Ring1][C][O]"),  # a branch of the wrong length
        ("CC(O)C", "[C][C][Branch2][C][C][O][C]"),  # a number with a leading zero
        ("C1CCCC1", "[C][C][C][C][C][Ring1][Branch1][C]"),  # a symbol too many
        ("C1CCCC1", "[C][C][C][C][C]"),  # a ring too few
    ],
)
def test_another_spelling_does_not_pass(smiles: str, selfies: str) -> None:
    others = to_selfies("C1CCCC1C#CO", default_constraints())
    symbols = tuple(sorted(set(split(selfies + others))))
    vocabulary = Vocabulary(symbols, (), constraints_for(symbols))
    ids = vocabulary.encode(split(selfies))
    assert not is_canonical(smiles, selfies, vocabulary.constraints)
    assert canonical_draws([smiles], [ids], vocabulary) == [False]


@pytest.mark.parametrize("seed", [0, 1])
def test_slips_are_judged_as_by_the_definition(molecules: list[str], seed: int) -> None:
    """Over the alphabet of a plain data set, with ids that stand for several symbols."""
    standard = [standard_smiles(one) for one in molecules]
    plain = vocabulary_of(standard)
    merges = ((plain.index["[C]"], plain.index["[=C]"]), (len(plain), plain.index["[C]"]))
    vocabulary = Vocabulary(plain.symbols, merges, plain.constraints)
    strings = [split(to_selfies(one, plain.constraints)) for one in standard]
    compiled, defined = answers(slips(strings, plain.symbols, 300, seed), vocabulary)
    assert compiled == defined
    assert 10 < sum(defined) < 200


@pytest.mark.parametrize("seed", [0, 1])
def test_slips_with_stereo_are_judged_as_by_the_definition(seed: int) -> None:
    standard = [standard_smiles(one, neutralise=False) for one in STEREO]
    vocabulary = vocabulary_of(standard)
    strings = [split(to_selfies(one, vocabulary.constraints)) for one in standard]
    compiled, defined = answers(slips(strings, vocabulary.symbols, 300, seed), vocabulary)
    assert compiled == defined
    assert 10 < sum(defined) < 200


def test_random_strings_are_judged_as_by_the_definition() -> None:
    vocabulary = vocabulary_of([standard_smiles(one, neutralise=False) for one in STEREO])
    draw = random.Random(5)
    strings = [draw.choices(vocabulary.symbols, k=draw.randint(1, 12)) for _ in range(500)]
    compiled, defined = answers(strings, vocabulary)
    assert compiled == defined
    assert any(defined)


def test_of_real_molecules_none_is_left_to_the_definition(
    molecules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(smiles: str, *_: object) -> bool:
        raise AssertionError(f"{smiles} was not understood")

    monkeypatch.setattr(smiles_to_ids, "is_canonical", asked)
    standard = [standard_smiles(one, neutralise=False) for one in [*molecules, *STEREO]]
    vocabulary = vocabulary_of(standard)
    ids = [vocabulary.encode(split(to_selfies(one, vocabulary.constraints))) for one in standard]
    assert all(canonical_draws(standard, ids, vocabulary))


@pytest.mark.parametrize(
    "smiles", ["C.C", "C%(100)CCCC%(100)", "[CH3:1]C", "C1CC", "C(", "*C", "C$C", "CI(C)C"]
)
def test_what_is_not_understood_is_left_to_the_definition(
    smiles: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer counts: such text is no canonical SMILES that a vocabulary writes."""
    vocabulary = Vocabulary(
        ("[C]", "[I]", "[Ring1]", "[Branch1]"), (), constraints_for(["[C]", "[I]"])
    )
    ids = vocabulary.encode(["[C]", "[C]"])
    plain = is_canonical(smiles, "[C][C]", vocabulary.constraints)
    assert canonical_draws([smiles], [ids], vocabulary) == [plain] == [False]
    monkeypatch.setattr(smiles_to_ids, "is_canonical", lambda *_: True)
    assert canonical_draws([smiles], [ids], vocabulary) == [True]


def test_nothing_and_no_molecule_are_not_consistent() -> None:
    vocabulary = Vocabulary(("[C]", "[Ring1]"), (), constraints_for(["[C]"]))
    assert canonical_draws([], [], vocabulary) == []
    assert canonical_draws(
        ["", "C"], [vocabulary.encode(["[Ring1]"]), vocabulary.encode(["[C]"])], vocabulary
    ) == [
        False,
        True,
    ]
