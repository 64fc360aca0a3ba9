"""The statistics of a reference set of molecules, computed once and kept on disk.

A set is known by the SHA-256 of its sorted lines and of the versions that made the statistics, so a
changed file, a new RDKit or a new molvae computes anew. Files are plain arrays (npz without
pickle); one that is damaged is computed and written again."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import rdkit
from numpy.typing import NDArray

from ..chem.fingerprints import BITS
from ..errors import InputError
from ..runtime.atomic_folder import replace_file
from .estimates import Floats
from .fcd import MINIMUM, Moments, chemnet_moments, fcd_installed
from .guacamol import SAMPLE_SIZE, descriptor_profile
from .set_statistics import PROPERTY_NAMES, Statistics, describe_set

FORMAT = "1"  # raise it whenever the meaning of what is stored changes

Arrays = Mapping[str, NDArray[Any]]
Unpacked = TypeVar("Unpacked")


class ReferenceSet(NamedTuple):
    """Statistics of a reference set and its GuacaMol profile; ``moments`` is None without ``fcd``
    or with few molecules."""

    statistics: Statistics
    profile: Floats
    moments: Moments | None


def reference_set(
    smiles: Sequence[str], *, cache_folder: Path | None = None, workers: int = 1, fcd: bool = True
) -> ReferenceSet:
    """The statistics of a reference set, read from ``cache_folder`` where they are in it.

    The cache is keyed by the SMILES as given, in any order: the same molecules spelt differently
    are computed again. Invalid SMILES are left out. ``fcd=False`` leaves out the ChemNet moments,
    by far the slowest part on a CPU."""
    key = content_key(smiles)
    describe = cache(lambda: describe_set(smiles, workers, filters=False))

    def describe_all() -> Arrays:
        profile = descriptor_profile(typical_sample(describe().smiles), workers)
        return _pack_statistics(describe().statistics, profile)

    def run_chemnet() -> Arrays:
        return vars(chemnet_moments(describe().smiles, workers))

    name = f"statistics-{key}.npz"
    statistics, profile = _cached(cache_folder, name, describe_all, _unpack_statistics)
    moments = None
    if fcd and fcd_installed() and statistics.count >= MINIMUM:
        name = f"chemnet-{key}-{version('fcd')}.npz"
        with suppress(InputError):  # too many of them are too long for ChemNet
            moments = _cached(cache_folder, name, run_chemnet, _unpack_moments)
    return ReferenceSet(statistics, profile, moments)


def content_key(smiles: Sequence[str]) -> str:
    """SHA-256, hexadecimal, of the sorted SMILES and of the versions that statistics depend on."""
    digest = hashlib.sha256(f"{FORMAT}\n{rdkit.__version__}\n{len(smiles)}\n".encode())
    digest.update("\n".join(sorted(smiles)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def typical_sample(smiles: Sequence[str], size: int = SAMPLE_SIZE) -> list[str]:
    """At most ``size`` distinct molecules, chosen by their hash: random, yet always the same."""
    distinct = set(smiles)
    if len(distinct) <= size:
        return sorted(distinct)
    return sorted(
        distinct, key=lambda text: hashlib.blake2b(text.encode(), digest_size=8).digest()
    )[:size]


def _cached(
    folder: Path | None,
    name: str,
    make: Callable[[], Arrays],
    unpack: Callable[[Arrays], Unpacked],
) -> Unpacked:
    """``unpack`` of the arrays of a cache file; made and written where none can be read."""
    if folder is None:
        return unpack(make())
    try:
        with open(folder / name, "rb") as handle, np.load(handle, allow_pickle=False) as stored:
            return unpack(stored)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        arrays = make()
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    replace_file(folder / name, buffer.getvalue())
    return unpack(arrays)


def _pack_statistics(statistics: Statistics, profile: Floats) -> Arrays:
    arrays = {
        "fingerprints": statistics.fingerprints,
        "descriptors": profile[:, :-1],
        "similarities": profile[:, -1],
    }
    for name in PROPERTY_NAMES:
        arrays[f"property_{name}"] = statistics.properties[name]
    for field in ("fragments", "scaffolds"):
        text = json.dumps(getattr(statistics, field))
        arrays[f"{field}_json"] = np.frombuffer(text.encode(), np.uint8)
    return arrays


def _unpack_statistics(arrays: Arrays) -> tuple[Statistics, Floats]:
    fingerprints = arrays["fingerprints"]
    if fingerprints.shape[1:] != (BITS // 64,):
        raise ValueError("fingerprints of another length")
    fragments, scaffolds = (
        Counter(json.loads(arrays[f"{field}_json"].tobytes()))
        for field in ("fragments", "scaffolds")
    )
    properties = {name: arrays[f"property_{name}"] for name in PROPERTY_NAMES}
    profile = np.column_stack([arrays["descriptors"], arrays["similarities"]])
    return Statistics(fingerprints, fragments, scaffolds, properties), profile


def _unpack_moments(arrays: Arrays) -> Moments:
    return Moments(int(arrays["count"]), arrays["mean"], arrays["covariance"])
