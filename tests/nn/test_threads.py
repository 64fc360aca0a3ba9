"""One thread a core: as many as there is work for, torch's own divided, errors passed on."""

from __future__ import annotations

import os
import sys
import threading

import pytest
import torch

from molvae.nn import threads as module
from molvae.nn.threads import ROWS_PER_THREAD, Threads

CPU = torch.device("cpu")


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "default_workers", lambda: 4)


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize(("rows", "count"), [(1, 1), (2 * ROWS_PER_THREAD, 2), (10**6, 4)])
def test_few_rows_get_few_threads(rows: int, count: int) -> None:
    assert Threads(CPU, rows).count == count
    assert Threads(torch.device("cuda"), rows).count == 1


@pytest.mark.usefixtures("four_cores")
def test_results_come_in_the_order_of_the_parts() -> None:
    before = torch.get_num_threads()
    with Threads(CPU, 10**6) as threads:
        assert threads.map(lambda part: part**2, range(20)) == [n**2 for n in range(20)]
        assert threads.submit(max, 3, 7).result() == 7
        assert torch.get_num_threads() == max(1, before // 4)
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("four_cores")
def test_an_error_in_a_part_is_an_error_of_the_whole() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), Threads(CPU, 10**6) as threads:
        threads.map(lambda part: 1 // part, [1, 0])
    assert torch.get_num_threads() == before


@pytest.mark.skipif(sys.platform != "linux", reason="the system's threads are listed on Linux")
@pytest.mark.usefixtures("four_cores")
def test_no_thread_is_left_when_the_pool_is_closed() -> None:
    for _ in range(50):
        with Threads(CPU, 10**6) as threads:
            ids = threads.map(lambda _: threading.get_native_id(), range(40))
        left = {str(number) for number in ids} & set(os.listdir("/proc/self/task"))
        assert not left
