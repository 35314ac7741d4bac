"""Checks that a credential for one run reports on that run and its descendants only.

The credential also has the fence of the lease that the run executes under.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from towpath_service.runs.domain.reports import Creation, StateReport
from towpath_service.runs.ports.ingest import RunKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath_auth import RunGrant

    from towpath_service.runs.application.submissions import Submission
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.runs.domain.reports import Change, Update


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
    # A report on the run itself is refused by its fence.
    if own is not None and only.fence < own.fence and update.run_id != only.run_id:
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


def under_fence(submission: Submission, update: Update) -> Change:
    """The change of an update, under the fence of the submission's credential.

    A credential for one run has a fence, which counts in place of the one that its process reports.
    """
    change, only = update.change, submission.only_run
    if only is None or update.run_id != only.run_id:
        return change
    if isinstance(change, StateReport):
        return replace(change, fence=only.fence)
    if isinstance(change, Creation):
        return replace(change, initial=replace(change.initial, fence=only.fence))
    return change


def _is_below(only: RunGrant, run: RunStatus) -> bool:
    """Whether a run is that of a grant, or a descendant of it."""
    return only.run_id in {run.run_id, run.parent_run_id, run.root_run_id}


def _is_of_tree(creation: Creation, own: RunStatus | None) -> bool:
    """Whether a new run states the tree of its grant's run, or no tree."""
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
