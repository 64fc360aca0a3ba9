"""One process at a time holds a folder, and its end, however it comes, sets the folder free."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from molvae.errors import TrainingError
from molvae.runtime.folder_lock import HOLDER, locked_folder

HOLD = """
import sys, time
from pathlib import Path
from molvae.runtime.folder_lock import locked_folder
with locked_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_held_folder_is_refused_with_the_name_of_its_holder(tmp_path: Path) -> None:
    with locked_folder(tmp_path):
        for _ in range(2):
            with pytest.raises(TrainingError, match=rf"using it \(process {os.getpid()}\)$"):
                locked_folder(tmp_path).__enter__()
    with locked_folder(tmp_path):
        pass


def test_a_lock_ends_with_the_process_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TrainingError, match=rf"using it \(process {holder.pid}\)$"):
            locked_folder(tmp_path).__enter__()
        holder.kill()
        holder.wait()
    with locked_folder(tmp_path):
        assert (tmp_path / HOLDER).read_text() == f"process {os.getpid()}\n"


def test_an_error_inside_sets_the_folder_free(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked_folder(tmp_path):
        raise KeyError
    with locked_folder(tmp_path):
        pass
