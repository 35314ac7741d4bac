"""Runs and flows: lists, histories, trees and watches."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from towpath.api.v1 import flow_service_pb2
from towpath.api.v1 import run_service_pb2 as pb
from towpath.client import _convert_runs as convert
from towpath.client._calls import PAGE, Subject
from towpath.client._run_values import RunEvent
from towpath.client._watching import AGAIN_SECONDS, resumed_stream
from towpath.exceptions import Conflict, InvalidRequest, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from towpath.client._run_values import Decision, FlowSummary, GraphNode, Run, Transition

_BATCH: Final = 200
_HISTORY_PAGE: Final = 1000
_CANDIDATES: Final = 6
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHORT: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{4,8}")
_LOOK_ALIKES: Final = str.maketrans("oil", "011")


class Runs(Subject):
    """Reads, watches and deletes runs; a `Client` has these methods itself."""

    def runs(
        self, *, filter_: str = "", limit: int | None = 50, full: bool = False
    ) -> Iterator[Run]:
        """Lists runs, newest first.

        Args:
            filter_: Condition on the runs, as ListRunsRequest.filter of the contract defines it.
            limit: Most runs; None for all.
            full: Include parameters, failures and numbers of children.

        Returns:
            The runs, fetched page by page.

        Raises:
            InvalidRequest: The filter isn't well-formed.
        """
        request = pb.ListRunsRequest(
            parent=self._parent,
            filter=filter_,
            view=pb.RUN_VIEW_FULL if full else pb.RUN_VIEW_BASIC,
        )
        left = limit
        while left is None or left > 0:
            request.page_size = PAGE if left is None else min(left, PAGE)
            answer = self._calls.unary("RunService/ListRuns", request, pb.ListRunsResponse)
            yield from map(convert.to_run, answer.runs)
            left = None if left is None else left - len(answer.runs)
            request.page_token = answer.next_page_token
            if not answer.next_page_token:
                return

    def run(self, id_: str) -> Run:
        """Returns a run.

        Args:
            id_: A UUID, `run_` and a UUID, or the last 4 to 8 characters of the short id.

        Raises:
            InvalidRequest: This can't be an id.
            NotFound: There is no such run.
            Conflict: The short id fits several runs.
        """
        wanted = id_.strip().lower().removeprefix("run_")
        if not _UUID.fullmatch(wanted):
            wanted = self._resolve(wanted.translate(_LOOK_ALIKES), id_)
        request = pb.GetRunRequest(name=self._run_name(wanted))
        answer = self._calls.unary("RunService/GetRun", request, pb.GetRunResponse)
        return convert.to_run(answer.run)

    def runs_by_id(self, ids: Iterable[str]) -> dict[str, Run]:
        """Returns runs by their full ids.

        Args:
            ids: Full ids, any number of them.

        Returns:
            The runs by id; those that don't exist are left out.
        """
        names = [self._run_name(id_) for id_ in dict.fromkeys(ids)]
        found: dict[str, Run] = {}
        for start in range(0, len(names), _BATCH):
            request = pb.BatchGetRunsRequest(
                parent=self._parent, names=names[start : start + _BATCH]
            )
            answer = self._calls.unary("RunService/BatchGetRuns", request, pb.BatchGetRunsResponse)
            found |= {message.run_id: convert.to_run(message) for message in answer.runs}
        return found

    def transitions(self, run_id: str) -> Iterator[Transition]:
        """Lists the changes of a run's state, oldest first.

        Args:
            run_id: Full id of the run.

        Returns:
            The changes, fetched page by page.

        Raises:
            NotFound: There is no such run.
        """
        request = pb.ListRunTransitionsRequest(
            parent=self._run_name(run_id), page_size=_HISTORY_PAGE
        )
        for page in self._calls.pages(
            "RunService/ListRunTransitions", request, pb.ListRunTransitionsResponse
        ):
            yield from map(convert.to_transition, page.transitions)

    def decisions(self, run_id: str) -> Iterator[Decision]:
        """Lists the service's decisions about a run's updates, oldest first.

        Args:
            run_id: Full id of the run.

        Returns:
            The decisions, fetched page by page.

        Raises:
            NotFound: There is no such run.
        """
        request = pb.ListRunDecisionsRequest(parent=self._run_name(run_id), page_size=_HISTORY_PAGE)
        for page in self._calls.pages(
            "RunService/ListRunDecisions", request, pb.ListRunDecisionsResponse
        ):
            yield from map(convert.to_decision, page.decisions)

    def graph(self, run_id: str, *, depth: int = 10) -> tuple[list[GraphNode], bool]:
        """Returns the tree of runs below a run.

        Args:
            run_id: Full id of the run.
            depth: Levels below it, at most 10.

        Returns:
            The runs, parents first, and whether the tree was cut at 10,000 runs.

        Raises:
            NotFound: There is no such run.
        """
        request = pb.GetRunGraphRequest(name=self._run_name(run_id), depth=depth, max_nodes=10_000)
        answer = self._calls.unary("RunService/GetRunGraph", request, pb.GetRunGraphResponse)
        return [convert.to_node(node) for node in answer.nodes], answer.truncated

    def watch_runs(self, filter_: str = "") -> Iterator[RunEvent]:
        """Follows runs: first those that exist, then each change as it is committed, without end.

        Args:
            filter_: Condition on the runs; see `runs`.

        Returns:
            The events; close the iterator to end the watch.
        """
        yield from self._watch(filter_, "")

    def runs_then_changes(
        self, *, filter_: str = "", limit: int = 50
    ) -> tuple[list[Run], Iterator[RunEvent]]:
        """Returns the newest runs, and each later change of any run that matches, without end.

        Args:
            filter_: Condition on the runs; see `runs`.
            limit: Most runs to begin with, at most 500.

        Returns:
            The runs, newest first, and the events that follow.
        """
        request = pb.ListRunsRequest(
            parent=self._parent, filter=filter_, page_size=min(limit, PAGE)
        )
        answer = self._calls.unary("RunService/ListRuns", request, pb.ListRunsResponse)
        return list(map(convert.to_run, answer.runs)), self._watch(filter_, answer.resume_token)

    def delete(self, run_id: str) -> None:
        """Deletes an ended run with all runs below it.

        Args:
            run_id: Full id of the run.

        Raises:
            NotFound: There is no such run.
            Conflict: The run, or one below it, hasn't ended.
        """
        request = pb.DeleteRunRequest(name=self._run_name(run_id))
        self._calls.unary("RunService/DeleteRun", request, pb.DeleteRunResponse)

    def flows(self) -> Iterator[FlowSummary]:
        """Lists flows by id.

        Returns:
            The flows, fetched page by page.
        """
        request = flow_service_pb2.ListFlowsRequest(parent=self._parent, page_size=PAGE)
        for page in self._calls.pages(
            "FlowService/ListFlows", request, flow_service_pb2.ListFlowsResponse
        ):
            yield from map(convert.to_flow, page.flows)

    def _watch(self, filter_: str, resume_token: str) -> Iterator[RunEvent]:
        request = pb.WatchRunsRequest(
            parent=self._parent, filter=filter_, resume_token=resume_token
        )
        while True:
            for answer in resumed_stream(
                self._calls, "RunService/WatchRuns", request, pb.WatchRunsResponse
            ):
                yield from map(convert.to_event, answer.events)
                if answer.synced:
                    yield RunEvent(kind="synced")
                request.resume_token = answer.resume_token or request.resume_token
            time.sleep(AGAIN_SECONDS)

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
