"""Converts errors that connectrpc raises itself into the contract's errors with an ErrorInfo.

connectrpc finds broken envelopes, unknown encodings and oversized bodies before the service sees
the request. It uses its own codes for them (INTERNAL among them), and would send the text of any
other exception to the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connectrpc.code import Code
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.interceptor import MetadataInterceptor
from protobuf.wkt import Any as WireAny

from towpath_service.core.errors import ServiceError
from towpath_service.rpc.errors import CODES, to_service_error, to_status

if TYPE_CHECKING:
    from connectrpc.request import RequestContext

_MALFORMED: Final = frozenset({Code.INVALID_ARGUMENT, Code.INTERNAL, Code.UNKNOWN})


class Refusals(MetadataInterceptor[None]):
    """Converts the errors of calls before they are sent."""

    def __init__(self, most_bytes: int) -> None:
        """Takes the maximal size of requests."""
        self._most_bytes = most_bytes

    async def on_start(self, ctx: RequestContext[Any, Any]) -> None:
        """Does nothing."""

    async def on_end(
        self, token: None, ctx: RequestContext[Any, Any], error: Exception | None, /
    ) -> None:
        """Converts an error without a reason into one of the contract."""
        del token, ctx
        if error is None or (isinstance(error, ConnectError) and error.details):
            return
        if not isinstance(error, ConnectError):
            raise to_connect(to_service_error(error)) from error
        found = refusal(error, self._most_bytes)
        if found is not None:
            raise to_connect(found) from error


def refusal(
    error: ConnectError, most_bytes: int, malformed: str = "INVALID_REQUEST"
) -> ServiceError | None:
    """The error that the caller gets for one of connectrpc; None if the caller has disconnected.

    Args:
        error: The error of connectrpc.
        most_bytes: Maximal size of requests.
        malformed: The reason of the error for a malformed request.
    """
    if error.code is Code.RESOURCE_EXHAUSTED:
        return ServiceError(
            reason="PAYLOAD_TOO_LARGE",
            message=f"the request has more than the {most_bytes} bytes that are taken",
            metadata={"limit_bytes": str(most_bytes)},
        )
    if error.code in _MALFORMED:
        return ServiceError(reason=malformed, message=f"the request is malformed: {error.message}")
    if error.code is Code.UNIMPLEMENTED:
        return ServiceError(
            reason="FEATURE_DISABLED",
            message=f"{error.message}: send it as the contract and the server's answers say",
            metadata={"feature": error.message},
        )
    if error.code is Code.DEADLINE_EXCEEDED:
        return to_service_error(TimeoutError())
    return None


def to_connect(error: ServiceError) -> ConnectError:
    """An error as connectrpc sends it, with its details."""
    status = to_status(error)
    details: list[Any] = [
        ErrorDetail(WireAny(type_url=detail.type_url, value=detail.value))
        for detail in status.details
    ]
    code = CODES.get(error.reason, "INTERNAL").lower()
    return ConnectError(Code(code), status.message, details)
