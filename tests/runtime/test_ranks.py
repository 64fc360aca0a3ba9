"""The rank of a process, from the environment that a launcher sets."""

from __future__ import annotations

import pytest

from molvae.errors import UsageError
from molvae.runtime.ranks import World, world

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_without_a_launcher_a_process_leads_a_world_of_one() -> None:
    assert world() == World(0, 1, 0, 1)
    assert world().leads


def test_a_launcher_says_which_process_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(NAMES, "5813", strict=True):
        monkeypatch.setenv(name, value)
    assert world() == World(5, 8, 1, 3)
    assert not world().leads


@pytest.mark.parametrize("value", ["", "one", "-1", "1.5", "٣"])
def test_what_is_no_number_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("LOCAL_RANK", value)
    with pytest.raises(UsageError, match="LOCAL_RANK must be a whole number"):
        world()


def test_a_rank_beyond_the_world_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="RANK 2 must be below its WORLD_SIZE 2"):
        world()
