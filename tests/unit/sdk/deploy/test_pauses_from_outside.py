"""Pauses that somebody asks for while a flow runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from towpath import flow, pause_flow_run, task
from towpath._delivery.directives import Directive
from towpath._runs.context import get_run_context
from towpath._runs.open_runs import obey

from tests.unit.sdk.deploy.pause_service import (
    Service,
    answered,
    reporter,
    service,
    told,
)

if TYPE_CHECKING:
    from tests.unit.sdk.recording import RecordingReporter

__all__ = ["reporter", "service"]


def asked(run_id: str, revision: int = 7) -> Directive:
    return Directive(
        run_id=run_id, kind="pause", revision=revision, message="look first", grace_seconds=None
    )


def test_a_request_from_outside_is_followed_before_the_next_task(
    service: Service, reporter: RecordingReporter
) -> None:
    service.answers = [answered()]
    seen: list[list[tuple[str, str]]] = []

    @task
    def step() -> None:
        seen.append(told(reporter)[1:])

    @flow
    def steps() -> None:
        run = get_run_context()
        step()
        for _ in range(2):  # It comes again on each connection.
            obey(asked(run.run_id))
            step()
        obey(asked(run.run_id, 9))
        step.submit().wait()

    steps()
    pause = [("PAUSED", "BLOCKED"), ("RUNNING", "RESUMED")]
    assert seen == [[], pause, pause, pause * 2]
    [states] = [s for run_id, s in reporter.states.items() if reporter.runs[run_id].kind == "flow"]
    first = next(item for item in states if item.pause is not None)
    assert first.message == "as requested: look first"
    assert first.pause is not None
    assert (first.pause.key, first.pause.timeout_seconds) == ("requested-1-7", None)


def test_an_async_flow_follows_a_request_where_it_awaits_a_task(
    service: Service, reporter: RecordingReporter
) -> None:
    service.answers = [answered()]

    @task
    async def step() -> None: ...

    @flow
    async def inner() -> None:
        await step()

    @flow
    async def outer() -> None:
        obey(asked(get_run_context().run_id))
        await inner()

    asyncio.run(outer())
    paused = [
        reporter.runs[run_id].flow_name
        for run_id, states in reporter.states.items()
        if any(item.pause is not None for item in states)
    ]
    assert paused == ["outer"]


def test_a_request_from_outside_does_not_change_the_numbers_of_pauses(
    service: Service, reporter: RecordingReporter
) -> None:
    service.answers = [answered()]

    @task
    def step() -> None: ...

    @flow
    def steps() -> None:
        obey(asked(get_run_context().run_id))
        step()
        pause_flow_run()

    steps()
    [states] = [s for run_id, s in reporter.states.items() if reporter.runs[run_id].kind == "flow"]
    assert [item.pause.key for item in states if item.pause is not None] == ["requested-1-7", "1"]
