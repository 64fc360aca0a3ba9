"""The main job runs without what Unix alone has: fcntl, affinity, fork and /proc."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ELSEWHERE = """
    import builtins, io, multiprocessing.context, os, sys

    for name in ("fcntl", "resource", "pwd", "grp", "termios"):
        sys.modules[name] = None  # importing it raises ImportError
    for name in ("fork", "forkpty", "sched_getaffinity", "getuid"):
        delattr(os, name)
    multiprocessing.context._concrete_contexts.pop("fork")
    multiprocessing.context._concrete_contexts.pop("forkserver")
    multiprocessing.get_all_start_methods = lambda: ["spawn"]
    real_open, real_os_open = io.open, os.open

    def no_proc(path):
        if str(path).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", str(path))

    def open_file(path, *arguments, **options):
        no_proc(path)
        return real_open(path, *arguments, **options)

    def open_handle(path, *arguments, **options):
        no_proc(path)
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real_os_open(path, *arguments, **options)

    builtins.open = io.open = open_file
    os.open = open_handle
"""

MAIN_JOB = """
    from pathlib import Path

    def main(molecules, folder):
        import numpy as np
        import molvae
        import molvae_cli.main
        from molvae.config import DataConfig
        from molvae.datasets.prepare import prepare
        from molvae.generation import sampling
        from molvae.generation.codec import Codec
        from molvae.generation.sampling import Filters, SamplingParams

        prepared = prepare([molecules], DataConfig(vocabulary=64), workers=2)
        prepared.dataset.save(folder / "data", rejected=prepared.rejected_csv())
        sizes = {"embedding": 8, "encoder": 8, "decoder": 16, "latent": 4, "vocabulary": 64}
        options = {"epochs": 1, "batch_size": 100, "progress": True, **sizes}
        model = molvae.train(folder / "data", folder / "run", **options)
        alone = model.sample(20, seed=3)
        codec = Codec.load(folder / "run")
        shared = sampling.sample(codec, 20, SamplingParams(seed=3), Filters(), workers=2)
        assert list(shared) == alone
        assert len(model.interpolate("CCO", "CCCO", steps=5)) >= 2
        scores = molvae.score([one.smiles for one in alone], ["qed", "logp"], workers=2)
        assert scores["logP"].notna().all()
        drawn = ["sample", "-m", str(folder / "run"), "-n", "5", "-o", str(folder / "new.csv")]
        assert molvae_cli.main.run(drawn) == 0
        assert len((folder / "new.csv").read_text().splitlines()) == 6
        print("all done", len(alone))
"""


def test_the_main_job_needs_nothing_that_unix_alone_has(
    molecules_csv: Path, tmp_path: Path
) -> None:
    guard = '\nif __name__ == "__main__":\n    main(Path(sys.argv[1]), Path(sys.argv[2]))\n'
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(ELSEWHERE) + textwrap.dedent(MAIN_JOB) + guard)
    done = subprocess.run(
        [sys.executable, str(script), str(molecules_csv), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "all done 20\n"
    assert "train: 100%" in done.stderr


def test_a_second_trainer_is_refused_without_fcntl(tmp_path: Path) -> None:
    held = """
    from pathlib import Path
    from molvae.errors import TrainingError
    from molvae.runtime.folder_lock import locked_folder

    with locked_folder(Path(sys.argv[1])):
        try:
            with locked_folder(Path(sys.argv[1])):
                print("held twice")
        except TrainingError as error:
            print("refused", error)
    """
    script = textwrap.dedent(ELSEWHERE) + textwrap.dedent(held)
    command = [sys.executable, "-W", "ignore", "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"refused {tmp_path}: another training is using it (process ")
