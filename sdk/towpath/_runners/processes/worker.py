"""The process that runs tasks: reads calls from a pipe, answers on another."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from contextlib import nullcontext
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import cloudpickle

from towpath._delivery.inherited import InheritedReporter
from towpath._delivery.session import end_forked_child, own_reporter
from towpath._engine import run_logging
from towpath._forks import in_child
from towpath._redaction.live import LiveSecrets
from towpath._runners.inline import InlineTaskRunner
from towpath._runners.processes.wire import (
    BegunRun,
    Call,
    Ended,
    Report,
    RunFacts,
    dump,
    dump_result,
    raised,
)
from towpath._runs.children import Children
from towpath._runs.context import FlowRunContext, TaskRunContext, current_run, tags
from towpath._runs.interruption import Interruption
from towpath._runs.loops import Loops
from towpath._runs.waiting import run_in
from towpath._settings.current import leave_problems_to_parent
from towpath._telemetry.switch import end_of_process
from towpath._tracing.begin import adopted
from towpath.states import State

if TYPE_CHECKING:
    from towpath._delivery.reports import ArtifactReport, LogReport, RunReport, StateReport
    from towpath._engine.definitions import TaskDefinition
    from towpath._runs.context import RunContext

READY = b"ready"


class PipeReporter:
    """Hands reports to the flow's process, which delivers them."""

    def __init__(self, out: Connection) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._own: InheritedReporter | None = None

    def let_go(self) -> None:
        """In a forked child: leaves the pipe to the worker, whose messages it would break.

        The child's reports go to an outbox of its own.
        """
        self._out.close()
        self._own = InheritedReporter(own_reporter)

    def create(self, run: RunReport) -> None:
        """Reports a new run."""
        self.send(Report(method="create", arguments=(run,)))

    def transition(self, run_id: str, state: StateReport) -> None:
        """Reports that a run changed state."""
        self.send(Report(method="transition", arguments=(run_id, state)))

    def rename(self, run_id: str, display_name: str) -> None:
        """Reports another name to show for a run."""
        self.send(Report(method="rename", arguments=(run_id, display_name)))

    def log(self, line: LogReport) -> None:
        """Reports a log line."""
        self.send(Report(method="log", arguments=(line,)))

    def artifact(self, made: ArtifactReport) -> None:
        """Reports an artifact."""
        self.send(Report(method="artifact", arguments=(made,)))

    def flush(self, timeout_seconds: float) -> bool:
        """Returns at once: reports don't wait here."""
        return self._own is None or self._own.flush(timeout_seconds)

    def send(self, message: Any) -> None:
        """Sends a whole message; safe to call from any thread."""
        if self._own is not None:
            assert isinstance(message, Report)
            getattr(self._own, message.method)(*message.arguments)
            return
        data = dump(message)
        with self._lock:
            self._out.send_bytes(data)


class Worker:
    """Runs one call at a time."""

    def __init__(self, reporter: PipeReporter) -> None:
        self._reporter = reporter
        self._pid = os.getpid()
        self._tasks: dict[int, TaskDefinition] = {}
        self._loops = Loops()
        """Of all calls: clients that stay in the process's memory belong to a loop."""

    def answer(self, data: bytes) -> Ended:
        """Runs a call to its end; an exception of the function is part of the answer."""
        children, secrets = Children(), LiveSecrets()
        try:
            call: Call = cloudpickle.loads(data)
            if call.task is not None:
                self._tasks[call.task_number] = cloudpickle.loads(call.task)
            task = self._tasks[call.task_number]
            facts, parameters = cloudpickle.loads(call.work)
            secrets.add_texts(facts.secrets)
            run = _run_of(facts, parameters, task, self._reporter, children)
            if run.parent is not None:
                run.parent.loops = self._loops
            run.secrets = secrets
            value = self._perform(task, run, parameters, facts)
            self._leave_child(None)
            return Ended(
                value=dump_result(value), failed_runs=_failed(children), secrets=secrets.values
            )
        except BaseException as error:  # noqa: BLE001 - the flow's process decides what it means
            self._leave_child(error)
            return raised(error, _failed(children), secrets.values)

    def _perform(
        self, task: TaskDefinition, run: RunContext, parameters: dict[str, Any], facts: RunFacts
    ) -> Any:
        token = current_run.set(run)
        try:
            around = run.trace.executing(run) if run.trace is not None else nullcontext()
            with tags(*facts.inner_tags), around:
                outcome = task.body(parameters)
                return run_in(self._loops.at(0), lambda: outcome) if task.awaited else outcome
        finally:
            current_run.reset(token)

    def _leave_child(self, error: BaseException | None) -> None:
        """Ends a child that was forked in the task: the worker alone answers the call."""
        if os.getpid() != self._pid:
            end_forked_child(error)


def main(receive: int, send: int) -> None:
    """Serves calls until the flow's process closes its end, or ends.

    Args:
        receive: Descriptor to read calls from.
        send: Descriptor to write answers to.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for descriptor in (receive, send):
        os.set_inheritable(descriptor, False)
    out = Connection(send, readable=False)
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    incoming = Connection(receive, writable=False)
    threading.Thread(target=_read, args=(incoming, calls), daemon=True).start()
    leave_problems_to_parent()
    run_logging.set_up()
    out.send_bytes(READY)
    reporter = PipeReporter(out)
    in_child(reporter.let_go)
    in_child(incoming.close)
    worker = Worker(reporter)
    while True:
        reporter.send(worker.answer(calls.get()))
        sys.stdout.flush()


def _read(incoming: Connection, calls: queue.SimpleQueue[bytes]) -> None:
    """Reads calls into a queue, and exits once the flow's process has ended."""
    try:
        while True:
            calls.put(incoming.recv_bytes())
    except (EOFError, OSError):
        end_of_process()
        os._exit(0)


def _run_of(
    facts: RunFacts,
    parameters: dict[str, Any],
    task: TaskDefinition,
    reporter: PipeReporter,
    children: Children,
) -> RunContext:
    flow_run = None
    common: dict[str, Any] = {
        "flow_id": facts.flow_id,
        "flow_name": facts.flow_name,
        "root_run_id": facts.root_run_id,
        "reporter": reporter,
        "children": children,
        "log_prints": facts.log_prints,
        "persist_result": facts.persist_result,
    }
    if facts.flow_run is not None:
        flow_run = FlowRunContext(
            kind="flow",
            parent_run_id="",
            interruption=Interruption(),
            **facts.flow_run,
            **common,
        )
    return TaskRunContext(
        run_id=facts.run_id,
        kind="task",
        name=facts.name,
        parent_run_id=facts.parent_run_id,
        parameters=parameters,
        tags=facts.tags,
        owner=task,
        parent=flow_run,
        runner=InlineTaskRunner(),
        attempt=facts.attempt,
        trace=adopted(facts.traceparent),
        **common,
    )


def _failed(children: Children) -> list[BegunRun]:
    return [
        BegunRun(
            name=child.name,
            state=State(
                type=child.state.type, reason=child.state.reason, message=child.state.message
            ),
            handled=child.handled,
        )
        for child in children
        if child.state is not None and child.failed
    ]
