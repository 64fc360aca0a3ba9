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
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import rdkit
from numpy.typing import NDArray

from ..chem.fingerprints import BITS
from ..runtime.atomic_folder import replace_file
from .fcd import FEATURES, LONGEST, MINIMUM, Moments, chemnet_moments, fcd_installed
from .guacamol import DESCRIPTORS, SAMPLE_SIZE, Profile, descriptor_profile
from .set_statistics import PROPERTY_NAMES, Statistics, describe_set

FORMAT = "1"  # raise it whenever the meaning of what is stored changes

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ReferenceSet:
    """Statistics of a reference set; ``moments`` is None without ``fcd`` or with few molecules."""

    statistics: Statistics
    profile: Profile
    moments: Moments | None


def reference_set(
    smiles: Sequence[str], *, cache_folder: Path | None = None, workers: int = 1, fcd: bool = True
) -> ReferenceSet:
    """The statistics of a reference set, read from ``cache_folder`` where they are in it.

    The cache is keyed by the SMILES as given, in any order: the same molecules spelt differently
    are computed again. Invalid SMILES are left out. ``fcd=False`` leaves out the ChemNet moments,
    by far the slowest part on a CPU."""
    key = content_key(smiles) if cache_folder is not None else ""
    describe = cache(lambda: describe_set(smiles, workers, filters=False))
    restored = _unpack_statistics(_read(cache_folder, f"statistics-{key}.npz"))
    if restored is None:
        profile = descriptor_profile(typical_sample(describe().smiles), workers)
        restored = describe().statistics, profile
        _write(cache_folder, f"statistics-{key}.npz", _pack_statistics(*restored))
    statistics, profile = restored
    if not fcd or not fcd_installed() or statistics.count < MINIMUM:
        return ReferenceSet(statistics, profile, None)
    name = f"chemnet-{key}-{version('fcd')}.npz"
    moments = _unpack_moments(_read(cache_folder, name))
    if moments is None:
        valid = describe().smiles
        if sum(len(text) <= LONGEST for text in valid) < MINIMUM:
            return ReferenceSet(statistics, profile, None)
        moments = chemnet_moments(valid, workers)
        _write(cache_folder, name, vars(moments))
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


def _read(folder: Path | None, name: str) -> Arrays:
    """The arrays of a cache file; none where there is no file that can be read."""
    if folder is None:
        return {}
    try:
        with open(folder / name, "rb") as handle, np.load(handle, allow_pickle=False) as stored:
            return {field: stored[field] for field in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return {}


def _write(folder: Path | None, name: str, arrays: Arrays) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    replace_file(folder / name, buffer.getvalue())


def _pack_statistics(statistics: Statistics, profile: Profile) -> Arrays:
    arrays: Arrays = {
        "fingerprints": statistics.fingerprints,
        "descriptors": profile.descriptors,
        "similarities": profile.similarities,
        **{f"property_{name}": statistics.properties[name] for name in PROPERTY_NAMES},
    }
    for field, counts in (("fragments", statistics.fragments), ("scaffolds", statistics.scaffolds)):
        arrays[f"{field}_json"] = np.frombuffer(json.dumps(counts).encode(), np.uint8)
    return arrays


def _unpack_statistics(arrays: Arrays) -> tuple[Statistics, Profile] | None:
    try:
        properties = {name: arrays[f"property_{name}"] for name in PROPERTY_NAMES}
        fingerprints, descriptors = arrays["fingerprints"], arrays["descriptors"]
        similarities = arrays["similarities"]
        fragments, scaffolds = (
            Counter(json.loads(arrays[f"{field}_json"].tobytes()))
            for field in ("fragments", "scaffolds")
        )
    except (KeyError, ValueError):
        return None
    whole = (
        fingerprints.shape == (len(fingerprints), BITS // 64)
        and all(values.shape == (len(fingerprints),) for values in properties.values())
        and descriptors.shape == (len(similarities), len(DESCRIPTORS))
    )
    statistics = Statistics(fingerprints, fragments, scaffolds, properties)
    return (statistics, Profile(descriptors, similarities)) if whole else None


def _unpack_moments(arrays: Arrays) -> Moments | None:
    if not arrays.keys() >= {"count", "mean", "covariance"}:
        return None
    moments = Moments(int(arrays["count"]), arrays["mean"], arrays["covariance"])
    shapes = moments.mean.shape, moments.covariance.shape
    return moments if shapes == ((FEATURES,), (FEATURES, FEATURES)) else None
