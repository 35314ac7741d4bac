"""`towpath worker start`: executes runs until it is told to end."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from towpath.cli.shared.errors import FORBIDDEN, USAGE, CommandError
from towpath.cli.shared.session import checked_settings, note, service_client
from towpath.exceptions import NotFound, NotSignedIn, RpcError

if TYPE_CHECKING:
    from towpath._work.worker_events import WorkerEvent

_KINDS: Final = ("process", "kubernetes")


@dataclass(frozen=True, slots=True)
class _Stops:
    drain: threading.Event = field(default_factory=threading.Event)
    stop_runs: threading.Event = field(default_factory=threading.Event)


@click.command("start")
@click.option("--pool", help="Pool to serve; else the setting `worker.pool`.")
@click.option("--limit", type=click.IntRange(1, 10_000), help="Most runs at a time.")
@click.option(
    "--queue", "queues", multiple=True, help="Queue to serve; may be given several times."
)
@click.option("--name", help="Id of the worker, the same after a restart.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label of the worker.")
@click.option("--grace", type=click.FloatRange(min=0), help="Seconds that runs have at the end.")
@click.option("--stop-runs", is_flag=True, help="Cancel runs that go on after that, at the end.")
@click.option("--create-pool", is_flag=True, help="Create the pool if there is none.")
@click.option(
    "--type", "kind", type=click.Choice(_KINDS), help="How it executes runs; else as the pool says."
)
@click.option("--namespace", default="", help="Namespace of Jobs; else that of the kubeconfig.")
def start(
    pool: str | None,
    limit: int | None,
    queues: tuple[str, ...],
    name: str | None,
    labels: tuple[str, ...],
    grace: float | None,
    *,
    stop_runs: bool,
    create_pool: bool,
    kind: str | None,
    namespace: str,
) -> None:
    """Start a worker: it executes runs of a pool as processes of this machine, or as Jobs.

    The kind of the pool says which: "process", or "kubernetes" for a Job for each run in a
    namespace of the cluster that the pod of the worker or KUBECONFIG leads to.

    SIGTERM or Ctrl-C has it take no more runs, and wait for those under way. After the grace
    period it leaves them: they go on, and the next worker of the same name takes them over. A
    second signal cancels them.
    """
    from towpath._work.serving import run_worker  # noqa: PLC0415 - gRPC would slow down `--help`

    settings = checked_settings()
    chosen = pool or settings.worker_pool
    if not chosen:
        raise click.UsageError("--pool names the pool to serve, as does the setting `worker.pool`")
    serves = _kind_of(chosen, kind, create=create_pool)
    stops = _Stops()
    _stop_on_signals(stops)
    try:
        run_worker(
            settings,
            pool=chosen,
            queues=queues,
            limit=limit or settings.worker_limit,
            stops=stops,
            name=name or settings.worker_name,
            labels=_labels(labels),
            grace_seconds=settings.worker_grace_seconds if grace is None else grace,
            stop_runs=stop_runs,
            kind=serves,
            namespace=namespace,
            on_event=_show,
        )
    except NotSignedIn as error:
        raise CommandError(
            str(error),
            hint="the worker's key needs the role `worker` in the workspace",
            code=error.code,
            exit_code=FORBIDDEN,
        ) from error
    note("the worker has ended")


def _kind_of(pool: str, kind: str | None, *, create: bool) -> str:
    """The kind to serve: the pool's. Says how to create a pool that isn't there, or creates it.

    A server that is away now doesn't know, so the kind that is given is served, else processes.
    """
    from towpath._work.attachment import FINAL_CODES  # noqa: PLC0415 - as `start`

    try:
        return _kind_now(pool, kind, create=create)
    except RpcError as error:
        # What a server says that has no database, or a load balancer without servers, may pass.
        if create or error.code in FINAL_CODES:
            raise
        note(f"{error}; the worker goes on trying")
    return kind or _KINDS[0]


def _kind_now(pool: str, kind: str | None, *, create: bool) -> str:
    with service_client() as client:
        try:
            found = client.pools.get(pool).kind
        except NotFound as error:
            if create:
                return client.pools.create(pool, kind=kind or _KINDS[0]).kind
            raise CommandError(
                f"there is no work pool {pool!r}",
                hint=f"create it with `{_creation(pool, kind)}`",
                code=error.code,
                exit_code=USAGE,
            ) from error
    if found not in _KINDS or (kind is not None and found != kind):
        raise CommandError(
            f"pool {pool!r} is of the kind {found!r}, and this worker serves"
            f" {kind or ' or '.join(_KINDS)!r}",
            hint=f"name another pool, or start a worker of the kind {found!r}",
            code="FAILED_PRECONDITION",
            exit_code=USAGE,
        )
    return found


def _creation(pool: str, kind: str | None) -> str:
    option = f" --kind {kind}" if kind and kind != _KINDS[0] else ""
    return f"towpath pool create {pool}{option}"


def _labels(given: tuple[str, ...]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise click.UsageError(f"--label takes KEY=VALUE, not {text!r}")
        labels[key] = value
    return labels


def _stop_on_signals(stops: _Stops) -> None:
    def stop(number: int, frame: object) -> None:
        del number, frame
        if stops.drain.is_set():
            stops.stop_runs.set()
        stops.drain.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _show(event: WorkerEvent) -> None:
    if event.kind == "granted":
        return
    now = datetime.now().astimezone()
    note(f"{now:%m-%d %H:%M:%S}  {event.message}")
