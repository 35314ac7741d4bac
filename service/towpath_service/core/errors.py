"""The errors of the service.

    ServiceError                 reason, message, metadata: what the caller sees
    └── (distinguished by `reason`, a name of the contract's ErrorReason)

There is one class, since callers branch on the reason and never on a type. The table from reason
to status code is in `rpc/errors.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One field of a request that breaks a rule."""

    field: str
    description: str


@dataclass(slots=True, kw_only=True)
class ServiceError(Exception):
    """A refused request, with a text that is safe to return to the caller."""

    reason: str
    """Name of an ErrorReason without its prefix, for example "RUN_UNKNOWN"."""
    message: str
    """One sentence with the problem and its solution."""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    violations: Sequence[FieldViolation] = ()
    retry_after_seconds: float | None = None

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


def not_found(resource: str) -> ServiceError:
    """The error for a resource that doesn't exist, or that the caller may not see."""
    return ServiceError(
        reason="RESOURCE_NOT_FOUND",
        message=f"{resource} was not found",
        metadata={"resource": resource},
    )


def invalid(field_name: str, description: str) -> ServiceError:
    """The error for a field that breaks a documented rule."""
    return ServiceError(
        reason="INVALID_REQUEST",
        message=f"{field_name}: {description}",
        violations=(FieldViolation(field=field_name, description=description),),
    )


def outdated(resource: str) -> ServiceError:
    """The error for a change of a resource that has changed meanwhile."""
    return ServiceError(
        reason="ETAG_MISMATCH",
        message=f"{resource} has changed meanwhile: read it, and try again with its etag",
        metadata={"resource": resource},
    )


def busy() -> ServiceError:
    """The error after repeated conflicts with other changes."""
    return ServiceError(
        reason="OVERLOADED",
        message="conflicting changes came at the same time: try again",
        retry_after_seconds=1.0,
    )


def denied(permission: str, resource: str) -> ServiceError:
    """The error for a missing permission; the same whether or not the resource exists."""
    where = f" in {resource} (or it might not exist)" if resource else ""
    return ServiceError(
        reason="PERMISSION_MISSING",
        message=f"you lack {permission}{where}: ask an administrator for a role that has it",
        metadata={"permission": permission, "resource": resource},
    )
