"""The compiled arithmetic against ``math`` and float64."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from molvae.nn.kernels.arithmetic import (
    ONE,
    Array,
    array,
    element,
    exponential,
    hyperbolic_tangent,
    inverse,
    kernel,
    set_element,
)

pytestmark = pytest.mark.compiled


@kernel()
def tangents(x: Array, out: Array) -> None:
    for j in range(out.size):
        set_element(out, j, hyperbolic_tangent(element(x, j)))


@kernel()
def sigmoids(x: Array, out: Array) -> None:
    for j in range(out.size):
        set_element(out, j, inverse(ONE + exponential(-element(x, j))))


@kernel()
def copies(x: Array, out: Array) -> None:
    for j in range(out.size):
        set_element(out, j, element(x, j))


def points() -> Array:
    small = np.geomspace(1e-30, 1, 2000)
    return np.concatenate([np.linspace(-30, 30, 60001), small, -small]).astype(np.float32)


def test_tangent_is_right_to_a_millionth_of_its_value() -> None:
    x = points()
    mine = np.empty_like(x)
    tangents(x, mine)
    np.testing.assert_allclose(mine, np.tanh(x.astype(np.float64)), rtol=1e-6)


def test_sigmoid_is_right_to_a_millionth_of_its_value() -> None:
    x = points()
    mine = np.empty_like(x)
    sigmoids(x, mine)
    np.testing.assert_allclose(mine, 1 / (1 + np.exp(-x.astype(np.float64))), rtol=2e-6)


def test_functions_saturate_and_pass_nan() -> None:
    x = np.array([-1e30, -100, 100, 1e30, np.nan], np.float32)
    mine = np.empty_like(x)
    tangents(x, mine)
    np.testing.assert_allclose(mine, [-1, -1, 1, 1, np.nan], rtol=1e-6)
    sigmoids(x, mine)
    np.testing.assert_allclose(mine, [0, 0, 1, 1, np.nan], atol=1e-17)


def test_bfloat16_is_widened_and_narrowed_as_torch_does_it() -> None:
    generator = torch.Generator().manual_seed(0)
    powers = 10.0 ** torch.randint(-20, 20, (10_000,), generator=generator)
    wide = torch.randn(10_000, generator=generator) * powers
    halfway = (torch.arange(0x3F80, 0x3FC0, dtype=torch.int32) << 16 | 0x8000).view(torch.float32)
    wide = torch.cat([wide, halfway, torch.tensor([0.0, -0.0, torch.inf, -torch.inf])])
    narrow = torch.empty_like(wide, dtype=torch.bfloat16)
    copies(array(wide), array(narrow))
    assert torch.equal(narrow, wide.bfloat16())
    back = torch.empty_like(wide)
    copies(array(narrow), array(back))
    assert torch.equal(back, narrow.float())


def run(*lines: str) -> None:
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_kernels_work_where_no_cache_can_be_written() -> None:
    run(
        "import numba.core.caching as c",
        "for kind in c.CacheImpl._locator_classes:",
        "    kind.from_function = classmethod(lambda *a: None)",
        "import numpy as np",
        "from molvae.nn.kernels import arithmetic",
        "@arithmetic.kernel()",
        "def double(x):",
        "    arithmetic.set_element(x, 0, arithmetic.element(x, 0) * arithmetic.TWO)",
        "x = np.ones(1, np.float32)",
        "double(x)",
        "assert x[0] == 2",
    )


@pytest.mark.parametrize("way", ["sys.modules['numba'] = None", "os.environ[KERNELS] = 'off'"])
def test_without_kernels_plain_torch_serves(way: str) -> None:
    run(
        "import os, sys",
        "KERNELS = 'MOLVAE_KERNELS'",
        way,
        "import torch",
        "from molvae.nn import draws, gru, model",
        "from molvae.runtime import compilation",
        "assert not compilation.KERNELS",
        "layer = gru.GRU(2, 0, 4)",
        "constant, rows = torch.ones(1, 0), torch.zeros(3, dtype=torch.long)",
        "layer(torch.ones(3, 2), constant, torch.zeros(2, 4), [2, 1], rows)",
        "draws.draw(torch.zeros(2, 5), 1.0, 0, torch.arange(2), 0)",
        "loss = model.cross_entropy(torch.zeros(2, 5), torch.zeros(2, dtype=torch.long))",
        "assert loss.shape == (2,)",
        "assert sys.modules.get('numba') is None",
    )
