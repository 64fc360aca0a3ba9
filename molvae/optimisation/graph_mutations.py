"""Offspring of molecules by mutation and crossover of their graphs.

Graph operators (Jensen, Chemical Science 10 (2019) 3567) reach what no draw of the model does, such
as a ring cut out of one molecule and into another; what they make is often unlikely. An edit here
is made once and then checked, where mol_ga makes all products of a reaction and checks each. Graphs
are kekulised: each edit works on single, double and triple bonds."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from rdkit import Chem
from rdkit.rdBase import BlockLogs

from ..chem.molecule import canonical, parse
from ..errors import MoleculeError

MUTATED = 0.4
"""Share of the offspring that are mutated; the others have two parents."""

ELEMENTS, WEIGHTS = (6, 7, 8, 9, 16, 17, 35), (8, 6, 6, 3, 2, 2, 1)
"""Elements that atoms become, and how often."""

LARGEST_RING = 7
ODD = tuple(map(Chem.MolFromSmarts, ("[R]=[R]=[R]", "[r3,r4]=[r3,r4]", "[R]#*", "[S;v4,v6;!H0]")))
"""Parts that no one can make: allenes, small alkenes and alkynes in rings; sulfur with hydrogen."""

SINGLE, DOUBLE, TRIPLE = Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE

Graph = Chem.RWMol
Mutation = Callable[[Graph, random.Random], None]


def offspring(parents: Sequence[str], count: int, seed: int) -> dict[str, tuple[str, ...]]:
    """At most ``count`` distinct canonical SMILES, each with its one or two parents, the same for
    the same parents and seed.

    At most four edits are tried for each."""
    rng, found = random.Random(seed), dict[str, tuple[str, ...]]()
    with BlockLogs():
        graphs = {one: graph_of(one) for one in parents}
        for _ in range(4 * count if graphs else 0):
            first, second = rng.choices(list(graphs), k=2)
            mutated = rng.random() < MUTATED
            child = edited(graphs[first], None if mutated else graphs[second], rng)
            if child is not None and child not in graphs:
                found.setdefault(child, (first,) if mutated or first == second else (first, second))
            if len(found) == count:
                break
    return found


def edited(mol: Chem.Mol, other: Chem.Mol | None, rng: random.Random) -> str | None:
    """Canonical SMILES of an edit of a molecule, or of it and another one; None if there is no such
    one, or if it has parts that no one can make."""
    graph = Graph(mol)
    try:
        if other is None:
            rng.choices(list(MUTATIONS), list(MUTATIONS.values()))[0](graph, rng)
            text = Chem.MolToSmiles(graph)
        else:
            crossing = cross_chains if rng.random() < 0.5 else cross_rings
            text = crossing(graph, other, rng)
        mol = parse(text)
        rings = mol.GetRingInfo().AtomRings()
        if max(map(len, rings), default=0) > LARGEST_RING or any(
            mol.HasSubstructMatch(pattern) for pattern in ODD
        ):
            return None
        return canonical(mol)
    except (MoleculeError, IndexError, RuntimeError, ValueError):
        # A valence, no such bond in this molecule (a choice of nothing), an RDKit invariant.
        return None


def graph_of(smiles: str) -> Chem.Mol:
    """The graph of a molecule, kekulised, with hydrogens that follow its bonds where they can."""
    mol = parse(smiles)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    for atom in mol.GetAtoms():
        if atom.GetFormalCharge() == 0 and atom.GetAtomicNum() in ELEMENTS:
            atom.SetNoImplicit(False)
            atom.SetNumExplicitHs(0)
    return mol


def change_element(graph: Graph, rng: random.Random) -> None:
    """Make an atom that has no charge another element."""
    atom = rng.choice([one for one in graph.GetAtoms() if one.GetFormalCharge() == 0])
    atom.SetAtomicNum(rng.choices(ELEMENTS, WEIGHTS)[0])


def append_atom(graph: Graph, rng: random.Random) -> None:
    """Bind a new atom to one."""
    neighbour = rng.randrange(graph.GetNumAtoms())
    added = graph.AddAtom(Chem.Atom(rng.choices(ELEMENTS, WEIGHTS)[0]))
    graph.AddBond(neighbour, added, rng.choices((SINGLE, DOUBLE), (5, 1))[0])


def insert_atom(graph: Graph, rng: random.Random) -> None:
    """Put a new atom in the middle of a bond, which becomes two single ones."""
    first, second = ends(rng.choice(list(graph.GetBonds())))
    graph.RemoveBond(first, second)
    added = graph.AddAtom(Chem.Atom(rng.choice((6, 7, 8))))
    graph.AddBond(first, added, SINGLE)
    graph.AddBond(added, second, SINGLE)


def delete_atom(graph: Graph, rng: random.Random) -> None:
    """Take away an atom with one neighbour, or with two, which are then bound to each other."""
    atom = rng.choice([one for one in graph.GetAtoms() if one.GetDegree() <= 2])
    around = [one.GetIdx() for one in atom.GetNeighbors()]
    if len(around) == 2 and graph.GetBondBetweenAtoms(*around) is None:
        graph.AddBond(around[0], around[1], SINGLE)
    graph.RemoveAtom(atom.GetIdx())


def change_order(graph: Graph, rng: random.Random) -> None:
    """Make a bond single, double or triple."""
    bond = rng.choice(list(graph.GetBonds()))
    kinds = [kind for kind in (SINGLE, DOUBLE, TRIPLE) if kind != bond.GetBondType()]
    bond.SetBondType(rng.choices(kinds, (5, 1))[0])


def close_ring(graph: Graph, rng: random.Random) -> None:
    """Bind two atoms that are two to five bonds apart: a ring of three to six."""
    distances = Chem.GetDistanceMatrix(graph)
    first = rng.randrange(graph.GetNumAtoms())
    apart = enumerate(distances[first].tolist())
    near = {two: (1, 1, 6, 8)[int(far) - 2] for two, far in apart if 2 <= far <= 5}
    graph.AddBond(first, rng.choices(list(near), list(near.values()))[0], SINGLE)


def open_ring(graph: Graph, rng: random.Random) -> None:
    """Take away a bond of a ring."""
    graph.RemoveBond(*ends(rng.choice([one for one in graph.GetBonds() if one.IsInRing()])))


def move_group(graph: Graph, rng: random.Random) -> None:
    """Cut a group off at a single bond and bind it to another atom of the rest."""
    root, group = rng.sample(ends(rng.choice(chain_bonds(graph))), 2)
    graph.RemoveBond(root, group)
    rest = next(part for part in Chem.GetMolFrags(graph) if root in part)
    graph.AddBond(rng.choice([one for one in rest if one != root]), group, SINGLE)


MUTATIONS: dict[Mutation, int] = {
    change_element: 4,
    append_atom: 4,
    insert_atom: 2,
    delete_atom: 4,
    change_order: 2,
    close_ring: 2,
    open_ring: 1,
    move_group: 3,
}
"""How often each is made."""


def cross_chains(graph: Graph, other: Chem.Mol, rng: random.Random) -> str:
    """SMILES of a part of one molecule and a part of another, each cut off at a single bond."""
    shift = graph.GetNumAtoms()
    first = rng.sample(ends(rng.choice(chain_bonds(graph))), 2)
    second = rng.sample(ends(rng.choice(chain_bonds(other))), 2)
    graph.InsertMol(other)
    graph.RemoveBond(*first)
    graph.RemoveBond(second[0] + shift, second[1] + shift)
    graph.AddBond(first[0], second[0] + shift, SINGLE)
    return part_with(graph, first[0])


def cross_rings(graph: Graph, other: Chem.Mol, rng: random.Random) -> str:
    """SMILES of a part of one molecule and a part of another, each cut off across a ring."""
    shift = graph.GetNumAtoms()
    first, second = (arc_of(one, rng) for one in (graph, other))
    graph.InsertMol(other)
    for one, two in first[1] + [(one + shift, two + shift) for one, two in second[1]]:
        graph.RemoveBond(one, two)
    for one, two in zip(first[0], rng.sample(second[0], 2), strict=True):
        graph.AddBond(one, two + shift, rng.choices((SINGLE, DOUBLE), (2, 1))[0])
    return part_with(graph, first[0][0])


def arc_of(mol: Chem.Mol, rng: random.Random) -> tuple[list[int], list[tuple[int, int]]]:
    """The two ends of a random arc of a random ring, and the two bonds that cut it out."""
    ring = list(rng.choice(mol.GetRingInfo().AtomRings()))
    start, length = rng.randrange(len(ring)), rng.randint(2, len(ring) - 1)
    ring = ring[start:] + ring[:start]
    return [ring[0], ring[length - 1]], [(ring[-1], ring[0]), (ring[length - 1], ring[length])]


def part_with(graph: Graph, atom: int) -> str:
    """SMILES of the connected part that holds an atom."""
    part = next(one for one in Chem.GetMolFrags(graph) if atom in one)
    return Chem.MolFragmentToSmiles(graph, part)


def chain_bonds(mol: Chem.Mol) -> list[Chem.Bond]:
    """Single bonds outside of rings."""
    return [one for one in mol.GetBonds() if not one.IsInRing() and one.GetBondType() == SINGLE]


def ends(bond: Chem.Bond) -> list[int]:
    """The two atoms of a bond."""
    return [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
