"""The handlers of RunService and FlowService."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from towpath.api.v1 import flow_service_pb2, run_service_pb2

from towpath_service.core.names import Scope, run_name
from towpath_service.rpc.times import span_us, to_us
from towpath_service.runs.ports.origins import no_origins
from towpath_service.runs.rpc import convert_runs
from towpath_service.runs.rpc.convert_timeline import to_chunks
from towpath_service.runs.rpc.scopes import run_scope, workspace_scope
from towpath_service.runs.rpc.shown_runs import ShownRuns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towpath.api.v1 import run_pb2, run_timeline_pb2
    from towpath_auth import Caller

    from towpath_service.runs.application.queries import Queries
    from towpath_service.runs.application.timelines import Timelines
    from towpath_service.runs.application.watch import RunChange, RunChanges, Watches

_EVENTS: Any = {"ADDED": 1, "MODIFIED": 2, "REMOVED": 3}
_DEFAULT_INTERVAL_US = 100_000


class RunHandler:
    """Queries, watches and deletes runs."""

    service: ClassVar[str] = "towpath.api.v1.RunService"

    def __init__(
        self,
        queries: Queries,
        watches: Watches,
        timelines: Timelines,
        shown: ShownRuns | None = None,
    ) -> None:
        self._queries = queries
        self._watches = watches
        self._timelines = timelines
        self._shown = shown or ShownRuns(no_origins)

    async def get_run(
        self, request: run_service_pb2.GetRunRequest, caller: Caller
    ) -> run_service_pb2.GetRunResponse:
        """Reads a run."""
        scope, run_id = run_scope(caller, request.name, "name")
        run, detail = await self._queries.run(
            scope, run_id, consistency_token=request.consistency_token
        )
        [shown] = await self._shown.of(scope, [run], {run_id: detail})
        return run_service_pb2.GetRunResponse(run=shown)

    async def batch_get_runs(
        self, request: run_service_pb2.BatchGetRunsRequest, caller: Caller
    ) -> run_service_pb2.BatchGetRunsResponse:
        """Reads runs by name."""
        scope = workspace_scope(caller, request.parent)
        ids = [run_scope(caller, name, "names")[1] for name in request.names]
        full = request.view == run_service_pb2.RUN_VIEW_FULL
        runs, details = await self._queries.batch(scope, ids, full=full)
        found = [runs[run_id] for run_id in ids if run_id in runs]
        return run_service_pb2.BatchGetRunsResponse(
            runs=await self._shown.of(scope, found, details),
            missing=[run_name(scope.workspace_id, i) for i in ids if i not in runs],
        )

    async def list_runs(
        self, request: run_service_pb2.ListRunsRequest, caller: Caller
    ) -> run_service_pb2.ListRunsResponse:
        """Lists runs, a page at a time."""
        scope = workspace_scope(caller, request.parent)
        page = await self._queries.runs(
            scope,
            size=request.page_size,
            token=request.page_token,
            filter_=request.filter,
            order_by=request.order_by,
            full=request.view == run_service_pb2.RUN_VIEW_FULL,
            consistency_token=request.consistency_token,
        )
        return run_service_pb2.ListRunsResponse(
            runs=await self._shown.of(scope, page.runs, page.details),
            next_page_token=page.next_page_token,
            resume_token=page.resume_token,
        )

    async def aggregate_runs(
        self, request: run_service_pb2.AggregateRunsRequest, caller: Caller
    ) -> run_service_pb2.AggregateRunsResponse:
        """Counts runs by state over time."""
        span = request.time_range
        buckets = await self._queries.aggregate(
            workspace_scope(caller, request.parent),
            request.filter,
            to_us(span.start_time, "time_range.start_time"),
            to_us(span.end_time, "time_range.end_time") if span.HasField("end_time") else None,
            span_us(request.bucket, "bucket") if request.HasField("bucket") else None,
        )
        return run_service_pb2.AggregateRunsResponse(
            buckets=[convert_runs.to_aggregate(bucket) for bucket in buckets]
        )

    async def delete_run(
        self, request: run_service_pb2.DeleteRunRequest, caller: Caller
    ) -> run_service_pb2.DeleteRunResponse:
        """Deletes an ended run with all its descendants."""
        scope, run_id = run_scope(caller, request.name, "name")
        await self._queries.delete(scope, run_id, etag=request.etag)
        return run_service_pb2.DeleteRunResponse()

    async def list_run_transitions(
        self, request: run_service_pb2.ListRunTransitionsRequest, caller: Caller
    ) -> run_service_pb2.ListRunTransitionsResponse:
        """Lists a run's history."""
        scope, run_id = run_scope(caller, request.parent, "parent")
        found, more = await self._queries.transitions(
            scope,
            run_id,
            size=request.page_size,
            token=request.page_token,
            after_revision=request.after_revision,
        )
        return run_service_pb2.ListRunTransitionsResponse(
            transitions=[convert_runs.to_transition(item) for item in found], next_page_token=more
        )

    async def list_run_decisions(
        self, request: run_service_pb2.ListRunDecisionsRequest, caller: Caller
    ) -> run_service_pb2.ListRunDecisionsResponse:
        """Lists the decisions on a run's updates."""
        scope, run_id = run_scope(caller, request.parent, "parent")
        found, more = await self._queries.decisions(
            scope, run_id, size=request.page_size, token=request.page_token
        )
        return run_service_pb2.ListRunDecisionsResponse(
            decisions=[convert_runs.to_decision(item) for item in found], next_page_token=more
        )

    async def get_run_graph(
        self, request: run_service_pb2.GetRunGraphRequest, caller: Caller
    ) -> run_service_pb2.GetRunGraphResponse:
        """Reads the tree under a run."""
        scope, run_id = run_scope(caller, request.name, "name")
        graph = await self._queries.graph(
            scope, run_id, depth=request.depth, most=request.max_nodes
        )
        present = {run.run_id for run in graph.runs}
        return run_service_pb2.GetRunGraphResponse(
            nodes=[convert_runs.to_node(run, present) for run in graph.runs],
            truncated=graph.truncated,
            resume_token=graph.resume_token,
        )

    async def stream_run_timeline(
        self, request: run_timeline_pb2.StreamRunTimelineRequest, caller: Caller
    ) -> AsyncIterator[run_timeline_pb2.StreamRunTimelineResponse]:
        """Streams the runs below a run as columns."""
        scope, run_id = run_scope(caller, request.name, "name")
        timeline = await self._timelines.of(scope, run_id, most=request.max_runs)
        for message in to_chunks(timeline):
            yield message

    async def watch_runs(
        self, request: run_service_pb2.WatchRunsRequest, caller: Caller
    ) -> AsyncIterator[run_service_pb2.WatchRunsResponse]:
        """Streams runs as they change."""
        scope = workspace_scope(caller, request.parent)
        interval_us = (
            span_us(request.min_interval, "min_interval")
            if request.HasField("min_interval")
            else _DEFAULT_INTERVAL_US
        )
        full = request.view == run_service_pb2.RUN_VIEW_FULL
        async for changes in self._watches.runs(
            scope,
            filter_=request.filter,
            resume_token=request.resume_token,
            skip_initial=request.skip_initial,
            min_interval_seconds=interval_us / 1e6,
        ):
            yield await self._changes(scope, changes, full=full)

    async def _changes(
        self, scope: Scope, changes: RunChanges, *, full: bool
    ) -> run_service_pb2.WatchRunsResponse:
        details: dict[str, Any] = {}
        if full and changes.changes:
            ids = [change.run_id for change in changes.changes if change.run is not None]
            _, details = await self._queries.batch(scope, ids, full=True)
        message = run_service_pb2.WatchRunsResponse(
            resume_token=changes.resume_token, synced=changes.synced
        )
        shown = await self._shown.of(
            scope,
            [
                change.run
                for change in changes.changes
                if change.run is not None and change.kind != "REMOVED"
            ],
            details,
        )
        runs = {run.run_id: run for run in shown}
        for change in changes.changes:
            message.events.append(_event(scope, change, runs.get(change.run_id)))
        message.server_time.GetCurrentTime()
        return message

    async def watch_run_transitions(
        self, request: run_service_pb2.WatchRunTransitionsRequest, caller: Caller
    ) -> AsyncIterator[run_service_pb2.WatchRunTransitionsResponse]:
        """Streams transitions in commit order."""
        if "/runs/" in request.parent:
            scope, run_id = run_scope(caller, request.parent, "parent")
        else:
            scope, run_id = workspace_scope(caller, request.parent), ""
        async for batch in self._watches.transitions(
            scope,
            run_id=run_id,
            resume_token=request.resume_token,
            states=tuple(int(state) for state in request.to_states),
        ):
            message = run_service_pb2.WatchRunTransitionsResponse(
                transitions=[convert_runs.to_transition(item) for item in batch.transitions],
                resume_token=batch.resume_token,
            )
            message.server_time.GetCurrentTime()
            yield message


class FlowHandler:
    """Queries flows."""

    service: ClassVar[str] = "towpath.api.v1.FlowService"

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def list_flows(
        self, request: flow_service_pb2.ListFlowsRequest, caller: Caller
    ) -> flow_service_pb2.ListFlowsResponse:
        """Lists flows, a page at a time."""
        scope = workspace_scope(caller, request.parent)
        flows, more = await self._queries.flows(
            scope, size=request.page_size, token=request.page_token
        )
        return flow_service_pb2.ListFlowsResponse(
            flows=[convert_runs.to_flow(flow, scope.workspace_id) for flow in flows],
            next_page_token=more,
        )


def _event(scope: Scope, change: RunChange, run: run_pb2.Run | None) -> run_service_pb2.RunEvent:
    event = run_service_pb2.RunEvent(kind=_EVENTS[change.kind])
    if run is not None:
        event.run.CopyFrom(run)
    else:
        event.run.name = run_name(scope.workspace_id, change.run_id)
        event.run.run_id = change.run_id
        event.run.revision = change.run.revision if change.run is not None else 0
    return event
