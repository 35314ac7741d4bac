"""The spans of runs: which there are, below what, linked to what."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from towpath import flow, task
from towpath._definitions.leased import run_leased
from towpath._engine.flow_run_start import RunLease
from towpath._telemetry.ids import attempt_span_id, root_span_id, trace_id_of
from towpath.context import get_run_context
from towpath.task_runners import InlineTaskRunner, ThreadPoolTaskRunner
from towpath.telemetry import current_carrier, environment, with_carrier

from tests.unit.sdk.telemetry.recorded import Recorded, id_of, links_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

RUNNERS = [ThreadPoolTaskRunner, InlineTaskRunner]


@task
def double(x: int) -> int:
    return 2 * x


@task
def fail(x: int = 0) -> int:
    raise ValueError(f"no {x}")


def below_the_flow(recorded: Recorded, name: str = "etl") -> list[Any]:
    [(root, [(attempt, [(flow_span, below)])])] = recorded.tree()
    assert (root, attempt, flow_span) == (f"RUN {name}", "attempt", f"flow {name}")
    return below


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_run_is_one_trace_with_one_root(recorded: Recorded, runner: Any) -> None:
    @flow
    def part(x: int) -> int:
        return double(x)

    @flow(task_runner=runner())
    def etl() -> list[int]:
        first = double.submit(1)
        return [double(2), first.result(), part(3), *double.map([4, 5]).result()]

    assert etl() == [4, 2, 6, 8, 10]
    tasks = [("task double", [])] * 4
    assert below_the_flow(recorded) == [("flow part", [("task double", [])]), *tasks]
    assert len({span.context.trace_id for span in recorded.spans if span.context}) == 1


def test_ids_of_the_root_and_its_attempts_follow_from_the_run(recorded: Recorded) -> None:
    tries = []

    @flow(retries=1)
    def etl() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("once")

    etl()
    root = recorded.one("RUN etl")
    run_id = str((root.attributes or {})["cicd.pipeline.run.id"])
    assert root.context is not None
    assert root.context.trace_id == trace_id_of(run_id)
    assert id_of(root) == root_span_id(run_id)
    ids = [id_of(span) for span in recorded.named("attempt")]
    assert sorted(ids) == sorted(attempt_span_id(run_id, number) for number in (1, 2))
    first, second = recorded.named("flow etl")
    assert first.parent is not None
    assert first.parent.span_id == attempt_span_id(run_id, 1)
    assert links_of(second) == [("previous_attempt", id_of(first))]
    assert root.kind is SpanKind.SERVER
    assert [span.kind for span in recorded.named("attempt")] == [SpanKind.CONSUMER] * 2


def test_a_retry_is_a_sibling_with_a_link_and_its_pause_is_told(recorded: Recorded) -> None:
    tries = []

    @task(retries=1, retry_delay_seconds=3)
    def flaky() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("once")
        return 1

    @flow
    def etl() -> int:
        return flaky()

    etl()
    assert below_the_flow(recorded) == [
        ("task flaky", []),
        ("task flaky", []),
        ("wait back-off", []),
    ]
    first, second = recorded.named("task flaky")
    assert first.status.status_code is StatusCode.ERROR
    assert first.status.description == "ValueError: once"
    assert [event.name for event in first.events] == ["exception"]
    assert (first.events[0].attributes or {})["exception.type"] == "ValueError"
    assert "test_run_spans" in str((first.events[0].attributes or {})["exception.stacktrace"])
    assert second.status.status_code is StatusCode.UNSET
    assert links_of(second) == [("previous_attempt", id_of(first))]
    wait = recorded.one("wait back-off")
    assert ((wait.end_time or 0) - (wait.start_time or 0)) / 1e9 == pytest.approx(3, abs=0.5)


def fails_once_then_pauses(seconds: float, begin: threading.Event) -> Any:
    tries: list[int] = []

    @task(retries=1, retry_delay_seconds=seconds)
    def slow() -> int:
        tries.append(1)
        begin.wait()
        if len(tries) == 1:
            raise ValueError("once")
        return 1

    return slow


def test_what_a_task_waited_for_is_linked_and_told(recorded: Recorded) -> None:
    begin = threading.Event()
    slow = fails_once_then_pauses(3, begin)

    @flow
    def etl() -> int:
        waiting = double.submit(slow.submit())
        begin.set()
        return waiting.result()

    etl()
    _, upstream = recorded.named("task slow")
    assert links_of(recorded.one("task double")) == [("upstream", id_of(upstream))]
    wait = recorded.one("wait dependencies", towpath_run_name="double")
    assert ((wait.end_time or 0) - (wait.start_time or 0)) / 1e9 == pytest.approx(3, abs=0.5)


def test_how_long_a_task_waited_for_a_slot_is_told(recorded: Recorded) -> None:
    begin = threading.Event()
    slow = fails_once_then_pauses(3, begin)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def etl() -> list[int]:
        first, second = slow.submit(), double.submit(1)
        begin.set()
        return [second.result(), first.result()]

    etl()
    attributes = recorded.one("task double").attributes or {}
    assert attributes["towpath.wait.slot_seconds"] == pytest.approx(3, abs=0.5)
    assert not recorded.named("wait dependencies")


def test_a_skipped_task_has_a_span_that_says_so(recorded: Recorded) -> None:
    @flow
    def etl() -> None:
        double.submit(fail.submit(1))

    with pytest.raises(Exception, match="fail"):
        etl()
    skipped = recorded.one("task double")
    assert (skipped.attributes or {})["cicd.pipeline.task.run.result"] == "skip"
    assert links_of(skipped) == [("upstream", id_of(recorded.one("task fail")))]
    assert recorded.one("RUN etl").status.status_code is StatusCode.ERROR


def test_users_spans_are_below_their_task_and_their_attributes_on_it(recorded: Recorded) -> None:
    @task
    def load() -> None:
        trace.get_current_span().set_attribute("rows", 7)
        with recorded.tracer.start_as_current_span("query"):
            pass

    @task
    async def load_async() -> None:
        await asyncio.sleep(0)
        with recorded.tracer.start_as_current_span("query"):
            pass

    @flow
    async def etl() -> None:
        load()
        await load_async()

    asyncio.run(etl())
    assert below_the_flow(recorded) == [
        ("task load", [("query", [])]),
        ("task load_async", [("query", [])]),
    ]
    assert (recorded.one("task load").attributes or {})["rows"] == 7


def test_code_after_a_run_is_not_within_it(recorded: Recorded) -> None:
    @flow
    def etl() -> None:
        own = trace.get_current_span()
        double(1)
        assert trace.get_current_span() is own

    etl()
    assert recorded.spans
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_generator_is_within_its_span_and_its_consumer_is_not(recorded: Recorded) -> None:
    @task
    def rows() -> Iterator[int]:
        for number in range(2):
            with recorded.tracer.start_as_current_span("fetch"):
                pass
            yield number

    @task
    async def rows_async() -> AsyncIterator[int]:
        with recorded.tracer.start_as_current_span("fetch"):
            pass
        yield 1

    @flow
    async def etl() -> None:
        for _ in rows():
            with recorded.tracer.start_as_current_span("use"):
                pass
        async for _ in rows_async():
            with recorded.tracer.start_as_current_span("use"):
                pass

    asyncio.run(etl())
    assert below_the_flow(recorded) == [
        ("task rows", [("fetch", []), ("fetch", [])]),
        ("task rows_async", [("fetch", [])]),
        ("use", []),
        ("use", []),
        ("use", []),
    ]


def test_a_flow_called_within_a_span_links_to_it(recorded: Recorded) -> None:
    @flow
    def etl() -> None:
        pass

    with recorded.tracer.start_as_current_span("request") as request:
        etl()
    root = recorded.one("RUN etl")
    assert root.parent is None
    assert links_of(root) == [("creator", request.get_span_context().span_id)]


def test_a_flow_joins_its_callers_trace_if_told_to(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWPATH_TELEMETRY_JOIN_CALLER", "true")

    @flow
    def etl() -> None:
        double(1)

    with recorded.tracer.start_as_current_span("request"):
        etl()
    assert recorded.tree() == [
        (
            "request",
            [("RUN etl", [("attempt", [("flow etl", [("task double", [])])])])],
        )
    ]


def test_a_flow_in_a_subprocess_links_to_what_started_it(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorded.tracer.start_as_current_span("request") as request:
        monkeypatch.setenv("TRACEPARENT", environment({})["TRACEPARENT"])

    @flow
    def etl() -> None:
        pass

    etl()
    assert links_of(recorded.one("RUN etl")) == [("creator", request.get_span_context().span_id)]


def test_a_run_of_a_worker_is_in_the_trace_of_what_created_it(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorded.tracer.start_as_current_span("create"):
        monkeypatch.setenv("TRACEPARENT", environment({})["TRACEPARENT"])

    @flow
    def etl() -> None:
        pass

    run_leased(etl, {}, RunLease(run_id=str(uuid4()), fence=1))
    assert recorded.tree() == [
        ("create", [("RUN etl", [("attempt", [("flow etl", [])])])]),
    ]


def test_a_carrier_takes_context_to_threads_of_the_users(recorded: Recorded) -> None:
    def resize(name: str, *, size: int) -> str:
        with recorded.tracer.start_as_current_span("resize"):
            return f"{name} {size}"

    @task
    def images() -> str:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(with_carrier(resize), "a", size=3).result()

    @flow
    def etl() -> str:
        return images()

    assert etl() == "a 3"
    assert below_the_flow(recorded) == [("task images", [("resize", [])])]


def test_an_environment_is_a_copy_without_the_context_of_before() -> None:
    base = {"TRACEPARENT": f"00-{'1' * 32}-{'1' * 16}-01", "PATH": "/bin"}
    assert environment(base) == {"PATH": "/bin"}
    assert "TRACEPARENT" in base
    assert current_carrier() == {}


def test_log_lines_name_their_span(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[Any] = []

    @task
    def talk() -> None:
        reporter: Any = get_run_context().reporter
        monkeypatch.setattr(reporter, "log", lines.append)
        logging.getLogger("users").warning("hello")

    @flow
    def etl() -> None:
        talk()

    etl()
    span = recorded.one("task talk")
    assert span.context is not None
    assert [(line.trace_id, line.span_id) for line in lines if line.body == "hello"] == [
        (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")
    ]
