"""Scripts that serve: they deploy flows, and execute their runs themselves."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from towpath._definitions.slugs import queue_id_of
from towpath._deploy.deploying import deployed
from towpath._deploy.specs import spec_of
from towpath._deploy.upcoming import Upcoming
from towpath._settings.current import get_settings
from towpath._transport.embedded import open_embedded_server
from towpath._transport.service import server_address
from towpath.client import connect
from towpath.exceptions import DefinitionError, TowpathError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from towpath._definitions.deployments import RunnerDeployment
    from towpath._deploy.deploying import Deployed
    from towpath._settings.declared import Settings
    from towpath._work.worker_events import WorkerEvent
    from towpath.client import DeploymentSpec

POOL: Final = "served"
"""The reserved pool, in which each served deployment has a queue of its own."""
_LEASE_VARIABLE: Final = "TOWPATH_WORK_LEASE_ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """How a worker is told to end.

    Attributes:
        drain: Take no more runs, and end when those under way have ended, or after the grace.
        stop_runs: End those under way, too.
    """

    drain: threading.Event = field(default_factory=threading.Event)
    stop_runs: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Drains the worker at first, and ends its runs the second time."""
        if self.drain.is_set():
            self.stop_runs.set()
        self.drain.set()


def serve(
    *deployments: RunnerDeployment,
    limit: int | None = None,
    pause_on_shutdown: bool | None = None,
    print_starting_message: bool = True,
) -> None:
    """Deploys flows and executes their runs, until Ctrl-C or SIGTERM.

    Each run is a process of its own. Without a server, the service runs within this process, on the
    database of the home. The first Ctrl-C waits for runs under way; a second one ends them.

    Args:
        *deployments: The deployments, made by `flow.to_deployment`.
        limit: Most runs at a time; None for the setting `worker.limit`.
        pause_on_shutdown: Whether to pause the deployments at the end; None for the setting
            `serve.pause_on_shutdown`.
        print_starting_message: Whether to print what is served and when it is due, also after each
            run.

    Raises:
        DefinitionError: A flow can't be loaded by another process, or an option is wrong.
        ConfigurationError: There is no server, and the service isn't installed.
        RpcError: The service refuses.
    """
    stops = Stops()
    with _stopped_by_signals(stops):
        _serve(
            deployments,
            stops,
            limit=limit,
            pause_on_shutdown=pause_on_shutdown,
            print_starting_message=print_starting_message,
        )


async def aserve(
    *deployments: RunnerDeployment,
    limit: int | None = None,
    pause_on_shutdown: bool | None = None,
    print_starting_message: bool = True,
) -> None:
    """Deploys flows and executes their runs while other async code runs; see `serve`.

    It ends at Ctrl-C or SIGTERM, or when it is cancelled. It waits for runs under way then; a
    second signal or cancellation ends them.

    Args:
        *deployments: The deployments, made by `flow.to_deployment`.
        limit: Most runs at a time; None for the setting `worker.limit`.
        pause_on_shutdown: Whether to pause the deployments at the end; None for the setting
            `serve.pause_on_shutdown`.
        print_starting_message: Whether to print what is served and when it is due, also after each
            run.

    Raises:
        DefinitionError: A flow can't be loaded by another process, or an option is wrong.
        ConfigurationError: There is no server, and the service isn't installed.
        RpcError: The service refuses.
        asyncio.CancelledError: It was cancelled.
    """
    import asyncio  # noqa: PLC0415 - scripts that serve otherwise need no loop

    stops = Stops()
    call = partial(
        _serve,
        deployments,
        stops,
        limit=limit,
        pause_on_shutdown=pause_on_shutdown,
        print_starting_message=print_starting_message,
    )
    with _stopped_by_signals(stops):
        serving = asyncio.ensure_future(asyncio.to_thread(call))
        cancelled: asyncio.CancelledError | None = None
        while not serving.done():
            try:
                await asyncio.wait([serving])
            except asyncio.CancelledError as error:
                cancelled = error
                stops.stop()
        serving.result()
        if cancelled is not None:
            raise cancelled


def _serve(
    deployments: Sequence[RunnerDeployment],
    stops: Stops,
    *,
    limit: int | None,
    pause_on_shutdown: bool | None,
    print_starting_message: bool,
) -> None:
    settings = get_settings()
    most = _checked(deployments, settings.worker_limit if limit is None else limit)
    pausing = settings.pause_on_shutdown if pause_on_shutdown is None else pause_on_shutdown
    specs = [_served(each, pausing=pausing) for each in deployments]
    with ExitStack() as stack:
        own = stack.enter_context(_server(settings))
        made = _deploy(settings, deployments, specs)
        if print_starting_message:
            _tell(made, own or server_address(settings), own=bool(own))
        if pausing:
            stack.callback(_pause, settings, made)
        show: Callable[[WorkerEvent], object] = _show
        if print_starting_message:
            upcoming = Upcoming(settings, [each.info for each in made], _line)
            stack.enter_context(upcoming.looking())
            show = partial(_show_with, upcoming)
        _execute(settings, specs, most, stops, show)


def _checked(deployments: Sequence[RunnerDeployment], limit: Any) -> int:
    """The most runs at a time.

    Raises:
        DefinitionError: There is nothing to serve, or the limit is wrong.
    """
    if not deployments:
        raise DefinitionError("serve() takes deployments: serve(my_flow.to_deployment('nightly'))")
    for each in deployments:
        _refuse_while_loading(each)
    names = [each.full_name for each in deployments]
    for name in names:
        if names.count(name) > 1:
            raise DefinitionError(f"two deployments are named {name}: give each its own name")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise DefinitionError(f"limit is a number of runs, at least 1, not {limit!r}")
    return limit


def _refuse_while_loading(deployment: RunnerDeployment) -> None:
    """Refuses a call that a run's own process makes when it loads the script."""
    module: Any = sys.modules.get(getattr(deployment.flow.fn, "__module__", ""))
    loading = getattr(getattr(module, "__spec__", None), "_initializing", False)
    if loading or os.environ.get(_LEASE_VARIABLE):
        raise DefinitionError(
            f"{deployment.flow.name}.serve() is called while its module is imported: put it below"
            ' `if __name__ == "__main__":`'
        )


def _served(deployment: RunnerDeployment, *, pausing: bool) -> DeploymentSpec:
    spec = spec_of(deployment, Path.cwd())
    if spec.pool not in {"", POOL}:
        raise DefinitionError(
            f"deployment {deployment.name!r} names the work pool {spec.pool!r}, but this process"
            " executes what it serves: use deploy() for a pool"
        )
    queue = queue_id_of(deployment.flow.flow_id, deployment.id)
    # What was paused at the last shutdown begins again.
    paused = False if spec.paused is None and pausing else spec.paused
    return replace(spec, pool=POOL, queue=queue, paused=paused)


def _execute(
    settings: Settings,
    specs: Sequence[DeploymentSpec],
    limit: int,
    stops: Stops,
    show: Callable[[WorkerEvent], object],
) -> None:
    from towpath._work.serving import run_worker  # noqa: PLC0415 - scripts that deploy need no worker

    run_worker(
        settings,
        pool=POOL,
        queues=[spec.queue for spec in specs],
        limit=limit,
        stops=stops,
        grace_seconds=settings.worker_grace_seconds,
        on_event=show,
    )


def _show(event: WorkerEvent) -> None:
    if event.kind != "granted":
        _line(event.message)


def _show_with(upcoming: Upcoming, event: WorkerEvent) -> None:
    """Shows an event, and after the end of a run what is due next."""
    _show(event)
    if event.kind == "ended":
        upcoming.look_soon()


def _line(text: str) -> None:
    now = datetime.now().astimezone()
    print(f"{now:%m-%d %H:%M:%S}  {text}", file=sys.stderr, flush=True)  # noqa: T201 - a script tells what it runs


@contextmanager
def _server(settings: Settings) -> Generator[str]:
    """The address of the server that was opened here; empty when there is one already."""
    if server_address(settings):
        yield ""
        return
    with open_embedded_server(settings.home) as (_, web_address):
        yield web_address


def _deploy(
    settings: Settings, deployments: Sequence[RunnerDeployment], specs: Sequence[DeploymentSpec]
) -> Sequence[Deployed]:
    with connect(settings) as client:
        return [
            deployed(client, each.full_name, spec, each.schedules)
            for each, spec in zip(deployments, specs, strict=True)
        ]


def _tell(made: Sequence[Deployed], address: str, *, own: bool) -> None:
    place = f"{address}, a server in this process" if own else address
    lines = [
        f"Serving by {place}; Ctrl-C ends it.",
        *(f"  {each.line}" for each in made),
        f"Start a run with `towpath deployment run {made[0].name}`.",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201 - a script tells what it serves


def _pause(settings: Settings, made: Sequence[Deployed]) -> None:
    with connect(settings) as client:
        for each in made:
            # One that was deleted meanwhile needs no pause, and others are still to be paused.
            with suppress(TowpathError):
                client.deployments.set_paused(each.info.name, paused=True)


@contextmanager
def _stopped_by_signals(stops: Stops) -> Generator[None]:
    """Has SIGINT and SIGTERM drain the worker at first, and end its runs the second time."""

    def stop(number: int, frame: object) -> None:
        del number, frame
        stops.stop()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
