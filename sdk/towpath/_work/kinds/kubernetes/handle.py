"""A run that is a Job, as the worker holds it."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from towpath._work import shim
from towpath._work.folders import STOP_SECONDS, Output

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from towpath._work.kinds.kubernetes.endings import Seen
    from towpath._work.kinds.kubernetes.logs import PodLog
    from towpath._work.kinds.kubernetes.manifest import JobLimits
    from towpath._work.proof import RunEnd


class Owner(Protocol):
    """What a handle hands on; from any thread."""

    def request_stop(self, handle: JobHandle, delay_seconds: float) -> None:
        """Has the Job deleted after a delay."""
        ...

    def renew_token(self, handle: JobHandle, token: str) -> None:
        """Has the token in the Job's Secret replaced."""
        ...

    def acknowledge(self, handle: JobHandle) -> None:
        """Has the Job marked as known, so that no worker adopts it."""
        ...


class JobHandle:
    """A run's Job, and what is known of it; its fields belong to the loop of the kind."""

    def __init__(
        self,
        owner: Owner,
        seen: Seen,
        limits: JobLimits,
        log: PodLog,
        *,
        run_id: str,
        attempt: int,
        folder: Path,
        now: float,
    ) -> None:
        """Follows nothing: the kind does.

        Args:
            owner: What is asked of it is handed on to it.
            seen: What is known of the Job.
            limits: The times of the Job.
            log: The log of its container.
            run_id: The run.
            attempt: Its attempt.
            folder: Folder on the worker's machine for the run's token.
            now: Time of the loop at which its pod begins to be awaited.
        """
        self._owner = owner
        self._run_id, self._attempt = run_id, attempt
        self._folder = folder
        self.seen = seen
        self.limits = limits
        self.log = log
        self.awaited_since = now
        self.pulled_since: float | None = None
        self.waits = ""
        self.given_up: tuple[str, str] | None = None
        self.stop_reason = ""
        self.stop_at: float | None = None
        self.contact = shim.since_boot()
        self.following: asyncio.Task[None] | None = None
        self.is_concluding = False
        self.future: Future[RunEnd] = Future()

    def __repr__(self) -> str:
        return f"<run of lease {self.lease_id}>"

    @property
    def lease_id(self) -> str:
        """The lease that it executes under."""
        return self.seen.lease_id

    @property
    def run_id(self) -> str:
        """The run."""
        return self._run_id

    @property
    def attempt(self) -> int:
        """The attempt of the run."""
        return self._attempt

    @property
    def token_path(self) -> Path | None:
        """File of the run's token; None without identity. After an adoption it is written late."""
        return self._folder / "token" if self.limits.has_token else None

    @property
    def pid(self) -> int | None:
        """None: its process is in a pod."""
        return None

    @property
    def place(self) -> str:
        """Where it executes, for people."""
        return f"job {self.seen.name} in namespace {self.seen.namespace}"

    @property
    def end(self) -> RunEnd | None:
        """How it ended; None while it executes."""
        return self.future.result() if self.future.done() else None

    def wait(self, timeout_seconds: float | None = None) -> RunEnd | None:
        """Waits for its end; returns None when the time ran out first."""
        try:
            return self.future.result(timeout_seconds)
        except FutureTimeout:
            return None

    def add_done_callback(self, call: Callable[[RunEnd], object]) -> None:
        """Calls a function with its end, in the kind's thread, or at once when it has ended."""
        self.future.add_done_callback(lambda future: call(future.result()))

    def output(self, limit_bytes: int = shim.OUTPUT_BYTES) -> Output:
        """Returns the last bytes that its container wrote."""
        return self.log.output(limit_bytes)

    def request_stop(
        self, *, delay_seconds: float = 0.0, grace_seconds: float = STOP_SECONDS
    ) -> None:
        """Has its Job deleted, and returns at once.

        Args:
            delay_seconds: Time in which the run may end by itself.
            grace_seconds: Of no effect: the pod has the time of the job variable `stop_seconds`.
        """
        del grace_seconds
        self._owner.request_stop(self, delay_seconds)

    def note_contact(self, time_since_boot: float) -> None:
        """Notes that the service has confirmed the lease; argument as in `Handle`."""
        self.contact = time_since_boot

    def renew_token(self, token: str) -> None:
        """Replaces the run's token, here and in the Job's Secret.

        Raises:
            OSError: The home can't be written to.
        """
        self.keep_token(token)
        self._owner.renew_token(self, token)

    def acknowledge(self) -> None:
        """Notes that the service knows its end."""
        with suppress(OSError):
            (self._folder / "token").unlink(missing_ok=True)
            self._folder.rmdir()
        self._owner.acknowledge(self)

    def keep_token(self, token: str) -> None:
        """Keeps the run's token, by which the worker reports the last output of the run.

        Raises:
            OSError: The home can't be written to.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = self._folder / "token.new"
        written.touch(mode=0o600)
        written.write_text(token, encoding="utf-8")
        written.replace(self._folder / "token")
