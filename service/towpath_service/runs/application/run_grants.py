"""Checks that a credential for one run reports on that run and its descendants only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.runs.domain.reports import Creation, StateReport
from towpath_service.runs.ports.ingest import RunKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath_auth import RunGrant

    from towpath_service.runs.application.submissions import Submission
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.runs.domain.reports import Update


def may_report(
    submission: Submission,
    update: Update,
    run: RunStatus | None,
    runs: Mapping[RunKey, RunStatus],
) -> bool:
    """Whether a submission may report on a run.

    It may not report on a run of another workspace, or on one outside its credential's grant. Both
    are treated as unknown runs.

    Args:
        submission: The submission of the update.
        update: The update.
        run: The run's present status; None when there is no such run.
        runs: All runs that the batch touches, including those of `runs_of_grants`.
    """
    if run is not None and run.workspace_id != submission.producer.workspace_id:
        return False
    only, change = submission.only_run, update.change
    if only is None:
        return True
    own = runs.get(RunKey(submission.producer.tenant_id, only.run_id))
    if own is not None and only.attempt < own.attempt:
        return False
    if update.run_id == only.run_id:
        attempt = change.attempt if isinstance(change, StateReport) else 0
        return attempt in {0, only.attempt}
    if run is not None:
        return _is_below(only, run)
    if not isinstance(change, Creation):
        return False
    # A new run states its own parent and root; a known parent must agree.
    parent = runs.get(RunKey(submission.producer.tenant_id, change.parent_run_id or ""))
    named = only.run_id in {change.parent_run_id, change.root_run_id}
    return named and (parent is None or _is_below(only, parent)) and _is_of_tree(change, own)


def _is_below(only: RunGrant, run: RunStatus) -> bool:
    """Whether a run is that of a grant, or a descendant of it."""
    return only.run_id in {run.run_id, run.parent_run_id, run.root_run_id}


def _is_of_tree(creation: Creation, own: RunStatus | None) -> bool:
    """Whether a new child run states the same tree as its parent, or no tree."""
    return own is None or creation.root_run_id in {"", own.run_id, own.root_run_id}


def runs_of_grants(submissions: Sequence[Submission]) -> set[RunKey]:
    """The runs of grants, and the parents of new runs, that `may_report` needs."""
    found: set[RunKey] = set()
    for submission in submissions:
        if submission.only_run is None:
            continue
        tenant_id = submission.producer.tenant_id
        found.add(RunKey(tenant_id, submission.only_run.run_id))
        found.update(
            RunKey(tenant_id, update.change.parent_run_id)
            for update in submission.updates
            if isinstance(update.change, Creation) and update.change.parent_run_id
        )
    return found
