"""Retries of runs, and the steps of a run that a retry may reuse."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath.api.v1 import run_service_pb2 as pb
from towpath.client import _convert_runs as convert
from towpath.client._calls import PAGE, Subject
from towpath.exceptions import NotRetryableError, RpcError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from towpath.api.v1 import run_pb2
    from towpath.client._run_values import Run

_REFUSALS: Final = frozenset({"TRANSITION_NOT_ALLOWED", "NOT_DISPATCHABLE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A run below another one, as a retry sees it."""

    run: Run
    key: str
    """Key of its task; empty for a subflow."""
    index: int
    """Number of the call of its task within its parent, from 0."""
    result_uri: str
    """Where its result is kept; empty if it isn't."""
    upstream_ids: tuple[str, ...]
    """Ids of the runs that it waited for."""


class Retries(Subject):
    """Retries runs; a `Client` has these methods itself."""

    def retry(
        self,
        run_id: str,
        *,
        message: str = "",
        from_tasks: Sequence[str] = (),
        attempt: int = 0,
        in_place: bool = False,
    ) -> Run:
        """Begins another attempt of a run that has ended without success.

        A worker executes it, by the present revision of its deployment. Tasks that completed, and
        whose results are kept, come back from them.

        Args:
            run_id: Full id of the run.
            message: Why, for people.
            from_tasks: Tasks that run again even if their results are kept, "load" or "load[7]".
                What depends on them runs again, too.
            attempt: The attempt that is to be followed; 0 for the last one. A repeat that names it
                is answered as the first.
            in_place: Whether the caller executes the attempt itself: for a run of a script.

        Returns:
            The run as it is now, SCHEDULED.

        Raises:
            NotFound: There is no such run.
            NotRetryableError: It has not ended, or has completed; or its code is gone.
        """
        request = pb.RetryRunRequest(
            name=f"{self._parent}/runs/{run_id}",
            message=message,
            from_tasks=from_tasks,
            attempt=attempt,
            in_place=in_place,
        )
        with _refused_retries():
            answer = self._calls.unary("RunService/RetryRun", request, pb.RetryRunResponse)
        return convert.to_run(answer.run)

    def steps(self, root_id: str) -> Iterator[Step]:
        """Lists the runs below a root run, oldest first, over all its attempts.

        Args:
            root_id: Full id of the root run.
        """
        request = pb.ListRunsRequest(
            parent=self._parent,
            filter=f'root_run = "{root_id}"',
            order_by="create_time",
            view=pb.RUN_VIEW_FULL,
            page_size=PAGE,
        )
        for page in self._calls.pages("RunService/ListRuns", request, pb.ListRunsResponse):
            yield from (_step(run) for run in page.runs if run.run_id != root_id)


@contextmanager
def _refused_retries() -> Generator[None]:
    """Raises the refusal to retry a run as its own error."""
    try:
        yield
    except RpcError as error:
        if error.reason in _REFUSALS:
            raise NotRetryableError(str(error)) from error
        raise


def _step(message: run_pb2.Run) -> Step:
    return Step(
        run=convert.to_run(message),
        key=message.task_key,
        index=message.task_index,
        result_uri=message.result.uri,
        upstream_ids=tuple(each.run_id for each in message.dependencies),
    )
