"""The errors of the service.

    ServiceError                 reason, message, metadata: what the caller is told
    └── (told apart by `reason`, a name of the contract's ErrorReason)

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
    """A request that can't be granted, in words fit for the caller."""

    reason: str
    """Name of an ErrorReason without its prefix, for example "RUN_UNKNOWN"."""
    message: str
    """One sentence that says what is wrong and what to do."""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    violations: Sequence[FieldViolation] = ()
    retry_after_seconds: float | None = None

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


def not_found(resource: str) -> ServiceError:
    """The answer for whatever isn't there, or isn't the caller's to see."""
    return ServiceError(
        reason="RESOURCE_NOT_FOUND",
        message=f"{resource} was not found",
        metadata={"resource": resource},
    )


def invalid(field_name: str, description: str) -> ServiceError:
    """The answer to a field that breaks a documented rule."""
    return ServiceError(
        reason="INVALID_REQUEST",
        message=f"{field_name}: {description}",
        violations=(FieldViolation(field=field_name, description=description),),
    )


def denied(permission: str, resource: str) -> ServiceError:
    """The answer to who lacks a permission; the same whether or not what they name exists."""
    where = f" in {resource} (or it might not exist)" if resource else ""
    return ServiceError(
        reason="PERMISSION_MISSING",
        message=f"you lack {permission}{where}: ask whoever manages access for a role that has it",
        metadata={"permission": permission, "resource": resource},
    )
