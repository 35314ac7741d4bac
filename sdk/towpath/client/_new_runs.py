"""New runs of deployments, and waits for the ends of runs."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from towpath.api.v1 import run_service_pb2 as pb
from towpath.client import _convert_runs as convert
from towpath.client._convert import deployment_name
from towpath.client._convert_schedules import to_payload
from towpath.client._runs import Runs
from towpath.exceptions import NotFound, RpcError, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from towpath.client._run_values import Run

_AGAIN_SECONDS: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Pauses before further tries while no server answers; the last one for all that follow."""


class NewRuns(Runs):
    """Creates runs of deployments and waits for them; a `Client` has these methods itself."""

    def create_run(  # noqa: PLR0913 - all that a run may be given
        self,
        deployment: str,
        *,
        run_id: str = "",
        parameters: Mapping[str, Any] | None = None,
        name: str = "",
        scheduled: datetime | None = None,
        idempotency_key: str = "",
        tags: Iterable[str] = (),
        labels: Mapping[str, str] | None = None,
        queue: str = "",
        priority: int = 0,
        job_overrides: Mapping[str, Any] | None = None,
        parent_run_id: str = "",
        traceparent: str = "",
        timeout_seconds: float | None = None,
    ) -> Run:
        """Creates a run of a deployment, for a worker to execute.

        Args:
            deployment: The deployment, "flow/deployment".
            run_id: Id of the new run, a UUID; empty to have the service make one. With an id the
                call may be repeated, and creates one run.
            parameters: Arguments, over those of the deployment.
            name: Name of the run to show; empty for one that the flow makes.
            scheduled: When it is to start; None for at once.
            idempotency_key: Text that identifies this request among those for the deployment.
            tags: Tags, beside those of the deployment.
            labels: Labels, beside those of the deployment.
            queue: Id of the queue; empty for the deployment's.
            priority: Priority, 1 to 100; 0 for the deployment's.
            job_overrides: Overrides of the pool's job template.
            parent_run_id: Id of the run that calls for it; empty for a root run.
            traceparent: Header of the span that it belongs to; empty for none.
            timeout_seconds: Longest that an attempt may take, at least 0.001; the smaller of it and
                the deployment's counts. None for the deployment's.

        Returns:
            The run; an earlier one that was created with the same key or id.

        Raises:
            NotFound: There is no such deployment, queue or parent.
            InvalidRequest: Arguments don't fit the deployment's schema.
            Conflict: The deployment has no work pool, or the parent has ended.
        """
        request = pb.CreateRunRequest(
            parent=self._parent,
            deployment=deployment_name(self.workspace, deployment),
            run_id=run_id,
            parameters=to_payload(parameters or {}),
            display_name=name,
            idempotency_key=idempotency_key,
            tags=tags,
            labels=labels or {},
            work_queue=queue,
            priority=priority,
            job_overrides_json=json.dumps(job_overrides) if job_overrides else "",
            parent_run_id=parent_run_id,
        )
        if scheduled is not None:
            request.scheduled_time.FromDatetime(scheduled)
        if traceparent:
            request.trace_context.traceparent = traceparent
        if timeout_seconds is not None:
            request.timeout.FromMicroseconds(round(timeout_seconds * 1e6))
        answer = self._calls.unary("RunService/CreateRun", request, pb.CreateRunResponse)
        return convert.to_run(answer.run)

    def wait_for_run(
        self,
        run_id: str,
        *,
        timeout_seconds: float | None = None,
        stop: threading.Event | None = None,
    ) -> Run:
        """Waits for the end of a run, by a watch; a server that is away is waited for.

        Args:
            run_id: Full id of the run.
            timeout_seconds: Longest wait; None for no limit.
            stop: Ends the wait when it is set.

        Returns:
            The run when it had ended; after the timeout or the stop, as it was last seen.

        Raises:
            NotFound: There is no such run, or it was deleted.
        """
        wait = _Wait(self, run_id, stop or threading.Event())
        timer = threading.Timer(timeout_seconds or 0, wait.end) if timeout_seconds else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            return wait.result()
        finally:
            wait.end()
            if timer is not None:
                timer.cancel()


class _Wait:
    """The watch of one run on a thread of its own, which the waiting thread can leave."""

    def __init__(self, runs: NewRuns, run_id: str, stop: threading.Event) -> None:
        self._runs = runs
        self._run_id = run_id
        self._stop = stop
        self._seen: Run | None = None
        self._error: BaseException | None = None

    def end(self) -> None:
        """Ends the wait."""
        self._stop.set()

    def result(self) -> Run:
        """The run as it was last seen, once it has ended or the wait was ended."""
        threading.Thread(target=self._watch, name="towpath-waiting", daemon=True).start()
        self._stop.wait()
        if self._error is not None:
            raise self._error
        with suppress(RpcError):
            self._seen = self._seen or self._runs.run(self._run_id)
        if self._seen is None:
            raise NotFound(f"no run has the id {self._run_id}", code="NOT_FOUND")
        return self._seen

    def _watch(self) -> None:
        try:
            self._watch_through_failures()
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            # A connection that was closed after the wait fails here, too.
            if not self._stop.is_set():
                self._error = error
        finally:
            self.end()

    def _watch_through_failures(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                self._watch_once()
            except ServerUnreachable:
                pause = _AGAIN_SECONDS[min(failures, len(_AGAIN_SECONDS) - 1)]
                failures += 1
                self._stop.wait(pause)
            else:
                return

    def _watch_once(self) -> None:
        found = False
        for event in self._runs.watch_runs(f'run_id = "{self._run_id}"'):
            if event.run is not None:
                self._seen, found = event.run, True
            if (event.kind == "synced" and not found) or event.kind == "removed":
                raise NotFound(f"no run has the id {self._run_id}", code="NOT_FOUND")
            if self._stop.is_set() or (event.run is not None and event.run.state.terminal):
                return
