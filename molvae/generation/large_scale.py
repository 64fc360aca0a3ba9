"""Samples by the billion: a folder of parts, each with the rows of a fixed range of draws.

Part p of a seed belongs to its draws p D to (p + 1) D - 1, whoever makes it, and is written whole
or not at all. So several processes share the parts among them and leave together what one would
have left, byte for byte; and a part that exists need not be drawn again. Its metadata name the
model and the options it was made with, and parts made otherwise are not mixed with it.

    D draws of a part
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..chem.molecule import parse
from ..chem.scoring import Plan, measure, stream
from ..errors import InputError
from ..runtime.atomic_folder import manifest_of, replace_file
from ..runtime.ranks import World
from ..storage.model_folder import MODEL_FILES, name_in
from . import sampling
from .codec import Codec
from .deduplication import COLUMNS, KEY, Settings, arrow, differences, notes_of, parts_of
from .reader import Sample
from .sampling import Filters, SamplingParams, Tally

BLOCKS = 64
"""Blocks of draws in a part: some ten seconds of a core, and some megabytes."""

Row = tuple[Any, ...]


def settings_of(
    codec: Codec,
    params: SamplingParams,
    filters: Filters | None,
    plan: Plan | None,
) -> Settings:
    """The settings of draws from a model, with the scores of ``plan``.

    ModelError if the model's folder is gone, UsageError if it has no such level."""
    listed = manifest_of(codec.saved.path, kind="model")
    names = [name_in(codec.saved.path, name) for name in MODEL_FILES]
    sums = "".join(str(listed[name]["sha256"]) for name in names)
    params = sampling.resolved(codec, params)
    assert params.temperature is not None
    return Settings(
        model=hashlib.sha256(sums.encode()).hexdigest()[:16],
        seed=params.seed,
        temperature=params.temperature,
        level=params.level,
        learned=params.learned,
        precision=codec.model.precision,
        every=filters is None,
        canonical=filters is not None and filters.canonical,
        novel=filters is not None and filters.known is not None,
        scores=plan.names if plan else (),
        draws=BLOCKS * sampling.BLOCK,
        rdkit=version("rdkit"),
    )


@dataclass(frozen=True)
class Shards:
    """The first ``total`` draws of a seed, as parts in a folder."""

    folder: Path
    settings: Settings
    total: int

    @property
    def count(self) -> int:
        """Number of parts."""
        return -(-self.total // self.settings.draws)

    def span(self, number: int) -> range:
        """The draws of a part; those of the last one may be fewer."""
        first = number * self.settings.draws
        return range(first, min(first + self.settings.draws, self.total))

    def blocks(self, number: int) -> range:
        """The blocks that hold the draws of a part."""
        span = self.span(number)
        return range(span.start // sampling.BLOCK, -(-span.stop // sampling.BLOCK))

    def missing(self, world: World, force: bool = False) -> list[int]:
        """The parts left to this process: its share of those that do not exist whole.

        A part that was made with other settings is an InputError; with ``force`` it is removed.
        """
        there = parts_of(self.folder)
        done: set[int] = set()
        for number, path in there.items():
            mine = number % world.size == world.rank
            # Every process checks the first part, so that all of them refuse a foreign folder.
            if not mine and (force or number != min(there)):
                continue
            notes = notes_of(path)
            other = differences(notes["settings"], asdict(self.settings))
            if other and not force:
                raise InputError(
                    f"{path}: was made with {other}; choose another folder, or --force to make it "
                    "anew"
                )
            if other:
                path.unlink()
            elif mine and notes["draws"] >= len(self.span(number)):
                done.add(number)
        return [
            number for number in range(world.rank, self.count, world.size) if number not in done
        ]

    def write(
        self,
        codec: Codec,
        numbers: Sequence[int],
        filters: Filters | None,
        plan: Plan | None,
        workers: int = 1,
        progress: Callable[[int], object] = lambda _: None,
    ) -> Iterator[Tally]:
        """Draw and write the parts ``numbers``, ascending; yields the counts of each once written.
        The settings are of these ``filters`` and this ``plan``.

        A process holds one part in memory, and the blocks being drawn. ``progress`` counts draws.
        """
        options = self.settings
        blocks = [self.blocks(number) for number in numbers]
        params = SamplingParams(options.seed, options.temperature, options.level, options.learned)
        every = (block for part in blocks for block in part)
        found = sampling.draws(codec, params, every, sum(map(len, blocks)), filters, workers)
        items = self._rows(found, numbers, progress)
        scored = stream(items, plan, workers) if plan else ((item, None) for _, item in items)
        schema, rows, coming = self.schema(plan), list[Row](), iter(numbers)
        for item, scores in scored:
            if isinstance(item, tuple):
                rows.append(item if scores is None else (*item, *scores.values))
                continue
            number = next(coming)
            content = self._content(schema, rows, number, item)
            replace_file(self.folder / f"part-{number:06d}.parquet", content)
            rows.clear()
            yield item

    def _rows(
        self,
        found: Iterator[Sample | str],
        numbers: Sequence[int],
        progress: Callable[[int], object],
    ) -> Iterator[tuple[str, Row | Tally]]:
        """Every row that is kept, with its SMILES, and after those of a part its counts."""
        for number in numbers:
            tally, seen = Tally(), None if self.settings.every else set[int]()
            for draw in self.span(number):
                one = tally.take(next(found), seen)
                if one is not None:
                    row = (draw, one.smiles, one.selfies, round(one.log_likelihood, 4))
                    yield one.smiles, row if self.settings.canonical else (*row, one.canonical)
                progress(1)
            yield "", tally

    def schema(self, plan: Plan | None) -> Any:
        """The columns of a part and their types; scores have the types of toluene's."""
        pa, _ = arrow()
        names, kinds = [*COLUMNS], [pa.int64(), pa.string(), pa.string(), pa.float32()]
        if not self.settings.canonical:
            names, kinds = [*names, "canonical"], [*kinds, pa.bool_()]
        if plan:
            names += plan.columns
            kinds += [pa.scalar(value).type for value in measure(plan, parse("Cc1ccccc1")).values]
        return pa.schema(zip(names, kinds, strict=True))

    def _content(self, schema: Any, rows: Sequence[Row], number: int, tally: Tally) -> bytes:
        """A part as the bytes of a parquet file."""
        pa, parquet = arrow()
        span = self.span(number)
        notes = {
            "settings": asdict(self.settings),
            "first": span.start,
            "draws": len(span),
            "kept": tally.kept,
            "dropped": tally.dropped,
        }
        marked = schema.with_metadata({KEY: json.dumps(notes, sort_keys=True).encode()})
        columns = list(zip(*rows, strict=True)) or [()] * len(schema)
        buffer = io.BytesIO()
        parquet.write_table(
            pa.table(columns, schema=marked), buffer, compression="zstd", use_dictionary=False
        )
        return buffer.getvalue()
