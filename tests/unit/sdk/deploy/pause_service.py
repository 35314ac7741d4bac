"""A stand-in service that answers pauses, and the fixtures that use it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from towpath._delivery.session import use_reporter
from towpath._deploy import awaiting, pausing
from towpath._state_type import StateType
from towpath.client import Pause

from tests.unit.sdk.recording import RecordingReporter

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


NOW = datetime(2026, 12, 1, tzinfo=UTC)


def waiting(**changes: Any) -> Pause:
    fields: dict[str, Any] = {
        "key": "1",
        "suspended": False,
        "input_schema": "",
        "began": NOW,
        **changes,
    }
    return Pause(**fields)


def answered(text: str = "", by: str = "users/ada") -> Pause:
    return waiting(answered=NOW, answered_by=by, input=text)


@dataclass
class Service:
    """Answers one call after the other; the last answer stays."""

    answers: list[Any] = field(default_factory=list[Any])
    asked: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    resumed: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    called: threading.Event = field(default_factory=threading.Event)
    hold: threading.Event = field(default_factory=threading.Event)

    def await_input(self, run_id: str, key: str, *, wait_seconds: float) -> Any:
        del run_id
        self.asked.append((key, wait_seconds))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.called.set()
        if answer is None:
            self.hold.wait()
            return StateType.PAUSED, waiting()
        if isinstance(answer, Exception):
            raise answer
        return answer if answer.__class__ is tuple else (StateType.PAUSED, answer)

    def resume(self, run_id: str, run_input: Any, *, request_id: str) -> None:
        self.resumed.append((run_id, run_input, len(request_id)))

    def pause(self, run_id: str) -> None:
        self.resumed.append((run_id,))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    made = Service()

    @contextmanager
    def connect(*_: Any, **__: Any) -> Generator[Service]:
        yield made

    for module in (awaiting, pausing):
        monkeypatch.setattr(module, "connect", connect)
    monkeypatch.setattr(awaiting, "_FIRST_PAUSE_SECONDS", 0.001)
    yield made
    made.hold.set()


@pytest.fixture
def reporter() -> Iterator[RecordingReporter]:
    recording = RecordingReporter()
    with use_reporter(recording):
        yield recording


def told(reporter: RecordingReporter) -> list[tuple[str, str]]:
    [states] = [s for run_id, s in reporter.states.items() if reporter.runs[run_id].kind == "flow"]
    return [(str(item.state), item.reason) for item in states]
