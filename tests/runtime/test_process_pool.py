"""Laws of mapping over processes: order, bounds, and what becomes of workers that die."""

from __future__ import annotations

import contextlib
import functools
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from molvae.errors import MoleculeError, MolvaeError
from molvae.runtime.process_pool import chunked, default_workers, map_chunks


def double(chunk: list[int]) -> list[int]:
    return [2 * n for n in chunk]


def double_slower_at_first(chunk: list[int]) -> list[int]:
    time.sleep(0.05 if chunk[0] == 0 else 0)
    return double(chunk)


def double_or_die(chunk: list[int], deadly: frozenset[int]) -> list[int]:
    if deadly & set(chunk):
        os.kill(os.getpid(), signal.SIGKILL)
    return double(chunk)


def die_once(chunk: list[int], mark: Path) -> list[int]:
    if 5 in chunk and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return double(chunk)


def refuse_seven(chunk: list[int]) -> list[int]:
    if 7 in chunk:
        raise MoleculeError("does not parse", "C1CC", "seven")
    return double(chunk)


def return_what_cannot_be_sent(chunk: list[int]) -> object:
    return lambda: chunk


def write_much(chunk: list[int]) -> bytes:
    return bytes(1_000_000)


def name_process(chunk: list[int]) -> int:
    return os.getpid()


def double_or_hang(chunk: list[int], mark: Path) -> list[int]:
    if 5 in chunk:
        started = subprocess.Popen(["sleep", "1000"])
        mark.write_text(str(started.pid))
        started.wait()
    return double(chunk)


def no_workers_left() -> bool:
    return not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_number_of_workers_does_not_change_the_results(workers: int) -> None:
    results = list(map_chunks(double_slower_at_first, chunked(range(100), 7), workers))
    assert [n for result in results for n in result] == [2 * n for n in range(100)]
    assert len(results) == 15
    assert no_workers_left()


def test_nothing_in_gives_nothing_out() -> None:
    assert list(map_chunks(double, [], 2)) == []


def test_chunks_are_read_only_as_they_are_needed() -> None:
    read = 0

    def stream() -> Iterator[list[int]]:
        nonlocal read
        for n in range(1000):
            read += 1
            yield [n]

    results = map_chunks(double, stream(), 2)
    for _ in range(10):
        next(results)
    assert read <= 10 + 2 * 2
    results.close()  # type: ignore[attr-defined]
    assert no_workers_left()


@pytest.mark.parametrize("deadly", [{0}, {55}, {99}, {3, 4, 50}, set(range(20, 27))])
def test_a_row_that_kills_its_worker_costs_that_row_alone(deadly: set[int]) -> None:
    function = functools.partial(double_or_die, deadly=frozenset(deadly))
    results = map_chunks(function, chunked(range(100), 10), 2, on_crash=lambda n: [-n])
    assert [n for result in results for n in result] == [
        -n if n in deadly else 2 * n for n in range(100)
    ]
    assert no_workers_left()


def test_a_worker_killed_by_chance_costs_nothing(tmp_path: Path) -> None:
    function = functools.partial(die_once, mark=tmp_path / "died")
    results = map_chunks(function, [[n] for n in range(20)], 2)
    assert [n for result in results for n in result] == [2 * n for n in range(20)]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_row_that_hangs_costs_that_row_alone(tmp_path: Path, workers: int) -> None:
    function = functools.partial(double_or_hang, mark=tmp_path / "pid")
    chunks = ([n] for n in range(8))
    results = map_chunks(function, chunks, workers, limit=1.0, on_timeout=lambda n: [-n])
    assert [n for result in results for n in result] == [-5 if n == 5 else 2 * n for n in range(8)]
    assert no_workers_left()
    grandchild = Path("/proc", (tmp_path / "pid").read_text(), "status")
    state = grandchild.read_text().partition("State:")[2].split()[0] if grandchild.exists() else "Z"
    assert state in "ZX", "what the row had started has ended with it"


def test_without_a_limit_the_function_may_still_run_elsewhere() -> None:
    (found,) = map_chunks(name_process, [[1]], 1, limit=math.inf)
    assert found != os.getpid()


def test_a_crash_without_on_crash_is_an_error_with_the_row() -> None:
    function = functools.partial(double_or_die, deadly=frozenset({55}))
    with pytest.raises(MolvaeError, match="'55'"):
        list(map_chunks(function, chunked(range(100), 10), 2))
    assert no_workers_left()


def test_an_exception_is_raised_at_its_chunk() -> None:
    results = map_chunks(refuse_seven, chunked(range(20), 5), 2)
    assert next(results) == [0, 2, 4, 6, 8]
    with pytest.raises(MoleculeError) as caught:
        next(results)
    assert caught.value.detail == "seven"
    assert no_workers_left()


def test_a_result_that_cannot_be_sent_is_an_error_not_a_hang() -> None:
    with pytest.raises(TypeError, match="sending back"):
        list(map_chunks(return_what_cannot_be_sent, [[1]], 2))


def test_closing_early_ends_workers_that_are_still_writing() -> None:
    results = map_chunks(write_much, ([n] for n in range(1000)), 2)
    assert len(next(results)) == 1_000_000
    results.close()  # type: ignore[attr-defined]
    assert no_workers_left()


def test_one_worker_is_this_process_and_two_are_not() -> None:
    assert list(map_chunks(name_process, [[1]], 1)) == [os.getpid()]
    assert os.getpid() not in set(map_chunks(name_process, [[1], [2]], 2))


NOT_FORKED = """
    import os
    from molvae.runtime import process_pool

    def add_or_die(chunk):
        return os._exit(3) if 3 in chunk else sum(chunk)

    if __name__ == "__main__":
        process_pool.forks_workers = lambda: False
        map_chunks = process_pool.map_chunks
        print(list(map_chunks(add_or_die, [[1, 2], [4, 3], [5]], 2, on_crash=lambda n: -n)))
        list(map_chunks(lambda chunk: chunk, [[1]], 2))
"""


def run_script(path: Path, text: str) -> subprocess.CompletedProcess[str]:
    path.write_text(textwrap.dedent(text))
    return subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60)


def test_workers_that_are_not_forked_do_the_same(tmp_path: Path) -> None:
    done = run_script(tmp_path / "script.py", NOT_FORKED)
    assert done.stdout == "[3, 4, -3, 5]\n"
    assert "cannot be sent to a worker; " in done.stderr.splitlines()[-1]
    assert "workers=1 needs neither" in done.stderr.splitlines()[-1]


UNGUARDED = """
    from molvae.runtime import process_pool
    process_pool.forks_workers = lambda: False
    print(list(process_pool.map_chunks(sum, [[1], [2]], 2)))
"""


def test_an_unguarded_script_learns_what_is_missing(tmp_path: Path) -> None:
    done = run_script(tmp_path / "script.py", UNGUARDED)
    assert done.returncode == 1
    assert 'a script must guard its main part by if __name__ == "__main__"' in done.stderr


def test_the_cores_are_counted_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert default_workers() >= 1
    monkeypatch.setattr(os, "process_cpu_count", lambda: 3, raising=False)
    assert default_workers() == 3


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one worker"):
        list(map_chunks(double, [[1]], 0))
    with pytest.raises(ValueError, match="at least one item"):
        list(chunked([1], 0))
    assert default_workers() >= 1


SCRIPT = """
    import os, sys, time
    from molvae.runtime.process_pool import map_chunks

    def wait(chunk):
        os.write(1, b"%d\\n" % os.getpid())  # print may write the number and its newline apart
        time.sleep(chunk[0])
        return bytes(1_000_000)

    if __name__ == "__main__":
        for _ in map_chunks(wait, [[0], [0], [float(sys.argv[1])], [float(sys.argv[1])]], 2):
            time.sleep(0.2)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize(
    ("ended_by", "seconds", "patience"), [(signal.SIGINT, "60", 2), (signal.SIGKILL, "0.5", 8)]
)
def test_no_worker_outlives_its_parent(
    tmp_path: Path, ended_by: signal.Signals, seconds: str, patience: float
) -> None:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, str(script), seconds]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        workers = {parent.stdout.readline().strip() for _ in range(4)}
        parent.send_signal(ended_by)
        parent.wait(10)
        until = time.monotonic() + patience
        while any(Path("/proc", pid).exists() for pid in workers) and time.monotonic() < until:
            time.sleep(0.05)
        assert not [pid for pid in workers if Path("/proc", pid).exists()]


AFTER_TORCH = """
    import torch
    from molvae.runtime.process_pool import map_chunks

    def work(chunk):
        return float(torch.ones(1_000_000).sigmoid().sum())  # large enough for several threads

    if __name__ == "__main__":
        torch.set_num_threads(2)
        found = {*map_chunks(work, [[n] for n in range(4)], 2), work([])}
        assert len(found) == 1, "before torch had threads"
        assert len({*map_chunks(work, [[n] for n in range(4)], 2)}) == 1, "after"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_torch_works_in_workers_also_when_it_had_threads_before(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(AFTER_TORCH))
    run = subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert (run.communicate(timeout=240)[1], run.returncode) == ("", 0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)  # workers that wait for ever too
        run.communicate()


def cores_of(_: list[int]) -> int:
    return default_workers()


def test_a_worker_has_one_core_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert set(map_chunks(cores_of, ([n] for n in range(4)), 2)) == {1}
    assert default_workers() == 3
