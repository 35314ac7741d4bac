"""A service, a kind and a clock for the worker's loop, all in one thread."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from towpath._settings.current import get_settings
from towpath._work.folders import Output
from towpath._work.proof import RunEnd, StopProof
from towpath._work.worker import Worker
from towpath._work.worker_events import WorkerEvent, WorkerOptions
from towpath.api.v1 import ingest_service_pb2, work_pb2, work_service_pb2
from towpath.exceptions import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from google.protobuf.message import Message
    from towpath._work.leases import Lease

RUN = str(UUID(int=0x0123_4567_89AB_CDEF))
SHORT = "cy4tqkff"
"""The last 40 bits of `RUN`, 67 89AB CDEF: 12, 30, 4, 26, 23, 19, 15, 15 in base 32."""
RENEW_SECONDS = 10
Request = work_service_pb2.AttachWorkerRequest
Response = work_service_pb2.AttachWorkerResponse


class Stream:
    """A call whose other end is the test."""

    def __init__(self, on_change: Callable[[], object]) -> None:
        self.sent: list[Request] = []
        self.answers: deque[Message] = deque()
        self.failure: RpcError | None = None
        self.over = False
        self.half_closed = False
        self.on_change = on_change

    @property
    def ended(self) -> bool:
        return self.over and not self.answers

    def send(self, request: bytes) -> None:
        self.sent.append(Request.FromString(request))

    def half_close(self) -> None:
        self.half_closed = True

    def receive(self) -> Message | None:
        if self.answers:
            return self.answers.popleft()
        if self.failure is not None:
            raise self.failure
        return None

    def kinds(self) -> list[str]:
        return [str(message.WhichOneof("message")) for message in self.sent]

    def all_of(self, kind: str) -> list[Any]:
        return [getattr(item, kind) for item in self.sent if item.WhichOneof("message") == kind]


class Line:
    """A transport that makes no call."""

    address = "127.0.0.1:1"
    closed = False

    def close(self) -> None:
        self.closed = True


@dataclass
class Run:
    """A run of the stub kind."""

    lease_id: str
    run_id: str = RUN
    pid: int | None = 4711
    attempt: int = 1
    token_path: Path | None = None
    stops: list[float] = field(default_factory=list)
    contacts: list[float] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    acknowledged: bool = False
    end: RunEnd | None = None
    full_disk: bool = False
    said: bytes = b""
    calls: list[Any] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"process {self.pid}" if self.pid else ""

    def wait(self, timeout_seconds: float | None = None) -> RunEnd | None:
        del timeout_seconds
        return self.end

    def add_done_callback(self, call: Callable[[RunEnd], object]) -> None:
        self.calls.append(call)
        if self.end is not None:
            call(self.end)

    def output(self, limit_bytes: int) -> Output:
        data = self.said[-limit_bytes:]
        return Output(data=data, dropped_bytes=len(self.said) - len(data))

    def request_stop(self, *, delay_seconds: float = 0.0, grace_seconds: float = 10.0) -> None:
        del grace_seconds
        if self.full_disk:
            raise OSError(28, "No space left on device")
        self.stops.append(delay_seconds)

    def note_contact(self, time_since_boot: float) -> None:
        self.contacts.append(time_since_boot)

    def renew_token(self, token: str) -> None:
        self.tokens.append(token)

    def acknowledge(self) -> None:
        self.acknowledged = True

    def finish(self, kind: Any = "EXITED", **more: Any) -> None:
        """Ends the run's process."""
        given = {"exit_code": 0} if kind == "EXITED" else {}
        proof = StopProof(
            kind=kind,
            lease_id=self.lease_id,
            host="here",
            observed_time=0.0,
            **{**given, **more},
        )
        self.end = RunEnd(proof=proof)
        for call in self.calls:
            call(self.end)


class Runs:
    """The stub kind."""

    name: ClassVar[str] = "process"
    template_schema: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        self.started: dict[str, Run] = {}
        self.leases: list[Lease] = []
        self.left: list[Run] = []
        self.fault: Exception | None = None

    def start(self, lease: Lease) -> Run:
        if self.fault is not None:
            raise self.fault
        self.leases.append(lease)
        run = self.started[lease.lease_id] = Run(lease.lease_id, lease.run_id)
        return run

    def stop(self, handle: Any, grace_seconds: float) -> StopProof:
        raise NotImplementedError

    def adopt(self) -> Sequence[Run]:
        return self.left


class Inline(Executor):
    """Calls at once, or when the test says so."""

    def __init__(self) -> None:
        self.held: list[Callable[[], object]] | None = None

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.held is None:
            fn(*args, **kwargs)
        else:
            self.held.append(lambda: fn(*args, **kwargs))
        return Future()

    def release(self) -> None:
        held, self.held = self.held or [], None
        for call in held:
            call()


class Bench:
    """A worker whose loop the test turns by hand."""

    def __init__(self, home: Path, **options: Any) -> None:
        self.now = 1000.0
        self.wall = 1_790_000_000.0
        self.streams: list[Stream] = []
        self.lines: list[Line] = []
        self.away: RpcError | None = None
        self.kind = Runs()
        self.executor = Inline()
        self.events: list[WorkerEvent] = []
        self.worker = Worker(
            WorkerOptions(pool="local", name="w-1", slots=2, **options),
            get_settings().__class__(home=home),
            self.kind,
            on_event=self.events.append,
            opener=self._open,
            connect=self._connect,
            executor=self.executor,
            monotonic=lambda: self.now,
            clock=lambda: self.wall,
        )

    def _open(self, settings: Any) -> Any:
        del settings
        if self.away is not None:
            raise self.away
        self.lines.append(Line())
        return self.lines[-1]

    def _connect(self, transport: Any, method: str, on_change: Callable[[], object]) -> Stream:
        del transport
        assert method == "towpath.api.v1.WorkService/AttachWorker"
        self.streams.append(Stream(on_change))
        return self.streams[-1]

    @property
    def stream(self) -> Stream:
        return self.streams[-1]

    def turn(self, seconds: float = 0.0) -> float | None:
        """Lets time pass, and lets the loop settle."""
        self.now += seconds
        self.worker.turn()
        return self.worker.turn()

    def answer(self, **fields: Any) -> None:
        self.stream.answers.append(Response(**fields))
        self.turn()

    def attach(self, **more: Any) -> None:
        """Attaches the worker, with more fields of `WorkerAttached`."""
        if not self.streams:
            self.turn()
        attached = work_service_pb2.WorkerAttached(**more)
        attached.renew_interval.FromSeconds(RENEW_SECONDS)
        attached.work_pool.name = "workspaces/default/workPools/local"
        attached.work_pool.lease_duration.FromSeconds(30)
        self.answer(attached=attached)

    def grant(self, lease_id: str, **job: Any) -> None:
        self.answer(granted={"leases": [granted(lease_id, **job)]})

    def run(self, lease_id: str) -> Run:
        return self.kind.started[lease_id]

    def break_off(self, error: RpcError | None = None) -> None:
        self.stream.failure = error or RpcError("gone", code="UNAVAILABLE")
        self.turn()

    def told(self, kind: str) -> list[str]:
        return [event.message for event in self.events if event.kind == kind]


def granted(lease_id: str, *, run_token: str = "", **job: Any) -> work_pb2.WorkLease:
    """A lease of `RUN`."""
    lease = work_pb2.WorkLease(
        lease_id=lease_id, run_id=RUN, attempt=1, fence=1, run_token=run_token
    )
    lease.job.deployment = "workspaces/default/flows/etl/deployments/nightly"
    lease.job.entrypoint = "etl.py:etl"
    for name, value in job.items():
        setattr(lease.job, name, value)
    return lease


def known(lease_id: str) -> Response:
    """The service knows the end of a lease."""
    return Response(ended=work_service_pb2.LeaseIds(lease_ids=[lease_id]))


def cancel(lease_id: str, grace_seconds: float) -> dict[str, Any]:
    """A request to cancel, as fields of an answer."""
    directive = work_service_pb2.LeaseDirective(
        lease_id=lease_id, kind=ingest_service_pb2.DIRECTIVE_KIND_CANCEL
    )
    directive.grace_period.FromMilliseconds(int(grace_seconds * 1000))
    return {"directives": work_service_pb2.LeaseDirectives(directives=[directive])}


def tokens(lease_id: str, token: str) -> dict[str, Any]:
    """A new token without end, as fields of an answer."""
    renewed = work_service_pb2.RenewedTokens()
    renewed.tokens.add(lease_id=lease_id, run_token=token, expire_time=Timestamp(seconds=2**33))
    return {"tokens": renewed}
