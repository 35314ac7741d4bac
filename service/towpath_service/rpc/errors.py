"""Converts errors into gRPC statuses: the one table of codes, used by every transport."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from google.protobuf.message import Message

_log = logging.getLogger(__name__)

DOMAIN: Final = "towpath"

# Statuses travel in HTTP/2 trailers, which many clients limit to 8 KiB.
MAX_MESSAGE_CHARACTERS: Final = 500
MAX_DETAIL_CHARACTERS: Final = 100
MAX_VIOLATIONS: Final = 6

CODES: Final = {
    "INVALID_REQUEST": "INVALID_ARGUMENT",
    "INVALID_FILTER": "INVALID_ARGUMENT",
    "INVALID_PAGE_TOKEN": "INVALID_ARGUMENT",
    "PAYLOAD_TOO_LARGE": "INVALID_ARGUMENT",
    "CREDENTIAL_INVALID": "UNAUTHENTICATED",
    "CREDENTIAL_EXPIRED": "UNAUTHENTICATED",
    "CREDENTIAL_REVOKED": "UNAUTHENTICATED",
    "CREDENTIAL_MISSING": "UNAUTHENTICATED",
    "CREDENTIAL_NOT_EXCHANGED": "UNAUTHENTICATED",
    "SIGN_IN_PENDING": "FAILED_PRECONDITION",
    "SIGN_IN_EXPIRED": "FAILED_PRECONDITION",
    "PERMISSION_MISSING": "PERMISSION_DENIED",
    "TENANT_SUSPENDED": "PERMISSION_DENIED",
    "RESOURCE_NOT_FOUND": "NOT_FOUND",
    "RESOURCE_EXISTS": "ALREADY_EXISTS",
    "ETAG_MISMATCH": "ABORTED",
    "RESOURCE_IN_USE": "FAILED_PRECONDITION",
    "LAST_OWNER": "FAILED_PRECONDITION",
    "REQUEST_ID_REUSED": "ALREADY_EXISTS",
    "TRANSITION_NOT_ALLOWED": "FAILED_PRECONDITION",
    "STALE_ATTEMPT": "FAILED_PRECONDITION",
    "LEASE_LOST": "FAILED_PRECONDITION",
    "RUN_UNKNOWN": "FAILED_PRECONDITION",
    "RUN_CONFLICT": "ALREADY_EXISTS",
    "NOT_DISPATCHABLE": "FAILED_PRECONDITION",
    "PAUSE_ANSWERED": "FAILED_PRECONDITION",
    "PAUSE_EXPIRED": "FAILED_PRECONDITION",
    "SEQUENCE_GAP": "OUT_OF_RANGE",
    "PRODUCER_FENCED": "ABORTED",
    "PRODUCER_RETIRED": "FAILED_PRECONDITION",
    "STREAM_PROTOCOL": "INVALID_ARGUMENT",
    "WORKER_FENCED": "ABORTED",
    "RESUME_TOKEN_EXPIRED": "OUT_OF_RANGE",
    "RESUME_TOKEN_INVALID": "INVALID_ARGUMENT",
    "SLOW_CONSUMER": "RESOURCE_EXHAUSTED",
    "QUOTA_EXCEEDED": "RESOURCE_EXHAUSTED",
    "OVERLOADED": "UNAVAILABLE",
    "SHUTTING_DOWN": "UNAVAILABLE",
    "CLIENT_TOO_OLD": "FAILED_PRECONDITION",
    "FEATURE_DISABLED": "UNIMPLEMENTED",
    "INTERNAL": "INTERNAL",
    "DEADLINE_EXCEEDED": "DEADLINE_EXCEEDED",
    "NO_SLOT": "RESOURCE_EXHAUSTED",
    "DATABASE_TOO_NEW": "FAILED_PRECONDITION",
    "DATABASE_UNUSABLE": "FAILED_PRECONDITION",
}
"""Name of the gRPC code of each reason, as the contract's errors.proto documents them."""


def to_service_error(error: Exception) -> ServiceError:
    """The error that the caller sees: a ServiceError unchanged; no detail of any other."""
    if isinstance(error, ServiceError) and error.reason in CODES:
        return error
    if isinstance(error, TimeoutError):
        return ServiceError(
            reason="DEADLINE_EXCEEDED",
            message="the call exceeded its deadline: ask for less, or try again",
        )
    if isinstance(error, NotImplementedError):
        return unimplemented("this call")
    reference = uuid4().hex[:12]
    _log.error("a call failed, reference %s", reference, exc_info=error)
    return ServiceError(
        reason="INTERNAL",
        message=f"internal error; reference {reference}",
        metadata={"reference": reference},
    )


def unimplemented(feature: str) -> ServiceError:
    """The error for an unknown service or method."""
    return ServiceError(
        reason="FEATURE_DISABLED",
        message=f"this server has no {_short(feature)}: it may be older than the client",
        metadata={"feature": feature},
    )


def to_status(error: ServiceError) -> status_pb2.Status:
    """The google.rpc.Status of an error, with its details."""
    status = status_pb2.Status(
        code=code_pb2.Code.Value(CODES.get(error.reason, "INTERNAL")),
        message=_short(error.message, MAX_MESSAGE_CHARACTERS),
    )
    for detail in _details(error):
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _details(error: ServiceError) -> list[Message]:
    metadata = {key: _short(value) for key, value in error.metadata.items()}
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    ]
    if error.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=_short(violation.field), description=_short(violation.description)
                    )
                    for violation in list(error.violations)[:MAX_VIOLATIONS]
                ]
            )
        )
    if error.reason == "QUOTA_EXCEEDED":
        details.append(_quota_failure(error))
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(error.retry_after_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return details


def _quota_failure(error: ServiceError) -> Message:
    """The reached limit as a google.rpc.QuotaFailure, for clients in other languages."""
    violation = error_details_pb2.QuotaFailure.Violation(
        subject=f"quota:{error.metadata.get('quota', '')}",
        description=_short(error.message, MAX_MESSAGE_CHARACTERS),
    )
    failure: Message = error_details_pb2.QuotaFailure(violations=[violation])
    return failure


def _short(text: str, most: int = MAX_DETAIL_CHARACTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
