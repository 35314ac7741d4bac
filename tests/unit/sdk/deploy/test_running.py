"""`run_deployment` and `wait_for_flow_run`."""

from __future__ import annotations

import asyncio
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import towpath
from towpath import flow
from towpath._deploy import running
from towpath._state_type import StateType
from towpath.context import get_run_context
from towpath.deployments import arun_deployment, run_deployment
from towpath.exceptions import (
    DefinitionError,
    FlowRunWaitTimeout,
    InvalidRequest,
    NotFound,
    ServerUnreachable,
)
from towpath.flow_runs import wait_for_flow_run
from towpath.testing import harness

from tests.unit.sdk.deploy.sample_flows import hello

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from towpath.client import Client, Run

UNKNOWN = "01978d2a-7c1e-7aaa-8bbb-0123456789ab"


@pytest.fixture(autouse=True)
def deployed(client: Client) -> None:
    hello.deploy("x", work_pool_name="local", tags=["all"])


def ended_meanwhile(client: Client, call: Callable[[], Run]) -> Run:
    """What a call returns that waits for a run, which is cancelled as soon as it is there."""
    before = {run.id for run in client.runs()}

    def cancel() -> None:
        for event in client.watch_runs():
            if event.run is not None and event.run_id not in before:
                client.cancel(event.run_id)
                return

    cancelling = threading.Thread(target=cancel)
    cancelling.start()
    run = call()
    cancelling.join()
    return run


def test_a_run_has_what_was_given_and_is_not_waited_for_at_timeout_0() -> None:
    at = datetime.now(UTC) + timedelta(days=1)
    with towpath.tags("around"):
        run = run_deployment(
            "hello/x",
            parameters={"name": "you"},
            scheduled_time=at,
            flow_run_name="mine",
            tags=["own"],
            timeout=0,
        )
    assert (run.name, run.state, run.flow) == ("mine", StateType.SCHEDULED, "hello")
    assert set(run.tags) == {"all", "around", "own"}
    assert run.parent_id == ""


def test_a_run_is_waited_for(client: Client) -> None:
    run = ended_meanwhile(client, lambda: run_deployment("hello/x"))
    assert run.state is StateType.CANCELLED


def test_after_the_timeout_the_run_is_returned_as_it_is() -> None:
    assert run_deployment("hello/x", timeout=0.01).state is StateType.SCHEDULED


def test_one_key_makes_one_run() -> None:
    first, second = (run_deployment("hello/x", idempotency_key="k", timeout=0) for _ in "12")
    assert first.id == second.id
    assert run_deployment("hello/x", timeout=0).id != first.id


def test_in_async_code_the_call_is_awaited(client: Client) -> None:
    async def both() -> list[Run]:
        waiting: Any = run_deployment("hello/x", timeout=0)
        return [await waiting, await arun_deployment("hello/x", timeout=0)]

    assert [run.state for run in asyncio.run(both())] == [StateType.SCHEDULED] * 2


def test_an_awaited_call_that_is_cancelled_ends_its_wait(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancelled() -> None:
        created = asyncio.Event()
        loop = asyncio.get_running_loop()
        create = client.create_run

        def creating(_: Client, deployment: str, **request: Any) -> Run:
            made = create(deployment, **request)
            loop.call_soon_threadsafe(created.set)
            return made

        monkeypatch.setattr(type(client), "create_run", creating)
        waiting = asyncio.ensure_future(arun_deployment("hello/x"))
        await created.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    # Closing the loop waits for its threads: one that still waited would hold it here.
    asyncio.run(cancelled())


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("hello/nope", {}, NotFound),
        ("hello", {}, DefinitionError),
        ("hello/x", {"parameters": {"name": 3}}, InvalidRequest),
        ("hello/x", {"work_queue_name": "nope"}, NotFound),
        ("hello/x", {"scheduled_time": "tomorrow"}, DefinitionError),
    ],
)
def test_wrong_calls_are_refused(name: str, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        run_deployment(name, timeout=0, **options)


@dataclass
class Recorded:
    """A client that notes what it is asked to create, and creates a run without a parent."""

    client: Client
    flushed: bool = False
    request: dict[str, Any] = field(default_factory=dict[str, Any])

    def create_run(self, deployment: str, **request: Any) -> Run:
        assert self.flushed, "the service may not know the parent yet"
        self.request = request
        return self.client.create_run(deployment)


def test_within_a_flow_the_run_is_its_child(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = Recorded(client)

    def connect(*_: Any, **__: Any) -> AbstractContextManager[Recorded]:
        return nullcontext(recorded)

    monkeypatch.setattr(running, "connect", connect)

    @towpath.task
    def starts() -> None:
        run_deployment("hello/x", timeout=0)

    @flow
    def parent(*, alone: bool) -> str:
        if alone:
            run_deployment("hello/x", timeout=0, as_subflow=False)
        else:
            starts()
        return get_run_context().run_id

    with harness() as reporter:

        def flush(_: object, seconds: float) -> bool:
            recorded.flushed = seconds > 0
            return True

        monkeypatch.setattr(type(reporter), "flush", flush)
        assert parent(alone=False) == recorded.request["parent_run_id"]
        assert recorded.request["timeout_seconds"] is None
        parent.with_options(timeout_seconds=1000)(alone=False)
        assert 0 < recorded.request["timeout_seconds"] < 1000
        parent.with_options(timeout_seconds=1000)(alone=True)
        assert not {"parent_run_id", "timeout_seconds"} & set(recorded.request)


def test_a_server_that_is_away_for_a_moment_is_asked_again_for_the_same_run(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    create = client.create_run

    def answering_later(_: Client, deployment: str, **request: Any) -> Run:
        asked.append(request["run_id"])
        made = create(deployment, **request)
        if len(asked) < 3:
            raise ServerUnreachable("it has gone after the commit", code="UNAVAILABLE")
        return made

    monkeypatch.setattr(type(client), "create_run", answering_later)
    monkeypatch.setattr(running, "_AGAIN_SECONDS", (0.0, 0.0))
    run = run_deployment("hello/x", flow_run_name="once", timeout=0)
    assert asked == [run.id] * 3
    assert [each.id for each in client.runs() if each.name == "once"] == [run.id]


def test_the_end_of_any_run_can_be_waited_for(client: Client) -> None:
    run = client.create_run("hello/x")
    with pytest.raises(FlowRunWaitTimeout, match=r"is SCHEDULED after 0\.01 s"):
        wait_for_flow_run(run.id, timeout=0.01)
    client.cancel(run.id)
    assert wait_for_flow_run(run.id).state is StateType.CANCELLED

    async def awaited() -> Run:
        waiting: Any = wait_for_flow_run(run.id)
        found: Run = await waiting
        return found

    assert asyncio.run(awaited()).id == run.id


def test_a_run_that_is_not_there_or_is_deleted_is_not_waited_for(client: Client) -> None:
    with pytest.raises(NotFound, match=UNKNOWN):
        wait_for_flow_run(UNKNOWN)


def test_a_wait_goes_on_when_the_server_was_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = client.create_run("hello/x")
    watch = client.watch_runs
    broken: list[str] = []

    def watch_runs(_: Client, filter_: str = "") -> Any:
        if not broken:
            broken.append(filter_)
            client.cancel(run.id)
            raise ServerUnreachable("away", code="UNAVAILABLE")
        yield from watch(filter_)

    monkeypatch.setattr(type(client), "watch_runs", watch_runs)
    assert wait_for_flow_run(run.id).state is StateType.CANCELLED
    assert broken
