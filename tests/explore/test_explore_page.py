"""The explore page: it may ask its own server, and nobody else."""

from __future__ import annotations

import re

from molvae.chem.molecule import parse
from molvae.explore.explore_page import EXAMPLES, explore_page


def test_the_page_asks_its_own_server_alone() -> None:
    page = explore_page("a model")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert "connect-src &#39;self&#39;" in policy
    assert "default-src &#39;none&#39;" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"(?:src|href|action)=\"(?!data:)", page)


def test_every_field_has_a_label() -> None:
    page = explore_page("m")
    labels = set(re.findall(r'<label for="([^"]+)"', page))
    for field, rest in re.findall(r'<input id="([^"]+)"([^>]*)>', page):
        assert field in labels or 'type="checkbox"' in rest, field


def test_names_of_models_are_text() -> None:
    assert "<script>alert" not in explore_page("<script>alert(1)</script>")


def test_examples_are_molecules() -> None:
    for one in EXAMPLES:
        assert parse(one["smiles"]).GetNumAtoms() > 5
