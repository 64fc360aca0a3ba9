"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import molvae_cli
import pytest

import molvae

MODULES = sorted(
    module.name
    for package in (molvae, molvae_cli)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
)


@pytest.mark.parametrize("name", ["molvae", *MODULES])
def test_the_examples_of_a_module_hold(name: str) -> None:
    module = import_module(name)
    assert doctest.testmod(module).failed == 0
