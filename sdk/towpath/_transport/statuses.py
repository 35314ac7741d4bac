"""Converts the contract's statuses to exceptions."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from google.rpc import code_pb2, error_details_pb2

from towpath.exceptions import (
    Conflict,
    InvalidRequest,
    NotATowpathServer,
    NotFound,
    NotSignedIn,
    RpcError,
    ServerUnreachable,
)

if TYPE_CHECKING:
    from google.rpc import status_pb2

_CONTRACT: Final = "towpath.api.v1."
_TYPES: Final[dict[str, type[RpcError]]] = {
    "UNAVAILABLE": ServerUnreachable,
    "DEADLINE_EXCEEDED": ServerUnreachable,
    "NOT_FOUND": NotFound,
    "UNAUTHENTICATED": NotSignedIn,
    "PERMISSION_DENIED": NotSignedIn,
    "INVALID_ARGUMENT": InvalidRequest,
    "UNIMPLEMENTED": NotATowpathServer,
    "ALREADY_EXISTS": Conflict,
    "FAILED_PRECONDITION": Conflict,
    "ABORTED": Conflict,
}


def to_rpc_error(status: status_pb2.Status, address: str) -> RpcError:
    """Returns the exception for a status.

    Args:
        status: The server's status.
        address: The server's address, for statuses without a message.
    """
    code = code_pb2.Code.Name(status.code)
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    quotas = error_details_pb2.QuotaFailure()
    delay: float | None = None
    for detail in status.details:
        if detail.type_url.endswith(f"/{info.DESCRIPTOR.full_name}"):
            detail.Unpack(info)
        elif detail.type_url.endswith(f"/{quotas.DESCRIPTOR.full_name}"):
            detail.Unpack(quotas)
        elif detail.type_url.endswith(f"/{retry.DESCRIPTOR.full_name}"):
            detail.Unpack(retry)
            delay = retry.retry_delay.ToMilliseconds() / 1000
    # Only a Towpath server gives this reason, so the address is right.
    kind = Conflict if info.reason == "FEATURE_DISABLED" else _TYPES.get(code, RpcError)
    message = status.message or _described(quotas) or f"{address} answered {code}"
    if info.reason == "FEATURE_DISABLED":
        message = _unknown_rpc(info.metadata["feature"], address) or message
    return kind(
        message,
        code=code,
        reason=info.reason,
        metadata=dict(info.metadata),
        retry_after_seconds=delay,
    )


def _unknown_rpc(feature: str, address: str) -> str:
    """Says which version has an rpc that the server lacks; empty for other features."""
    service, slash, method = feature.rpartition("/")
    if not slash or not service.startswith(_CONTRACT):
        return ""
    return (
        f"the server at {address} is older than this client and has no"
        f" {service.removeprefix(_CONTRACT)}.{method}: Towpath {version('towpath')} has it,"
        " upgrade the server"
    )


def _described(quotas: error_details_pb2.QuotaFailure) -> str:
    """Describes the limits that were reached, for statuses without a message."""
    return "; ".join(item.description or item.subject for item in quotas.violations)
