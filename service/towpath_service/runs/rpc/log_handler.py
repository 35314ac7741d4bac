"""The handler of LogService."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from towpath.api.v1 import log_service_pb2

from towpath_service.core.errors import ServiceError, invalid
from towpath_service.core.names import is_uuid
from towpath_service.core.tenant_limits import TenantLimits, limits_storage
from towpath_service.rpc.validation import first_violation
from towpath_service.runs.ports.ingest import LogLine, ProducerKey
from towpath_service.runs.rpc import convert_runs
from towpath_service.runs.rpc.convert_updates import to_log_line
from towpath_service.runs.rpc.scopes import run_scope, workspace_scope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towpath_auth import Caller

    from towpath_service.core.names import Scope
    from towpath_service.runs.application.producers import Producers
    from towpath_service.runs.application.queries import Queries
    from towpath_service.runs.application.watch import Watches


MOST_RECORDS: Final = 1000
_NOT_ITS_OWN: Final = "some lines are of runs that this credential isn't for"


class LogHandler:
    """Stores, lists and streams log lines."""

    service: ClassVar[str] = "towpath.api.v1.LogService"

    def __init__(
        self,
        producers: Producers,
        queries: Queries,
        watches: Watches,
        tenant_limits: TenantLimits | None = None,
    ) -> None:
        self._producers = producers
        self._queries = queries
        self._watches = watches
        self._tenant_limits = tenant_limits or TenantLimits()

    async def write_logs(
        self, request: log_service_pb2.WriteLogsRequest, caller: Caller
    ) -> log_service_pb2.WriteLogsResponse:
        """Stores lines; those that break a rule are counted and not stored."""
        scope = workspace_scope(caller, request.workspace, "workspace")
        if not is_uuid(request.producer_id):
            raise invalid("producer_id", "must be a UUID in lower case")
        if len(request.records) > MOST_RECORDS:
            raise invalid("records", f"at most {MOST_RECORDS}: send the rest in another batch")
        key = ProducerKey(scope.tenant_id, scope.workspace_id, request.producer_id)
        self._tenant_limits.report(caller, "log_bytes_per_second", request.ByteSize())
        lines: list[LogLine] = []
        problem = ""
        broken = first_violation(request) is not None
        for record in request.records:
            violation = first_violation(record) if broken else None
            if violation:
                problem = problem or f"{violation.field}: {violation.description}"
                continue
            try:
                lines.append(to_log_line(record))
            except ServiceError as error:
                problem = problem or error.message
        if caller.run is not None:
            own = await self._own(scope, caller.run.run_id, lines)
            problem = problem or (_NOT_ITS_OWN if len(own) < len(lines) else "")
            lines = own
        await self._producers.write_logs(
            key, lines, request.dropped_count, limited=limits_storage(caller)
        )
        return log_service_pb2.WriteLogsResponse(
            rejected_count=len(request.records) - len(lines), message=problem
        )

    async def _own(self, scope: Scope, run_id: str, lines: list[LogLine]) -> list[LogLine]:
        """The lines of a run and its descendants."""
        ids = list({line.run_id for line in lines})
        runs, _ = await self._queries.batch(scope, ids, full=False)
        own = {found.run_id for found in runs.values() if found.root_run_id == run_id} | {run_id}
        return [line for line in lines if line.run_id in own]

    async def list_logs(
        self, request: log_service_pb2.ListLogsRequest, caller: Caller
    ) -> log_service_pb2.ListLogsResponse:
        """Lists lines of a run."""
        scope, run_id = run_scope(caller, request.parent, "parent")
        lines, more, dropped = await self._queries.logs(
            scope,
            run_id,
            size=request.page_size,
            token=request.page_token,
            filter_=request.filter,
            descendants=request.include_descendants,
            descending=request.descending,
        )
        return log_service_pb2.ListLogsResponse(
            records=[convert_runs.to_log_record(line) for line in lines],
            next_page_token=more,
            dropped_count=dropped,
        )

    async def tail_logs(
        self, request: log_service_pb2.TailLogsRequest, caller: Caller
    ) -> AsyncIterator[log_service_pb2.TailLogsResponse]:
        """Streams lines of a run as they arrive."""
        scope, run_id = run_scope(caller, request.parent, "parent")
        async for batch in self._watches.logs(
            scope,
            run_id,
            tail_lines=request.tail_lines,
            resume_token=request.resume_token,
            descendants=request.include_descendants,
            min_severity=int(request.min_severity),
        ):
            yield log_service_pb2.TailLogsResponse(
                records=[convert_runs.to_log_record(line) for line in batch.lines],
                resume_token=batch.resume_token,
            )
