"""Traces across processes, and what is kept of runs that a sampler left out."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import TracerProvider
from towpath.telemetry import with_carrier

from tests.telemetry.receiver import Receiver
from tests.telemetry.running import environment_of, run_pipeline
from tests.telemetry.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

LEFT_OUT = {"OTEL_TRACES_SAMPLER": "parentbased_always_off"}


def test_a_forked_child_goes_on_in_the_trace_over_http(tmp_path: Path) -> None:
    with Receiver(http=True) as receiver:
        ended = run_pipeline("forking", tmp_path, receiver.environment)
        assert ended.returncode == 0, ended.stderr
        [root] = receiver.named("RUN forking")
        tasks = receiver.named("task extract")
        assert len(tasks) == 2
        assert {span.trace_id for span in tasks} == {root.trace_id}


def test_a_killed_run_that_was_left_out_is_kept_as_a_failure(tmp_path: Path) -> None:
    with Receiver() as receiver:
        with serving(tmp_path, {**receiver.environment, **LEFT_OUT}):
            assert run_pipeline("killed", tmp_path, {**receiver.environment, **LEFT_OUT}).returncode
            receiver.wait_for(lambda got: got.named("RUN killed"), "root")
        assert sorted(span.name for span in receiver.spans) == ["RUN killed", "attempt"]
        assert {span.attributes["towpath.sampling"] for span in receiver.spans} == {"failure"}
        assert {span.resource["service.name"] for span in receiver.spans} == {"towpath-service"}


def test_a_run_that_was_left_out_and_completes_leaves_nothing(tmp_path: Path) -> None:
    with Receiver() as receiver:
        with serving(tmp_path, {**receiver.environment, **LEFT_OUT}):
            assert not run_pipeline("fine", tmp_path, {}).returncode
            assert not run_pipeline(
                "fine", tmp_path, {**receiver.environment, **LEFT_OUT}
            ).returncode
        assert not receiver.spans


def test_without_a_server_the_next_command_makes_the_root_of_a_killed_run(tmp_path: Path) -> None:
    with Receiver() as receiver:
        assert run_pipeline("killed", tmp_path, receiver.environment).returncode
        assert not receiver.named("RUN killed")
        listed = subprocess.run(
            [sys.executable, "-m", "towpath", "run", "ls"],
            env=environment_of(tmp_path, receiver.environment),
            capture_output=True,
            text=True,
            check=True,
        )
        assert "CRASHED" in listed.stdout
        [root] = receiver.named("RUN killed")
        assert root.attributes["cicd.pipeline.result"] == "error"
        assert root.attributes["error.type"] == "PROCESS_LOST"


def double(number: int) -> int:
    """Has a span, in whatever process it is called."""
    provider = TracerProvider()
    with provider.get_tracer("users").start_as_current_span("double") as span:
        assert span.is_recording()
        return span.get_span_context().trace_id if number else 0


def test_a_carrier_goes_through_pickle_to_another_process() -> None:
    tracer = TracerProvider().get_tracer("users")
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
        tracer.start_as_current_span("here") as here,
    ):
        there = pool.submit(with_carrier(double), 1).result()
    assert there == here.get_span_context().trace_id


def test_inspect_prints_the_trace_and_where_to_look_at_it(tmp_path: Path) -> None:
    with Receiver() as receiver:
        assert not run_pipeline("fine", tmp_path, receiver.environment).returncode
        [root] = receiver.named("RUN fine")
    run_id = root.attributes["cicd.pipeline.run.id"]
    url = {"TOWPATH_TELEMETRY_TRACE_URL": "http://127.0.0.1:16686/trace/{trace_id}"}

    def inspect(*options: str) -> str:
        command = [sys.executable, "-m", "towpath", "run", "inspect", f"run_{run_id}", *options]
        environment = environment_of(tmp_path, url)
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return ended.stdout

    assert f"trace     {root.trace_id}  http://127.0.0.1:16686/trace/{root.trace_id}\n" in inspect()
    assert json.loads(inspect("-o", "json"))["trace_id"] == root.trace_id
