"""Model folders: layout, location, and everything in them but the weights.

    run/                      made by ``molvae train -o run/``
      step-00001234/          committed whole with its manifest; the best step and the last one stay
        model.safetensors     the averaged weights: this is the model
        config.json  vocabulary.json  info.json
        training.safetensors  raw weights, optimiser moments      ⎫ only needed to resume;
        state.json            counters of the training            ⎭ an exported model lacks them
        known.safetensors     hashes of the training molecules, for ``sample --novel``
      BEST                    the name of the best step's folder
      stage-1/ stage-2/ ...   instead of all these, of a recipe with several stages: a run each

    model/                    made of the best step by ``molvae export run/ -o model/``
      model.safetensors       in half precision, the table of atom environments in eight bits
      config.json  vocabulary.json  info.json
      known.safetensors       a Bloom filter of the training molecules
      README.md               a description, for people and, at its head in YAML, for model hubs

Folders of earlier versions hold ``weights.safetensors`` and ``card.md`` instead.
Free of torch, so that ``molvae info`` answers at once.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from .. import config as configuration
from ..config import Config
from ..errors import ModelError, UsageError
from ..language.vocabulary import Vocabulary
from ..runtime.atomic_folder import JSON_LIMIT, MANIFEST, manifest_of, read_folder, read_json
from ..runtime.bounded_files import read_bounded
from . import known_molecules, pretrained
from .known_molecules import Hashes, KnownMolecules, SortedHashes

LOG = logging.getLogger(__name__)

WEIGHTS = "model.safetensors"
MODEL_FILES = (WEIGHTS, "config.json", "vocabulary.json", "info.json")
STATE_FILES = ("training.safetensors", "state.json")
KNOWN = "known.safetensors"
CARD = "README.md"
EARLIER = {WEIGHTS: "weights.safetensors", CARD: "card.md"}
"""Names of files in folders that earlier versions wrote."""

FRONT_MATTER = re.compile(r"---\n.*?\n---\n+", re.DOTALL)
"""YAML at the head of a card."""

STEP_NAME = re.compile(r"step-\d{8,12}")
WRITTEN = re.compile(r"(damaged-[0-9a-f]{8}-)?" + STEP_NAME.pattern)
"""Names of folders that only a training makes."""


def steps_of(run: Path) -> list[Path]:
    """The step folders of a run, newest first."""
    folders = [path for path in run.iterdir() if STEP_NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(folders, key=lambda path: int(path.name[5:]), reverse=True)


def stage_folders(run: Path, count: int) -> list[Path]:
    """The folder of each of ``count`` stages of a training: the run itself if there is one."""
    return [run] if count == 1 else [run / f"stage-{number}" for number in range(1, count + 1)]


def best_name(run: Path) -> str:
    """The name in BEST, or nothing if there is none or it is not a step's name."""
    try:
        name = read_bounded(run / "BEST", 100).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return name if STEP_NAME.fullmatch(name) else ""


def is_best(step: Path) -> bool:
    """True for a step that was the best one when it was saved, as its own figures say."""
    try:
        return bool(load_info(step)[2].get("metrics", {}).get("best") == "1")
    except ModelError:
        return False


def best_step(run: Path) -> tuple[Path | None, str]:
    """The best step of a run that can be read, and what is wrong where it is not the one in BEST.

    Without a BEST that can be read it is the newest step that was the best one when it was saved,
    or just the newest."""
    named = best_name(run)
    problem = _problem_of(run / named) if named else f"{run / 'BEST'}: missing or damaged"
    if not problem:
        return run / named, ""
    sound = [step for step in steps_of(run) if step.name != named and not _problem_of(step)]
    best = next(filter(is_best, sound), next(iter(sound), None))
    return best, f"{problem}; {best.name} is taken for the best step" if best else problem


def _problem_of(step: Path) -> str:
    """Error of a step's manifest, empty for none."""
    try:
        manifest_of(step, kind="model")
    except ModelError as error:
        return str(error)
    return ""


_warn_once = cache(LOG.warning)
"""Says something once, however often a folder is looked at."""


def locate(path: str | Path) -> Path:
    """The model folder itself: ``path`` if it is one, else the best step of the run that ``path``
    is, with a warning where that is not the one that it names.
    """
    path = Path(path)
    if (path / MANIFEST).is_file():
        return path
    if not path.is_dir():
        raise ModelError(f"{path}: there is no such model folder; {pretrained.listing()}")
    stages = sorted(path.glob("stage-*"), key=lambda one: (len(one.name), one.name), reverse=True)
    for run in [path, *stages]:  # the last stage that has been saved
        folder, problem = best_step(run)
        if folder is not None:
            if problem:
                _warn_once(problem)
            return folder
    raise ModelError(
        f"{path}: not a molvae model: it holds neither a {MANIFEST} nor a step of a training"
    )


def load_info(path: str | Path) -> tuple[Config, Vocabulary, dict[str, Any]]:
    """Configuration, vocabulary and info of a model, without reading its weights."""
    files = verified_files(locate(path), MODEL_FILES[1:], JSON_LIMIT)
    return parsed(files, path)


def name_in(folder: Path, name: str) -> str:
    """The name that a file has in a model folder: an earlier one where that is there alone."""
    listed = manifest_of(folder, kind="model")
    earlier = EARLIER.get(name, name)
    return earlier if earlier in listed and name not in listed else name


def verified_files(
    folder: Path, names: Iterable[str], largest: int | None = None
) -> dict[str, bytes]:
    """The contents of files of a model folder, verified, by the names of today; none may have more
    than ``largest`` bytes, if given."""
    there = {name: name_in(folder, name) for name in names}
    contents = read_folder(folder, there.values(), kind="model", largest=largest)
    return {name: contents[written] for name, written in there.items()}


@cache
def _vocabulary_of(name: str) -> Vocabulary:
    return load_info(pretrained.folder_of(name))[1]


def who_reads(symbols: Iterable[str]) -> tuple[str, ...]:
    """The shipped models that know all of some SELFIES symbols."""
    wanted = set(symbols)
    return tuple(name for name in pretrained.names() if not _vocabulary_of(name).unknown(wanted))


def describe(path: str | Path) -> dict[str, dict[str, Any]]:
    """Describe a model in sections: sizes, data, vocabulary, training, metrics, versions."""
    config, vocabulary, info = load_info(path)
    data = info.get("data", {})
    sections = {
        "model": {
            "folder": str(locate(path)),
            "step": info.get("step"),
            **config.as_dict()["model"],
        },
        "data": {
            "sources": sources_of(info),
            "molecules": data.get("molecules"),
            "trained on": info.get("molecules"),
            "fingerprint": info.get("fingerprint"),
            # The option may be 0, for all rows; the report has their number.
            **config.as_dict()["data"] | {"rows": data.get("rows")},
        },
        "vocabulary": {
            "ids": len(vocabulary),
            "symbols": list(vocabulary.symbols),
            "merges": len(vocabulary.merges),
            "longest molecule": info["max_steps"] - 1,
        },
        "training": config.as_dict()["training"],
        "metrics": info.get("metrics", {}),
        "versions": info.get("versions", {}),
    }
    return sections | ({"exported": info["exported"]} if "exported" in info else {})


def summarise(path: str | Path) -> dict[str, Any]:
    """Summarise an exported model as a row of a table; None for what its folder lacks."""
    folder = locate(path)
    info = load_info(folder)[2]
    sizes = [entry["bytes"] for entry in manifest_of(folder, kind="model").values()]
    exported = info.get("exported", {})
    return {
        "data": sources_of(info),
        "molecules": info.get("molecules", info.get("data", {}).get("molecules")),
        "weights": exported.get("weights"),
        "bytes": sum(sizes),
        "exact": figure(info.get("metrics", {}), "validation_exact"),
        "licence": exported.get("licence"),
    }


def figure(metrics: dict[str, Any], name: str) -> float | None:
    """A figure of the last validation, which ``info.json`` holds as text; None if it has none."""
    try:
        return float(metrics.get(name, ""))
    except (TypeError, ValueError, OverflowError):
        return None


def sources_of(info: dict[str, Any]) -> str:
    """The files that a model was trained on, with their rows."""
    return ", ".join(
        f"{one['name']} ({one['rows']:,} rows)" for one in info.get("data", {}).get("sources", [])
    )


def load_card(path: str | Path) -> str:
    """The card of an exported model, in Markdown without its head in YAML; empty if it has none."""
    folder = locate(path)
    if name_in(folder, CARD) not in manifest_of(folder, kind="model"):
        return ""
    try:
        text = verified_files(folder, (CARD,))[CARD].decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{folder / name_in(folder, CARD)}: is not text in UTF-8") from error
    head = FRONT_MATTER.match(text)
    return text[head.end() :] if head else text


def load_known(path: str | Path) -> KnownMolecules:
    """Training molecules of a model, by their hashes; ModelError if its folder lacks them."""
    folder = locate(path)
    content = verified_files(folder, (KNOWN,))[KNOWN]
    return known_molecules.from_bytes(content, str(folder / KNOWN))


def known_hashes(path: str | Path) -> Hashes:
    """Sorted hashes of a model's training molecules, for figures that must be exact.

    ModelError if its folder lacks them or holds a filter, which has false positives.
    """
    found = load_known(path)
    if isinstance(found, SortedHashes):
        return found.hashes
    raise ModelError(
        f"{locate(path) / KNOWN}: is a filter, which takes one molecule in "
        f"{1 / found.false_positive_rate:,.0f} for a training molecule by mistake; "
        "a figure needs the training molecules themselves"
    )


def parsed(files: dict[str, bytes], path: str | Path) -> tuple[Config, Vocabulary, dict[str, Any]]:
    """The JSON files of a model folder, checked."""
    vocabulary = Vocabulary.from_json(read_json(files["vocabulary.json"], "vocabulary.json"))
    try:
        config = configuration.from_dict(
            read_json(files["config.json"], "config.json"), f"{path}/config.json"
        )
    except UsageError as error:
        raise ModelError(str(error)) from error
    # Models from before there was this option say nothing of it; their vocabularies do.
    config = replace(config, data=replace(config.data, branch_ends=vocabulary.ends))
    info = read_json(files["info.json"], "info.json")
    if not isinstance(info, dict) or not isinstance(info.get("max_steps"), int):
        raise ModelError(f"{path}: info.json lacks max_steps")
    if not 1 < info["max_steps"] <= 100_000:
        raise ModelError(f"{path}: info.json: max_steps cannot be {info['max_steps']}")
    check_info(info, path)
    return config, vocabulary, info


def metadata_files(
    config: Config, vocabulary: Vocabulary, info: dict[str, Any]
) -> dict[str, bytes]:
    """The JSON files of a model folder, which :func:`parse` reads."""
    contents = {
        "config.json": config.as_dict(),
        "vocabulary.json": vocabulary.to_json(),
        "info.json": info,
    }
    return {name: json.dumps(value, indent=1).encode() for name, value in contents.items()}


def check_info(info: dict[str, Any], path: str | Path) -> None:
    """ModelError unless the parts of ``info.json`` that are shown have the right types."""
    for name in ("data", "metrics", "versions", "exported"):
        if not isinstance(info.get(name, {}), dict):
            raise ModelError(f"{path}: info.json: {name} must be a section")
    sources = info.get("data", {}).get("sources", [])
    if not isinstance(sources, list) or not all(map(is_source, sources)):
        raise ModelError(f"{path}: info.json: sources must each have a name and a number of rows")
    counts = {name: info.get(name) for name in ("molecules", "step")}
    counts["weights"] = info.get("exported", {}).get("weights")
    for name, value in counts.items():
        if not isinstance(value, int | None):
            raise ModelError(f"{path}: info.json: {name} must be a whole number")
    if not isinstance(info.get("exported", {}).get("licence", ""), str):
        raise ModelError(f"{path}: info.json: licence must be text")


def is_source(one: object) -> bool:
    """True for a well-formed entry of a file that a model was trained on."""
    match one:
        case {"name": str(), "rows": int()}:
            return True
    return False
