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

ALSO_MUTATED = 0.01
"""Share of those with two parents that are mutated as well."""


def check_extra() -> None:
    """Raise UsageError where mol_ga is not installed."""
    try:
        import mol_ga.graph_ga.gen_candidates  # noqa: F401
    except ImportError as error:
        raise UsageError("graph mutations need mol_ga: pip install 'molvae[ga]'") from error


def offspring(parents: Sequence[str], count: int, seed: int) -> dict[str, tuple[str, ...]]:
    """At most ``count`` distinct canonical SMILES, each with its one or two parents; the same for
    the same parents and seed."""
    from mol_ga.graph_ga.gen_candidates import mutate, reproduce

    rng = random.Random(seed)
    mutated: list[str] = []
    crossed: list[str] = []
    made: list[tuple[str | None, tuple[str, ...]]] = []
    for parent in rng.choices(list(parents), k=count):
        (mutated if rng.random() < MUTATED else crossed).append(parent)
    with BlockLogs():
        made += [(mutate(one, rng), (one,)) for one in mutated[: int(count * MUTATED + 1)]]
        partners = list(crossed)
        rng.shuffle(partners)
        made += [
            (reproduce(one, other, ALSO_MUTATED, rng), (one, other))
            for one, other in zip(crossed, partners, strict=True)
        ]
    found: dict[str, tuple[str, ...]] = {}
    for smiles, own in sorted((smiles, own) for smiles, own in made if smiles is not None):
        try:
            found.setdefault(canonical(parse(smiles)), tuple(dict.fromkeys(own)))
        except MoleculeError:  # such as two fragments
            continue
    return found
