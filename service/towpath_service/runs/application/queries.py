"""Queries of runs, flows and logs, and the deletion of runs; used by the run handlers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast, get_args

from towpath_service.core.errors import ServiceError, invalid, not_found
from towpath_service.core.names import run_name
from towpath_service.core.tokens import make_token, read_number, read_place
from towpath_service.runs.application.freshness import read_fresh
from towpath_service.runs.domain.filters import LOG_FIELDS, RUN_FIELDS, counted_cells, parse_filter
from towpath_service.runs.domain.runs import Bucket
from towpath_service.runs.domain.states import TERMINAL_STATES, RunState
from towpath_service.runs.ports.reads import OrderField, Reads, RunQuery, RunTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.runs import (
        Decision,
        FlowSummary,
        GraphNode,
        LogEntry,
        Run,
        RunDetail,
        Transition,
    )
    from towpath_service.runs.ports.reads import ReadStore

MAX_BUCKETS: Final = 1000
MAX_DELETED: Final = 100_000
ALL_LEVELS: Final = 50

_ORDER_VALUES: Final = {
    "create_time": "created_us",
    "scheduled_time": "scheduled_us",
    "start_time": "started_us",
    "end_time": "ended_us",
    "run_duration": "running_us",
    "display_name": "display_name",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """A page of runs."""

    runs: Sequence[Run]
    details: dict[str, RunDetail]
    next_page_token: str
    resume_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The tree under a run."""

    runs: Sequence[GraphNode]
    truncated: bool
    resume_token: str


def page_size(asked: int, *, default: int, most: int) -> int:
    """The size of a page: the requested one within its bounds, or the default."""
    return min(asked or default, most)


def watch_question(scope: Scope, condition: str) -> tuple[str, ...]:
    """The query that the resume token of a run watch is bound to."""
    return ("WatchRuns", scope.tenant_id, scope.workspace_id, condition)


class Queries:
    """Runs queries; each result shows one state of the database."""

    def __init__(self, store: ReadStore, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock

    async def run(
        self, scope: Scope, run_id: str, *, consistency_token: str = ""
    ) -> tuple[Run, RunDetail]:
        """Reads a run as fresh as the token asks; NOT_FOUND when there is none."""

        def work(reads: Reads) -> tuple[Run, RunDetail]:
            run = existing_run(reads, scope, run_id)
            return run, reads.details(scope, [run_id])[run_id]

        return await read_fresh(self._store, self._bus, scope, consistency_token, work)

    async def batch(
        self, scope: Scope, run_ids: Sequence[str], *, full: bool
    ) -> tuple[dict[str, Run], dict[str, RunDetail]]:
        """Reads runs by id; those that don't exist are left out."""

        def work(reads: Reads) -> tuple[dict[str, Run], dict[str, RunDetail]]:
            runs = reads.runs_by_id(scope, run_ids)
            return runs, reads.details(scope, list(runs)) if full else {}

        return await self._store.read(scope.tenant_id, work)

    async def runs(
        self,
        scope: Scope,
        *,
        size: int,
        token: str,
        filter_: str,
        order_by: str,
        full: bool,
        consistency_token: str = "",
    ) -> RunPage:
        """Reads a page of runs.

        Args:
            scope: The workspace.
            size: Size of the page; 0 for 50, at most 500.
            token: Token of the page; empty for the first one.
            filter_: A filter over `RUN_FIELDS`; empty for all runs.
            order_by: Name of a field, with " desc" for descending; empty for the newest first.
            full: Whether to read details, too.
            consistency_token: From an ack; the page includes all that it covers.

        Raises:
            ServiceError: INVALID_REQUEST, INVALID_FILTER, INVALID_PAGE_TOKEN or OVERLOADED.
        """
        order, descending = _order(order_by)
        condition = parse_filter(filter_, RUN_FIELDS)
        question = ("ListRuns", scope.tenant_id, scope.workspace_id, filter_, order_by)
        kind = str if order == "display_name" else int
        after = read_place(token, question, kind, str) if token else None
        limit = page_size(size, default=50, most=500)
        query = RunQuery(
            scope=scope,
            filter=condition,
            order=order,
            descending=descending,
            after=(after[0], str(after[1])) if after else None,
            limit=limit + 1,
        )

        def work(reads: Reads) -> RunPage:
            found = reads.runs(query)
            runs = found[:limit]
            more = ""
            if len(found) > limit:
                value = getattr(runs[-1], _ORDER_VALUES[order]) or kind()
                more = make_token(question, (value, runs[-1].run_id))
            resume = ""
            if not token:
                place = (reads.position(scope),)
                resume = make_token(watch_question(scope, filter_), place)
            details = reads.details(scope, [run.run_id for run in runs]) if full else {}
            return RunPage(runs=runs, details=details, next_page_token=more, resume_token=resume)

        return await read_fresh(self._store, self._bus, scope, consistency_token, work)

    async def transitions(
        self, scope: Scope, run_id: str, *, size: int, token: str, after_revision: int
    ) -> tuple[Sequence[Transition], str]:
        """Reads a page of a run's history.

        Args:
            scope: The workspace.
            run_id: The run.
            size: Size of the page; 0 for 100, at most 1,000.
            token: Token of the page; empty for the first one.
            after_revision: Revision that the first page follows; 0 for the whole history.

        Returns:
            The transitions in order, and the token of the next page.

        Raises:
            ServiceError: NOT_FOUND or INVALID_PAGE_TOKEN.
        """
        question = ("Transitions", scope.tenant_id, scope.workspace_id, run_id, str(after_revision))
        after = read_number(token, question) if token else after_revision
        limit = page_size(size, default=100, most=1000)

        def work(reads: Reads) -> tuple[Sequence[Transition], str]:
            existing_run(reads, scope, run_id)
            found = reads.transitions(scope, run_id, after, limit + 1)
            page = found[:limit]
            more = make_token(question, (page[-1].revision,)) if len(found) > limit else ""
            return page, more

        return await self._store.read(scope.tenant_id, work)

    async def decisions(
        self, scope: Scope, run_id: str, *, size: int, token: str
    ) -> tuple[Sequence[Decision], str]:
        """Reads a page of the decisions on a run's updates; otherwise as `transitions`."""
        question = ("Decisions", scope.tenant_id, scope.workspace_id, run_id)
        skip = read_number(token, question) if token else 0
        limit = page_size(size, default=100, most=1000)

        def work(reads: Reads) -> tuple[Sequence[Decision], str]:
            existing_run(reads, scope, run_id)
            found = reads.decisions(scope, run_id, skip, limit + 1)
            more = make_token(question, (skip + limit,)) if len(found) > limit else ""
            return found[:limit], more

        return await self._store.read(scope.tenant_id, work)

    async def graph(self, scope: Scope, run_id: str, *, depth: int, most: int) -> Graph:
        """Reads the tree under a run.

        Args:
            scope: The workspace.
            run_id: The run at the top.
            depth: Number of levels below it; 0 for 1.
            most: Most runs to return; 0 for 1,000.

        Raises:
            ServiceError: NOT_FOUND.
        """
        limit = most or 1000

        def work(reads: Reads) -> Graph:
            runs = reads.graph(scope, run_id, depth=depth or 1, limit=limit)
            if not runs:
                raise not_found(run_name(scope.workspace_id, run_id))
            condition = f'root_run = "{run_id}"'
            place = (reads.position(scope),)
            return Graph(
                runs=runs[:limit],
                truncated=len(runs) > limit,
                resume_token=make_token(watch_question(scope, condition), place),
            )

        return await self._store.read(scope.tenant_id, work)

    async def aggregate(
        self, scope: Scope, filter_: str, start_us: int, end_us: int | None, bucket_us: int | None
    ) -> list[Bucket]:
        """Counts runs by state over time.

        Args:
            scope: The workspace.
            filter_: A filter over `RUN_FIELDS`; empty for all runs.
            start_us: Begin of the interval, microseconds since the Unix epoch.
            end_us: End of the interval, exclusive; None for now.
            bucket_us: Width of a bucket in microseconds; None for a single bucket.

        Returns:
            The buckets that contain runs, in order.

        Raises:
            ServiceError: INVALID_REQUEST or INVALID_FILTER.
        """
        condition = parse_filter(filter_, RUN_FIELDS)
        end = self._clock.now_us() + 1 if end_us is None else end_us
        if end <= start_us:
            raise invalid("time_range", "must end after it starts")
        totals = counted_cells(condition) if start_us <= 0 and not (end_us or bucket_us) else None
        width = bucket_us or end - start_us
        if (end - start_us) / width > MAX_BUCKETS:
            raise invalid("bucket", f"must be wide enough for at most {MAX_BUCKETS} buckets")

        def work(reads: Reads) -> list[Bucket]:
            if totals is None:
                counts = reads.counts(scope, condition, start_us, end, width)
            else:
                counts = {(0, state): count for state, count in reads.totals(scope, totals).items()}
            durations = reads.durations(scope, condition, start_us, end, width)
            return [
                Bucket(
                    start_us=start_us + number * width,
                    end_us=min(end, start_us + (number + 1) * width),
                    counts={
                        RunState(state): count
                        for (bucket, state), count in counts.items()
                        if bucket == number
                    },
                    durations_us=durations.get(number, ()),
                )
                for number in sorted({bucket for bucket, _ in counts})
            ]

        return await self._store.read(scope.tenant_id, work)

    async def flows(
        self, scope: Scope, *, size: int, token: str
    ) -> tuple[Sequence[FlowSummary], str]:
        """Reads a page of flows by id, and the token of the next page.

        Raises:
            ServiceError: INVALID_PAGE_TOKEN.
        """
        question = ("Flows", scope.tenant_id, scope.workspace_id)
        after = str(read_place(token, question, str)[0]) if token else ""
        limit = page_size(size, default=50, most=500)

        def work(reads: Reads) -> tuple[Sequence[FlowSummary], str]:
            found = reads.flows(scope, after, limit + 1)
            page = found[:limit]
            more = make_token(question, (page[-1].flow_id,)) if len(found) > limit else ""
            return page, more

        return await self._store.read(scope.tenant_id, work)

    async def logs(
        self,
        scope: Scope,
        run_id: str,
        *,
        size: int,
        token: str,
        filter_: str,
        descendants: bool,
        descending: bool,
    ) -> tuple[Sequence[LogEntry], str, int]:
        """Reads a page of a run's log lines.

        Args:
            scope: The workspace.
            run_id: The run.
            size: Size of the page; 0 for 200, at most 1,000.
            token: Token of the page; empty for the first one.
            filter_: A filter over `LOG_FIELDS`; empty for all lines.
            descendants: Whether to include the lines of the run's descendants.
            descending: Whether the latest lines come first.

        Returns:
            The lines by time, the token of the next page, and the number of dropped lines.

        Raises:
            ServiceError: NOT_FOUND, INVALID_FILTER or INVALID_PAGE_TOKEN.
        """
        condition = parse_filter(filter_, LOG_FIELDS)
        question = (
            *("Logs", scope.tenant_id, scope.workspace_id, run_id, filter_),
            *(str(descendants), str(descending)),
        )
        place = read_place(token, question, int, int) if token else None
        limit = page_size(size, default=200, most=1000)

        def work(reads: Reads) -> tuple[Sequence[LogEntry], str, int]:
            existing_run(reads, scope, run_id)
            tree = RunTree(run_id, descendants)
            found = reads.logs(
                scope,
                tree,
                condition,
                after=(int(place[0]), int(place[1])) if place else None,
                descending=descending,
                limit=limit + 1,
            )
            page = found[:limit]
            more = ""
            if len(found) > limit:
                more = make_token(question, (page[-1].occurred_us, page[-1].position))
            return page, more, reads.dropped_logs(scope, tree)

        return await self._store.read(scope.tenant_id, work)

    async def delete(self, scope: Scope, run_id: str, *, etag: str = "") -> None:
        """Deletes an ended run with all its descendants.

        Raises:
            ServiceError: NOT_FOUND, ETAG_MISMATCH when the given etag isn't the run's, or
                RESOURCE_IN_USE when the run or a descendant hasn't ended.
        """
        now_us = self._clock.now_us()

        def work(reads: Reads) -> None:
            run = existing_run(reads, scope, run_id)
            if etag and etag != run.etag:
                raise _etag_mismatch(run_name(scope.workspace_id, run_id))
            runs = reads.descendants(scope, run_id, depth=ALL_LEVELS, limit=MAX_DELETED)
            for run in runs:
                if run.state not in TERMINAL_STATES:
                    name = run_name(scope.workspace_id, run.run_id)
                    raise ServiceError(
                        reason="RESOURCE_IN_USE",
                        message=f"{name} is {run.state.name}: runs can be deleted once they end",
                        metadata={
                            "resource": run_name(scope.workspace_id, run_id),
                            "used_by": name,
                        },
                    )
            reads.delete_runs(scope, [run.run_id for run in runs], now_us)

        await self._store.remove(scope.tenant_id, work)
        self._bus.notify(scope)


def existing_run(reads: Reads, scope: Scope, run_id: str) -> Run:
    """Reads a run; NOT_FOUND when there is none."""
    run = reads.runs_by_id(scope, [run_id]).get(run_id)
    if run is None:
        raise not_found(run_name(scope.workspace_id, run_id))
    return run


def _etag_mismatch(name: str) -> ServiceError:
    return ServiceError(
        reason="ETAG_MISMATCH",
        message=f"{name} has changed since its etag was read: read it again, then decide",
        metadata={"resource": name},
    )


def _order(order_by: str) -> tuple[OrderField, bool]:
    if not order_by:
        return "create_time", True
    name, _, direction = order_by.strip().partition(" ")
    if name not in get_args(OrderField) or direction.strip() not in {"", "desc"}:
        known = ", ".join(get_args(OrderField))
        raise invalid("order_by", f'must be one of {known}, with " desc" for descending')
    return cast("OrderField", name), direction.strip() == "desc"
