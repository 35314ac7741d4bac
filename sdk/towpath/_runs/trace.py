"""What a run needs of its trace, and a trace of its run: neither knows the other's class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from towpath._clock import Clock
    from towpath._delivery.reports import StateReport
    from towpath._redaction.live import LiveSecrets


class TracedRun(Protocol):
    """What spans tell of a run."""

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
        """Which call of its task within its parent it is, from 0."""
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
        """When it came into being, seconds since the Unix epoch."""
        ...

    @property
    def clock(self) -> Clock:
        """The time it lives in."""
        ...

    @property
    def secrets(self) -> LiveSecrets:
        """What must not be seen of its root run."""
        ...


class AttemptSpans(Protocol):
    """The spans of one run's attempts; each begins and ends as the attempt does."""

    @property
    def traceparent(self) -> str:
        """The newest span as reports tell of it; empty when it isn't recorded."""
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
        """Makes the present code part of the attempt; returns what `leave` wants back."""
        ...

    def leave(self, token: Any) -> None:
        """Takes the present code out of the attempt again."""
        ...


class Trace(Protocol):
    """Where the spans of one run belong."""

    ready: float
    """When all it waited for had ended, seconds since the Unix epoch; 0 if that was at once."""

    @property
    def traceparent(self) -> str:
        """What is kept with the run: its root, or where it was begun; empty without either."""
        ...

    @property
    def here(self) -> str:
        """The run's newest span, whether it is recorded or not, for another process."""
        ...

    def child(self) -> Trace:
        """The trace of a run that the present code begins."""
        ...

    def follow(self, upstream: Iterable[Trace]) -> None:
        """Has the run's first span link to the newest ones of the runs that it waits for."""
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
        """Trace and span of the present code in hexadecimal digits; empty without one."""
        ...
