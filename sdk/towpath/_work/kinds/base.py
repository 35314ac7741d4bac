"""What a worker needs of a kind of work pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from towpath._work.folders import Output
    from towpath._work.leases import Lease
    from towpath._work.proof import RunEnd, StopProof


class Handle(Protocol):
    """A run that was started; safe to use from any thread."""

    @property
    def lease_id(self) -> str:
        """The lease that it executes under."""
        ...

    @property
    def run_id(self) -> str:
        """The run."""
        ...

    @property
    def attempt(self) -> int:
        """The attempt of the run, from 1."""
        ...

    @property
    def token_path(self) -> Path | None:
        """File of the run's token; None without identity."""
        ...

    @property
    def pid(self) -> int | None:
        """Its process on this machine; None when it never began, or is elsewhere."""
        ...

    @property
    def place(self) -> str:
        """Where it executes, for people: "process 4711"; empty when it never began."""
        ...

    @property
    def end(self) -> RunEnd | None:
        """How it ended; None while it executes."""
        ...

    def wait(self, timeout_seconds: float | None = None) -> RunEnd | None:
        """Waits for its end; returns None when the time ran out first."""
        ...

    def add_done_callback(self, call: Callable[[RunEnd], object]) -> None:
        """Calls a function with its end, in a thread of the kind, or at once when it has ended."""
        ...

    def output(self, limit_bytes: int) -> Output:
        """Returns the last bytes that it wrote to stdout and stderr."""
        ...

    def request_stop(self, *, delay_seconds: float = 0.0, grace_seconds: float = 10.0) -> None:
        """Asks for its end, and returns at once; it follows without this worker, too.

        Args:
            delay_seconds: Time in which it may end by itself.
            grace_seconds: Time between the request to its process and the kill.
        """
        ...

    def note_contact(self, time_since_boot: float) -> None:
        """Notes that the service has confirmed the lease.

        Args:
            time_since_boot: When the renewal was sent, by `shim.since_boot()`.
        """
        ...

    def renew_token(self, token: str) -> None:
        """Replaces its token."""
        ...

    def acknowledge(self) -> None:
        """Notes that the service knows its end: no worker adopts it again."""
        ...


class Kind(Protocol):
    """A kind of work pool: how a worker starts runs, stops them, and finds them again."""

    name: ClassVar[str]
    template_schema: ClassVar[Mapping[str, Any]]
    """JSON Schema of the template's values."""

    def start(self, lease: Lease) -> Handle:
        """Starts a run; one that can't be started has a handle that has ended.

        Raises:
            FileExistsError: The lease was started before.
            OSError: What is known of it can't be kept.
        """
        ...

    def stop(self, handle: Handle, grace_seconds: float) -> StopProof:
        """Stops a run and waits for the proof."""
        ...

    def adopt(self) -> Sequence[Handle]:
        """Returns the runs of this worker whose ends were not acknowledged, living or not."""
        ...
