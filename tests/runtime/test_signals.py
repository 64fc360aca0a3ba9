"""Signals that stop become one exception, which nothing else is taken for."""

from __future__ import annotations

import os
import signal

import pytest

from molvae.runtime.signals import STOPS, Stopped, answered, is_stop


def test_every_signal_that_stops_is_answered_and_given_back() -> None:
    before = {number: signal.getsignal(number) for number in STOPS}
    caught: list[int] = []
    with answered(lambda number, _: caught.append(number)):
        for number in STOPS:
            os.kill(os.getpid(), number)
    assert caught == list(STOPS)
    assert {number: signal.getsignal(number) for number in STOPS} == before


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with answered(lambda *_: pytest.fail("answered")):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_only_a_real_stop_is_one() -> None:
    assert is_stop(Stopped(signal.SIGTERM))
    assert Stopped(signal.SIGTERM).code == 143
    assert not is_stop(SystemExit(1))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert is_stop(KeyboardInterrupt()), "Python itself answers Ctrl-C"
        with answered(lambda *_: None):
            assert not is_stop(KeyboardInterrupt()), "nobody but a scorer raises it"
    finally:
        signal.signal(signal.SIGINT, before)
