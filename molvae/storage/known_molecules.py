"""Hashes of a model's training molecules: sorted and exact, or a Bloom filter of a sixth the size.

Both forms answer ``contains`` for many hashes at once. A Bloom filter never misses a molecule it
holds, and takes about one in a hundred others for one: enough to leave training molecules out of a
sample, not for a figure such as novelty.

    n hashes asked for, m bits of a filter, k probes of each molecule
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from ..errors import ModelError

BITS = 10
"""Bits of a filter for each molecule: with the best number of probes, 0.82 % false positives."""

PROBES = 7
"""The best number of probes for ten bits a molecule, 10 ln 2."""

CHUNK = 1 << 16
"""Hashes looked up together."""

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class SortedHashes:
    """Hashes of all training molecules, ``(n,)`` ascending; every answer is right."""

    hashes: Hashes

    def contains(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Mask of the hashes ``(n,)`` that are among them, ``(n,)``."""
        if not len(self.hashes):
            return np.zeros(len(hashes), dtype=np.bool_)
        places = np.searchsorted(self.hashes, hashes)
        found: NDArray[np.bool_] = self.hashes[np.minimum(places, len(self.hashes) - 1)] == hashes
        return found


@dataclass(frozen=True, eq=False)
class BloomFilter:
    """Bits that the molecules have set, ``(m / 8,)`` bytes (Bloom 1970); a yes may be wrong, a no
    never is.
    """

    bits: NDArray[np.uint8]
    probes: int
    molecules: int

    @classmethod
    def of(cls, hashes: Hashes, bits: int = BITS) -> BloomFilter:
        """The filter of some hashes ``(n,)``, of ``bits`` bits for each."""
        size = max(8, -(-bits * len(hashes) // 8) * 8)
        flags = np.zeros(size, dtype=np.uint8)
        for start in range(0, len(hashes), CHUNK):
            flags[places(hashes[start : start + CHUNK], PROBES, size)] = 1
        return cls(np.packbits(flags, bitorder="little"), PROBES, len(hashes))

    def contains(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Mask of the hashes ``(n,)`` that are, or seem to be, among them, ``(n,)``."""
        found = np.ones(len(hashes), dtype=np.bool_)
        for start in range(0, len(hashes), CHUNK):
            place = places(hashes[start : start + CHUNK], self.probes, 8 * len(self.bits))
            # Bit b of the filter is bit b mod 8 of byte b // 8.
            bit = self.bits[place >> np.uint64(3)] >> (place & np.uint64(7)).astype(np.uint8) & 1
            found[start : start + CHUNK] = bit.all(axis=0)
        return found

    @property
    def false_positive_rate(self) -> float:
        """Share of other molecules taken for training molecules, from the bits that are set."""
        share = int(np.bitwise_count(self.bits).sum(dtype=np.int64)) / (8 * len(self.bits))
        return float(share**self.probes)


KnownMolecules = SortedHashes | BloomFilter


def places(hashes: Hashes, probes: int, size: int) -> Hashes:
    """Bits of each hash, ``(k, n)``, out of ``size``, in an arithmetic progression.

    That is as good as k hash functions (Kirsch & Mitzenmacher 2006). It starts at the hash, and its
    step is the hash mixed as splitmix64 ends (Steele et al. 2014): xor with itself shifted and
    multiplication by an odd number, both invertible, so that every bit of the hash bears on every
    bit of the step.
    """
    mixed = (hashes ^ hashes >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    step = (mixed ^ mixed >> np.uint64(31)) % np.uint64(size)
    number = np.arange(probes, dtype=np.uint64)[:, None]
    progression: Hashes = (hashes % np.uint64(size) + number * step) % np.uint64(size)
    return progression


def to_bytes(known: KnownMolecules) -> bytes:
    """Either form as a safetensors file."""
    if isinstance(known, SortedHashes):
        return save_arrays({"hashes": known.hashes.view(np.int64)})
    probes, molecules = np.array([[known.probes], [known.molecules]])
    return save_arrays({"bloom": known.bits, "probes": probes, "molecules": molecules})


def from_bytes(content: bytes, name: str) -> KnownMolecules:
    """Read what :func:`to_bytes` wrote; ModelError, which says ``name``, for anything else."""
    try:
        arrays = load_arrays(content)
    except SafetensorError as error:
        raise ModelError(f"{name}: not readable ({error})") from error
    kinds = {key: array.dtype for key, array in arrays.items()}
    flat = all(array.ndim == 1 for array in arrays.values())
    if flat and kinds == {"hashes": np.int64}:
        hashes = arrays["hashes"].view(np.uint64)
        if not len(hashes):
            raise ModelError(f"{name}: holds no molecule, and every model was trained on some")
        if not (hashes[:-1] <= hashes[1:]).all():
            raise ModelError(f"{name}: its hashes are not in order")
        return SortedHashes(hashes)
    if flat and kinds == {"bloom": np.uint8, "probes": np.int64, "molecules": np.int64}:
        bits, probes, molecules = arrays["bloom"], arrays["probes"], arrays["molecules"]
        alone = len(probes) == len(molecules) == 1
        if bits.any() and alone and 1 <= probes[0] <= 64 and molecules[0] > 0:
            return BloomFilter(bits, int(probes[0]), int(molecules[0]))
    raise ModelError(f"{name}: holds neither the hashes of molecules nor a filter of them")
