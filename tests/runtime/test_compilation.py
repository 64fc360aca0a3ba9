"""Whoever waits for the compiler is told so, once; and waits no longer than it takes to compile
everything once.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from molvae.runtime import compilation
from molvae.runtime.compilation import compiled

pytestmark = pytest.mark.compiled
FirstTime: Any = getattr(compilation, "FirstTime", None)  # there is none without kernels


def begin(listener: Any, function: Any) -> None:
    listener.on_start(SimpleNamespace(data={"dispatcher": function}))


def test_compiling_is_told_once_and_by_one_process(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "molvae")
    mine = compiled()(lambda x: x + 1)
    listener, elsewhere = FirstTime(), FirstTime()
    elsewhere.process = os.getpid() + 1
    begin(listener, print)
    begin(elsewhere, mine)
    assert not caplog.records, "a function of somebody else, or a worker process"
    begin(listener, mine)
    begin(listener, mine)
    assert len(caplog.records) == 1


def test_numba_tells_when_it_compiles_and_not_when_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(
        FirstTime, "on_start", lambda self, event: told.append(event.data["dispatcher"])
    )
    new: Any = compilation.numba.njit(lambda x: x * 2.5)
    assert new(2) == new(2) == 5.0
    assert told.count(new) == 1


def test_compiled_code_calls_whatever_integers_in_one_width() -> None:
    one: Any = compiled()(lambda x, y: x + y)
    plain: Any = compiled(widening=False)(lambda x, y: x + y)

    @compiled()
    def several(narrow: Any, real: Any) -> Any:
        total = one(1, 2) + one(narrow[0], 3) + one(narrow[1], narrow[0])
        return total + plain(narrow[0], 1), one(real, 0.5), one(np.uint64(2**63), np.uint64(1))

    values = np.array([4, 5], np.int32)
    assert several(values, 0.25) == (3 + 7 + 9 + 5, 0.75, 2**63 + 1), (
        "what is no integer of few bits stays what it is"
    )
    assert len(one.signatures) == 3
    assert [str(kind) for kind in one.signatures[0]] == ["int64", "int64"]
    assert [str(kind) for kind in plain.signatures[0]] == ["int32", "Literal[int](1)"]


def test_compiled_code_works_on_the_array_and_keeps_no_reference() -> None:
    @compiled()
    def write(array: Any, rows: Any) -> Any:
        for row in range(len(rows)):
            array[rows[row]].T[1, 0] = row
        return array[1:].sum()

    array = np.zeros((3, 2, 2), np.int32)
    assert write(array, np.array([2, 0, 1])) == 2
    np.testing.assert_array_equal(array[:, 0, 1], [1, 2, 0])
    before = sys.getrefcount(array)
    write(array, np.array([0]))
    assert sys.getrefcount(array) == before


def test_once_prepared_to_fork_a_first_call_loads_no_tables() -> None:
    code = """if True:
        import sys
        import numpy as np
        from molvae.language.vocabulary import merge
        from molvae.runtime.compilation import prepare_to_fork

        prepare_to_fork()
        before = set(sys.modules)
        merge(np.zeros(2, np.uint16), np.array([2], np.int32), np.zeros((2, 2), np.uint16))
        later = sorted(set(sys.modules) - before)
        print(*(name for name in later if name.startswith(("numba.np", "scipy"))))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def compiled_beside(cache: Path, more: str = "") -> list[str]:
    """Processes started beside one that reads and writes a molecule, and functions of molvae that
    this one compiled itself."""
    code = f"""if True:
        from numba.core import event
        from molvae.generation import reader
        from molvae.runtime import compilation

        class Names(event.Listener):
            def on_start(self, event):
                names.append(event.data["dispatcher"].py_func.__module__)

            def on_end(self, event):
                pass

        names = []
        event.register("numba:compile", Names())
        reader.default_workers = lambda: 2
        reader.compile_readers()
        {more}
        reader.write_and_read()
        print(len(compilation.BESIDE), sum(one.startswith("molvae") for one in names))
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
    )
    return done.stdout.split()


def test_what_is_compiled_beside_is_not_compiled_twice(tmp_path: Path) -> None:
    assert compiled_beside(tmp_path) == ["1", "0"]
    assert compiled_beside(tmp_path) == ["0", "0"], "all of it is on disk"


def test_what_fails_beside_is_compiled_here(tmp_path: Path) -> None:
    started, here = compiled_beside(tmp_path, "compilation.BESIDE[0].kill()")
    assert started == "1"
    assert int(here) > 10
