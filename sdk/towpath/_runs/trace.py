"""Protocols of a run and its trace, so that neither depends on the other's class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from towpath._clock import Clock
    from towpath._delivery.reports import StateReport
    from towpath._redaction.live import LiveSecrets


class TracedRun(Protocol):
    """The data of a run that its spans contain."""

    @property
    def run_id(self) -> str:
        """Its id."""
        ...

    @property
    def kind(self) -> Literal["flow", "task"]:
        """What it is a run of."""
        ...

    @property
    def name(self) -> str:
        """Its name, as shown."""
        ...

    @property
    def flow_name(self) -> str:
        """The flow that it is a run of, or in."""
        ...

    @property
    def tags(self) -> frozenset[str]:
        """Its tags."""
        ...

    @property
    def owner(self) -> Any:
        """The Flow or Task that it is a run of."""
        ...

    @property
    def attempt(self) -> int:
        """The present attempt, from 1."""
        ...

    @property
    def index(self) -> int:
        """Number of the call of its task within its parent, from 0."""
        ...

    @property
    def mapped(self) -> bool:
        """Whether it is one of a map."""
        ...

    @property
    def submitted(self) -> bool:
        """Whether it was submitted to the runner, not called."""
        ...

    @property
    def created(self) -> float:
        """Time of its creation, seconds since the Unix epoch."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock that it uses."""
        ...

    @property
    def secrets(self) -> LiveSecrets:
        """The sensitive values of its root run."""
        ...


class AttemptSpans(Protocol):
    """The spans of one run's attempts; each begins and ends as the attempt does."""

    @property
    def traceparent(self) -> str:
        """The newest span's `traceparent` for reports; empty when it isn't recorded."""
        ...

    def begin(self) -> None:
        """Begins the first attempt's span, unless it has begun."""
        ...

    def again(self) -> None:
        """Begins the next attempt's span; called before the run counts it."""
        ...

    def ended(self, state: StateReport, *, cached: bool = False) -> None:
        """Ends the span when a state ends the attempt; other states leave it open."""
        ...

    def enter(self) -> object:
        """Makes the attempt's span current; returns a token for `leave`."""
        ...

    def leave(self, token: Any) -> None:
        """Restores the span that was current before `enter`."""
        ...


class Trace(Protocol):
    """The place of one run in a trace."""

    ready: float
    """End of its last awaited run, seconds since the Unix epoch; 0 if it waited for none."""

    @property
    def traceparent(self) -> str:
        """Header to keep with the run: of the root, or of the span it began in; may be empty."""
        ...

    @property
    def here(self) -> str:
        """The run's newest span, whether it is recorded or not, for another process."""
        ...

    def child(self) -> Trace:
        """Returns the trace of a run that begins here."""
        ...

    def follow(self, upstream: Iterable[Trace]) -> None:
        """Links the run's first span to the newest spans of the runs that it waits for."""
        ...

    def attempts(self, run: TracedRun) -> AttemptSpans:
        """The spans of its attempts; begins none yet."""
        ...

    def skipped(self, run: TracedRun, state: StateReport) -> None:
        """Makes the span of a run that will never begin."""
        ...

    def executing(self, run: TracedRun) -> AbstractContextManager[None]:
        """Around a run's function in a process that was only given it to execute."""
        ...

    def ids_for_logs(self) -> tuple[str, str]:
        """Returns the ids of the current trace and span in hexadecimal; empty without one."""
        ...
