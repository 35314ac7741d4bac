"""Starts a run by a kind, with its span; used by the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._telemetry import names
from towpath._tracing.starts import starting

if TYPE_CHECKING:
    from towpath._work.kinds.base import Handle, Kind
    from towpath._work.leases import Lease


def start(kind: Kind, lease: Lease, worker: str) -> Handle:
    """Starts a run; arguments and exceptions are those of `Kind.start`."""
    attributes: dict[str, str | int] = {
        names.RUN_ID: lease.run_id,
        names.ATTEMPT: lease.attempt,
        names.WORKER: worker,
    }
    with starting(lease.run_id, lease.traceparent, attributes):
        return kind.start(lease)
