"""A pandas DataFrame of molecules that a notebook shows with their structures."""

from __future__ import annotations

import re
import secrets
from typing import Any

import pandas

from .drawing import Html, draw_grid

SIZE = (200, 140)
"""Width and height in pixels of the drawing in a row."""

TOKEN_LENGTH = 32
"""Characters, at most, that stand for a drawing until pandas has written the table."""


class MoleculeFrame(pandas.DataFrame):  # type: ignore[misc, unused-ignore]
    """A DataFrame with a column ``smiles``, drawn in Jupyter and marimo.

    In all else it is a pandas DataFrame, and so are parts, sorted and joined ones; one without the
    column is shown as pandas shows it."""

    @property
    def _constructor(self) -> type[MoleculeFrame]:
        return MoleculeFrame

    def _repr_html_(self) -> Any:
        plain = pandas.DataFrame(self)
        place = self.columns.get_loc("smiles") if "smiles" in self.columns else None
        if not isinstance(place, int):
            return plain._repr_html_()
        # pandas escapes all text, so drawings come in afterwards, in place of tokens that no cell
        # can foresee; only the rows that pandas shows are drawn.
        key = secrets.token_hex(8)
        tokens = [f"{key}-{row}" for row in range(len(plain))]
        smiles = plain.iloc[:, place]
        plain.insert(place, "structure", tokens, allow_duplicates=True)
        width = pandas.get_option("display.max_colwidth")
        wide = width if width is None else max(width, TOKEN_LENGTH)
        with pandas.option_context("display.max_colwidth", wide):
            page = plain._repr_html_()
        if page is None:
            return None
        return re.sub(f"{key}-([0-9]+)", lambda token: _drawn(smiles.iloc[int(token[1])]), page)

    def _display_(self) -> Any:
        """HTML for marimo, which would show any DataFrame as a table of texts."""
        page = self._repr_html_()
        return pandas.DataFrame(self) if page is None else Html(page)


def _drawn(smiles: object) -> str:
    """The drawing of a molecule as an element of HTML; nothing for what is no text."""
    return draw_grid([smiles], size=SIZE).html() if isinstance(smiles, str) else ""
