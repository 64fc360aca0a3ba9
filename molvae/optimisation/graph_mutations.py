"""Offspring of molecules by mutation and crossover of their graphs, with mol_ga (the extra ``ga``).

Graph operators (Jensen, Chemical Science 10 (2019) 3567) reach what no draw of the model does, such
as a ring cut out of one molecule and into another; what they make is often unlikely."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rdkit.rdBase import BlockLogs

from ..chem.molecule import canonical, parse
from ..errors import MoleculeError, UsageError

MUTATED = 0.3
"""Share of the offspring that are mutated; the others have two parents."""


def check_extra() -> None:
    """Raise UsageError where mol_ga is not installed."""
    try:
        import mol_ga.graph_ga.gen_candidates  # noqa: F401
    except ImportError as error:
        raise UsageError("graph mutations need mol_ga: pip install 'molvae[ga]'") from error


def offspring(parents: Sequence[str], count: int, seed: int) -> list[str]:
    """At most ``count`` distinct canonical SMILES, the same for the same parents and seed."""
    from mol_ga.graph_ga.gen_candidates import graph_ga_blended_generation

    rng = random.Random(seed)
    with BlockLogs():
        made = graph_ga_blended_generation(
            rng.choices(list(parents), k=count), count, rng, frac_graph_ga_mutate=MUTATED
        )
    found: dict[str, None] = {}
    for smiles in sorted(made):  # a set of texts has no order of its own
        try:
            found[canonical(parse(smiles))] = None
        except MoleculeError:  # such as two fragments
            continue
    return list(found)
