"""Submissions of producers and their outcomes, as the handlers and the committer share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towpath_service.core.errors import ServiceError
from towpath_service.core.names import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_auth import RunGrant

    from towpath_service.core.stored import Stored
    from towpath_service.runs.domain.reports import Update
    from towpath_service.runs.ports.ingest import ProducerKey, ProducerRecord, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A batch of one producer, to be committed."""

    producer: ProducerKey
    actor: str
    first_sequence: int
    updates: Sequence[Update]
    confirmed_sequence: int = 0
    """The sequence up to which the producer has seen acks."""
    epoch: int | None = None
    """Epoch of the stream it came on; None for the unary call."""
    info: str = ""
    resume_after_loss: bool = False
    """Whether the producer knows of the gap before it, and no longer has those updates."""
    only_run: RunGrant | None = None
    """The run that it may report on, with its descendants; None for the whole workspace."""
    limited: bool = False
    """Whether its tenant's storage limit applies."""

    @property
    def scope(self) -> Scope:
        """The workspace it is for."""
        return Scope(self.producer.tenant_id, self.producer.workspace_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a submission."""

    committed_sequence: int
    refusals: Sequence[Refusal]
    """All refusals that the producer hasn't confirmed."""
    position: int = 0
    """Position of the workspace after the commit."""
    duplicates: int = 0
    """Number of updates that had been committed before."""
    held: Stored | None = None
    """The full storage that left updates after `committed_sequence` without a verdict, if any."""


def fenced(producer: ProducerRecord) -> ServiceError:
    """The error for an older stream of a producer."""
    return ServiceError(
        reason="PRODUCER_FENCED",
        message="a later stream of this producer is open: stop, and don't reconnect by yourself",
        metadata={"producer_id": producer.key.producer_id, "epoch": str(producer.epoch)},
    )


def sequence_gap(expected: int, first: int) -> ServiceError:
    """The error for a batch that begins beyond the next sequence."""
    return ServiceError(
        reason="SEQUENCE_GAP",
        message=f"the batch begins at {first}, but {expected} is next: resend from there",
        metadata={"expected_sequence": str(expected), "first_sequence": str(first)},
    )
