"""The guard around calls, as the dispatcher uses it: limits, and the audit log.

`IdentityGuard` (identity/rpc/guard.py) implements it; a service without identity is unguarded.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from google.protobuf.message import Message
    from towpath_auth import Caller

    from towpath_service.rpc.endpoints import Endpoint


class CallRecord(Protocol):
    """The audit record of one call, completed while the call proceeds."""

    def request(self, message: Message) -> None:
        """Records the parsed request."""
        ...

    def refused(self, parse: Callable[[], Message]) -> None:
        """Records the request of a refused caller, which is parsed only for the record."""
        ...


class Guard(Protocol):
    """Limits calls and audits them."""

    def admit(self, endpoint: Endpoint, caller: Caller) -> None:
        """Charges the caller for a call; raises QUOTA_EXCEEDED."""
        ...

    def stream(self, endpoint: Endpoint, caller: Caller) -> AbstractContextManager[None]:
        """Counts an open stream; raises QUOTA_EXCEEDED."""
        ...

    async def audited(
        self,
        endpoint: Endpoint,
        caller: Caller,
        metadata: Mapping[str, Sequence[str]],
        call: Callable[[CallRecord], Awaitable[Message]],
    ) -> Message:
        """Makes a call; if its rule names an audit event, records its outcome in the audit log."""
        ...


class Unrecorded:
    """The record of a call that isn't audited."""

    def request(self, message: Message) -> None:
        """Records nothing."""

    def refused(self, parse: Callable[[], Message]) -> None:
        """Records nothing, and parses nothing."""


UNRECORDED: Final = Unrecorded()


class Unguarded:
    """Lets all calls through."""

    def admit(self, endpoint: Endpoint, caller: Caller) -> None:
        """Charges nothing."""

    def stream(self, endpoint: Endpoint, caller: Caller) -> AbstractContextManager[None]:
        """Doesn't count the stream."""
        del endpoint, caller
        return nullcontext()

    async def audited(
        self,
        endpoint: Endpoint,
        caller: Caller,
        metadata: Mapping[str, Sequence[str]],
        call: Callable[[CallRecord], Awaitable[Message]],
    ) -> Message:
        """Makes a call that isn't audited."""
        del endpoint, caller, metadata
        return await call(UNRECORDED)
