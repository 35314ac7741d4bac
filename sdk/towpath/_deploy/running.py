"""Runs of deployments, started from code and from flows."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import uuid_utils

from towpath._deploy.naming import by_any_name
from towpath._runs.context import current_run, current_tags
from towpath._runs.time_left import remaining_of
from towpath._settings.current import get_settings
from towpath.client import connect
from towpath.exceptions import DefinitionError, FlowRunWaitTimeout, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from towpath._runs.context import RunContext
    from towpath.client import Client, Run

_FLUSH_SECONDS: Final = 30.0
"""Longest wait for the report of the calling run, which the new run is a child of."""
_LEAST_SECONDS: Final = 0.05
"""Timeout of a run that is created when no time is left."""
_AGAIN_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)


def run_deployment(
    name: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    scheduled_time: datetime | None = None,
    flow_run_name: str | None = None,
    timeout: float | None = None,
    poll_interval: float | None = None,
    tags: Iterable[str] | None = None,
    idempotency_key: str | None = None,
    work_queue_name: str | None = None,
    as_subflow: bool = True,
    job_variables: Mapping[str, Any] | None = None,
) -> Run:
    """Creates a run of a deployment, and waits for its end.

    Within a flow or task, the run is a child of that flow's run, and an attempt of it takes at most
    the time that the flow or task has left. Where an event loop runs in this thread, the call
    returns an awaitable, as `arun_deployment` does.

    Args:
        name: The deployment, "flow/deployment".
        parameters: Arguments, over those of the deployment.
        scheduled_time: When it is to start; None for at once. Without a zone it is in UTC.
        flow_run_name: Name of the run to show.
        timeout: Seconds to wait for its end; 0 to return at once, None for no limit.
        poll_interval: Has no effect: the wait is told of the end.
        tags: Tags of the run, beside those of the deployment and of `towpath.tags`.
        idempotency_key: Text that identifies this request among those for the deployment: a second
            one with the same key gets the run of the first.
        work_queue_name: Id of the queue; None for the deployment's.
        as_subflow: Whether the run is a child of the current run, is cancelled with it, and is
            bounded by its time.
        job_variables: Overrides of the pool's job template.

    Returns:
        The run when it had ended; after the timeout, as it was then.

    Raises:
        DefinitionError: It is no name of a deployment.
        NotFound: There is no such deployment or queue.
        InvalidRequest: Arguments don't fit the deployment's schema.
        RpcError: The service can't be reached, or refuses.
    """
    del poll_interval
    request: dict[str, Any] = {
        "parameters": parameters,
        "scheduled": _aware(scheduled_time),
        "name": flow_run_name or "",
        "idempotency_key": idempotency_key or "",
        "tags": sorted({*(tags or ()), *current_tags()}),
        "queue": work_queue_name or "",
        "job_overrides": job_variables,
        "run_id": str(uuid_utils.uuid7()),
    }
    parent = current_run.get() if as_subflow else None
    if in_event_loop():
        waiting: Any = _run_async(name, request, parent, timeout)
        return waiting  # type: ignore[no-any-return] # as Prefect's function
    return _run(name, request, parent, timeout, threading.Event())


async def arun_deployment(name: str, **options: Any) -> Run:
    """Creates a run of a deployment, and waits for its end without blocking the event loop.

    Args:
        name: The deployment, "flow/deployment".
        **options: As for `run_deployment`.

    Returns:
        The run when it had ended; after the timeout, as it was then.

    Raises:
        RpcError: As of `run_deployment`, which lists the other errors, too.
    """
    waiting: Any = run_deployment(name, **options)
    run: Run = await waiting
    return run


def wait_for_flow_run(
    flow_run_id: str, timeout: float | None = 10800, poll_interval: float | None = None
) -> Run:
    """Waits for the end of a run.

    Where an event loop runs in this thread, the call returns an awaitable.

    Args:
        flow_run_id: Full id of the run.
        timeout: Longest wait in seconds; None for no limit.
        poll_interval: Has no effect: the wait is told of the end.

    Returns:
        The run when it had ended.

    Raises:
        FlowRunWaitTimeout: It hasn't ended in time.
        NotFound: There is no such run.
        RpcError: The service refuses.
    """
    del poll_interval
    if in_event_loop():
        waiting: Any = _in_thread(partial(_wait, flow_run_id, timeout))
        return waiting  # type: ignore[no-any-return] # as Prefect's function
    return _wait(flow_run_id, timeout, threading.Event())


def _wait(run_id: str, timeout: float | None, stop: threading.Event) -> Run:
    with connect(get_settings(), following=True) as client:
        run = client.wait_for_run(str(run_id), timeout_seconds=timeout, stop=stop)
    if not run.state.terminal:
        raise FlowRunWaitTimeout(f"run {run.short_id} is {run.state} after {timeout:g} s")
    return run


def _run(
    name: str,
    request: Mapping[str, Any],
    parent: RunContext | None,
    timeout: float | None,
    stop: threading.Event,
) -> Run:
    began = time.monotonic()
    belonging = _belonging(parent)
    with connect(get_settings(), following=True) as client:
        run = _created(client, name, {**request, **belonging}, stop)
        if timeout is None:
            return client.wait_for_run(run.id, stop=stop)
        left = timeout - (time.monotonic() - began)
        if timeout == 0 or left <= 0 or run.state.terminal:
            return run
        return client.wait_for_run(run.id, timeout_seconds=left, stop=stop)


def _belonging(parent: RunContext | None) -> Mapping[str, Any]:
    """The parent of a new run, once the service knows it, its time and the span around the call."""
    flow_run = parent.flow_run if parent is not None else None
    if parent is None or flow_run is None:
        return {}
    flow_run.reporter.flush(_FLUSH_SECONDS)
    trace = parent.trace.here if parent.trace is not None else ""
    left = remaining_of(parent)
    return {
        "parent_run_id": flow_run.run_id,
        "traceparent": trace,
        "timeout_seconds": None if left is None else max(_LEAST_SECONDS, left),
    }


def _created(client: Client, name: str, request: Mapping[str, Any], stop: threading.Event) -> Run:
    """Creates the run; the id makes it safe to ask a server that was away once more."""
    for seconds in _AGAIN_SECONDS:
        try:
            return by_any_name(name, lambda found: client.create_run(found, **request))
        except ServerUnreachable:
            if stop.wait(seconds):
                raise
    return by_any_name(name, lambda found: client.create_run(found, **request))


def _run_async(
    name: str, request: Mapping[str, Any], parent: RunContext | None, timeout: float | None
) -> Coroutine[Any, Any, Run]:
    return _in_thread(partial(_run, name, request, parent, timeout))


async def _in_thread(work: Callable[[threading.Event], Run]) -> Run:
    """Works on a thread; when this is cancelled, the thread's wait ends, too."""
    stop = threading.Event()
    try:
        run = await asyncio.to_thread(work, stop)
    except asyncio.CancelledError:
        stop.set()
        raise
    return run


def in_event_loop() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _aware(moment: datetime | None) -> datetime | None:
    given: Any = moment
    if given is None:
        return None
    if not isinstance(given, datetime):
        raise DefinitionError(f"scheduled_time is a datetime, not {given!r}")
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)
