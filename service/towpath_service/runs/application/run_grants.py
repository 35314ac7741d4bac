"""What a credential for one run lets its process report: that run, and what is below it."""

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
    """Whether a run is the submission's to report on.

    One in another workspace is not, nor is one that its credential isn't for: both are as if they
    weren't there.

    Args:
        submission: Whose update it is.
        update: What is reported.
        run: The run as it stands; None when there is none.
        runs: All that the batch touches, those of `runs_of_grants` included.
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
        told = change.attempt if isinstance(change, StateReport) else 0
        return told in {0, only.attempt}
    if run is not None:
        return _is_below(only, run)
    if not isinstance(change, Creation):
        return False
    # A new run says itself what it is below; a parent that is known has to bear it out.
    parent = runs.get(RunKey(submission.producer.tenant_id, change.parent_run_id or ""))
    named = only.run_id in {change.parent_run_id, change.root_run_id}
    return named and (parent is None or _is_below(only, parent)) and _is_of_tree(change, own)


def _is_below(only: RunGrant, run: RunStatus) -> bool:
    """Whether a run is the one that a grant is for, or below it."""
    return only.run_id in {run.run_id, run.parent_run_id, run.root_run_id}


def _is_of_tree(creation: Creation, own: RunStatus | None) -> bool:
    """Whether a new run below another says that it is of the same tree, or of none."""
    return own is None or creation.root_run_id in {"", own.run_id, own.root_run_id}


def runs_of_grants(submissions: Sequence[Submission]) -> set[RunKey]:
    """Runs that credentials are for, and parents of new runs, where it matters whose they are."""
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
