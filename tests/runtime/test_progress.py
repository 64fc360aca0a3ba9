"""A bar where somebody sees it or asks for it, and silence elsewhere."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from molvae.runtime import progress
from molvae.runtime.progress import Progress, bars_are_seen


def count_to_three(shown: bool | None) -> None:
    with Progress("counting", 3, "molecules", shown) as bar:
        for _ in range(3):
            bar.advance()
        bar.reach(3, 3, "done")


def test_a_bar_is_shown_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    count_to_three(True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "counting: 100%" in err
    assert "3/3" in err
    assert "done" in err


@pytest.mark.parametrize("shown", [None, False])
def test_nothing_is_shown_in_a_pipe(capsys: pytest.CaptureFixture[str], shown: bool | None) -> None:
    count_to_three(shown)
    assert capsys.readouterr() == ("", "")


def test_a_quick_job_shows_no_bar_unless_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "bars_are_seen", lambda: True)
    count_to_three(None)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(progress, "DELAY", 0.0)
    count_to_three(None)
    assert "3/3" in capsys.readouterr().err


def test_terminals_and_notebooks_see_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not bars_are_seen()
    shell = type("ZMQInteractiveShell", (), {})()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
        assert bars_are_seen()
        patch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))  # type: ignore[arg-type]
        assert not bars_are_seen()
    with monkeypatch.context() as patch:
        patch.setattr(sys.stderr, "isatty", lambda: True)
        assert bars_are_seen()
