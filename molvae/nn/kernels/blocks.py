"""Blocks of 32 rows x 32 columns of a bf16 matrix product, on whatever this processor multiplies
bf16 with.

On tile registers (`tiles`) or on vector registers (`vectors`), chosen by the processor, so that
what is compiled for it fits. A block is begun with one product, further ones are added to it, and
it is finished: then it stands in memory, 32 x 32 float32, and the caller goes on with it while it
is in the first cache."""

from __future__ import annotations

from . import elementwise

if elementwise.TILES:
    from .tiles import accumulate, begin, configure, finish, layout, release
else:
    from .vectors import accumulate, begin, configure, finish, layout, release

__all__ = ["accumulate", "begin", "configure", "finish", "layout", "release"]
