"""A model is a transformer of scikit-learn: cloned, piped, inverted, pickled like any other."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

import molvae
from molvae.errors import MoleculeError, UsageError
from molvae.sklearn import LatentTransformer

FEW = [
    "COc1ccc(CNC(=O)c2ccccc2F)cc1",
    "Cc1nn(C)c(C)c1CN1CCCC(C(N)=O)C1",
    "CCN(CC)CC(=O)Nc1c(C)cccc1C",
    "O=C(Nc1ccccc1)c1cccnc1",
]

APPLYING = (
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
)
"""The checks of scikit-learn that fit no molecules. All others fit matrices of random numbers, and
``check_estimator`` itself leaves them out for whatever reads text; the tests below are about the
same laws: fit returns the estimator and keeps its parameters, transform before it is an error,
rows are independent of each other and of their order, names and tables come out."""


@pytest.fixture(scope="module")
def transformer() -> LatentTransformer:
    return LatentTransformer("moses").fit(FEW)


@pytest.mark.filterwarnings("ignore:Can't test estimator")
def test_scikit_learn_finds_nothing_to_check_but_this() -> None:
    results = check_estimator(LatentTransformer("moses"))
    assert {one["status"] for one in results} == {"passed"}
    assert {one["check_name"] for one in results} <= set(APPLYING)


@pytest.mark.parametrize("name", APPLYING)
def test_a_check_of_scikit_learn_passes(name: str) -> None:
    getattr(estimator_checks, name)("LatentTransformer", LatentTransformer("moses"))


def test_fit_keeps_its_parameters_and_gives_itself() -> None:
    one = LatentTransformer("moses")
    with pytest.raises(NotFittedError):
        one.transform(FEW)
    with pytest.raises(NotFittedError):
        one.inverse_transform(np.zeros((1, 256)))
    before = one.get_params()
    assert one.fit(FEW) is one
    assert one.get_params() == before == {"model": "moses", "device": "cpu"}
    with pytest.raises(UsageError, match="another"):
        clone(one).set_params(model="hf:another").fit(FEW)


def test_latents_are_those_of_the_model(transformer: LatentTransformer) -> None:
    z = transformer.transform(FEW)
    model = molvae.load("moses")
    np.testing.assert_array_equal(z, model.encode(FEW))
    assert list(transformer.inverse_transform(z)) == model.decode(z)
    assert transformer.inverse_transform(z)[0] == FEW[0]
    names = transformer.get_feature_names_out()
    assert len(names) == z.shape[1]
    assert names[0] == "latenttransformer0"


def test_rows_are_independent_of_each_other(transformer: LatentTransformer) -> None:
    z = transformer.transform(FEW)
    np.testing.assert_allclose(transformer.transform(FEW[::-1])[::-1], z, atol=1e-5)
    np.testing.assert_allclose(transformer.transform(FEW[1:2]), z[1:2], atol=1e-5)


def test_a_column_of_any_kind_is_read(transformer: LatentTransformer) -> None:
    z = transformer.transform(FEW)
    table = pandas.DataFrame({"smiles": FEW})
    for one in (np.array(FEW), np.array(FEW)[:, None], table, table["smiles"], tuple(FEW)):
        np.testing.assert_array_equal(transformer.transform(one), z)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ("CCO", UsageError, "is one text"),
        ([1.0, 2.0], UsageError, "must be SMILES"),
        ([["CCO", "CCN"]], UsageError, "one column"),
        (["CCO", None], UsageError, "must be SMILES"),
        (["CCO", "no molecule"], MoleculeError, "no molecule"),
    ],
)
def test_what_is_no_column_of_molecules_is_refused(
    transformer: LatentTransformer, data: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        transformer.transform(data)


def test_it_is_a_step_of_a_pipeline_and_of_a_table(transformer: LatentTransformer) -> None:
    numbers = [1.0, 2.0, 3.0, 4.0]
    fitted = make_pipeline(LatentTransformer("moses"), Ridge()).fit(FEW, numbers)
    z = transformer.transform(FEW)
    np.testing.assert_allclose(fitted.predict(FEW), Ridge().fit(z, numbers).predict(z), atol=1e-4)
    table = pandas.DataFrame({"id": range(4), "smiles": FEW})
    columns = ColumnTransformer([("z", LatentTransformer("moses"), "smiles")])
    made = columns.set_output(transform="pandas").fit_transform(table)
    assert made.columns[0] == "z__latenttransformer0"
    np.testing.assert_array_equal(made.to_numpy(), z)


def test_it_survives_pickling(transformer: LatentTransformer) -> None:
    again = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(again.transform(FEW), transformer.transform(FEW))
