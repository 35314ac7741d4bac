"""Converts a timeline into the contract's messages of columns."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from towpath.api.v1 import run_timeline_pb2

from towpath_service.rpc.times import set_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from towpath_service.runs.application.timelines import RunTimeline
    from towpath_service.runs.domain.runs import StateChange, TimelineRun
    from towpath_service.runs.domain.states import RunState

CHUNK_RUNS: Final = 2_000
"""Most runs of a message: some 50 KB, so that a page draws before all have arrived."""

_UNSET: Final = float("nan")
_NO_ROW: Final = -1


def to_chunks(timeline: RunTimeline) -> Iterator[run_timeline_pb2.StreamRunTimelineResponse]:
    """The messages of a timeline: one at least, and the last with the resume token."""
    columns = _Columns(timeline)
    starts = range(0, max(1, len(timeline.runs)), CHUNK_RUNS)
    for start in starts:
        message = columns.chunk(timeline.runs[start : start + CHUNK_RUNS])
        if start == starts[-1]:
            message.truncated = timeline.truncated
            message.resume_token = timeline.resume_token
        yield message


def _state(state: RunState) -> Any:
    """The state as the type that stubs ask for."""
    return int(state)


class _Columns:
    """The rows and groups of a whole stream."""

    def __init__(self, timeline: RunTimeline) -> None:
        self._start_us = timeline.start_us
        self._rows = {run.run_id: row for row, run in enumerate(timeline.runs)}
        self._groups: dict[str, int] = {}
        by_run = groupby(timeline.changes, key=lambda change: change.run_id)
        self._changes: dict[str, list[StateChange]] = {key: list(group) for key, group in by_run}

    def chunk(self, runs: Sequence[TimelineRun]) -> run_timeline_pb2.StreamRunTimelineResponse:
        """The message of some runs."""
        columns: dict[str, Any] = {
            "run_ids": b"".join(UUID(run.run_id).bytes for run in runs),
            "display_names": [run.display_name for run in runs],
            "kinds": [int(run.kind) for run in runs],
            "states": [int(run.state) for run in runs],
            "revisions": [run.revision for run in runs],
            "attempts": [run.attempt for run in runs],
            "create_times": [self._ms(run.created_us) for run in runs],
            "start_times": [self._ms(run.started_us) for run in runs],
            "end_times": [self._ms(run.ended_us) for run in runs],
            "parent_rows": [self._rows.get(run.parent_run_id or "", _NO_ROW) for run in runs],
        }
        message = run_timeline_pb2.StreamRunTimelineResponse(**columns)
        set_time(message.base_time, self._start_us)
        for run in runs:
            if run.group not in self._groups:
                self._groups[run.group] = len(self._groups)
                message.group_names.append(run.group)
            message.groups.append(self._groups[run.group])
            upstream = self._upstream(run)
            message.upstream_counts.append(len(upstream))
            message.upstream_rows.extend(upstream)
            for change in self._changes.get(run.run_id, ()):
                message.change_rows.append(self._rows[run.run_id])
                message.change_states.append(_state(change.state))
                message.change_times.append(self._ms(change.occurred_us))
        return message

    def _upstream(self, run: TimelineRun) -> list[int]:
        if not run.dependencies:
            return []
        ids = (str(item["runId"]) for item in json.loads(run.dependencies))
        return [self._rows[run_id] for run_id in ids if run_id in self._rows]

    def _ms(self, time_us: int | None) -> float:
        return _UNSET if time_us is None else (time_us - self._start_us) / 1000
