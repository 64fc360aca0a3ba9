"""The page of a training: renewed from its metrics, and never in its way."""

from __future__ import annotations

import html
import logging
import re
from pathlib import Path

import pytest

from molvae.pages import training_report as training
from molvae.training.run_folder import COLUMNS


def rows_of(epochs: int) -> list[dict[str, str]]:
    """Rows of a ``metrics.csv``."""
    values = {"validation_unconditional": "", "best": "1"}
    return [
        {name: values.get(name, str(epoch)) for name in COLUMNS}
        | {"seconds": str(60.0 * epoch), "validation_exact": f"{epoch / 10}"}
        for epoch in range(1, epochs + 1)
    ]


def test_every_figure_of_an_epoch_has_a_curve() -> None:
    page = training.training_report(rows_of(4), "mine", {})
    heads = re.findall(r"<figcaption><b>([^<]*)", html.unescape(page))
    assert heads == [name for name, *_ in training.CHARTS if "log p(x)" not in name]
    assert page.count("<tr>") == 1 + 4
    assert "the best so far is epoch 4" in page


def test_one_epoch_is_a_dot() -> None:
    assert 'class="dots first"' in training.training_report(rows_of(1), "mine", {})


def test_the_page_is_renewed_from_the_metrics(tmp_path: Path) -> None:
    table = "".join(",".join(row[name] for name in COLUMNS) + "\n" for row in rows_of(2))
    (tmp_path / "metrics.csv").write_text(",".join(COLUMNS) + "\n" + table, encoding="utf-8")
    training.renew(tmp_path, "molvae train a.csv")
    page = (tmp_path / training.PAGE).read_text(encoding="utf-8")
    assert "molvae train a.csv" in page
    assert "2 epochs" in page


def test_what_goes_wrong_is_logged_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        training.renew(tmp_path / "nowhere")
        (tmp_path / "metrics.csv").write_text("epoch\nx\n", encoding="utf-8")
        training.renew(tmp_path)
    assert len(caplog.records) == 2
    assert not (tmp_path / training.PAGE).exists()
