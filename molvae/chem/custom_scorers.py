"""Scorers of one's own: a Python function ``Mol -> float``, handed over or named as
``file.py:function``.

What such a function does is not molvae's, so nothing it does may reach another row: it is given a
copy of the molecule, and whatever it raises or returns beside a finite number becomes a reason.
"""

from __future__ import annotations

import difflib
import importlib.util
import math
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

from rdkit import Chem

from ..errors import UsageError
from ..runtime.bounded_files import SMALL, read_bounded
from ..runtime.signals import is_stop

Scorer = Callable[[Chem.Mol], float]


def scorer_name(scorer: str | Scorer) -> str:
    """The name of the function, which heads its column.

    >>> scorer_name("my/models.py:solubility")
    'solubility'
    """
    if isinstance(scorer, str):
        return scorer.rpartition(":")[2]
    return getattr(scorer, "__name__", type(scorer).__name__)


def settle_scorer(scorer: str | Scorer) -> str | Scorer:
    """The scorer in a form that means the same in any process and folder, after loading it once.

    Raises ``UsageError`` for a text that is not ``file.py:function``, a file that is missing or
    cannot be run, and a name in it that is missing or not a function."""
    if isinstance(scorer, str):
        path, _, function = scorer.rpartition(":")
        if not path or not function.isidentifier():
            raise UsageError(
                f"a scorer is given as file.py:function; {scorer!r} is not of that form"
            )
        scorer = f"{Path(path).absolute()}:{function}"
    elif not callable(scorer):
        raise UsageError(
            f"the scorer {scorer!r} cannot be called; give a function, or 'file.py:function'"
        )
    load_scorer(scorer)
    return scorer


def load_scorer(scorer: str | Scorer) -> Scorer:
    """The function to call; a file is run once in each process."""
    return _load(scorer) if isinstance(scorer, str) else scorer


@cache
def _load(scorer: str) -> Scorer:
    path, _, name = scorer.rpartition(":")
    if not Path(path).is_file():
        raise UsageError(f"scorer {scorer!r}: there is no file {path!r}")
    names = vars(_run_file(path))
    if name not in names:
        there = [key for key, value in names.items() if callable(value) and not key.startswith("_")]
        near = ", ".join(difflib.get_close_matches(name, there, n=1) or there[:5])
        raise UsageError(
            f"scorer {scorer!r}: the file has no {name!r}{f'; it has {near}' if near else ''}"
        )
    function = names[name]
    if not callable(function):
        raise UsageError(
            f"scorer {scorer!r}: {name!r} is a {type(function).__name__}, not a function"
        )
    return function  # type: ignore[no-any-return]


@cache
def _run_file(path: str) -> Any:
    """The module that a Python file makes when it is run."""
    try:
        read_bounded(path, SMALL)  # Python itself would read on for ever
    except OSError as error:
        raise UsageError(f"the scorer file {path!r} {error.strerror}") from error
    specification = importlib.util.spec_from_file_location(f"molvae_scorer_{Path(path).stem}", path)
    if specification is None or specification.loader is None:
        raise UsageError(f"the scorer file {path!r} is not Python: its name must end in .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses and pickle look their module up there
    sys.path.append(os.path.dirname(path))  # so that it can import its neighbours
    try:
        with redirect_stdout(sys.stderr):
            specification.loader.exec_module(module)
    except BaseException as error:  # whatever a file of the user's raises when it is run
        if is_stop(error):
            raise
        raise UsageError(f"the scorer file {path!r} cannot be loaded: {one_line(error)}") from error
    return module


def call_scorer(function: Scorer, mol: Chem.Mol) -> tuple[float | None, str]:
    """The value a scorer of the user's gives, or what kept it from giving a finite number."""
    try:
        # on a copy, so that a scorer that changes its molecule changes nothing for the others; and
        # what it prints must not end up among the rows on standard output
        with redirect_stdout(sys.stderr):
            value = function(Chem.Mol(mol))
        if value is None or isinstance(value, str | bytes):
            return None, f"returned {value!r:.60}, not a number"
        number = float(value)
    except BaseException as error:  # of one scorer on one molecule: anything at all
        if is_stop(error):
            raise
        return None, one_line(error)
    return (number, "") if math.isfinite(number) else (None, f"returned {number}")


def one_line(error: BaseException) -> str:
    """The kind of an error and what it says, fit for a cell."""
    try:
        text = " ".join(str(error).split())
    except BaseException as another:  # what it says is the user's code as well
        if is_stop(another):
            raise
        text = ""
    return f"{type(error).__name__}: {text:.200}" if text else type(error).__name__
