"""Models of the Hugging Face Hub, by names such as ``hf:owner/name`` or ``hf:owner/name@revision``.

A repository there is a model folder as ``molvae export`` writes it. The package huggingface_hub (an
extra, ``hub``) fetches it into its cache, and what is there already is used without a network; the
folder is then verified like any other.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError, UsageError

PREFIX = "hf:"
FILES = ["*.json", "*.safetensors", "*.md"]
"""Files that are fetched: those of a model folder, and nothing that could be executed."""


def fetch(name: str) -> Path:
    """The folder of the model ``hf:owner/name``, fetched if need be.

    UsageError for a name that none can have, and where the extra is not installed; ModelError if it
    cannot be had."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise UsageError(
            f"{name}: models of the Hub need the package huggingface_hub; install molvae with its "
            "extra hub"
        ) from error
    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    if repository.count("/") != 1:
        raise UsageError(f"{name}: a model of the Hub is named {PREFIX}owner/name")
    try:
        folder = snapshot_download(repository, revision=revision or None, allow_patterns=FILES)
    except OSError as error:
        raise ModelError(f"{name}: cannot be had from the Hub ({error})") from error
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error
    return Path(folder)
