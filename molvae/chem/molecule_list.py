"""A list of molecules that becomes a DataFrame, and that a notebook shows as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import (
    TYPE_CHECKING,
    Protocol,
    Self,
    SupportsIndex,
    TypeVar,
    overload,
)

from .drawing import Html, Picture, draw_grid

if TYPE_CHECKING:
    from .molecule_frame import MoleculeFrame

SHOWN = 24
"""Molecules, at most, that a notebook draws of a list."""


class HasSmiles(Protocol):
    """A named tuple: a molecule and notes on it."""

    @property
    def smiles(self) -> str:
        """SMILES of the molecule."""


Kind = TypeVar("Kind", bound=HasSmiles)


class MoleculeList(list[Kind]):
    """Named tuples of one kind with these ``fields``, one of which is ``smiles``."""

    def __init__(self, rows: Iterable[Kind], fields: Sequence[str]) -> None:
        super().__init__(rows)
        self.fields = tuple(fields)

    @overload
    def __getitem__(self, place: SupportsIndex) -> Kind: ...
    @overload
    def __getitem__(self, place: slice) -> Self: ...
    def __getitem__(self, place: SupportsIndex | slice) -> Kind | Self:
        if isinstance(place, slice):
            return type(self)(super().__getitem__(place), self.fields)
        return super().__getitem__(place)

    def to_frame(self) -> MoleculeFrame:
        """A pandas DataFrame with a column for each field."""
        from .molecule_frame import MoleculeFrame

        return MoleculeFrame(list(self), columns=list(self.fields))

    def picture(self) -> Picture:
        """The first :data:`SHOWN` molecules side by side; UsageError where there are none."""
        return draw_grid([one.smiles for one in self[:SHOWN]], columns=6)

    def _repr_html_(self) -> str:
        if not self:
            return "<p>no molecules</p>"
        picture = self.picture()
        drawn, every = len(picture.cells), len(self)
        note = f"<p>{drawn} of {every:,} are drawn; to_frame() has them all</p>"
        return picture.html() + (note if drawn < every else "")

    def _display_(self) -> Html:
        """HTML for marimo, which would show any list as a tree of texts."""
        return Html(self._repr_html_())
