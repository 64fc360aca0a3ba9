"""Errors carry their exit code and survive the way between processes."""

from __future__ import annotations

import pickle

from molvae import errors
from molvae.errors import MoleculeError, MolvaeError, UsageError


def test_every_error_is_a_molvae_error_and_only_usage_exits_2() -> None:
    kinds = [one for one in vars(errors).values() if isinstance(one, type)]
    assert all(issubclass(one, MolvaeError) for one in kinds)
    assert {one for one in kinds if one.exit_code != 1} == {UsageError}
    assert UsageError.exit_code == 2


def test_a_molecule_error_survives_pickling() -> None:
    error = MoleculeError("does not parse", "C(", "unclosed branch")
    other = pickle.loads(pickle.dumps(error))
    assert (other.reason, other.smiles, other.detail) == ("does not parse", "C(", "unclosed branch")
    assert str(other) == str(error) == "does not parse: unclosed branch\n    C("


def test_a_long_or_unprintable_smiles_is_shown_short_and_escaped() -> None:
    assert str(MoleculeError("bad", "C" * 200)).endswith(f"{'C' * 117}...")
    assert "\x1b" not in str(MoleculeError("bad", "C\x1b[2J"))
