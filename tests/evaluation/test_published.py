"""Published figures: worse than the data themselves, and of one curve."""

from __future__ import annotations

from molvae.evaluation.published import FLOOR, PUBLISHED


def test_no_published_model_is_better_than_the_data() -> None:
    assert all(one.fcd > FLOOR for one in PUBLISHED)
    assert all(one.source for one in PUBLISHED)


def test_models_that_reconstruct_more_sample_worse() -> None:
    known = sorted((one.exact, one.fcd) for one in PUBLISHED if one.exact > 0)
    assert [fcd for _, fcd in known] == sorted(fcd for _, fcd in known)
    assert all(0.0 < exact < 1.0 for exact, _ in known)
