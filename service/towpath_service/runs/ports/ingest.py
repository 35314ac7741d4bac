"""The port of ingestion: a store's write side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from towpath_service.core.names import Scope
    from towpath_service.core.stored import Stored
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.runs.domain.reports import (
        Amendment,
        ArtifactReport,
        Creation,
        PauseTerms,
    )
    from towpath_service.runs.domain.states import RunState, Source

Result = TypeVar("Result")


class ProducerKey(NamedTuple):
    """A producer within its workspace."""

    tenant_id: str
    workspace_id: str
    producer_id: str


class RunKey(NamedTuple):
    """A run of a tenant."""

    tenant_id: str
    run_id: str


@dataclass(slots=True, kw_only=True)
class ProducerRecord:
    """The stored state of a producer."""

    key: ProducerKey
    committed_sequence: int = 0
    epoch: int = 0
    log_sequence: int = 0
    logs_dropped: int = 0
    info: str = "{}"
    committed_us: int | None = None
    seen_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A rejected update, kept for its producer and for the run's decisions."""

    producer: ProducerKey
    sequence: int
    run_id: str
    reason: str
    rule: str
    message: str
    metadata: Mapping[str, str]
    current_state: RunState | None
    requested_state: RunState | None
    attempt: int
    occurred_us: int


class TransitionRow(NamedTuple):
    """A transition to be written; the store adds position and time."""

    scope: Scope
    run_id: str
    revision: int
    from_state: RunState | None
    to_state: RunState
    attempt: int
    reason: str
    message: str
    failure: str | None
    occurred_us: int
    source: Source
    inferred: bool
    actor: str
    producer_id: str | None
    producer_sequence: int
    next_attempt_us: int | None
    rule: str
    evidence: str | None = None
    """Evidence that the run's process had ended, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPause:
    """A pause that a run has entered."""

    scope: Scope
    run_id: str
    suspended: bool
    """Whether the run waits without a process."""
    terms: PauseTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run to be written for the first time."""

    scope: Scope
    status: RunStatus
    creation: Creation
    occurred_us: int


@dataclass(slots=True, kw_only=True)
class LogLine:
    """A log line to be written."""

    sequence: int
    run_id: str
    attempt: int
    occurred_us: int
    severity: int
    logger: str
    body: str
    attributes: str | None
    failure: str | None
    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewArtifact:
    """An artifact to be written, or whose content is replaced."""

    scope: Scope
    run_id: str
    root_run_id: str
    occurred_us: int
    report: ArtifactReport


@dataclass(slots=True, kw_only=True)
class ChangeSet:
    """Everything that one transaction writes."""

    now_us: int
    new_runs: list[NewRun] = field(default_factory=list["NewRun"])
    changed_runs: dict[RunKey, tuple[Scope, RunStatus]] = field(
        default_factory=dict["RunKey", "tuple[Scope, RunStatus]"]
    )
    """Changed existing runs, with their new status."""
    count_deltas: dict[tuple[Scope, str, int, int], int] = field(
        default_factory=dict["tuple[Scope, str, int, int]", int]
    )
    """Change of the number of runs by scope, flow, kind and state."""
    transitions: list[TransitionRow] = field(default_factory=list["TransitionRow"])
    results: dict[RunKey, str | None] = field(default_factory=dict["RunKey", "str | None"])
    failures: dict[RunKey, str | None] = field(default_factory=dict["RunKey", "str | None"])
    progress: dict[RunKey, tuple[Scope, str]] = field(
        default_factory=dict["RunKey", "tuple[Scope, str]"]
    )
    amendments: list[tuple[Scope, str, Amendment]] = field(
        default_factory=list["tuple[Scope, str, Amendment]"]
    )
    descriptions: list[tuple[Scope, str, Creation]] = field(
        default_factory=list["tuple[Scope, str, Creation]"]
    )
    """Creations of known runs, as their processes report them: they complete what is known."""
    artifacts: list[NewArtifact] = field(default_factory=list["NewArtifact"])
    pauses: list[NewPause] = field(default_factory=list["NewPause"])
    refusals: list[Refusal] = field(default_factory=list["Refusal"])
    confirmed: dict[ProducerKey, int] = field(default_factory=dict["ProducerKey", int])
    """Sequences up to which producers have seen their refusals."""
    producers: list[ProducerRecord] = field(default_factory=list["ProducerRecord"])


class IngestTransaction(Protocol):
    """One transaction of the store; its reads see its own writes."""

    def claim(
        self, keys: Collection[ProducerKey], now_us: int
    ) -> dict[ProducerKey, ProducerRecord]:
        """Reads and locks producers until this transaction ends.

        Unknown producers are left out, or created.
        """
        ...

    def producers(self, keys: Collection[ProducerKey]) -> dict[ProducerKey, ProducerRecord]:
        """Reads producers; unknown ones are left out."""
        ...

    def standing(
        self, runs: Collection[RunKey], producers: Collection[ProducerKey]
    ) -> tuple[dict[RunKey, RunStatus], dict[ProducerKey, list[Refusal]]]:
        """Reads the status of runs, and unconfirmed refusals; unknown runs are left out.

        The producers must be claimed; the refusals are those that `refusals` returns.
        """
        ...

    def refusals(self, keys: Collection[ProducerKey]) -> dict[ProducerKey, list[Refusal]]:
        """Reads the refusals that their producers haven't confirmed, by sequence."""
        ...

    def position(self, scope: Scope) -> int:
        """Last position of a workspace, including this transaction's own writes."""
        ...

    def stored(self, tenant_ids: Collection[str]) -> dict[str, Stored]:
        """Storage used and permitted by tenant, now; tenants without a limit are left out."""
        ...

    def write(self, changes: ChangeSet) -> None:
        """Writes a change set, numbering its changes in their workspaces."""
        ...

    def write_producers(self, producers: Sequence[ProducerRecord]) -> None:
        """Writes producers alone."""
        ...

    def write_logs(self, producer: ProducerKey, lines: Sequence[LogLine], now_us: int) -> int:
        """Writes the lines that are new; returns how many."""
        ...

    def touch_producers(self, keys: Collection[ProducerKey], now_us: int) -> None:
        """Records that producers are alive."""
        ...

    def hear_of_all(self, now_us: int) -> None:
        """Records that all producers with unfinished runs are alive."""
        ...

    def runs_of_silent_producers(
        self, silent_since_us: int, limit: int
    ) -> list[tuple[Scope, RunStatus]]:
        """Reads unfinished runs whose producer was last seen before a time.

        Runs that a worker has leased are left out, since their lease tells whether they live, and
        suspended ones, which have no process.
        """
        ...


class IngestStore(Protocol):
    """A store that ingestion writes to."""

    async def write(
        self, tenants: Collection[str], work: Callable[[IngestTransaction], Result]
    ) -> Result:
        """Runs work in one transaction, and returns its result after the commit.

        Args:
            tenants: Ids of all tenants whose data it may touch, or EVERY_TENANT.
            work: Reads and writes on the transaction.

        Raises:
            ServiceError: OVERLOADED, when the database is unavailable; nothing was written, or it
                is unknown whether the commit took place.
        """
        ...
