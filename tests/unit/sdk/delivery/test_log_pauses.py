"""Log lines that there is no room for wait, and hold up no update."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from towpath._delivery import couriers
from towpath._delivery.couriers import StreamCourier
from towpath.exceptions import RpcError


class Lines:
    """A drain of log lines, of which the server takes some."""

    def __init__(self, *answers: bool | RpcError) -> None:
        self.answers = list(answers)

    def deliver_logs(self, transport: object) -> bool:
        answer = self.answers.pop(0)
        if isinstance(answer, RpcError):
            raise answer
        return answer


def courier(lines: Lines) -> Any:
    made: Any = object.__new__(StreamCourier)
    made._drain, made._transport = lines, None
    made._backoff, made._logs_at = couriers.Backoff(), 0.0
    made._stream = SimpleNamespace(step=lambda: True)
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    made = SimpleNamespace(now=100.0)
    monkeypatch.setattr(couriers, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def refusal(code: str, seconds: float | None = None) -> RpcError:
    return RpcError("no", code=code, retry_after_seconds=seconds)


def test_refused_lines_are_sent_again_later_and_updates_go_on(clock: SimpleNamespace) -> None:
    lines = Lines(refusal("RESOURCE_EXHAUSTED"), refusal("RESOURCE_EXHAUSTED", 7.0), True)
    made = courier(lines)
    assert made.step()
    clock.now += 1.0
    assert made.step()
    clock.now += 6.9
    assert made.step()
    assert len(lines.answers) == 1
    clock.now += 1.0
    assert made.step()
    assert lines.answers == []


def test_other_failures_of_log_lines_end_the_connection(clock: SimpleNamespace) -> None:
    with pytest.raises(RpcError):
        courier(Lines(refusal("UNAVAILABLE"))).step()
