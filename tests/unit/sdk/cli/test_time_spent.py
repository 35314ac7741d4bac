"""What the time of runs went to, worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from towpath._state_type import StateType
from towpath.cli.runs.time_spent import time_spent
from towpath.client import Transition

from tests.unit.sdk.deploy.test_retry_plan import run

if TYPE_CHECKING:
    from collections.abc import Sequence

START = datetime(2026, 12, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def change(second: float, after: StateType, due: float | None = None) -> Transition:
    known: dict[str, Any] = {
        "run_id": "r",
        "revision": 1,
        "before": None,
        "after": after,
        "attempt": 1,
        "reason": "",
        "message": "",
        "rule": "TABLE",
        "occurred": at(second),
        "recorded": at(second),
        "source": "producer",
        "inferred": False,
        "failure": None,
        "next_attempt": None if due is None else at(due),
    }
    return Transition(**known)


def spent(history: Sequence[Transition], now: float = 0.0, **fields: Any) -> dict[str, float]:
    known: dict[str, Any] = {"kind": "flow", **fields}
    return time_spent(run("etl", **known), history, at(now))


def test_each_second_of_a_dispatched_run_has_one_cause() -> None:
    history = [
        change(0, StateType.SCHEDULED, due=60),
        change(70, StateType.PENDING),
        change(73, StateType.RUNNING),
        change(80, StateType.RETRYING),
        change(90, StateType.RUNNING),
        change(95, StateType.PAUSED),
        change(195, StateType.RUNNING),
        change(200, StateType.FAILED),
        change(500, StateType.SCHEDULED, due=500),
        change(501, StateType.PENDING),
        change(502, StateType.RUNNING),
        change(504, StateType.COMPLETED),
    ]
    found = spent(history)
    assert found == {
        "schedule": 60.0,
        "worker": 11.0,
        "infrastructure": 4.0,
        "user code": 19.0,
        "back-off": 10.0,
        "paused": 100.0,
        "ended, until it was retried": 300.0,
    }
    assert sum(found.values()) == 504.0


def test_an_open_run_is_counted_until_now() -> None:
    history = [change(0, StateType.SCHEDULED, due=60)]
    assert spent(history, now=10) == {"schedule": 10.0}
    assert spent(history, now=75) == {"schedule": 60.0, "worker": 15.0}
    assert spent([change(0, StateType.RUNNING)], now=3) == {"user code": 3.0}


def test_a_task_that_is_pending_waits_for_upstream_runs() -> None:
    history = [
        change(0, StateType.PENDING),
        change(4, StateType.RUNNING),
        change(5, StateType.COMPLETED),
    ]
    assert spent(history, kind="task") == {"upstream": 4.0, "user code": 1.0}


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(StateType)), max_size=12))
def test_the_causes_add_up_to_the_time_of_the_run(steps: list[tuple[int, StateType]]) -> None:
    second, history = 0, list[Transition]()
    for span, state in steps:
        history.append(change(second, state, due=second + 30))
        second += span
    open_end = second if history and not history[-1].after.terminal else None
    total = open_end if open_end is not None else second - (steps[-1][0] if steps else 0)
    assert sum(spent(history, now=second).values()) == total
