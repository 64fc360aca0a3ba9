"""The card of an exported model, in Markdown: sizes, training data, figures of the validation.

Made from the model's own files and a text of whoever exports it; at its head is what model hubs
read, in YAML. Free of torch.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from ..config import Config
from ..errors import InputError
from ..language.vocabulary import Vocabulary
from ..runtime.bounded_files import read_bounded
from .known_molecules import BloomFilter
from .model_folder import figure, sources_of

LONGEST = 100_000
"""Bytes, at most, of the text that is added to a card."""

FIGURES = {
    "validation_exact": ("exact reconstruction of validation molecules", "{:.1%}"),
    "validation_elbo": ("validation ELBO", "{:.2f} nats per molecule"),
    "validation_unconditional": (
        "validation log p(x), at noise level 0",
        "{:.2f} nats per molecule",
    ),
    "validation_active_units": ("active latent dimensions", "{:.0f}"),
}
"""Name and format in the card of the last validation's figures, by column of ``metrics.csv``."""

TAGS = ("chemistry", "molecule-generation", "selfies", "variational-autoencoder")
LICENCES = {
    *("mit", "apache-2.0", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0"),
    *("cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0"),
}
"""Licences as hubs spell them; any other is "other" there, with its name."""


def read_words(path: str | Path) -> str:
    """The text of a file for a card; InputError if it cannot be read, is not UTF-8 or too long."""
    try:
        return read_bounded(path, LONGEST).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read for a card ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not text in UTF-8 (offset {error.start})") from error


def write_card(
    name: str,
    config: Config,
    vocabulary: Vocabulary,
    info: dict[str, Any],
    known: BloomFilter,
    text: str,
) -> str:
    """The card of the model ``name``, from the files that :func:`.export.export_model` writes.

    ``text`` comes first in it.
    """
    one_in = f"{1 / known.false_positive_rate:,.0f}"
    novel = f"a Bloom filter: sample --novel drops one novel molecule in {one_in} by mistake"
    model, exported = config.model, info["exported"]
    sizes = {
        "weights": f"{exported['weights']:,} in {exported['precision']}",
        "GRU units": f"{model.encoder} in each direction of the encoder, "
        f"{model.decoder} in the decoder",
        "posterior": f"{model.posterior}, {model.latent} dimensions",
        "symbols": f"{len(vocabulary.symbols)}, and {len(vocabulary.merges)} merges of them",
        "longest molecule": f"{info['max_steps'] - 1} symbols",
        "drawn at temperature": f"{model.temperature:g}",
    }
    known_by = {"known training molecules": novel}
    table = origin(info) | sizes | reached(info["metrics"]) | known_by
    lines = [
        "---",
        *(f"{key}: {json.dumps(value)}" for key, value in front_matter(name, info).items()),
        "---",
        "",
        f"# {name}",
        "",
        "A molvae model: a variational autoencoder of molecules, written in SELFIES.",
        "",
        *([text.strip(), ""] if text.strip() else []),
        "| | |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in table.items() if value),
        "",
        "Samples are proposals: valid molecules, which nobody has checked to be stable, safe or "
        "possible to make.",
    ]
    return "\n".join(lines) + "\n"


def front_matter(name: str, info: dict[str, Any]) -> dict[str, Any]:
    """The head of the card, as model hubs read it; in JSON each value is YAML too."""
    data = [one["name"] for one in info.get("data", {}).get("sources", [])]
    figures = {key: figure(info["metrics"], key) for key in FIGURES}
    metrics = [
        {"type": key, "value": value, "name": FIGURES[key][0]}
        for key, value in figures.items()
        if value is not None and math.isfinite(value)
    ]
    result = {
        "task": {"type": "molecule-generation"},
        "dataset": {"type": "smiles", "name": ", ".join(data) or "unknown"},
        "metrics": metrics,
    }
    head = {
        **hub_licence(" ".join(info["exported"]["licence"].split())),
        "library_name": "molvae",
        "tags": list(TAGS),
        "datasets": data,
        "metrics": [one["type"] for one in metrics],
        "model-index": [{"name": name, "results": [result]}] if metrics else [],
    }
    return {key: value for key, value in head.items() if value}


def hub_licence(licence: str) -> dict[str, str]:
    """A licence as hubs name it.

    >>> hub_licence("CC BY-SA 4.0")
    {'license': 'cc-by-sa-4.0'}
    >>> hub_licence("for my friends")
    {'license': 'other', 'license_name': 'for my friends'}
    """
    name = re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-")
    name = {"cc0": "cc0-1.0"}.get(name, name)
    if not name:
        return {}
    return {"license": name} if name in LICENCES else {"license": "other", "license_name": licence}


def origin(info: dict[str, Any]) -> dict[str, str]:
    """Training data, licence and versions."""
    molecules = info.get("molecules")
    return {
        "trained on": sources_of(info),
        "molecules trained on": f"{molecules:,}" if molecules else "",
        "licence": " ".join(info["exported"]["licence"].split()),
        "made with": ", ".join(f"{name} {version}" for name, version in info["versions"].items()),
    }


def reached(metrics: dict[str, Any]) -> dict[str, str]:
    """Length of the training, and its figures on held-out molecules."""
    epoch, seconds = figure(metrics, "epoch"), figure(metrics, "seconds")
    length = [f"{epoch:,.0f} epochs"] if epoch else []
    length += [f"{seconds / 60:,.0f} minutes"] if seconds and seconds >= 60 else []
    rows = {
        label: form.format(value)
        for name, (label, form) in FIGURES.items()
        if (value := figure(metrics, name)) is not None
    }
    return {"training, its last run": ", ".join(length)} | rows
