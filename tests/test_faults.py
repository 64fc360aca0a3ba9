"""Nothing is lost by any fault, in small; ``benchmarks/faults/run.py`` does the same at length.

Rows are named after the list of faults that the harness quotes. Of that list these are held by
other tests: F10, F23 and F24 in ``tests/training``, F25 and F29 in ``tests/nn`` and
``tests/generation``, F26 by the golden tests, F27 in ``tests/cli/test_streams.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.compiled
@pytest.mark.skipif(sys.platform != "linux", reason="forks, and looks at /proc")
def test_a_few_of_every_fault_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "faults" / "run.py"), "--most", "2"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    rows = [line for line in run.stdout.splitlines() if line.startswith("| F")]
    assert len(rows) >= 18
    assert all(int(row.split("|")[4]) == 0 < int(row.split("|")[3]) for row in rows)
