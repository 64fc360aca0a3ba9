"""SMILES and SELFIES under given capacities of the atoms."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest
import selfies as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from molvae.chem.molecule import EMPTY, UNREADABLE, canonical, parse
from molvae.chem.standardise import standard_smiles
from molvae.errors import MoleculeError
from molvae.language import selfies_codec
from molvae.language.selfies_codec import (
    Constraints,
    check_return,
    constraints_for,
    default_constraints,
    split,
    to_selfies,
)

DEFAULT = default_constraints()

# Molecules of the MOSES training set.
MOSES = [
    "CC1C2CCC(C2)C1CN(CCO)C(=O)c1ccc(Cl)cc1",
    "COc1ccc(-c2cc(=O)c3c(O)c(OC)c(OC)cc3o2)cc1O",
    "CCCS(=O)c1ccc2[nH]c(=NC(=O)OC)[nH]c2c1",
    "CC(C)(C)C(=O)C(Oc1ccc(Cl)cc1)n1ccnc1",
    "N#Cc1ccc(F)cc1Br",
]
# From ZINC-250k: together they hold nearly all of its symbols, charges and stereo marks.
ZINC = [
    r"C[C@H]1C=[N+]2C(=N)/C(=C/c3ccc(OC(=O)c4ccc(F)cc4)c(Br)c3)C(=O)N=C2S1",
    r"CC(=O)[C@@]1(O)CC[C@@H]2[C@H]3CCC4=C/C(=N\OCC(=O)NCCc5c[nH]cn5)CC[C@]4(C)[C@H]3CC[C@@]21C",
    r"CC(C)(C)/[N+]([O-])=C/[C@]1([C@@]2(/C=[N+](\[O-])C(C)(C)C)Cc3ccccc3C2=O)Cc2ccccc2C1=O",
    r"C/[S@](=N\S(=O)(=O)c1cccc2nsnc12)c1ncccc1C(F)(F)F",
    r"CC(=O)/C(=C\N=[S@](C)(=O)c1ccc(Cl)cc1)S(=O)(=O)c1ccc(Cl)cc1",
    r"C[NH+](C)[N-]/C(=N/C(=O)c1ccccc1)N1CCOCC1",
    r"C/[O+]=C1\C=CC(Cl)=C\C1=c1\[n-]/c(=C/Nc2cc([N+](=O)[O-])ccc2C)c(=O)o1",
    r"O=c1[nH]/c(=C(/Br)c2ccccc2)c(=O)[nH]/c1=C(\Br)c1ccccc1",
    r"CC(=O)N=P(N1CCCCC1)(N1CCCCC1)C(C)(C)C",
    r"C[N+]1(/N=C(\[S-])NN)CCOCC1",
    r"CN(C)S(=O)(=O)c1ccc(N=[N+]=[N-])c([N+](=O)[O-])c1",
    r"CC/C(C)=N/N=c1/[nH]c(-c2cc3cc(OC)ccc3oc2=O)cs1",
    r"C[C@H](NC(=O)Cc1ccccc1)[P@@H](=O)O",
    r"C[P@@](=O)(Nc1ccccc1Cl)Oc1cccc(Cl)c1Cl",
    r"N#[N+]c1[nH]nc2nnc(-c3ccccc3)c(-c3ccccc3)c12",
    r"CCN(CC)[P+]1(N(CC)CC)NC(=O)c2ccccc2C(=O)N1CCCl",
    r"C[C@H]1CC[C@H](C)[S+]1c1cc(O)ccc1O",
    r"O=[PH2][C@H](Cc1ccccc1)c1ccccc1",
    r"COc1ccc(-c2cc(-c3ccccc3)cc(-c3ccc(I)cc3)[o+]2)cc1",
    r"Cc1sc(N2CCCCC2)[s+]c1SCC(=O)[O-]",
    r"C1=N\c2ccccc2/N=C\c2cc3ccccc3cc2/1",
    r"Cc1ccc(N=[P@@](c2ccncc2)(N2CCCC2)C(C)(C)C)c(C)c1",
    r"Nc1ccc(S(=O)(=O)[N-][NH3+])cc1[N+](=O)[O-]",
    r"FC(F)(F)C(F)(F)C(F)(F)/C=C\I",
    r"C[S@@+](CC(=O)c1cccc([N+](=O)[O-])c1)c1ccccc1",
    r"NC(=O)CC[C@H]1N[PH]2(OCCO2)OC1=O",
]
# What neither set holds: elements and charges for which selfies has no capacity of its own,
# isotopes.
ODD = [
    "C[Si](C)(C)OC",
    "C=[Si]=C",
    "[SiH3]C",
    "O=[Se](C)C",
    "C[Se+](C)C",
    "c1cc[se]c1",
    "OB(O)c1ccccc1",
    "C[B-](C)(C)C",
    "F[B-](F)(F)F",
    "c1cc[nH]c1",
    "[2H]C([2H])([2H])O",
    "[13CH3]C(=O)O",
    "[3H]C",
    "[123I]C",
    "C[S+](C)C",
    "C[S-]",
    "C[P+](C)(C)C",
    "F[P-](F)(F)(F)(F)F",
    "FS(F)(F)(F)(F)F",
    "c1ccc([I+]c2ccccc2)cc1",
    "[IH2+]",
    "C[As](C)C",
    "C[Te]C",
    "C[Ge](C)(C)C",
    "C[Sn](C)(C)C",
    "[O-][Cl+3]([O-])([O-])O",
    "C[N-]C",
    "[CH2-]C",
    "[CH2+]C",
    "C#[O+]",
    "C[Al](C)C",
    "C[Hg]C",
    "C[Zn]C",
    "[SH+](C)C",
    "C[PH+](C)C",
    "[NH4+]",
    "CC#C",
]
STRUCTURE = [
    f"[{bond}{kind}]" for kind in ("Branch1", "Ring1", "Branch2", "Ring2") for bond in ("", "=")
]


def canon(smiles: str) -> str:
    return canonical(parse(smiles))


def outcome(
    translate: Callable[[str, Constraints], str], text: str, table: Constraints
) -> tuple[str, str]:
    """Return the result and no reason, or no result and the reason."""
    try:
        return translate(text, table), ""
    except MoleculeError as error:
        return "", error.reason


def alphabet(molecules: list[str]) -> list[str]:
    written = "".join(to_selfies(canon(one), DEFAULT) for one in molecules)
    return sorted({*split(written), *STRUCTURE})


def to_smiles(selfies: str, table: Constraints) -> str:
    """Canonical SMILES of SELFIES; MoleculeError if there is none."""
    sf.set_semantic_constraints(table)
    return canonical(parse(sf.decoder(selfies)))


ALPHABETS = {"MOSES": alphabet(MOSES), "ZINC": alphabet(ZINC), "odd": alphabet(ODD)}
ALPHABETS["all"] = sorted(set().union(*ALPHABETS.values()))
TABLES = {name: constraints_for(symbols) for name, symbols in ALPHABETS.items()}


@pytest.mark.parametrize("name", ALPHABETS)
def test_any_string_over_the_alphabet_is_valid_or_empty(name: str) -> None:
    symbols, table = ALPHABETS[name], TABLES[name]

    @settings(max_examples=250, deadline=None, derandomize=True)
    @given(st.lists(st.sampled_from(symbols), min_size=1, max_size=60))
    def decodes(string: list[str]) -> None:
        smiles, reason = outcome(to_smiles, "".join(string), table)
        assert reason in ("", EMPTY)
        assert reason or canonical(parse(smiles)) == smiles

    decodes()


def test_any_change_to_real_molecules_is_a_valid_molecule() -> None:
    """Random strings end after a few atoms; altered molecules stay large."""
    draw = random.Random(0)
    originals = [split(to_selfies(canon(s), DEFAULT)) for s in ZINC + ODD]
    for _ in range(600):
        string = list(draw.choice(originals))
        for _ in range(draw.randint(1, 5)):
            string[draw.randrange(len(string))] = draw.choice(ALPHABETS["all"])
        smiles, reason = outcome(to_smiles, "".join(string), TABLES["all"])
        assert reason in ("", EMPTY)
        assert reason or canonical(parse(smiles)) == smiles


def test_the_default_table_alone_would_not_do() -> None:
    too_many = "[Si]" + "[Branch1][C][F]" * 5 + "[F]"
    with pytest.raises(MoleculeError):
        to_smiles(too_many, DEFAULT)
    assert to_smiles(too_many, TABLES["odd"]) == "FC[Si](F)(F)F"


def carried(smiles: str, table: dict[str, int]) -> str:
    """The SELFIES of a molecule, which is found to lead back to it."""
    selfies = to_selfies(smiles, table)
    sf.set_semantic_constraints(table)
    check_return(smiles, sf.decoder(selfies))
    return selfies


@pytest.mark.parametrize("smiles", [*MOSES, *ZINC, *ODD])
def test_a_molecule_survives_the_way_there_and_back(smiles: str) -> None:
    canonical_smiles = canon(smiles)
    selfies = carried(canonical_smiles, DEFAULT)
    # Encoded before the alphabet is known, it means the same under the table made from the
    # alphabet.
    assert to_smiles(selfies, TABLES["all"]) == canonical_smiles
    assert carried(canonical_smiles, TABLES["all"]) == selfies
    assert "".join(split(selfies)) == selfies


def test_capacities_are_never_above_those_of_selfies() -> None:
    for table in TABLES.values():
        assert all(table[key] <= DEFAULT[key] for key in DEFAULT)
        assert all(capacity <= DEFAULT["?"] for capacity in table.values())
        sf.set_semantic_constraints(table)  # selfies accepts every key and value


def test_every_atom_of_the_alphabet_has_an_entry_of_its_own() -> None:
    assert TABLES["MOSES"] == DEFAULT
    wanted = {
        "Si": 4,
        "Ge": 4,
        "Sn": 4,
        "Se": 6,
        "Se+1": 5,
        "Te": 6,
        "As": 5,
        "I+1": 6,
        "Cl+3": 4,
        "Al": 3,
    }
    assert {key: TABLES["odd"][key] for key in wanted} == wanted


def test_the_order_and_number_of_symbols_do_not_change_the_table() -> None:
    symbols = ALPHABETS["all"]
    assert list(constraints_for([*reversed(symbols), *symbols]).items()) == list(
        TABLES["all"].items()
    )


@pytest.mark.parametrize(
    "symbol", ["[Xx]", "[c]", "[C", "C", "[Branch4]", "[Expl=Ring1]", "[]", "[C+0]"]
)
def test_a_symbol_selfies_does_not_have_is_refused(symbol: str) -> None:
    with pytest.raises(MoleculeError):
        constraints_for([symbol])


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("C11", selfies_codec.INEXPRESSIBLE),
        ("", selfies_codec.INEXPRESSIBLE),
        ("*", selfies_codec.INEXPRESSIBLE),
        ("[Og]", selfies_codec.INEXPRESSIBLE),
        ("CN->[Fe]", selfies_codec.INEXPRESSIBLE),
        ("CI(C)C", selfies_codec.INEXPRESSIBLE),
        ("[O-][Cl](=O)(=O)=O", selfies_codec.INEXPRESSIBLE),
        ("C.C", selfies_codec.INEXPRESSIBLE),
        ("=C", selfies_codec.CHANGED),
        ("OCC", selfies_codec.CHANGED),
        ("[CH3:1]O", selfies_codec.CHANGED),
    ],
)
def test_what_selfies_cannot_carry_is_refused_with_its_reason(smiles: str, reason: str) -> None:
    with pytest.raises(MoleculeError) as caught:
        carried(smiles, DEFAULT)
    assert caught.value.reason == reason
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize("text", ["C", "[C] [C]", "[C].[C]", "[[C]]", "."])
def test_what_is_no_row_of_symbols_is_refused(text: str) -> None:
    with pytest.raises(MoleculeError, match="square brackets"):
        split(text)


@pytest.mark.parametrize(("decoded", "reason"), [("", EMPTY), ("C(", UNREADABLE)])
def test_what_decodes_to_no_molecule_is_refused(decoded: str, reason: str) -> None:
    with pytest.raises(MoleculeError) as caught:
        check_return("CC", decoded)
    assert caught.value.reason == selfies_codec.CHANGED
    assert caught.value.detail == f"it does not come back: {reason}"


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=30), st.text("[]CRing1=#+-@H.BrIO", max_size=30)))
def test_any_text_gives_symbols_or_a_counted_reason(text: str) -> None:
    result, reason = outcome(to_selfies, text, DEFAULT)
    assert reason in selfies_codec.REASONS if not result else not reason


def test_two_tables_in_one_process_do_not_disturb_each_other() -> None:
    octet: Constraints = sf.get_preset_constraints("octet_rule")
    smiles = "CS(=O)(=O)C"
    alone = {id(table): outcome(to_selfies, smiles, table) for table in (DEFAULT, octet)}
    assert len(set(alone.values())) == 2
    wrong: list[tuple[str, str]] = []

    def encode_often(table: Constraints) -> None:
        found = [outcome(to_selfies, smiles, table) for _ in range(300)]
        wrong.extend(one for one in found if one != alone[id(table)])

    threads = [
        threading.Thread(target=encode_often, args=(table,)) for table in (DEFAULT, octet) * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_table_set_by_other_code_in_between_does_no_harm() -> None:
    to_selfies("C", DEFAULT)
    sf.set_semantic_constraints({**DEFAULT, "C": 1})
    assert to_selfies("C=C", DEFAULT) == "[C][=C]"


def test_a_standard_molecule_comes_back_unchanged() -> None:
    for smiles in ZINC:
        standard = standard_smiles(smiles)
        assert standard_smiles(to_smiles(to_selfies(standard, DEFAULT), DEFAULT)) == standard
