"""Requests to create runs of deployments; used by CreateRun, schedules and backfills."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from towpath_service.runs.domain.reports import Creation, StateReport
from towpath_service.runs.domain.states import RunKind, RunState, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_service.core.names import Scope

DEFAULT_PRIORITY: Final = 50
# Made once: `json.dumps` makes one for each value.
_COMPACT: Final = json.JSONEncoder(separators=(",", ":"))


class Trigger(IntEnum):
    """The cause of a run's creation, numbered as in the contract."""

    CODE = 1
    API = 2
    SCHEDULE = 3
    AUTOMATION = 4
    RERUN = 5


def payload_text(parameters: Mapping[str, Any]) -> str | None:
    """Arguments as the contract's `Payload` in JSON; None for none."""
    if not parameters:
        return None
    data = _COMPACT.encode(parameters).encode()
    content = {
        "contentType": "application/json",
        "data": base64.b64encode(data).decode(),
        "sizeBytes": str(len(data)),
    }
    return json.dumps(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run to be created and queued, with all that deployment and caller give it.

    Times are microseconds since the Unix epoch, UTC; structured values are JSON text.
    """

    scope: Scope
    run_id: str
    flow_id: str
    flow_name: str
    deployment_id: str
    deployment_revision: int
    pool_id: str
    queue_id: str
    actor: str
    """Principal that it is created for."""
    due_us: int
    """When it may start; a time in the past means at once."""
    trigger: Trigger = Trigger.API
    source: Source = Source.CALLER
    """CALLER for a request of a caller, SYSTEM for the service's own."""
    priority: int = DEFAULT_PRIORITY
    key: str = ""
    """Text that identifies the request among those of the deployment; empty for none."""
    schedule_id: str = ""
    slot_us: int | None = None
    """Due time of the schedule, before its jitter."""
    backfill_id: str = ""
    start_deadline_us: int | None = None
    """Latest start; None for no limit."""
    parked_by: str | None = None
    """The full limit or the schedule that holds it back; None if none does."""
    display_name: str = ""
    """Name to show; empty if the flow is to make one up."""
    parameters: str | None = None
    """The contract's `Payload` as JSON."""
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    code_version: str = ""
    job_overrides: str = ""
    parent_run_id: str | None = None
    root_run_id: str = ""
    """The root of the parent's tree; empty for a root run."""
    timeout_us: int | None = None
    traceparent: str = ""
    tracestate: str = ""

    @property
    def creation(self) -> Creation:
        """The creation of the run, as the run's own producer would report it."""
        return Creation(
            kind=RunKind.FLOW,
            initial=StateReport(state=RunState.SCHEDULED, next_attempt_us=self.due_us),
            display_name=self.display_name,
            flow_id=self.flow_id,
            flow_name=self.flow_name,
            parent_run_id=self.parent_run_id,
            root_run_id=self.root_run_id,
            parameters=self.parameters,
            labels=self.labels or None,
            tags=self.tags,
            timeout_us=self.timeout_us,
            scheduled_us=self.due_us,
            traceparent=self.traceparent,
            tracestate=self.tracestate,
            code_version=self.code_version,
        )
