"""A prepared data set: symbol ids, lengths, split and fingerprint, saved, loaded and batched.

Training reads nothing else. Free of torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MolvaeError
from ..language.prefix_features import TIERS, features
from ..language.vocabulary import END, Ids, Vocabulary
from ..runtime.atomic_folder import commit_folder, read_folder, read_json

VALIDATED = 5_000
"""Molecules, at most, that are held out, and that one validation looks at."""

FILES = ("arrays.safetensors", "vocabulary.json", "report.json")
ARRAYS = {"ids": np.uint16, "lengths": np.int32, "hashes": np.uint64, "validation": np.uint8}
"""The arrays of a file and their types, in the order of the fields of a data set."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Molecules packed step after step, longest first, so that no position is padding.

    ``sizes[t]`` molecules have a symbol at step ``t`` (the end symbol counts as one); ``inputs``
    and ``targets`` are ``(N,)`` with ``N = sum(sizes)``: what the decoder has just written and what
    it is to write next. ``reversed_inputs`` is ``(N - B,)``, the symbols of each molecule from its
    last to its first, packed with ``sizes[1:]``. ``order`` ``(B,)`` holds the indices
    of the molecules as handed in. ``grammar`` ``(N, F)`` are the features of each position's prefix
    (:mod:`molvae.language.prefix_features`), where they were asked for."""

    order: Rows
    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    reversed_inputs: NDArray[np.int64]
    sizes: list[int]
    grammar: NDArray[np.int16] | None = None

    def __len__(self) -> int:
        return self.sizes[0]


def pack(ids: Ids, offsets: Rows, rows: Rows, vocabulary: Vocabulary, grammar: str) -> Batch:
    """The batch of the molecules ``rows`` of a ragged array: molecule i is
    ``ids[offsets[i]:offsets[i + 1]]``.

    The batch carries the features of every position that
    :data:`molvae.language.prefix_features.TIERS` has under ``grammar``."""
    lengths = offsets[rows + 1] - offsets[rows]
    order = np.argsort(-lengths, kind="stable")
    rows, lengths = rows[order], lengths[order]
    steps = np.arange(int(lengths[0]))[:, None]  # (T, 1)
    active = steps < lengths  # (T, B)
    place = offsets[rows] + steps
    last = offsets[rows + 1] - 1 - steps
    forward = ids[place[active]].astype(np.int64)  # (N - B,)
    backward = ids[last[active]].astype(np.int64)
    sizes = [len(rows), *active.sum(axis=1).tolist()]
    targets = np.full((len(steps) + 1, len(rows)), END, dtype=np.int64)
    targets[:-1][active] = forward
    written = np.concatenate([np.ones((1, len(rows)), dtype=bool), active])
    inputs = np.concatenate([np.full(len(rows), END, dtype=np.int64), forward])
    known = None
    if TIERS[grammar]:
        ragged = ids[place.T[active.T]]  # (N - B,), one molecule after the other
        starts = np.cumsum(lengths + 1) - (lengths + 1)
        place = starts + np.arange(len(steps) + 1)[:, None]
        known = features(ragged, lengths, vocabulary, grammar)[place[written]]
    return Batch(order, inputs, targets[written], backward, sizes, known)


@dataclass(frozen=True)
class Dataset:
    """Molecules as ids: ``ids`` ``(sum of lengths,)`` one after the other, ``lengths`` ``(M,)``,
    ``hashes`` ``(M,)`` of their canonical SMILES, ``validation`` ``(M,)`` true where held out, and
    where they came from.

    Where molecules have S other spellings each, these follow in ``ids`` and ``lengths`` ``(M + M
    S,)``, those of a molecule together."""

    vocabulary: Vocabulary
    ids: Ids
    lengths: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    validation: NDArray[np.bool_]
    report: dict[str, Any]

    @cached_property
    def offsets(self) -> Rows:
        """``(M + M S + 1,)`` where each string begins in ``ids``, and where the last one ends."""
        return np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def spellings(self) -> int:
        """Number of SMILES of each molecule besides the canonical one."""
        return len(self.lengths) // max(1, len(self)) - 1

    def spelled(self, rows: Rows, spelling: Rows) -> Rows:
        """Strings of the molecules ``rows`` ``(B,)`` by ``spelling`` ``(B,)``, 0 the canonical."""
        return np.where(spelling > 0, len(self) + rows * self.spellings + spelling - 1, rows)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of everything training reads: ids, lengths, split and vocabulary."""
        digest = hashlib.sha256(json.dumps(self.vocabulary.to_json(), sort_keys=True).encode())
        for array in (self.ids, self.lengths, self.validation):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def training_rows(self) -> Rows:
        """Places of the molecules that are trained on."""
        return np.flatnonzero(~self.validation)

    @property
    def validation_rows(self) -> Rows:
        """Places of the molecules held out."""
        return np.flatnonzero(self.validation)

    def batch(self, rows: Rows, grammar: str = "none") -> Batch:
        """The molecules ``rows``, packed, with the prefix features that the model reads."""
        return pack(self.ids, self.offsets, rows, self.vocabulary, grammar)

    def epoch(self, seed: int, epoch: int, batch_size: int) -> list[Rows]:
        """The training rows of every batch of an epoch: a pure function of the data, seed, epoch
        and size.

        Every batch is a fair draw of molecules of all lengths: packing makes padding no matter, and
        batches of one length each were measured to learn markedly slower (benchmarks/LOG.md)."""
        rows = np.random.default_rng([seed, epoch]).permutation(self.training_rows)
        return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]

    def save(self, path: str | Path, *, rejected: str = "") -> None:
        """Write the data set as a folder, committed whole; ``rejected`` is the text of
        ``rejected.csv``.
        """
        from safetensors.numpy import save

        arrays = {name: getattr(self, name).astype(kind) for name, kind in ARRAYS.items()}
        files = {
            "arrays.safetensors": save(arrays),
            "vocabulary.json": json.dumps(self.vocabulary.to_json(), indent=1).encode(),
            "report.json": json.dumps(self.report, indent=1).encode(),
            "rejected.csv": rejected.encode("utf-8", errors="replace"),
        }
        commit_folder(Path(path), files, kind="dataset")

    @classmethod
    def load(cls, path: str | Path) -> Dataset:
        """The data set in a folder written by :meth:`save`; InputError if it is not one or is
        damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            files = read_folder(Path(path), FILES, kind="dataset")
            arrays = load(files["arrays.safetensors"])
            vocabulary = Vocabulary.from_json(
                read_json(files["vocabulary.json"], "vocabulary.json")
            )
            check_arrays(arrays, len(vocabulary))
            report = read_json(files["report.json"], "report.json")
            ids, lengths, hashes, validation = (arrays[name] for name in ARRAYS)
            return cls(vocabulary, ids, lengths, hashes, validation.astype(bool), report)
        except (MolvaeError, SafetensorError, KeyError) as error:
            raise InputError(f"{path}: not a prepared data set of this version: {error}") from error


def check_arrays(arrays: dict[str, NDArray[Any]], vocabulary: int) -> None:
    """InputError unless the arrays of a file are the four of a data set and fit each other."""
    for name, kind in ARRAYS.items():
        if name not in arrays or arrays[name].dtype != kind or arrays[name].ndim != 1:
            raise InputError(f"it lacks the array {name} of {np.dtype(kind)}")
    ids, lengths = arrays["ids"], arrays["lengths"]
    molecules = len(arrays["hashes"])
    if (
        len(arrays["validation"]) != molecules
        or len(lengths) % max(1, molecules)
        or len(lengths) < molecules
    ):
        raise InputError("its arrays are not of one length")
    if (lengths < 1).any() or int(lengths.sum(dtype=np.int64)) != len(ids):
        raise InputError("its ids do not fit the lengths of its molecules")
    if len(ids) and not 0 < int(ids.min()) <= int(ids.max()) < vocabulary:
        raise InputError("its ids do not fit its vocabulary")
