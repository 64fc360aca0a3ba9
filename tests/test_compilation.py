"""Whoever waits for the compiler is told so, once."""

from __future__ import annotations

import logging
import os
from types import SimpleNamespace
from typing import Any

import pytest

from molvae import compilation
from molvae.compilation import FirstTime, compiled


def begin(listener: FirstTime, function: Any) -> None:
    listener.on_start(SimpleNamespace(data={"dispatcher": function}))


def test_compiling_is_told_once_and_by_one_process(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "molvae")
    mine = compiled()(lambda x: x + 1)
    listener, elsewhere = FirstTime(), FirstTime()
    elsewhere.process = os.getpid() + 1
    begin(listener, print)
    begin(elsewhere, mine)
    assert not caplog.records, "a function of somebody else, or a worker process"
    begin(listener, mine)
    begin(listener, mine)
    assert len(caplog.records) == 1


def test_numba_tells_when_it_compiles_and_not_when_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(FirstTime, "on_start", lambda self, event: told.append(event.data["dispatcher"]))
    new: Any = compilation.njit(lambda x: x * 2.5)
    assert new(2) == new(2) == 5.0
    assert told.count(new) == 1
