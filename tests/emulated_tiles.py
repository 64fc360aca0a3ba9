"""A plugin for pytest that gives any processor tile registers, slow ones, so that what is written
for them can be run.

    PYTHONPATH=tests pytest -p emulated_tiles tests/test_gru.py

The instructions that `molvae.nn.kernels.tiles` uses are replaced by plain copies and sums in
memory, as Intel's manual describes them (Intel 64 and IA-32 Architectures Software Developer's
Manual, volume 2: LDTILECFG to TILEZERO)."""

from __future__ import annotations

import tempfile
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

_CACHE = tempfile.TemporaryDirectory()
numba.config.CACHE_DIR = (
    _CACHE.name
)  # what is compiled here must not be found by others, nor theirs here

from molvae.nn.kernels import elementwise

elementwise.TILES = True  # before any other room asks

from molvae.nn import products
from molvae.nn.kernels import instructions, tiles

REGISTERS = np.zeros((8, 16, 16), np.float32)
"""Eight tiles of 16 rows of 64 bytes."""

BYTES = ir.VectorType(instructions.I8, 64)


def _row(builder: Any, tile: Any, row: int) -> Any:
    """A pointer to one row of a tile."""
    place = REGISTERS.ctypes.data + 1024 * tile.literal_value + 64 * row
    return builder.inttoptr(instructions.I64(place), BYTES.as_pointer())


def _mover(loading: bool) -> Any:
    def move(typing: Any, tile: Any, array: Any, index: Any, stride: Any) -> Any:
        def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
            for row in range(16):
                place = builder.add(args[2], builder.mul(args[3], instructions.I64(row)))
                there = instructions.pointer(context, builder, array, args[1], place, BYTES)
                here = _row(builder, tile, row)
                source, target = (there, here) if loading else (here, there)
                builder.store(builder.load(source, align=1), target, align=1)
            return context.get_dummy_value()

        return numba.void(tile, array, numba.int64, numba.int64), generate

    return intrinsic(prefer_literal=True)(move)


@intrinsic
def _memory(typing: Any) -> Any:
    def generate(context: Any, builder: Any, _: Any, args: Any) -> Any:
        return builder.inttoptr(
            instructions.I64(REGISTERS.ctypes.data), instructions.I8.as_pointer()
        )

    return numba.types.voidptr(), generate


@numba.njit
def _number(half: Any) -> Any:
    """A bfloat16 as float32."""
    return np.uint32(np.uint32(half) << np.uint32(16)).view(np.float32)


@numba.njit
def clear(tile: int) -> None:
    """TILEZERO."""
    numba.carray(_memory(), (8, 16, 16), np.float32)[tile] = 0


@numba.njit
def multiply(total: int, left: int, right: int) -> None:
    """TDPBF16PS: each row of pairs of `left` by each column of pairs of `right`, added to
    `total`.
    """
    sums = numba.carray(_memory(), (8, 16, 16), np.float32)[total]
    halves = numba.carray(_memory(), (8, 16, 32), np.uint16)
    for row in range(16):
        for k in range(16):
            for column in range(16):
                for half in range(2):
                    product = _number(halves[left, row, 2 * k + half]) * _number(
                        halves[right, k, 2 * column + half]
                    )
                    sums[row, column] += product


@numba.njit
def configure(layout: Any) -> None:
    """LDTILECFG, of full tiles only."""
    full = layout[0] == 1 and layout[48] == layout[55] == 16 and layout[16] == layout[30] == 64
    if not full:
        raise ValueError("these tiles are not described as full")


@numba.njit
def release() -> None:
    """TILERELEASE."""


for name, function in {
    "clear": clear,
    "multiply": multiply,
    "configure": configure,
    "release": release,
}.items():
    setattr(tiles, name, function)
tiles.load_tile, tiles.store_tile = _mover(True), _mover(False)

products.has_tiles = lambda: True
products.mkl_product = lambda: None


def pytest_sessionfinish() -> None:
    """Laws that were kept by other means say nothing of tiles."""
    if not REGISTERS.any():
        raise RuntimeError("no test has used the tile registers")
