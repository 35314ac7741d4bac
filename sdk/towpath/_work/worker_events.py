"""What a worker serves, and what it tells people of its runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from towpath._display.words import printable, short_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath._work.proof import RunEnd
    from towpath.api.v1 import work_pb2

CLOCK_SECONDS: Final = 30.0
"""A clock that is off by more is warned about."""
_FLOW: Final = 3
_DEPLOYMENT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What a worker serves, and how.

    Attributes:
        pool: Id of its pool.
        name: Its id, the same after a restart.
        slots: Most runs that it executes at once.
        queues: Ids of the queues that it serves; empty for all of the pool.
        labels: Its labels.
        grace_seconds: Time that runs have to end after the worker is asked to stop.
        stop_runs: Cancel the runs that haven't ended after that time, instead of leaving them to
            their shims.
    """

    pool: str
    name: str
    slots: int = 8
    queues: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    grace_seconds: float = 30.0
    stop_runs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEvent:
    """Something that happened at a worker, for people.

    Attributes:
        kind: "attached", "away", "granted", "started", "ended", "adopted", "cancelling", "lost",
            "fault", "clock" or "draining".
        message: The sentence about it.
        run_id: The run; empty for an event of the worker itself.
        end: How the run's process ended, for "ended".
    """

    kind: str
    message: str
    run_id: str = ""
    end: RunEnd | None = None


def clock_warning(offset_seconds: float) -> str:
    """A sentence about a clock that is far off.

    Args:
        offset_seconds: How far this machine's clock is ahead of the server's; negative: behind.
    """
    side = "ahead of" if offset_seconds > 0 else "behind"
    return (
        f"this machine's clock is {abs(offset_seconds):.0f} s {side} the server's: the times of"
        " runs will be wrong; synchronize both clocks with a time service"
    )


def name_of(run_id: str) -> str:
    """A run of which no more than the id is known, for people."""
    try:
        return f"run {short_id(run_id)}"
    except ValueError:
        return f"run {printable(run_id)}"


def name_of_granted(granted: work_pb2.WorkLease) -> str:
    """A run that was granted, for people: "etl/nightly brave-otter (9s7wb9de)"."""
    job = granted.job
    path = job.deployment.split("/")
    deployment = (
        f"{path[_FLOW]}/{path[_DEPLOYMENT]}"
        if len(path) > _DEPLOYMENT
        else job.flow_name or job.entrypoint
    )
    short = name_of(granted.run_id).removeprefix("run ")
    run = f"{job.display_name} ({short})" if job.display_name else short
    return printable(f"{deployment} {run}")


def ending(name: str, end: RunEnd) -> str:
    """How a run's process ended, in a sentence."""
    proof = end.proof
    if proof.kind == "EXITED":
        how = f"exited with {proof.exit_code}"
    elif proof.kind == "NEVER_STARTED":
        how = "never started"
    elif proof.kind == "CONTAINER_GONE":
        how = "is gone"
    else:
        how = f"was killed by signal {proof.signal or '?'}"
    reason = f" ({end.reason})" if end.reason else ""
    return f"{name} {how}{reason}{end.message and f': {end.message}'}"
