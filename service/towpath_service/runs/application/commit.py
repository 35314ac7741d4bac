"""Commits one batch of many producers' updates: verdicts in memory, one transaction.

Invariants, each of which a test names:
  - an update at or below its producer's watermark takes no effect again;
  - the watermark moves in the transaction that holds the effects, and never over a gap;
  - a refusal is written in the same transaction, and is sent until its producer confirms it;
  - the stream of an older epoch commits nothing;
  - when a tenant is at its storage limit, a producer's updates are committed up to its next new
    run; the updates after that get no verdict, and can be sent again.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from towpath_service.runs.application.run_grants import (
    may_report,
    runs_of_grants,
    under_fence,
)
from towpath_service.runs.application.submissions import Outcome, Submission, fenced, sequence_gap
from towpath_service.runs.domain.decisions import (
    Accepted,
    Refused,
    RunStatus,
    Verdict,
    advance,
    decide_creation,
    decide_transition,
    new_status,
    unknown_run,
)
from towpath_service.runs.domain.reports import (
    Amendment,
    ArtifactReport,
    Creation,
    Heartbeat,
    PauseTerms,
    Progress,
    StateReport,
    Unusable,
    Update,
)
from towpath_service.runs.domain.states import SUSPENDED, RunState, Source
from towpath_service.runs.ports.ingest import (
    ChangeSet,
    IngestTransaction,
    NewArtifact,
    NewPause,
    NewRun,
    ProducerKey,
    ProducerRecord,
    Refusal,
    RunKey,
    TransitionRow,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath_service.core.errors import ServiceError
    from towpath_service.core.names import Scope
    from towpath_service.core.stored import Stored

_log = logging.getLogger(__name__)


class Batch:
    """The submissions of one transaction, and the changes that they make."""

    def __init__(self, transaction: IngestTransaction, now_us: int) -> None:
        self._transaction = transaction
        self._changes = ChangeSet(now_us=now_us)
        self._producers: dict[ProducerKey, ProducerRecord] = {}
        self._refusals: dict[ProducerKey, list[Refusal]] = {}
        self._runs: dict[RunKey, RunStatus] = {}
        self._new: set[RunKey] = set()
        self._stored: Mapping[str, Stored] = {}

    def commit(self, submissions: Sequence[Submission]) -> list[Outcome | ServiceError]:
        """Applies submissions in order; one producer's error doesn't affect the others."""
        self._load(submissions)
        outcomes = [self._apply(submission) for submission in submissions]
        self._changes.producers = list(self._producers.values())
        self._transaction.write(self._changes)
        return self._positioned(submissions, outcomes)

    def _positioned(
        self, submissions: Sequence[Submission], outcomes: Sequence[Outcome | ServiceError]
    ) -> list[Outcome | ServiceError]:
        scopes = {submission.scope for submission in submissions}
        positions = {scope: self._transaction.position(scope) for scope in scopes}
        return [
            replace(outcome, position=positions[submission.scope])
            if isinstance(outcome, Outcome)
            else outcome
            for submission, outcome in zip(submissions, outcomes, strict=True)
        ]

    def _load(self, submissions: Sequence[Submission]) -> None:
        keys = {submission.producer for submission in submissions}
        self._producers = self._transaction.claim(keys, self._changes.now_us)
        wanted = {
            RunKey(submission.producer.tenant_id, update.run_id)
            for submission in submissions
            for update in submission.updates
        }
        wanted |= runs_of_grants(submissions)
        self._runs, self._refusals = self._transaction.standing(wanted, keys)
        limited = {item.producer.tenant_id for item in submissions if _may_store_more(item)}
        self._stored = self._transaction.stored(limited) if limited else {}

    def _apply(self, submission: Submission) -> Outcome | ServiceError:
        key = submission.producer
        producer = self._producers.get(key) or ProducerRecord(key=key)
        if submission.epoch is not None and submission.epoch != producer.epoch:
            return fenced(producer)
        if submission.resume_after_loss:
            adopt_watermark(producer, submission.first_sequence - 1)
        expected = producer.committed_sequence + 1
        if submission.first_sequence > expected:
            return sequence_gap(expected, submission.first_sequence)
        self._producers[key] = producer
        self._confirm(key, submission.confirmed_sequence)
        duplicates, held = 0, None
        for update in submission.updates:
            if update.sequence <= producer.committed_sequence:
                duplicates += 1
                continue
            held = self._held(submission, update)
            if held is not None:
                break
            self._apply_update(submission, update)
            producer.committed_sequence = update.sequence
        producer.seen_us = self._changes.now_us
        producer.committed_us = self._changes.now_us
        producer.info = submission.info or producer.info
        return Outcome(
            committed_sequence=producer.committed_sequence,
            refusals=tuple(self._refusals.get(key, ())),
            duplicates=duplicates,
            held=held,
        )

    def _held(self, submission: Submission, update: Update) -> Stored | None:
        """The storage that holds an update up: a new run of a tenant at its storage limit."""
        stored = self._stored.get(submission.producer.tenant_id) if submission.limited else None
        if stored is None or not stored.is_full or not isinstance(update.change, Creation):
            return None
        known = RunKey(submission.producer.tenant_id, update.run_id) in self._runs
        return None if known else stored

    def _confirm(self, key: ProducerKey, sequence: int) -> None:
        waiting = self._refusals.get(key)
        if waiting and waiting[0].sequence <= sequence:
            self._changes.confirmed[key] = sequence
            self._refusals[key] = [item for item in waiting if item.sequence > sequence]

    def _apply_update(self, submission: Submission, update: Update) -> None:
        key = RunKey(submission.producer.tenant_id, update.run_id)
        run = self._runs.get(key)
        change = under_fence(submission, update)
        if not may_report(submission, update, run, self._runs):
            self._refuse(submission, update, unknown_run(update.run_id), None, None)
        elif isinstance(change, StateReport):
            verdict = decide_transition(run, change, update.run_id)
            self._carry_out(submission, update, verdict, run, change)
        elif isinstance(change, Creation):
            verdict = decide_creation(run, change, update.run_id)
            if run is None and isinstance(verdict, Accepted):
                producer_id = submission.producer.producer_id
                run = self._new_run(submission.scope, update, change, producer_id)
            elif run is not None and run.fence and not isinstance(verdict, Refused):
                self._changes.descriptions.append((submission.scope, update.run_id, change))
            self._carry_out(submission, update, verdict, run, change.initial)
        elif isinstance(change, Unusable):
            refused = Refused(
                reason=change.reason,
                rule="INVALID_REQUEST",
                message=change.message,
                metadata=change.metadata,
            )
            self._refuse(submission, update, refused, run, None)
        else:
            self._describe(submission, update, key, run, change)

    def create(
        self,
        scope: Scope,
        run_id: str,
        creation: Creation,
        occurred_us: int,
        *,
        actor: str,
        source: Source,
    ) -> RunStatus:
        """Creates a run by the service itself, which a producer will report later.

        Args:
            scope: Its workspace.
            run_id: The id of no other run.
            creation: The creation; its initial state must be one that the source may give.
            occurred_us: When it is created, microseconds since the Unix epoch.
            actor: Principal that it is created for.
            source: CALLER or SYSTEM.
        """
        update = Update(sequence=0, run_id=run_id, occurred_us=occurred_us, change=creation)
        verdict = decide_creation(None, creation, run_id, source=source)
        assert isinstance(verdict, Accepted), verdict
        run = self._new_run(scope, update, creation, None)
        self.transition(
            scope,
            run,
            verdict,
            creation.initial,
            update,
            actor=actor,
            producer_id=None,
            source=source,
        )
        return run

    def _new_run(
        self, scope: Scope, update: Update, creation: Creation, producer_id: str | None
    ) -> RunStatus:
        run = new_status(creation, update.run_id, producer_id)
        run.workspace_id = scope.workspace_id
        key = RunKey(scope.tenant_id, update.run_id)
        self._runs[key] = run
        self._new.add(key)
        self._changes.new_runs.append(
            NewRun(scope=scope, status=run, creation=creation, occurred_us=update.occurred_us)
        )
        return run

    def _carry_out(
        self,
        submission: Submission,
        update: Update,
        verdict: Verdict,
        run: RunStatus | None,
        report: StateReport,
    ) -> None:
        if isinstance(verdict, Refused):
            self._refuse(submission, update, verdict, run, report)
        elif isinstance(verdict, Accepted):
            assert run is not None
            self.transition(
                submission.scope,
                run,
                verdict,
                report,
                update,
                actor=submission.actor,
                producer_id=submission.producer.producer_id,
            )

    def transition(
        self,
        scope: Scope,
        run: RunStatus,
        verdict: Accepted,
        report: StateReport,
        update: Update,
        *,
        actor: str,
        producer_id: str | None,
        source: Source = Source.PRODUCER,
        inferred: bool = False,
        evidence: str | None = None,
    ) -> None:
        """Applies an accepted transition and records its changes."""
        changes = self._changes
        key = RunKey(scope.tenant_id, run.run_id)
        if verdict.from_state is not None:
            self._count(scope, run, verdict.from_state, -1)
        advance(run, verdict, report, update.occurred_us, inferred=inferred)
        self._count(scope, run, run.state, 1)
        if producer_id is not None:
            run.producer_id = producer_id
        if key not in self._new:
            changes.changed_runs[key] = (scope, run)
        changes.transitions.append(
            TransitionRow(
                scope,
                run.run_id,
                run.revision,
                verdict.from_state,
                verdict.to_state,
                verdict.attempt,
                report.reason,
                report.message,
                report.failure,
                update.occurred_us,
                source,
                inferred,
                actor,
                producer_id,
                update.sequence,
                report.next_attempt_us,
                verdict.rule,
                evidence,
            )
        )
        if run.state is RunState.PAUSED:
            terms = report.pause or PauseTerms(key=f"revision-{run.revision}")
            suspended = run.reason == SUSPENDED
            changes.pauses.append(
                NewPause(scope=scope, run_id=run.run_id, suspended=suspended, terms=terms)
            )
        if report.failure is not None:
            changes.failures[key] = report.failure
        elif run.state is RunState.COMPLETED and (report.result or run.attempt > 1):
            changes.failures[key] = None
        if report.result is not None:
            changes.results[key] = report.result

    def _count(self, scope: Scope, run: RunStatus, state: RunState, delta: int) -> None:
        cell = (scope, run.flow_id, int(run.kind), int(state))
        self._changes.count_deltas[cell] = self._changes.count_deltas.get(cell, 0) + delta

    def _refuse(
        self,
        submission: Submission,
        update: Update,
        verdict: Refused,
        run: RunStatus | None,
        report: StateReport | None,
    ) -> None:
        refusal = Refusal(
            producer=submission.producer,
            sequence=update.sequence,
            run_id=update.run_id,
            reason=verdict.reason,
            rule=verdict.rule,
            message=verdict.message,
            metadata=verdict.metadata,
            current_state=run.state if run else None,
            requested_state=report.state if report else None,
            attempt=report.attempt if report else 0,
            occurred_us=update.occurred_us,
        )
        self._changes.refusals.append(refusal)
        self._refusals.setdefault(submission.producer, []).append(refusal)

    def _describe(
        self,
        submission: Submission,
        update: Update,
        key: RunKey,
        run: RunStatus | None,
        change: Progress | Heartbeat | Amendment | ArtifactReport,
    ) -> None:
        if run is None:
            verdict = decide_transition(None, StateReport(state=RunState.RUNNING), update.run_id)
            assert isinstance(verdict, Refused)
            self._refuse(submission, update, verdict, None, None)
            return
        scope = submission.scope
        if isinstance(change, Progress):
            self._changes.progress[key] = (scope, change.content)
        elif isinstance(change, Amendment):
            self._changes.amendments.append((scope, update.run_id, change))
        elif isinstance(change, ArtifactReport):
            self._changes.artifacts.append(
                NewArtifact(
                    scope=scope,
                    run_id=run.run_id,
                    root_run_id=run.root_run_id or run.run_id,
                    occurred_us=update.occurred_us,
                    report=change,
                )
            )


def _may_store_more(submission: Submission) -> bool:
    return submission.limited and any(
        isinstance(update.change, Creation) for update in submission.updates
    )


def adopt_watermark(producer: ProducerRecord, sequence: int) -> None:
    """Adopts the watermark that a producer reports, as it keeps no earlier update any more.

    A database is behind its producers only after it was restored from a backup.
    """
    if producer.committed_sequence >= sequence:
        return
    _log.warning(
        "updates %d to %d of producer %s are lost: it has seen them acknowledged, and this database"
        " doesn't have them, as after it was restored from a backup",
        producer.committed_sequence + 1,
        sequence,
        producer.key.producer_id,
    )
    producer.committed_sequence = sequence
