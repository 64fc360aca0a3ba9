"""``molvae interpolate``: the molecules on the way from one to another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click

from molvae.errors import MoleculeError, UsageError

from .options import (
    count_in,
    device_option,
    force_option,
    load_codec,
    model_option,
    output_option,
    report_option,
)
from .output import check_output, check_table, note, note_terminal, open_rows
from .pages import check_page, facts_of, write_page


@click.command(
    epilog="""\b
Examples:
  molvae interpolate 'CC(=O)Nc1ccc(O)cc1' 'CC(C)Cc1ccc(C(C)C(=O)O)cc1'
  molvae interpolate 'CCOc1ccccc1' 'c1ccc2[nH]ccc2c1' --steps 9 --image path.svg
  molvae interpolate 'CCOc1ccccc1' 'CCOc1ccccn1' 'Cc1ccc2[nH]ccc2c1' --steps 6
  molvae interpolate -m model/ --pairs pairs.csv -o paths.csv"""
)
@click.argument("molecules", nargs=-1, metavar="[START [VIA...] END]")
@model_option
@click.option(
    "--pairs",
    metavar="CSV",
    help="Table whose first two columns are the ends of each path; - is stdin.",
)
@click.option(
    "--steps",
    type=count_in(2, 1_001),
    default=11,
    metavar="N",
    help="Molecules from each of those given to the next, both included.",
)
@click.option(
    "--path",
    "kind",
    type=click.Choice(["slerp", "lerp"]),
    default="slerp",
    help="Arc or straight line.",
)
@click.option("--image", metavar="PATH", help="Picture of the (first) path, .svg or .png.")
@report_option
@output_option
@force_option
@device_option
def interpolate(
    molecules: tuple[str, ...],
    model: str,
    pairs: str | None,
    steps: int,
    kind: str,
    image: str | None,
    page: str | None,
    output: str,
    force: bool,
    device: str,
) -> int:
    """Walk through latent space from START to END, two SMILES, perhaps by way of others.

    The molecules given stand where they belong; the column reproduced says whether the model itself
    writes them. Those between are the best chain through molecules that are gathered along the way,
    by beams and draws at several noise levels: small steps, each further from the start and nearer
    to the end than the one before, all with canonical SELFIES (see molvae sample -h). Tanimoto
    similarities are of Morgan fingerprints, radius 2: to the start, to the end and to the row
    before. Writes CSV or, to a file named .tsv, TSV."""
    from molvae.chem.drawing import check_picture_path, save_picture
    from molvae.generation.interpolation import Point, paths_of_each

    if (pairs is None) == (not molecules) or len(molecules) == 1:
        raise UsageError("give two SMILES, START and END, or --pairs with a table of them")
    check_table(output, force, [pairs])
    if image:
        check_picture_path(image)
        check_output(image, force)
        if Path(image).absolute() == Path(output).absolute():
            raise UsageError(f"{output}: is the name of the picture too; give two names")
    check_page(page, force, [pairs, image, output])
    note_terminal(pairs or "")
    paths = [(0, molecules, "")] if pairs is None else list(read_pairs(pairs))
    codec = load_codec(model, device)
    if pairs is None:
        codec.read(molecules)  # one that cannot be read is an error before anything is written
    failed, walked = 0, {}
    every = (MoleculeError(problem, given[0]) if problem else given for _, given, problem in paths)
    found = paths_of_each(codec, every, steps, kind, None if len(paths) > 1 else 1)
    with open_rows(output, force) as write, closing(found) as results:  # type: ignore[type-var]
        write(["pair", *Point._fields] if pairs else Point._fields)
        for number, points in enumerate(results, start=1):
            line, given, _ = paths[number - 1]
            if isinstance(points, MoleculeError):
                failed += 1
                note(f"{'standard input' if pairs == '-' else pairs}, line {line}: {points}")
                continue
            walked[str(number)] = points
            if image:  # before the table, which a reader may close early
                save_picture(points.picture(), image)
                image = None
            for point in points:
                cells = [
                    f"{value:.4f}" if isinstance(value, float) else str(value) for value in point
                ]
                write([str(number), *cells] if pairs else cells)
            for text in given:
                if "." in text:
                    note(f"{text}: is walked to as its parent, {codec.reader.read(text).smiles}")
            for point in points:
                if point.reproduced == "no":
                    note(f"{point.smiles}: {NOT_REPRODUCED}")
    if page and walked:
        from molvae.pages.path_report import path_report

        (first, *others) = walked.values()
        title = f"From {first[0].smiles} to {first[-1].smiles}"
        title = f"{len(walked)} paths" if others else title
        write_page(page, path_report(walked, title, facts_of(model)))
    if failed:
        note(f"{failed} of {len(paths)} pairs could not be walked")
    return 1 if failed == len(paths) else 0


NOT_REPRODUCED = "the model does not reproduce it, its neighbours on the path may be far from it"


def read_pairs(path: str) -> Iterator[tuple[int, tuple[str, ...], str]]:
    """Line, ends and problem of every row of a table; a row with a problem is all start.

    The ends are in the first two columns, or in those named start and end."""
    from molvae.datasets.table_reader import open_table

    with open_table(path, "1") as table:
        names = [name.strip().lower() for name in table.columns]
        if len(names) < 2:
            raise UsageError(f"{table.name}: needs two columns, the start and the end of each path")
        a, b = (
            (names.index("start"), names.index("end")) if {"start", "end"} <= set(names) else (0, 1)
        )
        for record in table:
            fields = (
                (",".join(record.fields), "")
                if record.problem
                else (record.fields[a], record.fields[b])
            )
            yield record.line, fields, record.problem
