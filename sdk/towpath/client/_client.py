"""A client over any transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from towpath.api.v1 import (
    flow_service_pb2,
    log_service_pb2,
    run_pb2,
    run_service_pb2,
    server_service_pb2,
)
from towpath.exceptions import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath._transport.base import Transport

_RUNS = "towpath.api.v1.RunService"
_PARENT = "workspaces/default"
_PAGE = 200
_UUID_LENGTH = 36


class Client:
    """Reads what a service knows."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def runs(
        self, *, filter_: str = "", limit: int = 50, full: bool = False
    ) -> Iterator[run_pb2.Run]:
        """Runs, newest first.

        Args:
            filter_: See ListRunsRequest.filter.
            limit: Most runs.
            full: With parameters, results and failures.
        """
        token = ""
        left = limit
        view = run_service_pb2.RUN_VIEW_FULL if full else run_service_pb2.RUN_VIEW_BASIC
        while left > 0:
            request = run_service_pb2.ListRunsRequest(
                parent=_PARENT,
                filter=filter_,
                page_size=min(left, _PAGE),
                page_token=token,
                view=view,
            )
            answer = cast(
                "run_service_pb2.ListRunsResponse",
                self.transport.unary(f"{_RUNS}/ListRuns", request),
            )
            yield from answer.runs
            left -= len(answer.runs)
            token = answer.next_page_token
            if not token:
                return

    def run(self, id_: str) -> run_pb2.Run:
        """A run by its id, in full or in short form.

        Raises:
            NotFound: There is none.
            Conflict: The short form fits several.
        """
        wanted = id_.lower().removeprefix("run_")
        if len(wanted) != _UUID_LENGTH:
            wanted = self._resolve(wanted)
        request = run_service_pb2.GetRunRequest(name=f"{_PARENT}/runs/{wanted}")
        answer = self.transport.unary(f"{_RUNS}/GetRun", request)
        return cast("run_service_pb2.GetRunResponse", answer).run

    def _resolve(self, short: str) -> str:
        if not short.isalnum() or len(short) < 4:  # noqa: PLR2004 - fewer fit too many
            raise NotFound(
                f"{short!r} is no run id: give the whole id, or its last 4 to 8 characters"
            )
        found = list(self.runs(filter_=f'short_id = "{short}"', limit=5))
        if not found:
            raise NotFound(f"no run has the id {short}: `towpath run ls` shows those there are")
        if len(found) > 1:
            names = ", ".join(f"{run.short_id} ({run.display_name})" for run in found)
            raise Conflict(f"{short} fits several runs: {names}. Give more characters")
        return found[0].run_id

    def decisions(self, run_id: str) -> list[run_service_pb2.RunDecision]:
        """What was decided about a run's updates, oldest first, at most 1,000."""
        request = run_service_pb2.ListRunDecisionsRequest(
            parent=f"{_PARENT}/runs/{run_id}", page_size=1000
        )
        answer = self.transport.unary(f"{_RUNS}/ListRunDecisions", request)
        return list(cast("run_service_pb2.ListRunDecisionsResponse", answer).decisions)

    def logs(self, run_id: str) -> Iterator[log_service_pb2.LogRecord]:
        """Log lines of a run and all below it, oldest first."""
        token = ""
        while True:
            request = log_service_pb2.ListLogsRequest(
                parent=f"{_PARENT}/runs/{run_id}",
                page_size=1000,
                page_token=token,
                include_descendants=True,
            )
            answer = cast(
                "log_service_pb2.ListLogsResponse",
                self.transport.unary("towpath.api.v1.LogService/ListLogs", request),
            )
            yield from answer.records
            token = answer.next_page_token
            if not token:
                return

    def tail(self, run_id: str) -> Iterator[log_service_pb2.LogRecord]:
        """Log lines of a run as they come in, until it has ended."""
        request = log_service_pb2.TailLogsRequest(
            parent=f"{_PARENT}/runs/{run_id}", include_descendants=True, tail_lines=1000
        )
        for answer in self.transport.server_stream("towpath.api.v1.LogService/TailLogs", request):
            yield from cast("log_service_pb2.TailLogsResponse", answer).records

    def delete(self, run_id: str) -> None:
        """Deletes an ended run with all below it."""
        request = run_service_pb2.DeleteRunRequest(name=f"{_PARENT}/runs/{run_id}")
        self.transport.unary(f"{_RUNS}/DeleteRun", request)

    def flows(self) -> list[flow_service_pb2.Flow]:
        """Flows by id, at most 500."""
        request = flow_service_pb2.ListFlowsRequest(parent=_PARENT, page_size=500)
        answer = self.transport.unary("towpath.api.v1.FlowService/ListFlows", request)
        return list(cast("flow_service_pb2.ListFlowsResponse", answer).flows)

    def server_info(self) -> server_service_pb2.GetServerInfoResponse:
        """What the service is."""
        answer = self.transport.unary(
            "towpath.api.v1.ServerService/GetServerInfo",
            server_service_pb2.GetServerInfoRequest(client="towpath-python"),
        )
        return cast("server_service_pb2.GetServerInfoResponse", answer)
