"""Which lines a flow writes where nothing can be redrawn."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest
from towpath._display.begin import mode_of, observed
from towpath._display.hub import Hub
from towpath._display.observer import Observer
from towpath._display.plain import PlainView
from towpath._state_type import StateType

from tests.unit.sdk.display.reports import ROOT, root, state, task
from tests.unit.sdk.recording import RecordingReporter

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stream:
    closed = False

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def view() -> PlainView:
    return PlainView(threading.RLock())


class Here:
    """Shows what an observer notes at once, in the thread of the test."""

    def __init__(self, view: PlainView) -> None:
        self.view = view

    def begin(self, observer: Observer) -> None:
        observer.take_notes()

    def hurry(self) -> None:
        pass

    def end(self, observer: Observer) -> None:
        observer.take_notes()
        self.view.end(observer.tree, [])


def observer(view: PlainView) -> Observer:
    return Observer(RecordingReporter(), Here(view), view.page())


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in capsys.readouterr().err.splitlines()]


def test_a_flow_tells_its_begin_its_troubles_and_its_end(
    view: PlainView, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = observer(view)
    flow.create(root())
    flow.create(task("a", "load", max_attempts=2))
    wait = state(StateType.RETRYING, at=1.0, message="ValueError: no", next_attempt_time=5.0)
    flow.transition("a", wait)
    flow.transition("a", state(at=5.0, attempt=2))
    flow.transition("a", state(StateType.TIMED_OUT, at=6.0, message="took longer than 1 s"))
    flow.create(task("b", "clean", state(StateType.PENDING)))
    flow.transition("b", state(StateType.SKIPPED, at=6.0, message="not run: load timed out"))
    flow.transition(ROOT, state(StateType.COMPLETED, at=7.0))
    assert lines(capsys) == [
        "nightly  began",
        "load  attempt 1/2 failed, next in 4 s: ValueError: no",
        "load  timed out: took longer than 1 s",
        "clean  not run: load timed out",
        "nightly · 00001ayd  completed after 7.0s: 1 timed out, 1 not run",
    ]


def test_a_paused_flow_tells_how_it_is_resumed(
    view: PlainView, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = observer(view)
    flow.create(root())
    flow.transition(ROOT, state(StateType.PAUSED, at=1.0, message="Ship it?"))
    flow.transition(ROOT, state(at=2.0, reason="RESUMED", message="resumed by users/ada"))
    flow.transition(ROOT, state(StateType.COMPLETED, at=3.0))
    assert lines(capsys)[:3] == [
        "nightly  began",
        "nightly  paused: Ship it? (`towpath run resume 00001ayd`)",
        "nightly  goes on: resumed by users/ada",
    ]


def test_many_tasks_are_told_one_by_one_up_to_twenty_then_counted(
    view: PlainView, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = observer(view)
    flow.create(root())
    for number in range(100):
        flow.create(task(f"t{number}", f"load[{number}]"))
        flow.transition(f"t{number}", state(StateType.COMPLETED, at=1.0))
    flow.take_notes()
    for now in (1.0, 5.0, 6.0):
        view.show([flow.tree], now)
    told = lines(capsys)
    assert told[1] == "load[0]  completed after 1.0s"
    assert told[21:] == ["nightly  100 completed"]


def test_a_loop_of_flows_does_not_flood(
    view: PlainView, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(100):
        flow = observer(view)
        flow.create(root())
        flow.transition(ROOT, state(StateType.COMPLETED, at=1.0))
    view.close()
    told = lines(capsys)
    assert len(told) == 41
    assert told[-1] == "80 more flow runs completed"


def test_a_display_that_fails_leaves_the_flow_alone() -> None:
    class Broken(PlainView):
        def end(self, tree: object, others: object) -> None:
            raise OSError("the terminal is gone")

    recording = RecordingReporter()
    hub = Hub(Broken)
    flow = Observer(recording, hub, None)
    flow.create(root())
    flow.transition(ROOT, state(StateType.COMPLETED, at=1.0))
    hub.close()
    assert recording.history("nightly") == ["RUNNING", "COMPLETED"]


@pytest.mark.parametrize(
    ("display", "terminal", "environment", "mode"),
    [
        ("auto", True, {"TERM": "xterm"}, "live"),
        ("auto", False, {}, "plain"),
        ("auto", True, {"NO_COLOR": "1"}, "plain"),
        ("auto", True, {"TERM": "dumb"}, "plain"),
        ("auto", True, {"PYTEST_CURRENT_TEST": "x"}, "quiet"),
        ("live", True, {"NO_COLOR": "1"}, "live"),
        ("live", False, {}, "plain"),
        ("plain", True, {}, "plain"),
        ("quiet", True, {}, "quiet"),
    ],
)
def test_the_setting_the_terminal_and_the_environment_decide(
    display: str, terminal: bool, environment: Mapping[str, str], mode: str
) -> None:
    stream = Stream(terminal=terminal)
    assert mode_of(display, stream, environment) == mode  # type: ignore[arg-type]


def test_what_is_reported_elsewhere_is_not_shown() -> None:
    recording = RecordingReporter()
    assert observed(recording, "plain") is recording
