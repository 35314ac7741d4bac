"""The port of queries and watches: a store's read side, and the removal of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.filters import CountedCells, Filter
    from towpath_service.runs.domain.runs import (
        Artifact,
        Decision,
        FlowSummary,
        GraphNode,
        LogEntry,
        Run,
        RunDetail,
        StateChange,
        TimelineRun,
        Transition,
    )

Result = TypeVar("Result")
OrderField = Literal[
    "create_time", "scheduled_time", "start_time", "end_time", "run_duration", "display_name"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """A page of runs: its filter, its order and its start."""

    scope: Scope
    filter: Filter | None = None
    order: OrderField = "create_time"
    descending: bool = True
    after: tuple[int | str, str] | None = None
    """Value of the order field, and run id, of the last run of the previous page."""
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactQuery:
    """A page of artifacts: which, and where it begins."""

    run_id: str = ""
    """Only those of this run and, of a root run, of its tree; empty for all."""
    key: str = ""
    """Only those of this key; empty for all."""
    latest_only: bool = False
    """Only the newest version of each key."""
    after: tuple[int, str] | None = None
    """Time of creation and id of the last artifact of the previous page."""
    limit: int = 50


class RunTree(NamedTuple):
    """A run, alone or with all its descendants."""

    run_id: str
    descendants: bool


class Floors(NamedTuple):
    """Positions up to which retention may have removed a workspace's changes."""

    transitions: int
    logs: int
    tombstones: int


class Reads(Protocol):
    """Reads that see one state of the database, and the removal of runs."""

    def position(self, scope: Scope) -> int:
        """Last position that a workspace has committed."""
        ...

    def log_position(self, scope: Scope) -> int:
        """Last position of a workspace's log lines."""
        ...

    def floors(self, scope: Scope) -> Floors:
        """Positions up to which retention may have removed a workspace's changes."""
        ...

    def runs(self, query: RunQuery) -> list[Run]:
        """Reads a page of runs."""
        ...

    def runs_by_id(self, scope: Scope, run_ids: Collection[str]) -> dict[str, Run]:
        """Reads runs by id; unknown ones are left out."""
        ...

    def details(self, scope: Scope, run_ids: Collection[str]) -> dict[str, RunDetail]:
        """Reads the bulky parts of runs, with the counts of their children."""
        ...

    def descendants(self, scope: Scope, run_id: str, *, depth: int, limit: int) -> list[Run]:
        """Reads a run and its descendants, parents before children."""
        ...

    def graph(self, scope: Scope, run_id: str, *, depth: int, limit: int) -> list[GraphNode]:
        """Reads a run and its descendants, parents before children, at most `limit` + 1."""
        ...

    def timeline(self, scope: Scope, run_id: str, limit: int) -> list[TimelineRun]:
        """Reads the descendants of a run, parents before children, at most `limit` + 1."""
        ...

    def state_changes(self, scope: Scope, run_ids: Collection[str]) -> list[StateChange]:
        """Reads the changes of state of runs, those of one run together and in order."""
        ...

    def changed_runs(
        self, scope: Scope, after: int, until: int, limit: int
    ) -> list[tuple[int, str, Run | None]]:
        """Reads the changes between two positions: (position, run id, run or None if deleted)."""
        ...

    def matching(self, scope: Scope, run_ids: Collection[str], condition: Filter) -> set[str]:
        """Returns the ids of those runs that match a filter now."""
        ...

    def transitions(self, scope: Scope, run_id: str, after: int, limit: int) -> list[Transition]:
        """Reads a run's history above a revision."""
        ...

    def transitions_after(
        self, scope: Scope, after: int, limit: int, *, tree: RunTree | None, states: Sequence[int]
    ) -> list[Transition]:
        """Reads a workspace's transitions above a position, in commit order.

        Args:
            scope: The workspace.
            after: The position.
            limit: Most transitions to return.
            tree: Only those of these runs; None for all.
            states: Only those into these states, by number; empty for all.
        """
        ...

    def decisions(self, scope: Scope, run_id: str, after: int, limit: int) -> list[Decision]:
        """Reads decisions on a run's updates, after the first `after` of them."""
        ...

    def logs(
        self,
        scope: Scope,
        tree: RunTree,
        condition: Filter | None,
        *,
        after: tuple[int, int] | None,
        descending: bool,
        limit: int,
    ) -> list[LogEntry]:
        """Reads log lines by time, then position.

        Args:
            scope: The workspace.
            tree: The runs.
            condition: A filter over log lines; None for all.
            after: Time in microseconds and position of the last line of the previous page.
            descending: Whether the latest lines come first.
            limit: Most lines to return.
        """
        ...

    def logs_after(self, scope: Scope, tree: RunTree, after: int, limit: int) -> list[LogEntry]:
        """Reads log lines above a position, in the order of their arrival."""
        ...

    def dropped_logs(self, scope: Scope, tree: RunTree) -> int:
        """The number of lines that the producers of these runs have dropped."""
        ...

    def artifact(self, scope: Scope, artifact_id: str) -> Artifact | None:
        """Reads an artifact; None when there is none."""
        ...

    def artifacts(self, scope: Scope, query: ArtifactQuery) -> Sequence[Artifact]:
        """Reads a page of artifacts, newest first, without their contents."""
        ...

    def flows(self, scope: Scope, after: str, limit: int) -> list[FlowSummary]:
        """Reads a page of flows by id."""
        ...

    def counts(
        self, scope: Scope, condition: Filter | None, start_us: int, end_us: int, bucket_us: int
    ) -> Mapping[tuple[int, int], int]:
        """Counts runs by (bucket number, state).

        Args:
            scope: The workspace.
            condition: A filter over runs; None for all.
            start_us: Begin of the interval, microseconds since the Unix epoch.
            end_us: End of the interval, exclusive.
            bucket_us: Width of a bucket in microseconds; bucket 0 begins at `start_us`.
        """
        ...

    def totals(self, scope: Scope, cells: CountedCells) -> Mapping[int, int]:
        """Stored numbers of runs by state, over all time."""
        ...

    def durations(
        self, scope: Scope, condition: Filter | None, start_us: int, end_us: int, bucket_us: int
    ) -> Mapping[int, list[int]]:
        """Running times by bucket number, ascending, microseconds.

        Only the latest 2,000 ended runs are included. The arguments are those of `counts`.
        """
        ...

    def delete_runs(self, scope: Scope, run_ids: Sequence[str], now_us: int) -> None:
        """Removes runs with all their records, and writes tombstones for watches."""
        ...


class ReadStore(Protocol):
    """A store that queries read from."""

    async def read(self, tenant_id: str, work: Callable[[Reads], Result]) -> Result:
        """Runs reads of one tenant that see one state of the database."""
        ...

    async def remove(self, tenant_id: str, work: Callable[[Reads], Result]) -> Result:
        """Runs a deletion of one tenant in one transaction."""
        ...
