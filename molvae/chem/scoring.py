"""Score many molecules on every core: the properties of molvae, and functions of one's own.

One row comes back for each that went in, in order, whatever happens to it: a cell that has no value
is empty and the row's status says why. Rows stream, so memory does not grow with their number. A
scorer of one's own is a Python function ``Mol -> float``.
"""

from __future__ import annotations

import difflib
import math
import pickle
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rdkit import Chem
from rdkit.rdBase import BlockLogs

from ..errors import MoleculeError, UsageError
from ..runtime.process_pool import chunked, default_workers, forks_workers, map_chunks
from ..runtime.progress import Progress
from .custom_scorers import Scorer, call_scorer, load_scorer, one_line, scorer_name, settle_scorer
from .molecule import canonical, parse
from .properties import DEFAULT_SCORES, PROPERTIES, Property, Value
from .standardise import standardise

if TYPE_CHECKING:
    from .molecule_frame import MoleculeFrame

CHUNK_SIZE = 64
"""Molecules: at some ms each, large against the cost of sending them, and evenly spread."""
FEW = 4 * CHUNK_SIZE
"""Molecules for which processes that have to be started afresh are not worth their start."""

OK = "ok"
CRASHED = "crashed"
TIMED_OUT = "timed out"
NOT_TEXT = "not text"

Extra = TypeVar("Extra")


@dataclass(frozen=True)
class Plan:
    """Names of properties to compute for every molecule, then scorers; see :func:`plan_scores`.

    With ``parent`` the parent (see :mod:`.standardise`) is scored in place of the molecule as
    written, and the first column is its SMILES. A molecule whose scores take longer than
    ``timeout`` seconds is given up; infinity is no limit, but has scorers run in another process
    than this one, which they may end; 0 is neither.
    """

    names: tuple[str, ...]
    scorers: tuple[str | Scorer, ...] = ()
    parent: bool = False
    timeout: float = 0.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The heading of each value, all different."""
        wanted = ["parent"] * self.parent + [PROPERTIES[name].name for name in self.names]
        wanted += [scorer_name(scorer) for scorer in self.scorers]
        return free_names(wanted, taken=())


class Scored(NamedTuple):
    """One row: its values, None where there is none, and "ok" or all that went wrong.

    ``reason`` is the short phrase that rows are counted under, empty for a row that is ok.
    """

    values: tuple[Value | None, ...]
    status: str
    reason: str


@dataclass
class Counts:
    """Numbers of rows scored whole, in part, and not at all; the last two by reason."""

    whole: int = 0
    in_part: Counter[str] = field(default_factory=Counter)
    not_scored: Counter[str] = field(default_factory=Counter)

    def add(self, row: Scored) -> None:
        """Count one row."""
        if row.status == OK:
            self.whole += 1
        elif all(value is None for value in row.values):
            self.not_scored[row.reason] += 1
        else:
            self.in_part[row.reason] += 1

    @property
    def rows(self) -> int:
        """All rows counted."""
        return self.whole + self.in_part.total() + self.not_scored.total()

    def __str__(self) -> str:
        parts = [f"{self.whole:,} scored"]
        for label, counts in (("scored in part", self.in_part), ("not scored", self.not_scored)):
            if counts:
                reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common())
                parts.append(f"{counts.total():,} {label} ({reasons})")
        return f"{self.rows:,} row{'s' * (self.rows != 1)}: {', '.join(parts)}"


def plan_scores(
    names: Sequence[str] | None = None,
    scorers: Sequence[str | Scorer] = (),
    parent: bool = False,
    timeout: float = 0.0,
) -> Plan:
    """Check what is asked for: ``names`` of properties (None is the default ones) and ``scorers``.

    A scorer is a function or the text ``file.py:function``. Raises ``UsageError`` for a name that
    is not known, with the nearest that is, and for a scorer that cannot be loaded."""
    if isinstance(names, str):
        names = names.split(",")
    chosen = (
        DEFAULT_SCORES
        if names is None
        else tuple(dict.fromkeys(name.strip().lower() for name in names))
    )
    for name in chosen:
        if name not in PROPERTIES:
            begun = [key for key in PROPERTIES if name and key.startswith(name)]
            near = begun or difflib.get_close_matches(name, PROPERTIES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(
                f"{name!r} is not a score: {hint}`molvae score --list` shows what there is"
            )
    settled = tuple(map(settle_scorer, scorers))
    if not chosen and not settled:
        raise UsageError("no scores are asked for; `molvae score --list` shows what there is")
    return Plan(chosen, settled, parent, timeout)


def score(
    smiles: Iterable[str],
    names: Sequence[str] | None = None,
    scorers: Sequence[str | Scorer] = (),
    workers: int | None = None,
    parent: bool = False,
    progress: bool | None = None,
) -> MoleculeFrame:
    """Score molecules: a table with columns ``smiles``, the scores and ``status``.

    ``names`` picks properties as ``molvae score --list`` names them, None is all that are computed
    by default; ``scorers`` are functions ``Mol -> float`` or texts ``file.py:function``;
    ``workers`` is the number of processes, None for one a core (functions that cannot be pickled
    are run in this one); ``progress`` shows a bar, by default on a terminal and in a notebook.
    Raises ``UsageError`` as :func:`plan_scores` does; a molecule that cannot be scored is only a
    row."""
    from .molecule_frame import MoleculeFrame

    if isinstance(smiles, str):
        raise UsageError("`smiles` is one text; give a list of SMILES, of one if need be")
    plan = plan_scores(names, scorers, parent)
    total, rows = len(smiles) if isinstance(smiles, Sized) else None, []
    if workers is None and total is not None and total <= FEW and not forks_workers():
        workers = 1
    with Progress("score", total, "molecules", progress) as bar:
        for text, row in stream(((text, text) for text in smiles), plan, workers):
            rows.append((text, *row.values, row.status))
            bar.advance()
    inner = free_names(plan.columns, taken=("smiles", "status"))
    return MoleculeFrame(rows, columns=["smiles", *inner, "status"])


def stream(
    items: Iterable[tuple[str, Extra]], plan: Plan, workers: int | None = None
) -> Iterator[tuple[Extra, Scored]]:
    """Score ``items``, pairs of a SMILES and anything that belongs to it, as they come, in their
    order.

    Memory is bounded by the chunks that are under way. ``workers`` as in :func:`score`.
    """
    waiting: deque[Extra] = deque()

    def smiles_of_items() -> Iterator[str]:
        for smiles, extra in items:
            waiting.append(extra)
            yield smiles

    workers = default_workers() if workers is None else workers
    if workers < 1:
        raise UsageError(f"`workers` (={workers}) must be at least 1")
    if not _travels(plan):
        if plan.timeout:
            raise UsageError(
                "a scorer that cannot be sent to another process cannot be timed: give it as "
                "'file.py:function'"
            )
        workers = 1
    # Tables are loaded once, here, and shared with the workers; scorers of others run where rows
    # do.
    measure(Plan(plan.names), Chem.MolFromSmiles("Cc1ccccc1"))
    limit = plan.timeout or None
    chunks = chunked(smiles_of_items(), 1 if limit and limit < math.inf else CHUNK_SIZE)
    crashed = partial(_lost, plan, CRASHED, "the process that scored it died")
    late = partial(_lost, plan, TIMED_OUT, f"no answer within {plan.timeout:g} s")
    for rows in map_chunks(partial(score_chunk, plan), chunks, workers, crashed, limit, late):
        for row in rows:
            yield waiting.popleft(), row


def _lost(plan: Plan, reason: str, detail: str, _: str) -> list[Scored]:
    """The row of a molecule that no worker process gives scores of."""
    return [_empty(plan, reason, detail)]


def score_chunk(plan: Plan, smiles: Sequence[str]) -> list[Scored]:
    """Score some molecules in this process; RDKit's own words on them are not shown."""
    with BlockLogs():
        return [score_one(plan, text) for text in smiles]


def score_one(plan: Plan, smiles: str) -> Scored:
    """Score one molecule in this process; nothing a molecule or a scorer does to it is raised."""
    if not isinstance(smiles, str):
        return _empty(plan, NOT_TEXT, type(smiles).__name__)
    try:
        mol = parse(smiles)
        return measure(plan, standardise(mol) if plan.parent else mol)
    except MoleculeError as error:
        return _empty(plan, error.reason, error.detail)


def measure(plan: Plan, mol: Chem.Mol) -> Scored:
    """Score one molecule that has been read."""
    values: list[Value | None] = [canonical(mol)] if plan.parent else []
    gaps: dict[str, list[str]] = {}  # what went wrong -> the columns it went wrong for
    reason = ""
    for one in (*(PROPERTIES[name] for name in plan.names), *plan.scorers):
        if isinstance(one, Property):
            value, problem = _property(one.function, mol)
            column, short = one.name, problem.partition(":")[0]
        else:
            value, problem = call_scorer(load_scorer(one), mol)
            column, short = f"scorer {scorer_name(one)}:", f"scorer {scorer_name(one)} failed"
        values.append(value)
        if problem:
            gaps.setdefault(problem, []).append(column)
            reason = reason or short
    status = "; ".join(f"{', '.join(columns)} {problem}" for problem, columns in gaps.items())
    return Scored(tuple(values), status or OK, reason)


def free_names(wanted: Sequence[str], taken: Iterable[str]) -> tuple[str, ...]:
    """The wanted names, with the first of _2, _3, ... that is free where a name is taken already.

    >>> free_names(["QED", "SA", "QED"], taken=["SA"])
    ('QED', 'SA_2', 'QED_2')
    """
    used = set(taken)
    free = []
    for name in wanted:
        candidates = chain([name], (f"{name}_{number}" for number in count(2)))
        free.append(next(one for one in candidates if one not in used))
        used.add(free[-1])
    return tuple(free)


def _property(function: Callable[[Chem.Mol], Value], mol: Chem.Mol) -> tuple[Value | None, str]:
    try:
        value = function(mol)
    except MoleculeError as error:
        return None, f"{error.reason}: {error.detail}"
    except Exception as error:  # of one property of one molecule: RDKit raises what it likes
        return None, f"failed: {one_line(error)}"
    if isinstance(value, float) and not math.isfinite(value):
        return None, "not finite"
    return value, ""


def _empty(plan: Plan, reason: str, detail: str) -> Scored:
    """A row without any value."""
    nothing = (None,) * len(plan.columns)
    return Scored(nothing, f"{reason}: {detail}" if detail else reason, reason)


def _travels(plan: Plan) -> bool:
    """True if the plan can be sent to another process, as a lambda cannot.

    Nor can a function of a notebook, where workers are not forked: they look it up in a module.
    """
    mains = [one for one in plan.scorers if getattr(one, "__module__", "") == "__main__"]
    if mains and not forks_workers():
        return False
    try:
        pickle.dumps(plan)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True
