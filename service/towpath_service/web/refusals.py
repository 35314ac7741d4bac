"""What connectrpc refuses by itself, told as the contract tells everything: with an ErrorInfo.

It finds broken envelopes, unknown encodings and oversized bodies before any of this code sees the
request, names them by codes of its own (INTERNAL among them) and sends the text of whatever else
is raised.
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
    """Words the failures of a call before they are sent."""

    def __init__(self, most_bytes: int) -> None:
        """Knows how large requests may be."""
        self._most_bytes = most_bytes

    async def on_start(self, ctx: RequestContext[Any, Any]) -> None:
        """Lets every call begin."""

    async def on_end(
        self, token: None, ctx: RequestContext[Any, Any], error: Exception | None, /
    ) -> None:
        """Puts a failure that says no reason into the contract's words."""
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
    """What the caller is told for a finding of connectrpc; None when nobody is there any more.

    Args:
        error: The finding.
        most_bytes: How large requests may be.
        malformed: The reason for a request that isn't shaped as one.
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
