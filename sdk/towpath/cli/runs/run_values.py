"""Runs, their histories and log lines as JSON and in tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from towpath._display.words import printable, span
from towpath._state_type import StateType
from towpath.cli.shared.tables import Column, print_table
from towpath.cli.shared.times import local_time, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath.client import Decision, Failure, LogLine, Run, Transition


def run_as_json(run: Run) -> dict[str, Any]:
    """A run as `-o json` prints it; times in RFC 3339, null for events that lie ahead."""
    return {
        "id": run.id,
        "short_id": run.short_id,
        "kind": run.kind,
        "name": run.name,
        "flow": run.flow,
        "task": run.task,
        "state": str(run.state),
        "reason": run.reason,
        "message": run.message,
        "attempt": run.attempt,
        "parent_id": run.parent_id or None,
        "root_id": run.root_id or None,
        "tags": list(run.tags),
        "created": rfc3339(run.created),
        "started": rfc3339(run.started),
        "ended": rfc3339(run.ended),
        "running_seconds": run.running_seconds,
    }


def detail_as_json(run: Run, transitions: Sequence[Transition]) -> dict[str, Any]:
    """A run with its details and history."""
    return run_as_json(run) | {
        "code_version": run.code_version,
        "observed_late": run.observed_late,
        "parameters": _parsed(run.parameters),
        "children": {str(state): count for state, count in run.child_counts.items()},
        "trace_id": run.trace_id,
        "creator": run.creator or None,
        "deployment": run.deployment or None,
        "deployment_revision": run.deployment_revision or None,
        "schedule": run.schedule or None,
        "slot_time": rfc3339(run.slot),
        "scheduled": rfc3339(run.scheduled),
        "late_seconds": run.late_seconds,
        "work_queue": run.queue or None,
        "worker": run.worker or None,
        "failure": failure_as_json(run.failure),
        "transitions": [_transition_as_json(item) for item in transitions],
    }


def decision_as_json(item: Decision) -> dict[str, Any]:
    """A decision about an update."""
    return {
        "verdict": "accepted" if item.accepted else "refused",
        "rule": item.rule,
        "reason": item.reason,
        "message": item.message,
        "from": str(item.before) if item.before else None,
        "to": str(item.after),
        "attempt": item.attempt,
        "revision": item.revision or None,
        "source": item.source,
        "occurred": rfc3339(item.occurred),
        "recorded": rfc3339(item.recorded),
    }


def log_line_as_json(line: LogLine) -> dict[str, Any]:
    """A log line."""
    return {
        "time": rfc3339(line.time),
        "severity": line.severity,
        "logger": line.logger,
        "run_id": line.run_id,
        "attempt": line.attempt,
        "body": line.body,
        "failure": failure_as_json(line.failure),
    }


def failure_as_json(failure: Failure | None) -> dict[str, Any] | None:
    """A failure with its causes."""
    if failure is None:
        return None
    return {
        "type": failure.type,
        "message": failure.message,
        "stack_trace": failure.stack_trace,
        "cause": failure_as_json(failure.cause),
    }


def print_runs(runs: Sequence[Run], *, wide: bool) -> None:
    """Prints a table of runs."""
    shown = [
        Column(title="ID", cells=[run.short_id for run in runs]),
        Column(title="STATE", cells=[run.state for run in runs]),
        Column(title="STARTED", cells=[local_time(run.started) for run in runs], rank=2),
        Column(title="RAN", cells=[ran(run) for run in runs], rank=1),
        Column(title="NAME", cells=[run.name for run in runs], most=1_000 if wide else 36),
    ]
    if wide:
        shown[1:1] = [Column(title="RUN", cells=[f"run_{run.id}" for run in runs])]
        shown += [
            Column(title="KIND", cells=[run.kind for run in runs]),
            Column(title="FLOW", cells=[run.flow or "-" for run in runs]),
            Column(title="ATTEMPT", cells=[str(run.attempt) for run in runs]),
        ]
    why = [f"{run.reason} {run.message}".strip() for run in runs]
    print_table([*shown, Column(title="WHY", cells=why)], wide=wide)


def origin_facts(run: Run) -> list[tuple[str, str]]:
    """Lines about what a run was created from, each with its title; empty ones for none."""
    revision = f"{printable(run.deployment)}, revision {run.deployment_revision}"
    return [
        ("due", _due(run)),
        ("schedule", printable(run.schedule) if run.schedule else ""),
        ("deployed", revision if run.deployment else ""),
        ("queue", printable(run.queue)),
        ("worker", printable(run.worker)),
        ("creator", printable(run.creator)),
    ]


def _due(run: Run) -> str:
    """When a run of a deployment was due, with the due time of its schedule and its delay."""
    if run.scheduled is None or not run.deployment:
        return ""
    text = local_time(run.scheduled)
    if run.slot is not None and run.slot != run.scheduled:
        text += f", for {local_time(run.slot)}"
    if run.late_seconds is None:
        return text
    return f"{text}, began {span(run.late_seconds)} later"


def ran(run: Run, now: datetime | None = None) -> str:
    """The time that a run has been running, short."""
    return span(running_seconds(run, now))


def running_seconds(run: Run, now: datetime | None = None) -> float:
    """Seconds that a run has been running, up to now if it still is."""
    seconds = run.running_seconds
    if run.state is StateType.RUNNING:
        seconds += max(0.0, ((now or datetime.now(UTC)) - run.state_since).total_seconds())
    return seconds


def _transition_as_json(item: Transition) -> dict[str, Any]:
    return {
        "revision": item.revision,
        "from": str(item.before) if item.before else None,
        "to": str(item.after),
        "attempt": item.attempt,
        "reason": item.reason,
        "message": item.message,
        "rule": item.rule,
        "source": item.source,
        "inferred": item.inferred,
        "occurred": rfc3339(item.occurred),
        "recorded": rfc3339(item.recorded),
    }


def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
