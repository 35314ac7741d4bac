"""A client over any transport."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final, cast

from towpath.api.v1 import (
    flow_service_pb2,
    log_service_pb2,
    run_service_pb2,
    server_service_pb2,
)
from towpath.client import _convert as convert
from towpath.client._values import RunEvent
from towpath.exceptions import Conflict, InvalidRequest, NotFound, RpcError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.message import Message

    from towpath._transport.base import Transport
    from towpath.client._values import (
        Decision,
        FlowSummary,
        GraphNode,
        LogLine,
        Run,
        ServerInfo,
        Transition,
    )

_RUNS: Final = "towpath.api.v1.RunService"
_LOGS: Final = "towpath.api.v1.LogService"
_PAGE: Final = 500
_BATCH: Final = 200
_CANDIDATES: Final = 6
_AGAIN_SECONDS: Final = 0.1
"""Between a stream that the service ended and the next, so that a draining one isn't flooded."""
_SEVERITIES: Final = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHORT: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{4,8}")
_LOOK_ALIKES: Final = str.maketrans("oil", "011")


class Client:
    """Reads what a service knows.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def __init__(self, transport: Transport, *, workspace: str = "default") -> None:
        """Calls nothing yet.

        Args:
            transport: How to reach the service; closing it is its owner's business.
            workspace: Id of the workspace whose runs it reads.
        """
        self.transport = transport
        self._parent = f"workspaces/{workspace}"

    def runs(
        self, *, filter_: str = "", limit: int | None = 50, full: bool = False
    ) -> Iterator[Run]:
        """Runs, newest first.

        Args:
            filter_: See ListRunsRequest.filter.
            limit: Most runs; None for all.
            full: With parameters, failures and numbers of children.
        """
        request = run_service_pb2.ListRunsRequest(
            parent=self._parent,
            filter=filter_,
            view=run_service_pb2.RUN_VIEW_FULL if full else run_service_pb2.RUN_VIEW_BASIC,
        )
        left = limit
        while left is None or left > 0:
            request.page_size = _PAGE if left is None else min(left, _PAGE)
            answer = cast(
                "run_service_pb2.ListRunsResponse",
                self.transport.unary(f"{_RUNS}/ListRuns", request),
            )
            yield from map(convert.to_run, answer.runs)
            left = None if left is None else left - len(answer.runs)
            request.page_token = answer.next_page_token
            if not answer.next_page_token:
                return

    def run(self, id_: str) -> Run:
        """A run by its id: a UUID, `run_` and a UUID, or the short form's last 4 to 8 characters.

        Raises:
            InvalidRequest: This can't be an id.
            NotFound: There is no such run.
            Conflict: The short form fits several.
        """
        wanted = id_.strip().lower().removeprefix("run_")
        if not _UUID.fullmatch(wanted):
            wanted = self._resolve(wanted.translate(_LOOK_ALIKES), id_)
        request = run_service_pb2.GetRunRequest(name=self._run_name(wanted))
        answer = self.transport.unary(f"{_RUNS}/GetRun", request)
        return convert.to_run(cast("run_service_pb2.GetRunResponse", answer).run)

    def runs_by_id(self, ids: Iterable[str]) -> dict[str, Run]:
        """Runs by their full ids; those that don't exist are left out."""
        names = [self._run_name(id_) for id_ in dict.fromkeys(ids)]
        found: dict[str, Run] = {}
        for start in range(0, len(names), _BATCH):
            request = run_service_pb2.BatchGetRunsRequest(
                parent=self._parent, names=names[start : start + _BATCH]
            )
            answer = self.transport.unary(f"{_RUNS}/BatchGetRuns", request)
            runs = cast("run_service_pb2.BatchGetRunsResponse", answer).runs
            found |= {message.run_id: convert.to_run(message) for message in runs}
        return found

    def transitions(self, run_id: str) -> Iterator[Transition]:
        """A run's history, oldest first."""
        request = run_service_pb2.ListRunTransitionsRequest(
            parent=self._run_name(run_id), page_size=1000
        )
        for page in self._pages(f"{_RUNS}/ListRunTransitions", request):
            yield from map(convert.to_transition, page.transitions)

    def decisions(self, run_id: str) -> Iterator[Decision]:
        """What was decided about a run's updates, oldest first."""
        request = run_service_pb2.ListRunDecisionsRequest(
            parent=self._run_name(run_id), page_size=1000
        )
        for page in self._pages(f"{_RUNS}/ListRunDecisions", request):
            yield from map(convert.to_decision, page.decisions)

    def graph(self, run_id: str, *, depth: int = 10) -> tuple[list[GraphNode], bool]:
        """The tree under a run, parents first, and whether it was cut short at 10,000 runs.

        Args:
            run_id: Full id of the run.
            depth: Levels below it, at most 10.
        """
        request = run_service_pb2.GetRunGraphRequest(
            name=self._run_name(run_id), depth=depth, max_nodes=10_000
        )
        answer = cast(
            "run_service_pb2.GetRunGraphResponse",
            self.transport.unary(f"{_RUNS}/GetRunGraph", request),
        )
        return [convert.to_node(node) for node in answer.nodes], answer.truncated

    def watch_runs(self, filter_: str = "") -> Iterator[RunEvent]:
        """Changes of runs as they are committed, for ever; begins with the runs there are.

        Args:
            filter_: See ListRunsRequest.filter.
        """
        yield from self._watch(filter_, "")

    def runs_then_changes(
        self, *, filter_: str = "", limit: int = 50
    ) -> tuple[list[Run], Iterator[RunEvent]]:
        """The newest runs, and then every change of any run that matches, for ever.

        Args:
            filter_: See ListRunsRequest.filter.
            limit: Most runs to begin with, at most 500.
        """
        request = run_service_pb2.ListRunsRequest(
            parent=self._parent, filter=filter_, page_size=min(limit, _PAGE)
        )
        answer = cast(
            "run_service_pb2.ListRunsResponse", self.transport.unary(f"{_RUNS}/ListRuns", request)
        )
        return list(map(convert.to_run, answer.runs)), self._watch(filter_, answer.resume_token)

    def _watch(self, filter_: str, resume_token: str) -> Iterator[RunEvent]:
        request = run_service_pb2.WatchRunsRequest(
            parent=self._parent, filter=filter_, resume_token=resume_token
        )
        while True:
            for message in self._stream(f"{_RUNS}/WatchRuns", request):
                answer = cast("run_service_pb2.WatchRunsResponse", message)
                yield from map(convert.to_event, answer.events)
                if answer.synced:
                    yield RunEvent(kind="synced")
                request.resume_token = answer.resume_token or request.resume_token
            time.sleep(_AGAIN_SECONDS)

    def _stream(self, method: str, request: Message) -> Iterator[Message]:
        """A stream's messages; one that ends since they were read too slowly is opened again.

        Its reader keeps the token of what it has read in the request.
        """
        while True:
            try:
                yield from self.transport.server_stream(method, request)
            except RpcError as error:
                if error.reason != "SLOW_CONSUMER":
                    raise
            else:
                return

    def logs(self, run_id: str, *, level: str = "DEBUG") -> Iterator[LogLine]:
        """Log lines of a run and all below it, oldest first.

        Args:
            run_id: Full id of the run.
            level: Least serious level, as in `logging`.
        """
        least = _severity(level)
        request = log_service_pb2.ListLogsRequest(
            parent=self._run_name(run_id),
            page_size=1000,
            include_descendants=True,
            filter=f"severity >= {least}" if least > _SEVERITIES["DEBUG"] else "",
        )
        for page in self._pages(f"{_LOGS}/ListLogs", request):
            yield from map(convert.to_log_line, page.records)

    def tail(self, run_id: str, *, level: str = "DEBUG") -> Iterator[LogLine]:
        """Log lines of a run and all below it as they come in, until it has ended.

        Begins with up to 10,000 lines that are already there. For the arguments, see `logs`.
        """
        request = log_service_pb2.TailLogsRequest(
            parent=self._run_name(run_id),
            include_descendants=True,
            tail_lines=10_000,
        )
        least = _severity(level)
        while True:
            ended = self.run(run_id).state.terminal
            for message in self._stream(f"{_LOGS}/TailLogs", request):
                answer = cast("log_service_pb2.TailLogsResponse", message)
                yield from (
                    convert.to_log_line(line) for line in answer.records if line.severity >= least
                )
                request.resume_token = answer.resume_token or request.resume_token
            # The service ends long streams, too: only one begun after the run's end said all.
            if ended:
                return
            time.sleep(_AGAIN_SECONDS)

    def delete(self, run_id: str) -> None:
        """Deletes an ended run with all below it.

        Raises:
            Conflict: It, or a run below it, hasn't ended.
        """
        request = run_service_pb2.DeleteRunRequest(name=self._run_name(run_id))
        self.transport.unary(f"{_RUNS}/DeleteRun", request)

    def flows(self) -> Iterator[FlowSummary]:
        """Flows by id."""
        request = flow_service_pb2.ListFlowsRequest(parent=self._parent, page_size=_PAGE)
        for page in self._pages("towpath.api.v1.FlowService/ListFlows", request):
            yield from map(convert.to_flow, page.flows)

    def server_info(self, *, timeout_seconds: float = 10.0) -> ServerInfo:
        """What the service is."""
        answer = self.transport.unary(
            "towpath.api.v1.ServerService/GetServerInfo",
            server_service_pb2.GetServerInfoRequest(client="towpath-python"),
            timeout_seconds=timeout_seconds,
        )
        return convert.to_server_info(cast("server_service_pb2.GetServerInfoResponse", answer))

    def _run_name(self, run_id: str) -> str:
        return f"{self._parent}/runs/{run_id}"

    def _resolve(self, short: str, written: str) -> str:
        if not _SHORT.fullmatch(short):
            raise InvalidRequest(
                f"{written!r} is no run id: give the whole id, or the last 4 to 8 characters of its"
                " short form",
                code="INVALID_ARGUMENT",
            )
        found = list(self.runs(filter_=f'short_id = "{short}"', limit=_CANDIDATES))
        if not found:
            raise NotFound(f"no run has the id {written}", code="NOT_FOUND")
        if len(found) > 1:
            candidates = ", ".join(f"{run.short_id} ({run.name})" for run in found)
            more = " and more" if len(found) == _CANDIDATES else ""
            raise Conflict(
                f"{written} fits several runs: {candidates}{more}. Give more characters, or the"
                " whole id",
                code="FAILED_PRECONDITION",
            )
        return found[0].id

    def _pages(self, method: str, request: Any) -> Iterator[Any]:
        """The answers of an rpc that lists, page after page as they are asked for."""
        while True:
            answer: Any = self.transport.unary(method, request)
            yield answer
            request.page_token = answer.next_page_token
            if not answer.next_page_token:
                return


def _severity(level: str) -> int:
    try:
        return _SEVERITIES[level.upper()]
    except KeyError:
        raise InvalidRequest(
            f"there is no level {level!r}; there are {', '.join(_SEVERITIES)}",
            code="INVALID_ARGUMENT",
        ) from None
