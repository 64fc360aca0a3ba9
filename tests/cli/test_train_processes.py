"""Laws of `molvae train` on several processes: they leave one folder, and stop together."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import pytest

from molvae.runtime.ranks import World
from molvae.training import distributed
from molvae.training.distributed import LostError


def test_two_processes_leave_one_folder_and_the_first_one_speaks(
    two_processes: Any, command: Any, molvae: Any, recipe: Path, molecules_csv: Path, tmp_path: Path
) -> None:
    options = ("-o", tmp_path / "run", "--config", recipe, "--device", "cpu")
    first, second = two_processes(*command("train", molecules_csv, *options))
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert (first.out, second.out, second.err) == ("", "", "")
    assert first.err.count("held out: ELBO") == 3
    assert "weights on cpu, fp32 products, 2 processes" in first.err
    assert len(molvae("sample", "-m", tmp_path / "run", "-n", 5).rows) == 6


SIGNALLED = """
import os, signal, sys
from molvae.training import loop
from molvae_cli.main import main
real = loop.one_step
def one_step(state, *arguments):
    if state.step == 3 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGINT)
    return real(state, *arguments)
loop.one_step = one_step
main(sys.argv[1:])
"""


def test_a_signal_to_one_of_two_processes_stops_both(
    two_processes: Any, molvae: Any, recipe: Path, molecules_csv: Path, tmp_path: Path
) -> None:
    told = ("train", molecules_csv, "-o", tmp_path / "run", "--config", recipe, "--device", "cpu")
    first, second = two_processes(sys.executable, "-c", SIGNALLED, *told)
    assert (first.code, second.code, second.err) == (143, 130, "")
    assert "Stopped and saved at step 4; molvae train --resume goes on" in first.err
    code, _, err = molvae(
        "train", molecules_csv, "-o", tmp_path / "run", "--resume", "--device", "cpu"
    )
    assert code == 0
    assert "going on from step 4" in err


def test_each_of_several_processes_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from molvae_cli.options import chosen_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert chosen_device("auto") == chosen_device("cuda") == "cuda"
    monkeypatch.setenv("WORLD_SIZE", "3")
    for rank in ("0", "1"):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert chosen_device("auto") == chosen_device("cuda") == f"cuda:{rank}"
        assert chosen_device("cpu") == "cpu"
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(click.BadParameter, match="'cuda:2' is not usable here"):
        chosen_device("auto")


@pytest.mark.parametrize("rank", [0, 1])
def test_the_first_process_reports_a_lost_one(
    molvae: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rank: int
) -> None:
    in_group(monkeypatch, rank, LostError("another process ended"))
    code, _, err = molvae("train", "nowhere.csv", "-o", tmp_path / "run")
    assert (code, err) == (1, "Error: another process ended\n" if rank == 0 else "")


def test_several_processes_do_not_share_standard_input(
    molvae: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_group(monkeypatch, 0)
    code, _, err = molvae("train", "-", "-o", tmp_path / "run", stdin=b"CCO\n")
    assert code == 2
    assert "several processes cannot all read standard input: give a file" in err


def in_group(monkeypatch: pytest.MonkeyPatch, rank: int, error: Exception | None = None) -> None:
    """Make this process one of two, and let the beginning of its training fail with ``error``."""

    class Two(distributed.Group):
        def first_alone(self) -> Any:
            if error is not None:
                raise error
            return nullcontext()

    monkeypatch.setattr(distributed, "joined", lambda _: nullcontext(Two(World(rank, 2))))
