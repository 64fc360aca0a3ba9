"""Data-parallel training in several processes: sums over all, decisions of the first.

A launcher such as torchrun starts the processes and sets the rank of each in the environment
(:mod:`molvae.runtime.ranks`). Gradients are reduced by NCCL between GPUs and by gloo otherwise,
numbers always by gloo. With one process every operation is the identity."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ..errors import TrainingError, UsageError
from ..runtime.ranks import World, world

TIMEOUT = timedelta(minutes=10)
"""Longest wait for the gradients of the other processes."""

PATIENCE = timedelta(days=7)
"""Longest wait for the first process to do its work alone, such as reading a large file."""


class LostError(TrainingError):
    """Another process of this training has ended or does not answer; the first reports it."""


@dataclass(frozen=True)
class Group:
    """The processes of a training: all call the same methods in the same order."""

    world: World
    numbers: Any = None
    """The process group for numbers; gradients have torch's default one."""

    @property
    def leads(self) -> bool:
        """True in the process that reports and saves for all."""
        return self.world.leads

    @property
    def share(self) -> slice:
        """The members of any sequence for this process: every ``size``-th, from its rank on."""
        return slice(self.world.rank, None, self.world.size)

    def add_gradients(self, gradients: list[Tensor]) -> list[Tensor]:
        """Sums over all processes of tensors of one type and device, sent as one."""
        if self.world.size == 1:
            return gradients
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        sent = flat if flat.is_cuda else flat.cpu()
        with others_needed():
            dist.all_reduce(sent)
        parts = torch.split(sent.to(flat.device), [gradient.numel() for gradient in gradients])
        return [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)]

    def add_numbers(self, numbers: Tensor) -> Tensor:
        """Sums over all processes of a few numbers, on the CPU."""
        if self.world.size == 1:
            return numbers
        total = numbers.clone()
        with others_needed():
            dist.all_reduce(total, group=self.numbers)
        return total

    def first(self, number: float) -> float:
        """The number of the first process: what depends on a clock, one process decides."""
        sent = torch.tensor(number if self.leads else 0.0, dtype=torch.float64)
        return float(self.add_numbers(sent))

    def any(self, flag: bool) -> bool:
        """True if the flag is set in any process."""
        return bool(self.add_numbers(torch.tensor(float(flag))))

    def wait(self) -> None:
        """Go on when every process has come here."""
        self.any(False)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """A context that the first process goes through alone, then the others, all at once.

        So they find the files it wrote. Raises LostError in the others if the first one fails.
        """
        if not self.leads and not self.first(0.0):
            raise LostError("the first process of this training could not begin it")
        done = 0.0
        try:
            yield
            done = 1.0
        finally:
            if self.leads:
                self.first(done)

    def check_same(self, fingerprint: str, what: str) -> None:
        """TrainingError in every process whose hexadecimal ``fingerprint`` is not the first's."""
        number = float(int(fingerprint[:13], 16))  # 52 bits, which a float64 holds exactly
        if self.first(number) != number:
            raise TrainingError(
                f"process {self.world.rank} has other {what} than process 0: all need the same "
                "files"
            )


ALONE = Group(World())
"""A training of one process."""


@contextmanager
def others_needed() -> Iterator[None]:
    """Turn torch's error about another process that does not answer into a LostError."""
    try:
        yield
    except RuntimeError as error:
        raise LostError(
            "another process of this training ended or did not answer; what was saved is kept, and "
            f"--resume goes on with it ({reason(error)})"
        ) from error


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """The group of the processes named by the environment, each training on its ``device``.

    UsageError when the environment names several and no address to meet at.
    """
    here = world()
    if here.size == 1:
        yield Group(here)
        return
    backend, bound = ("nccl", device) if device.type == "cuda" else ("gloo", None)
    if bound is not None:
        torch.cuda.set_device(bound)
    try:
        dist.init_process_group(backend, timeout=TIMEOUT, device_id=bound)
    except ValueError as error:  # it lacks an address
        raise UsageError(
            f"the environment names {here.size} processes, but not where they meet "
            f"({reason(error)}); torchrun --nproc-per-node N starts a training on N processes"
        ) from error
    except RuntimeError as error:
        raise TrainingError(
            f"the {here.size} processes of this training did not meet: {reason(error)}"
        ) from error
    try:
        with others_needed():
            numbers = dist.new_group(backend="gloo", timeout=PATIENCE)
        yield Group(here, numbers)
    finally:
        dist.destroy_process_group()


def reason(error: Exception) -> str:
    """The first line of a torch error, without source locations."""
    text = str(error).strip().rpartition("Last error:\n")[2]
    return re.sub(r"^\[[^\]]*\]\s*", "", text).partition("\n")[0][:200]
