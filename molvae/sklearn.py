"""The latent space as a step of scikit-learn: SMILES in, posterior means out, and back.

from molvae.sklearn import LatentTransformer
make_pipeline(LatentTransformer(), Ridge()).fit(smiles, activities)

Needs scikit-learn, an extra of molvae.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .errors import UsageError
from .generation.codec import Codec, Latents
from .generation.rebuilding import rebuild
from .storage import pretrained


class LatentTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Posterior means of molecules as features, by the model that :func:`molvae.load` finds.

    It learns nothing from the molecules it is fitted to; ``fit`` loads the model. Features are
    called latenttransformer0 and so on, as scikit-learn calls those of any transformer."""

    def __init__(self, model: str | Path | None = None, device: str = "cpu") -> None:
        self.model = model
        self.device = device

    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the model; ``X`` is looked at for its form alone, ``y`` not at all."""
        smiles_of(X)
        self.codec_ = Codec.load(str(pretrained.find(self.model)), self.device)
        self._n_features_out = self.codec_.latent
        return self

    def transform(self, X: Any) -> Latents:
        """Posterior means ``(B, Z)`` of SMILES: a list, an array or a column of a table.

        MoleculeError for a molecule that the model cannot read."""
        check_is_fitted(self)
        return self.codec_.encode(smiles_of(X))

    def inverse_transform(self, X: ArrayLike) -> NDArray[np.object_]:
        """Canonical SMILES ``(B,)`` of the molecules that encode to vectors ``(B, Z)``."""
        check_is_fitted(self)
        return np.array([one.smiles for one in rebuild(self.codec_, X)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def smiles_of(X: Any) -> list[str]:
    """The texts in one column of whatever form; UsageError for anything else."""
    if isinstance(X, str):
        raise UsageError("`X` is one text; give a list of SMILES, of one if need be")
    column = np.asarray(X, dtype=object)
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1 or not all(isinstance(one, str) for one in column):
        raise UsageError("`X` must be SMILES: a list of texts, or one column of a table")
    return list(map(str, column))
