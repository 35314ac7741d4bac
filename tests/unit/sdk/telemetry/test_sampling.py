"""Runs that the sampler leaves out: nothing is told of them, unless they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import StatusCode
from towpath import flow, task
from towpath._delivery.session import use_reporter
from towpath._telemetry import switch
from towpath._telemetry.ids import Carrier
from towpath.testing import harness

from tests.unit.sdk.telemetry.recorded import Recorded

if TYPE_CHECKING:
    from towpath._delivery.reports import RunReport, StateReport


@task
def fail(number: int) -> None:
    raise ValueError(f"no {number}")


@task
def work() -> int:
    return 1


def test_a_run_left_out_that_completes_is_told_nothing_of(left_out: Recorded) -> None:
    @flow
    def etl() -> int:
        with left_out.tracer.start_as_current_span("mine"):
            return work()

    etl()
    assert not left_out.spans


def test_a_run_left_out_that_fails_is_kept_with_the_tasks_that_failed(left_out: Recorded) -> None:
    @flow
    def etl() -> None:
        work()
        fail.submit(1)
        fail.submit(2)

    with pytest.raises(Exception, match="2 failed"):
        etl()
    assert left_out.tree() == [("RUN etl", [("attempt", [("task fail", []), ("task fail", [])])])]
    assert all((s.attributes or {})["towpath.sampling"] == "failure" for s in left_out.spans)
    assert all(span.status.status_code is StatusCode.ERROR for span in left_out.spans)
    assert all(span.context and span.context.trace_flags.sampled for span in left_out.spans)


def test_a_task_that_failed_in_a_run_that_completes_is_not_kept(left_out: Recorded) -> None:
    @flow
    def etl() -> int:
        fail(1, return_state=True)
        return work()

    etl()
    assert not left_out.spans


def test_no_more_than_a_few_failed_tasks_are_kept(left_out: Recorded) -> None:
    @flow
    def etl() -> None:
        fail.map(list(range(50)))

    with pytest.raises(Exception, match="50 failed"):
        etl()
    assert len(left_out.named("task fail")) == 32


class Told:
    """A reporter that keeps what is told of traces."""

    def __init__(self) -> None:
        self.runs: list[RunReport] = []
        self.states: list[StateReport] = []

    def create(self, run: RunReport) -> None:
        self.runs.append(run)

    def transition(self, run_id: str, state: StateReport) -> None:
        del run_id
        self.states.append(state)

    def rename(self, run_id: str, display_name: str) -> None:
        """Nothing is renamed here."""

    def log(self, line: Any) -> None:
        """Nothing is logged here."""

    def flush(self, timeout_seconds: float) -> bool:
        del timeout_seconds
        return True


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_the_service_is_told_of_the_root_and_of_spans_that_are_recorded(
    monkeypatch: pytest.MonkeyPatch, ratio: float
) -> None:
    recorded, told = Recorded(ratio=ratio), Told()
    monkeypatch.setattr(switch, "current_tracer", lambda: recorded.tracer)

    @flow
    def etl() -> int:
        return work()

    with use_reporter(told):
        etl()
    etl_run, work_run = told.runs
    root = Carrier.parse(etl_run.traceparent)
    assert root is not None
    assert root.sampled == bool(ratio)
    texts = [work_run.traceparent, *(state.traceparent for state in told.states)]
    if not ratio:
        assert set(texts) == {""}
        return
    spans = {span.context.span_id: span.name for span in recorded.spans if span.context}
    carriers = [Carrier.parse(text) for text in texts]
    assert [spans[c.span_id] for c in carriers if c] == ["flow etl", "task work", "flow etl"]
    assert {carrier.trace_id for carrier in carriers if carrier} == {root.trace_id}


class Broken(SpanProcessor):
    """Fails at whatever it is asked to do."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("at the start")

    def on_end(self, span: Any) -> None:
        raise RuntimeError("at the end")


class Undecided(Sampler):
    """Fails to decide."""

    def should_sample(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("undecided")

    def get_description(self) -> str:
        return "undecided"


@pytest.mark.parametrize("trouble", ["processor", "sampler"])
def test_what_users_add_to_a_provider_can_fail_and_runs_go_on(
    monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    provider = TracerProvider(sampler=Undecided() if trouble == "sampler" else None)
    provider.add_span_processor(Broken())
    tracer = provider.get_tracer("towpath")
    monkeypatch.setattr(switch, "current_tracer", lambda: tracer)

    @flow
    def etl() -> list[int]:
        return [work(), work.submit().result()]

    @flow
    def failing() -> None:
        fail(1)

    with harness() as recorded:
        assert etl() == [1, 1]
        with pytest.raises(ValueError, match="no 1"):
            failing()
        assert [run.state for run in recorded.runs] == ["COMPLETED"] * 3 + ["FAILED"] * 2
