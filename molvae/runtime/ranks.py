"""Rank of this process among several, from the environment that a launcher such as torchrun sets.

Free of torch: commands that only divide their work among processes need no group.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from ..errors import UsageError


class World(NamedTuple):
    """This process among ``size`` of them, on all machines, and among ``local_size`` on its own
    one.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """True for the process that writes messages and files for all."""
        return self.rank == 0


def world() -> World:
    """The world that RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE describe; a world of one
    without them.
    """
    numbers = []
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        text = os.environ.get(name, "1" if "SIZE" in name else "0")
        if not (text.isascii() and text.isdigit()):
            raise UsageError(f"the environment's {name} must be a whole number, not {text!r}")
        numbers.append(int(text))
    rank, size, local_rank, local_size = numbers
    if rank >= size:
        raise UsageError(f"the environment's RANK {rank} must be below its WORLD_SIZE {size}")
    return World(rank, size, local_rank, max(1, local_size))
