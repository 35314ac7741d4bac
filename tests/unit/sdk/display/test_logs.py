"""Log lines of runs in the terminal."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from towpath import flow, get_run_logger, task
from towpath._delivery.session import use_reporter
from towpath._display import begin
from towpath._display.observer import Observer

from tests.unit.sdk.recording import RecordingReporter

if TYPE_CHECKING:
    import pytest


class Nobody:
    def begin(self, observer: Observer) -> None: ...
    def hurry(self) -> None: ...
    def end(self, observer: Observer) -> None: ...


@task(log_prints=True)
def talk() -> None:
    get_run_logger().warning("two\nlines \x1b[2J")
    print("once")  # noqa: T201 - that is what is captured


@flow
def talk_flow() -> None:
    talk.submit()


def test_a_line_that_the_users_handler_writes_is_not_shown_twice(
    capfd: pytest.CaptureFixture[str],
) -> None:
    handler, root = logging.StreamHandler(), logging.getLogger()
    handler.setFormatter(logging.Formatter("mine: %(message)s"))
    root.addHandler(handler)
    try:
        with use_reporter(Observer(RecordingReporter(), Nobody())):
            talk_flow()
            handler.setLevel(logging.ERROR)
            talk_flow()
    finally:
        root.removeHandler(handler)
    first, *second = capfd.readouterr().err.split("lines")
    assert first == "mine: two\n"
    assert "WARNING  talk  two" in second[0]


def test_a_runs_logger_is_heard_in_the_terminal_and_prints_are_not_doubled(
    capfd: pytest.CaptureFixture[str],
) -> None:
    recording = RecordingReporter()
    assert begin.observed(recording, "plain") is recording
    with use_reporter(Observer(recording, Nobody())):
        talk_flow()
    said = capfd.readouterr()
    assert said.out == "once\n"
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  WARNING  talk  two\n          lines \ufffd\[2J\n", said.err
    )
    assert [line.body for line in recording.lines] == ["two\nlines \x1b[2J", "once"]
