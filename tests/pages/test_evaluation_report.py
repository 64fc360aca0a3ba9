"""The report of an evaluation as a page: its figures, notes and verdict."""

from __future__ import annotations

import html
import re
from typing import Any

from molvae.pages.evaluation_report import (
    DD_VAE,
    EACH,
    EXACT,
    FLOOR,
    SAMPLED,
    SAMPLES,
    SOURCES,
    TEST_SIZE,
    evaluation_report,
)

FIGURE = {"value": 0.25, "n": 1000, "low": 0.2, "high": 0.3}
LACKING = {"value": None, "n": 0, "note": "no <b>file</b> was given"}
SAMPLES_TABLE: dict[str, Any] = {
    "sizes": {"samples": 1000, "test": 200},
    "rows": {
        "samples": {"valid": FIGURE, "novel": LACKING},
        "random training molecules": {"valid": {"value": 1.0, "n": 50}},
    },
    "remarks": ["drawn at noise level 0.21"],
}
SPACE: dict[str, Any] = {
    "unreadable": {"does not parse": 3},
    "in_training_data": 7,
    "figures": {"Reconstruction": {"exact": FIGURE}},
    "locality": {
        "radii": [
            {"radius": 0.1, "similarity": FIGURE, "unchanged": LACKING},
            {"radius": 0.5, "similarity": FIGURE, "unchanged": FIGURE},
        ],
        "random_pairs": {"value": 0.11, "n": 100},
    },
    "by_noise_level": [{"level": 0.0, "KL, nats": FIGURE}, {"level": 0.5, "KL, nats": FIGURE}],
    "verdict": "The latent space is in use.",
}


def text_of(page: str) -> str:
    """The text of a page."""
    page = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_figures_notes_and_remarks_are_there() -> None:
    page = evaluation_report({"samples": SAMPLES_TABLE}, "Samples of mine", {"seed": "3"})
    text = text_of(page)
    assert "valid 0.2500 0.2000 to 0.3000 1,000 1.0000 50" in text
    assert "novel - 0" in text
    for words in ("novel: no <b>file</b> was given", "drawn at noise level 0.21", "test 200"):
        assert words in text
    assert "<b>file" not in page


def test_a_latent_space_has_curves_and_a_verdict() -> None:
    page = evaluation_report({"samples": SAMPLES_TABLE, "latent_space": SPACE}, "a", {})
    text = text_of(page)
    for words in (
        "The latent space is in use.",
        "3 could not be read",
        "7 of them were in the model's training",
    ):
        assert words in text
    assert page.count("<figure>") == 2
    assert re.findall(r"<h2>([^<]*)", page) == [
        "Samples",
        "Reconstruction",
        "Locality",
        "By noise level; all else is at the highest",
    ]


def evaluated(test: int, samples: int = SAMPLES) -> dict[str, Any]:
    """A report of so many held-out molecules and samples."""
    fcd = {"FCD/Test": {"value": 0.1163, "n": samples}}
    figures = {"Reconstruction": {EXACT: {"value": 0.959, "n": 2000}}}
    rows = {"samples": fcd, "random training molecules": {"FCD/Test": {"value": 0.05, "n": 9}}}
    table = SAMPLES_TABLE | {"sizes": {"samples": samples, "test": test}, "rows": rows}
    return {"samples": table, "latent_space": SPACE | {"figures": figures}}


def test_a_model_stands_among_published_ones_with_their_sources() -> None:
    text = text_of(evaluation_report(evaluated(TEST_SIZE), "a", {}))
    assert "this model, samples 95.9 0.1163" in text
    for name, fcd in SAMPLED.items():
        assert f"{name} not reported {fcd:.3g}" in text
    for share, fcd in DD_VAE.items():
        assert f"DD-VAE {100 * share:.1f} {fcd:.3g}" in text
    assert all(source in text for source in SOURCES)
    assert "FCD falls with the number" not in text
    few = text_of(evaluation_report(evaluated(TEST_SIZE, 500), "a", {}))
    assert "This is of 500, and FCD falls with the number" in few


def test_other_test_sets_are_not_held_against_those_of_moses() -> None:
    assert "published" not in text_of(evaluation_report(evaluated(5000), "a", {}))


def test_samples_stand_beside_other_molecules() -> None:
    sets = {"samples": ["C" * size for size in range(1, 30)] + ["C1CC"] * 30, "others": ["N", ""]}
    page = evaluation_report({"samples": SAMPLES_TABLE}, "a", {}, sets)
    first, second = page[page.index("<h3>samples") :].split("<h3>others")
    assert first.count("<svg") == EACH
    assert second.count("<svg") == 1
    assert "C1CC" not in page


def test_no_published_model_is_better_than_the_data() -> None:
    published = [*SAMPLED.values(), *DD_VAE.values()]
    assert min(published) > FLOOR
    assert published == sorted(published), "the best first"
    assert all(any(name in source for source in SOURCES) for name in (*SAMPLED, "DD-VAE"))


def test_models_that_reconstruct_more_sample_worse() -> None:
    assert [DD_VAE[share] for share in sorted(DD_VAE)] == sorted(DD_VAE.values())
    assert all(0.0 < share < 1.0 for share in DD_VAE)
