from __future__ import annotations

import sys
import threading
import time
import weakref
from typing import Any

import pytest
from towpath import _strikes
from towpath._runs.interruption import Interruption
from towpath._strikes import Strike
from towpath.exceptions import RunCancelled


class Thing:
    """Something to point at weakly."""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Python tells of exceptions that it drops, and nobody else hears of."""
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    return told


def test_a_stop_that_python_drops_is_sent_once_more(hook: list[Any]) -> None:
    interrupted = Interruption()
    inside, ended = threading.Event(), threading.Event()
    outcome: list[BaseException | None] = []

    def callback(_: object) -> None:
        # Here Python delivers the stop, and drops it.
        inside.set()
        while not interrupted.requested:
            time.sleep(0.001)
        for _ in range(1000):
            time.sleep(0.001)

    def body() -> None:
        thing = Thing()
        pointing = weakref.ref(thing, callback)
        del thing
        assert pointing() is None
        for _ in range(30_000):
            time.sleep(0.001)

    def run() -> None:
        try:
            interrupted.run(body)
            outcome.append(None)
        except RunCancelled as error:
            outcome.append(error)
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert inside.wait(20)
    interrupted.request()
    assert ended.wait(20)
    thread.join()
    assert isinstance(outcome[0], RunCancelled)
    assert hook == []


def test_other_dropped_exceptions_are_told_as_before(hook: list[Any]) -> None:
    Strike().demand()
    thing = Thing()

    def broken(_: object) -> None:
        raise ValueError("broken callback")

    pointing = weakref.ref(thing, broken)
    del thing
    assert pointing() is None
    assert [told.exc_type for told in hook] == [ValueError]


def test_the_hook_is_put_in_once(hook: list[Any]) -> None:
    Strike().demand()
    first = sys.unraisablehook
    Strike().demand()
    assert sys.unraisablehook is first
    assert first in _strikes._hushed
    assert hook == []
