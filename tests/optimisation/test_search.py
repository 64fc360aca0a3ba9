"""A search gets better, scores nothing twice, and ends the same wherever it was stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from molvae.chem.properties import Condition, Conditions
from molvae.errors import UsageError
from molvae.optimisation.objectives import objective_of
from molvae.optimisation.search import (
    Origin,
    Search,
    chance,
    optimise,
    sample_of,
    scored_parents,
)

pytestmark = pytest.mark.usefixtures("small_rounds")


def search_of(codec: Any, *maximize: str, **options: Any) -> Search:
    given = {"conditions": Conditions(), "workers": 1} | options
    return Search(codec, objective_of(maximize, (), ()), **given)


def test_a_search_scores_no_molecule_twice_and_gets_better(memorised: Any) -> None:
    search = search_of(memorised, "logp")
    rounds = list(optimise(search, 12))
    assert [call for made in rounds for call in made] == search.calls
    molecules = [call.smiles for call in search.calls]
    assert len(set(molecules)) == len(molecules) == 12
    assert {call.source for call in search.calls} > {"prior"}
    scores = search.scores()
    np.testing.assert_array_equal(scores, search.values[:, 0])
    assert scores[:4].max() <= scores.max()


def test_a_search_that_was_stopped_goes_on_to_the_same_end(memorised: Any) -> None:
    whole = search_of(memorised, "qed", "logp", seed=3)
    list(optimise(whole, 12))
    whole_rounds = [call for call in whole.calls if call.round < whole.calls[-1].round]
    assert 0 < len(whole_rounds) < len(whole.calls)
    part = search_of(memorised, "qed", "logp", seed=3, calls=whole_rounds)
    list(optimise(part, 12))
    assert part.calls == whole.calls
    other = search_of(memorised, "qed", "logp", seed=4)
    list(optimise(other, 12))
    assert other.calls != whole.calls


def test_the_start_comes_first_and_conditions_hold(memorised: Any, few: list[str]) -> None:
    conditions = Conditions((Condition("molwt", 0, 300),))
    search = search_of(memorised, "qed", conditions=conditions, start=few[:3])
    list(optimise(search, 8))
    assert [call.smiles for call in search.calls[:3]] == few[:3]
    assert [call.source for call in search.calls[:3]] == ["start"] * 3
    assert all(conditions.hold(call.smiles) for call in search.calls[3:])


def test_parents_were_scored_before_or_beside_their_children(memorised: Any) -> None:
    sources = set()
    for mutate in (False, True):
        search = search_of(memorised, "qed", mutate=mutate)
        list(optimise(search, 20))
        rounds = {call.smiles: call.round for call in search.calls}
        for call in search.calls:
            assert bool(call.parents) == (call.source != "prior")
            assert all(rounds[parent] <= call.round for parent in call.parents)
            assert call.smiles not in call.parents
            sources.add(call.source)
    assert sources > {"prior", "near", "graph"}


def test_parents_that_were_not_scored_are_passed_over() -> None:
    pool = {
        "CCC": Origin("near", ("CC",)),
        "CCN": Origin("near", ("CN",)),
        "CCO": Origin("between", ("CCC", "CCN")),
        "CCCO": Origin("between", ("CCO", "CCC")),
    }
    assert scored_parents(pool, "CCO", {"CC", "CN"}) == ("CC", "CN")
    assert scored_parents(pool, "CCCO", {"CC", "CN", "CCC"}) == ("CCC", "CN")
    assert scored_parents(pool, "CCC", {"CC", "CN"}) == ("CC",)


def test_offspring_of_graphs_are_proposed_if_wanted(memorised: Any) -> None:
    whole = search_of(memorised, "qed", mutate=True)
    list(optimise(whole, 16))
    assert "graph" in {call.source for call in whole.calls}
    again = search_of(memorised, "qed", mutate=True, calls=whole.calls[:8])
    list(optimise(again, 16))
    assert repr(again.calls) == repr(whole.calls)  # nan, of a molecule without QED, is not nan


def test_a_similarity_needs_molecules_to_be_like(memorised: Any) -> None:
    with pytest.raises(UsageError, match="there are none"):
        search_of(memorised, "qed", similarity=0.4)


def test_chance_is_of_the_prior_and_scores_nothing_twice(
    memorised: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = search_of(memorised, "logp")
    list(optimise(search, 8))
    known, scored = list(search.calls), list[str]()

    def score(self: Search, number: int, proposals: Any) -> Any:
        scored.extend(proposals)
        return real(self, number, proposals)

    real = Search.score
    monkeypatch.setattr(Search, "score", score)
    found = chance(search, 10)
    assert len({call.smiles for call in found}) == len(found) == 10
    assert not {call.smiles for call in known} & set(scored)
    assert search.calls == known
    np.testing.assert_array_equal(search.scores(found), [call.values[0] for call in found])


def test_the_process_learns_from_the_best_the_last_and_others() -> None:
    scores = np.arange(10_000.0)
    scores[5] = -np.inf
    chosen = sample_of(scores, np.random.default_rng(0))
    assert 5 not in chosen
    assert set(range(9_400, 10_000)) <= set(chosen.tolist())
    assert len(chosen) > 1_000
