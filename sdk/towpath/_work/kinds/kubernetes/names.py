"""Names and labels of the objects of runs."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath._work.leases import Lease

CONTAINER: Final = "run"
"""Name of the container that executes a run."""
_DOMAIN: Final = "towpath.dev/"
WORKSPACE: Final = _DOMAIN + "workspace"
POOL: Final = _DOMAIN + "pool"
WORKER: Final = _DOMAIN + "worker"
RUN: Final = _DOMAIN + "run-id"
LEASE: Final = _DOMAIN + "lease-id"
ATTEMPT: Final = _DOMAIN + "attempt"
FENCE: Final = _DOMAIN + "fence"
ACKNOWLEDGED: Final = _DOMAIN + "acknowledged"
"""Label of a Job whose end the service knows."""
LIMITS: Final = _DOMAIN + "limits"
"""Annotation with the times of a Job, for the worker that adopts it."""
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def job_name(lease: Lease) -> str:
    """Returns the name of a lease's Job, the same for each try to create it."""
    try:
        value = uuid.UUID(lease.run_id).bytes
    except ValueError:
        value = hashlib.sha256(lease.run_id.encode()).digest()[:16]
    run = base64.b32hexencode(value).decode().rstrip("=").lower()
    return f"tp-{run}-{lease.fence}"


def worker_labels(workspace: str, pool: str, worker: str) -> dict[str, str]:
    """Returns the labels of all objects of a worker."""
    return {
        "app.kubernetes.io/managed-by": "towpath",
        WORKSPACE: label_value(workspace),
        POOL: label_value(pool),
        WORKER: label_value(worker),
    }


def run_labels(lease: Lease) -> dict[str, str]:
    """Returns the labels that tell one run's objects from others."""
    return {
        RUN: label_value(lease.run_id),
        LEASE: label_value(lease.lease_id),
        ATTEMPT: str(lease.attempt),
        FENCE: str(lease.fence),
    }


def label_value(text: str) -> str:
    """Returns a text as the value of a label; one that can't be a value is replaced by a digest."""
    if _LABEL.fullmatch(text):
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def selector(labels: Mapping[str, str], *, without: str = "") -> str:
    """Returns the label selector of objects with some labels, and without another."""
    parts = [f"{name}={value}" for name, value in labels.items()]
    return ",".join([*parts, f"!{without}"] if without else parts)


def labels_of(item: Mapping[str, Any]) -> Mapping[str, str]:
    """Returns the labels of an object."""
    return item["metadata"].get("labels") or {}
