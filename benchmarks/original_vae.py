"""The VAE of MOSES as the package `molsets` carries it, if that is installed (`pip install
--no-deps molsets`).

The package as a whole no longer imports beside today's RDKit, and needs others that no longer
install; its model is two files that need nothing but torch. These are loaded by their place, and
their vocabulary is written here. Knows nothing of molvae."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


class Characters:
    """One-hot characters with four special ones, as the model asks for them."""

    def __init__(self, alphabet: Sequence[str]) -> None:
        self.bos, self.eos, self.unk, self.pad = range(4)
        self.index = {character: number for number, character in enumerate(alphabet, start=4)}
        self.characters = ["", "", "", "", *alphabet]
        self.vectors = torch.eye(len(self))

    def __len__(self) -> int:
        return len(self.characters)

    def string2ids(self, string: str, add_bos: bool = False, add_eos: bool = False) -> list[int]:
        """Ids of a SMILES."""
        return (
            [self.bos] * add_bos
            + [self.index.get(one, self.unk) for one in string]
            + [self.eos] * add_eos
        )

    def ids2string(self, ids: Sequence[int], rem_bos: bool = True, rem_eos: bool = True) -> str:
        """A SMILES of ids."""
        return "".join(self.characters[number] for number in ids)


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"molsets_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class OriginalVAE(nn.Module):
    """The model in its default configuration, with the face of `reference_vae.ReferenceVAE`."""

    def __init__(self, folder: Path, alphabet: Sequence[str]) -> None:
        super().__init__()
        config = _loaded(folder / "config.py").get_parser().parse_args([])
        model: Any = _loaded(folder / "model.py")
        model.torch = SimpleNamespace(
            **{**vars(torch), "uint8": torch.bool}
        )  # torch takes no bytes as masks any more
        self.inner: Any = model.VAE(Characters(alphabet), config)

    def ids(self, smiles: str) -> Tensor:
        """Character ids of a SMILES between begin and end."""
        ids: Tensor = self.inner.string2tensor(smiles)
        return ids

    def loss(self, molecules: list[Tensor], weight: float) -> Tensor:
        """Loss that its trainer descends."""
        kl, reconstruction = self.inner(sorted(molecules, key=len, reverse=True))
        total: Tensor = weight * kl + reconstruction
        return total

    def sample(self, count: int) -> list[str]:
        """As many strings."""
        strings: list[str] = self.inner.sample(count)
        return strings


def original(alphabet: Sequence[str]) -> OriginalVAE | None:
    """The original with weights drawn anew, or None where molsets is not installed."""
    spec = importlib.util.find_spec("moses")
    for place in spec.submodule_search_locations or () if spec else ():
        folder = Path(place) / "vae"
        if (folder / "model.py").exists():
            return OriginalVAE(folder, alphabet)
    return None
