"""Fills a service with runs, as a producer reports them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import uuid_utils
from towpath._delivery import messages
from towpath._delivery.drain import RECORD_UPDATES, WRITE_LOGS
from towpath._delivery.reports import (
    ArtifactReport,
    Content,
    FailureReport,
    LogReport,
    RunReport,
    StateReport,
)
from towpath._state_type import StateType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towpath._transport.base import Transport

WORKSPACE = "workspaces/default"


@dataclass
class Producer:
    """Reports at once; ids are made up."""

    transport: Transport
    id: str = field(default_factory=lambda: str(uuid_utils.uuid7()))
    sequence: int = 0
    lines: int = 0

    def run(
        self,
        name: str,
        state: StateType = StateType.COMPLETED,
        *,
        run_id: str = "",
        parent: str = "",
        kind: str = "flow",
        message: str = "",
        upstream: Iterable[str] = (),
    ) -> str:
        """A run that begins, and ends in a state unless that is RUNNING; returns its id."""
        run_id = run_id or str(uuid_utils.uuid7())
        self._send(
            messages.creation(
                RunReport(
                    run_id=run_id,
                    kind=kind,  # type: ignore[arg-type]
                    state=StateReport(state=StateType.RUNNING, time=time.time()),
                    display_name=name,
                    flow_id="nightly-etl",
                    flow_name="nightly_etl",
                    task_key=name if kind == "task" else "",
                    task_name=name if kind == "task" else "",
                    parent_run_id=parent,
                    root_run_id=parent,
                    parameters=Content(data=b'{"day": "monday"}'),
                    tags=["night"],
                    dependencies=[(other, "") for other in upstream],
                )
            ).SerializeToString()
        )
        if state is not StateType.RUNNING:
            self.end(run_id, state, message=message)
        return run_id

    def retry(self, run_id: str) -> None:
        """The end of a run's first attempt, and the beginning of the second."""
        failed = StateReport(
            state=StateType.RETRYING, time=time.time(), next_attempt_time=time.time()
        )
        self._send(messages.transition(run_id, failed).SerializeToString())
        self.end(run_id, StateType.RUNNING, attempt=2)

    def end(self, run_id: str, state: StateType, *, message: str = "", attempt: int = 1) -> None:
        """The end of a run."""
        failure = FailureReport(
            type="builtins.ValueError",
            message=message,
            stack_trace="Traceback: here",
            cause=FailureReport(type="builtins.OSError", message="disk"),
        )
        failed = state is StateType.FAILED
        report = StateReport(
            state=state,
            time=time.time(),
            attempt=attempt,
            message=message,
            failure=failure if failed else None,
        )
        self._send(messages.transition(run_id, report).SerializeToString())

    def make(self, artifact: ArtifactReport) -> None:
        """An artifact of a run."""
        self._send(messages.artifact(artifact).SerializeToString())

    def log(self, run_id: str, bodies: Iterable[str], *, severity: int = 9) -> None:
        """Log lines."""
        records: list[bytes] = []
        for body in bodies:
            self.lines += 1
            line = LogReport(
                run_id=run_id,
                time=time.time(),
                severity=severity,
                logger="etl",
                body=body,
                attempt=1,
            )
            records.append(messages.log_record(line, self.lines))
        self.transport.unary(WRITE_LOGS, messages.log_batch(WORKSPACE, self.id, records))

    def _send(self, update: bytes) -> None:
        batch = messages.update_batch(
            WORKSPACE, self.id, self.sequence + 1, [update], self.sequence
        )
        self.transport.unary(RECORD_UPDATES, batch)
        self.sequence += 1
