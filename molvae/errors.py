"""The errors a person is meant to read: what was wrong, where, and what to do.

MolvaeError            anything molvae refuses to do; the command line exits 1
├── UsageError         an option or argument that cannot be; the command line exits 2
├── InputError         a file or stream that cannot be used
├── MoleculeError      one molecule that cannot be used, with its reason
├── ModelError         a model folder that is not one, is damaged, or does not fit
└── TrainingError      a training that cannot start or go on
"""

from __future__ import annotations


class MolvaeError(Exception):
    """Anything molvae refuses to do; the message is a full sentence for people."""

    exit_code = 1


class UsageError(MolvaeError):
    """An option or argument that cannot be; names it, its value and the rule."""

    exit_code = 2


class InputError(MolvaeError):
    """A file or stream that cannot be used; names it and, where there is one, the line."""


class MoleculeError(MolvaeError):
    """One molecule that cannot be used.

    ``reason`` is a short fixed phrase that rows are counted under ("does not parse"), ``detail``
    what was found in this molecule; the SMILES follows on a line of its own."""

    def __init__(self, reason: str, smiles: str, detail: str = "") -> None:
        self.reason = reason
        self.smiles = smiles
        self.detail = detail
        shown = smiles if len(smiles) <= 120 else f"{smiles[:117]}..."
        printable = shown.encode("unicode_escape").decode("ascii")
        super().__init__(f"{reason}{': ' + detail if detail else ''}\n    {printable}")

    def __reduce__(self) -> tuple[type[MoleculeError], tuple[str, str, str]]:
        return (MoleculeError, (self.reason, self.smiles, self.detail))


class ModelError(MolvaeError):
    """A model folder that is not one, is damaged, or does not fit what was asked of it."""


class TrainingError(MolvaeError):
    """A training that cannot start or cannot go on."""
