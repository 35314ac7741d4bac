"""Reads the timeline of a run: all runs below it, and the attempts of those tried again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath_service.core.tokens import make_token
from towpath_service.runs.application.queries import existing_run, watch_question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.runs import StateChange, TimelineRun
    from towpath_service.runs.ports.reads import Reads, ReadStore

DEFAULT_RUNS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimeline:
    """The runs below a run."""

    start_us: int
    """When the run at the top came into being: microseconds since the Unix epoch."""
    runs: Sequence[TimelineRun]
    """Parents before children."""
    changes: Sequence[StateChange]
    """The changes of state of the runs that were tried more than once."""
    truncated: bool
    resume_token: str


class Timelines:
    """Reads timelines; each shows one state of the database."""

    def __init__(self, store: ReadStore) -> None:
        self._store = store

    async def of(self, scope: Scope, run_id: str, *, most: int) -> RunTimeline:
        """Reads the timeline of a run.

        Args:
            scope: The workspace.
            run_id: The run at the top.
            most: Most runs to return, that one not counted; 0 for 10,000.

        Raises:
            ServiceError: NOT_FOUND.
        """
        limit = most or DEFAULT_RUNS

        def work(reads: Reads) -> RunTimeline:
            top = existing_run(reads, scope, run_id)
            found = reads.timeline(scope, run_id, limit)
            runs = found[:limit]
            tried_again = [run.run_id for run in runs if run.attempt > 1]
            condition = f'root_run = "{top.root_run_id}"'
            place = (reads.position(scope),)
            return RunTimeline(
                start_us=min(top.created_us, top.occurred_us),
                runs=runs,
                changes=reads.state_changes(scope, tried_again),
                truncated=len(found) > limit,
                resume_token=make_token(watch_question(scope, condition), place),
            )

        return await self._store.read(scope.tenant_id, work)
