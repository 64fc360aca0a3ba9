"""The sample table of ``molvae evaluate``: molecules from anywhere, beside a reference row.

The reference row is as many random training molecules against the same test set: a model whose
figures equal it is as good as the data themselves at that size. Needs no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..chem.molecule import canonical, parse, smiles_hashes
from ..datasets.table_reader import open_table
from ..errors import MoleculeError
from ..runtime.cache_folder import user_cache_folder
from ..runtime.process_pool import chunked, default_workers, map_chunks
from .distribution_metrics import Hashes, evaluate_samples, random_molecules, with_fcd_excess
from .estimates import Figure, Figures, evenly, share
from .reference_statistics import ReferenceSet, reference_set

if TYPE_CHECKING:
    from ..generation.reader import Sample

REFERENCE, CANONICAL = "random training molecules", "canonical samples"
LOOKED_AT = 1000
"""Training molecules that are checked before all of them are taken to be canonical SMILES."""

TRUSTED = 0.99
"""Share of those that must be canonical; MOSES's own file has 0.9998."""

NO_TRAIN = "no --train file was given, and a model keeps only hashes of its molecules"
_CHUNK = 500

Say = Callable[[str], object]


class SampleTable(NamedTuple):
    """Figures by row, the reference row's where there is one, sizes of all sets, and remarks."""

    rows: dict[str, Figures]
    sizes: dict[str, int]
    remarks: list[str]


class Sets(NamedTuple):
    """Reference sets: the test set, perhaps a second one, and the training molecules, as text for
    the reference row and as hashes for novelty."""

    test: ReferenceSet
    second: ReferenceSet | None = None
    train: Sequence[str] | None = None
    known: Hashes | None = None


def reference_cache() -> Path | None:
    """Folder of the statistics of reference sets; None where nothing can be written."""
    folder = user_cache_folder("reference")
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def read_smiles(
    path: str | Path, column: str | None = None, said: Say = lambda _: None
) -> list[str]:
    """The SMILES column of a file, unchanged; a row that cannot be read becomes an empty text."""
    with open_table(path, column) as table:
        said(f"{table.name}: SMILES in column {table.smiles_column!r} (chosen {table.chosen_by})")
        return ["" if record.problem else record.smiles for record in table]


def prepare_sets(
    test: Sequence[str],
    second: Sequence[str] | None = None,
    train: Sequence[str] | None = None,
    known: Hashes | None = None,
    *,
    workers: int | None = None,
    fcd: bool = True,
    said: Say = lambda _: None,
) -> tuple[Sets, list[str]]:
    """Reference sets, from the cache where they are in it, and remarks on them.

    ``known`` are the hashes for novelty where there is no ``train``.
    """
    count = default_workers() if workers is None else workers
    folder = reference_cache()
    remarks = []
    if folder is None:
        remarks.append("the statistics of the reference sets could not be kept: no cache folder")
    said("samples: statistics of the test set")
    describe = partial(reference_set, cache_folder=folder, workers=count, fcd=fcd)
    first, other = describe(test), None if second is None else describe(second)
    if train is not None:
        said("samples: training molecules")
        known, remark = known_molecules(train, count)
        remarks += [remark] if remark else []
    return Sets(first, other, train, known), remarks


def known_molecules(train: Sequence[str], workers: int = 1) -> tuple[Hashes, str]:
    """Hashes of the training molecules in canonical form, and a remark where they are trusted.

    Writing a million molecules anew takes minutes. Where all but a few of some hundred looked at
    are canonical already, the file is taken as it stands, as MOSES does; else all are written anew.
    """
    looked_at = [train[place] for place in evenly(len(train), LOOKED_AT)]
    same = sum(a == b for a, b in zip(looked_at, canonical_forms(looked_at), strict=True))
    if len(train) > LOOKED_AT and same >= TRUSTED * len(looked_at):
        remark = (
            f"novelty takes the training SMILES as they are: {same:,} of {len(looked_at):,} "
            "checked are canonical"
        )
        return smiles_hashes(train), remark
    parts = map_chunks(canonical_forms, chunked(train, _CHUNK), workers, lambda _: [])
    return smiles_hashes([text for part in parts for text in part if text]), ""


def canonical_forms(smiles: list[str]) -> list[str]:
    """Canonical SMILES of each, empty for one that cannot be read.

    >>> canonical_forms(["OCC", "C("])
    ['CCO', '']
    """
    forms = []
    for text in smiles:
        try:
            forms.append(canonical(parse(text)))
        except MoleculeError:
            forms.append("")
    return forms


def judge(
    samples: Sequence[str],
    sets: Sets,
    *,
    kept: Sequence[str] | None = None,
    workers: int | None = None,
    fcd: bool = True,
    seed: int = 0,
    said: Say = lambda _: None,
) -> SampleTable:
    """The figures of raw samples, of canonical ones alone if they are ``kept``, and of as many
    random training molecules as there are valid ones.

    ``seed`` draws the training molecules and the bootstrap.
    """

    def measured(some: Sequence[str], name: str) -> Figures:
        said(f"{name}: figures")
        return evaluate_samples(
            some,
            sets.test,
            test_scaffolds=sets.second,
            train=sets.known,
            workers=workers,
            fcd=fcd,
            seed=seed,
        )

    rows = {"samples": measured(samples, "samples")}
    share_valid = rows["samples"]["valid"]
    valid = round((share_valid.value or 0.0) * share_valid.n)
    sizes = {"samples": len(samples), "valid samples": valid, "test": sets.test.statistics.count}
    if kept is not None:
        rows[CANONICAL], sizes[CANONICAL] = measured(kept, CANONICAL), len(kept)
    if sets.second is not None:
        sizes["test scaffolds"] = sets.second.statistics.count
    if sets.known is not None:
        sizes["training molecules"] = len(sets.known)
    if sets.train is None or not valid:
        why = NO_TRAIN if sets.train is None else "there is no valid sample to match"
        return SampleTable(rows, sizes, [f"no reference row: {why}"])
    chosen = random_molecules(sets.train, min(valid, len(sets.train)), seed)
    sizes[REFERENCE] = len(chosen)
    honest = measured(chosen, REFERENCE)
    remarks = [
        f"{REFERENCE}: {len(chosen):,}, without repetition; their novelty is 0 by what they are"
    ]
    if len(chosen) < valid:
        remarks.append(
            "the training set has fewer molecules than there are valid samples: the rows differ "
            "in size"
        )
    rows = {name: with_fcd_excess(figures, honest) for name, figures in rows.items()}
    return SampleTable(rows | {REFERENCE: honest}, sizes, remarks)


def canonical_alone(drawn: Sequence[Sample], more: Iterator[Sample]) -> tuple[Figure, list[str]]:
    """The share of draws with canonical SELFIES, and the SMILES of these alone.

    FCD falls with the number of molecules, so the canonical ones are filled up to the number
    ``drawn`` from ``more`` draws as far as they go: what ``drawn`` has without the filter is then
    comparable."""
    kept = [one.smiles for one in drawn if one.canonical]
    others = (one.smiles for one in more if one.canonical)
    filled = [*kept, *islice(others, len(drawn) - len(kept))]
    return share(len(kept), len(drawn), "no samples"), filled


def as_json(figures: Mapping[str, Figure]) -> dict[str, dict[str, float | int | str | None]]:
    """Figures for a JSON file, without NaN; a value that is null has its reason in ``note``."""
    always = ("value", "n")
    return {
        name: {
            key: entry
            for key, entry in vars(one).items()
            if key in always or entry not in (None, "")
        }
        for name, one in figures.items()
    }
