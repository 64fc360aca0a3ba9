"""Speed of one GRU layer, forward and backward, against torch's own and against the machine's
products.

    python benchmarks/gru.py [--rows 512] [--hidden 512]

Only the operations the model needs are counted: 2 a multiply-accumulate forward, 4 backward, the
constant input once per sequence. "all cores in one" is one Python thread and torch's threads inside
every product; "one a core" is a Python thread per core with its own part of the batch; "one alone"
is one of those threads by its own processor time, which holds on a machine that does other work
too. Rates are the best of several runs, shares those of the fastest bf16 product measured the same
way."""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from molvae.nn.gru import GRU

INPUT, CONSTANT = 128, 128
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
Job = tuple[Callable[[], object], float]  # what to run, and its floating-point operations


def best(run: Callable[[], object], clock: Callable[[], float], seconds: float = 2.0) -> float:
    """Shortest time of `run` by a clock, in seconds."""
    run()
    shortest, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = clock()
        run()
        shortest = min(shortest, clock() - start)
    return shortest


def product_rate(m: int, k: int, n: int, clock: Callable[[], float]) -> float:
    """FLOP/s of one bf16 matrix product, with as many threads as torch now uses."""
    a, b, out = (torch.randn(shape).bfloat16() for shape in ((m, k), (k, n), (m, n)))
    return 2 * m * k * n / best(lambda: torch.mm(a, b, out=out), clock, 1.0)


def alone(job: Job) -> float:
    """FLOP/s of one job in one thread, by that thread's processor time."""
    torch.set_num_threads(1)
    rate = job[1] / best(job[0], time.thread_time)
    torch.set_num_threads(CORES)
    return rate


def step_counts(rows: int, seed: int) -> list[int]:
    """Rows alive at each step, for lengths from 6 to 20 with mean 11."""
    generator = torch.Generator().manual_seed(seed)
    lengths = (11 + 2.6 * torch.randn(rows, generator=generator)).round().clamp(6, 20)
    return [int((lengths > step).sum()) for step in range(int(lengths.max()))]


def inputs(
    rows: int, hidden: int, seed: int, kind: torch.dtype
) -> tuple[list[int], list[Tensor], float]:
    """Step counts, leaves (x, constant, h0), and the FLOPs of forward and backward."""
    sizes = step_counts(rows, seed)
    shapes = ((sum(sizes), INPUT), (rows, CONSTANT), (rows, hidden))
    x, constant, h0 = (torch.randn(shape) for shape in shapes)
    flops = 6.0 * 3 * hidden * ((INPUT + hidden) * sum(sizes) + CONSTANT * rows)
    return (
        sizes,
        [x.to(kind).requires_grad_(), constant.requires_grad_(), h0.requires_grad_()],
        flops,
    )


def of_torch(rows: int, hidden: int, seed: int, autocast: bool) -> Job:
    """torch's own layer on packed data, the constant concatenated to every step's input."""
    layer = nn.GRU(INPUT + CONSTANT, hidden)
    sizes, (x, constant, h0), flops = inputs(rows, hidden, seed, torch.float32)
    counts = torch.tensor(sizes)

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            repeated = torch.cat([constant[:alive] for alive in sizes])
            outputs, _ = layer(PackedSequence(torch.cat([x, repeated], 1), counts), h0[None])
        torch.autograd.grad(outputs.data.sum(), [x, constant, h0, *layer.parameters()])

    return run, flops


def of_molvae(rows: int, hidden: int, seed: int, precision: str, reference: bool = False) -> Job:
    """molvae's layer; in bf16 its input comes and its output goes in bf16."""
    layer = GRU(INPUT, CONSTANT, hidden, "bf16" if precision == "bf16" else "fp32")
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    sizes, (x, constant, h0), flops = inputs(rows, hidden, seed, kind)
    slope = torch.ones(sum(sizes), hidden, dtype=kind)
    own = torch.cat([torch.arange(alive) for alive in sizes])

    def run() -> None:
        outputs, _ = (layer.reference if reference else layer)(x, constant, h0, sizes, own)
        torch.autograd.grad(outputs, [x, constant, h0, *layer.parameters()], slope)

    return run, flops


def together(make: Callable[[int], Job]) -> float:
    """FLOP/s of one job per core, all started at once, each on one thread; until the last is
    done.
    """
    torch.set_num_threads(1)
    jobs = [make(seed) for seed in range(CORES)]
    barrier = threading.Barrier(CORES + 1)
    rounds = 12

    def work(run: Callable[[], object]) -> None:
        for _ in range(rounds):
            barrier.wait()
            run()
            barrier.wait()

    threads = [threading.Thread(target=work, args=(run,)) for run, _ in jobs]
    for thread in threads:
        thread.start()
    times = []
    for _ in range(rounds):
        barrier.wait()
        start = time.perf_counter()
        barrier.wait()
        times.append(time.perf_counter() - start)
    for thread in threads:
        thread.join()
    torch.set_num_threads(CORES)
    return sum(flops for _, flops in jobs) / min(times)


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--hidden", type=int, default=512)
    options = parser.parse_args()
    rows, hidden = options.rows, options.hidden
    torch.set_num_threads(CORES)
    shapes = [(2048, hidden, 3 * hidden), (4096, 4096, 4096)]
    whole = {shape: product_rate(*shape, time.perf_counter) for shape in shapes}
    torch.set_num_threads(1)
    single = {shape: product_rate(*shape, time.thread_time) for shape in shapes}
    print(
        f"{CORES} cores, torch {torch.__version__}, {rows} rows of 6 to 20 steps, mean 11, "
        f"hidden {hidden}"
    )
    print(
        "\n| GFLOP/s, forward and backward | all cores in one | one a core | share | one alone "
        "| share |"
    )
    print("|---|---|---|---|---|---|")
    for shape in shapes:
        name = " x ".join(map(str, shape))
        print(
            f"| bf16 product {name} | {whole[shape] / 1e9:,.0f} | | | "
            f"{single[shape] / 1e9:,.0f} | |"
        )
    top, top_single = max(whole.values()), max(single.values())
    layers: dict[str, Callable[[int, int], Job]] = {
        "nn.GRU fp32": lambda r, seed: of_torch(r, hidden, seed, False),
        "nn.GRU bf16 autocast": lambda r, seed: of_torch(r, hidden, seed, True),
        "molvae reference fp32": lambda r, seed: of_molvae(r, hidden, seed, "fp32", True),
        "molvae fp32": lambda r, seed: of_molvae(r, hidden, seed, "fp32"),
        "molvae bf16": lambda r, seed: of_molvae(r, hidden, seed, "bf16"),
    }
    for name, make in layers.items():
        torch.set_num_threads(CORES)
        run, flops = make(rows, 0)
        inside = flops / best(run, time.perf_counter)
        split = together(lambda seed, make=make: make(rows // CORES, seed))  # type: ignore[misc]
        one = alone(make(rows // CORES, 0))
        shares = f"{max(inside, split) / top:.0%} | {one / 1e9:,.0f} | {one / top_single:.0%}"
        print(f"| {name} | {inside / 1e9:,.0f} | {split / 1e9:,.0f} | {shares} |")


if __name__ == "__main__":
    main()
