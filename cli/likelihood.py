"""``molvae likelihood``: what a model finds strange."""

from __future__ import annotations

from typing import Any

import click

from molvae.errors import InputError, MoleculeError

from .options import (
    column_option,
    device_option,
    excel_safe_option,
    force_option,
    load_codec,
    model_option,
    output_option,
    seed_option,
)
from .output import check_table, note, note_terminal, open_rows, progress
from .reading import note_column
from .score import fitted

CHUNK = 512


@click.command(
    epilog="""\b
Examples:
  molvae likelihood molecules.csv -o likelihood.csv
  molvae likelihood mine.csv --against training.csv.gz | head
  molvae sample -n 100 --raw | molvae likelihood -"""
)
@click.argument("molecules", metavar="FILE")
@model_option
@click.option(
    "--against",
    metavar="FILE",
    help="Molecules, such as those the model was trained on: a column `nearest` has the Tanimoto "
    "similarity to the most similar one (Morgan fingerprints, radius 2).",
)
@seed_option
@column_option
@output_option
@excel_safe_option
@force_option
@device_option
def likelihood(
    molecules: str,
    model: str,
    against: str | None,
    seed: int,
    column: str | None,
    output: str,
    excel_safe: bool,
    force: bool,
    device: str,
) -> int:
    """Add the likelihood under a model to the rows of FILE.

    Every row is kept, in its order and with all its columns. Added are log_p, log p(x) in nats,
    which is low for molecules unlike those of the training; reconstruction, log p(x|z) at the mean
    of the molecule's posterior; rebuilt, whether molvae decode gives it back; and status: ok, or
    why there is no value."""
    from molvae.chem.scoring import free_names
    from molvae.datasets.table_reader import open_table
    from molvae.datasets.text_files import cell
    from molvae.runtime.process_pool import chunked

    check_table(output, force, [molecules, against])
    note_terminal(molecules)
    codec = load_codec(model, device)
    references = None if against is None else fingerprints_of(against)
    names = ["log_p", "reconstruction", "rebuilt", *(["nearest"] if against else []), "status"]
    count = given = 0
    with (
        open_table(molecules, column, whole=True) as table,
        open_rows(output, force, excel_safe) as write,
    ):
        note_column(table)
        write([*table.columns, *free_names(names, taken=table.columns)])
        with progress("molecules", None) as advance:
            for records in chunked(table, CHUNK):
                for record, values in zip(
                    records, measured(codec, records, references, seed), strict=True
                ):
                    given += values[-1] == "ok"
                    write([*fitted(record.fields, len(table.columns)), *map(cell, values)])
                count += len(records)
                advance(len(records))
    note(f"{count:,} rows, {given:,} with a likelihood")
    return 0 if given or not count else 1


def fingerprints_of(path: str) -> Any:
    """The fingerprints of the molecules of a file that can be read, ``(N, words)``."""
    import numpy as np

    from molvae.chem.fingerprints import packed_fingerprint
    from molvae.chem.molecule import parse
    from molvae.chem.standardise import standardise
    from molvae.datasets.table_reader import open_table

    found = []
    with open_table(path, None) as table:
        for record in table:
            try:
                found.append(packed_fingerprint(standardise(parse(record.smiles))))
            except MoleculeError:
                continue
    if not found:
        raise InputError(f"{path}: holds no molecule that can be read")
    return np.array(found)


def measured(codec: Any, records: list[Any], references: Any, seed: int) -> list[list[Any]]:
    """The values of each row, its status last."""
    import numpy as np

    from molvae.chem.fingerprints import nearest_similarity, packed_fingerprint
    from molvae.chem.molecule import parse
    from molvae.generation.likelihoods import likelihoods

    readings, places = [], []
    width = 3 if references is None else 4
    rows: list[list[Any]] = []
    for place, record in enumerate(records):
        try:
            if record.problem:
                raise MoleculeError(record.problem, record.smiles)
            readings.append(codec.reader.read(record.smiles))
            places.append(place)
            rows.append([])
        except MoleculeError as error:
            said = f"{error.reason}: {error.detail}" if error.detail else error.reason
            rows.append([*[None] * width, said])
    nearest: list[list[float]] = [[] for _ in readings]
    if references is not None and readings:
        bits = np.array([packed_fingerprint(parse(one.smiles)) for one in readings])
        nearest = [[value] for value in nearest_similarity(bits, references).tolist()]
    for place, one, more in zip(places, likelihoods(codec, readings, seed), nearest, strict=True):
        rows[place] = [one.log_p, one.reconstruction, one.rebuilt, *more, "ok"]
    return rows
