"""What surrounds calls, as the dispatcher sees it; without identity, nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from google.protobuf.message import Message
    from towpath_auth import Caller

    from towpath_service.rpc.endpoints import Endpoint


class Telling(Protocol):
    """Takes what is learnt of a call after it has begun."""

    def request(self, message: Message) -> None:
        """What was asked for, once it is parsed."""
        ...

    def refused(self, parse: Callable[[], Message]) -> None:
        """What was asked for of a caller who isn't let in: parsed only to be told."""
        ...


class Guard(Protocol):
    """What surrounds calls."""

    def admit(self, endpoint: Endpoint, caller: Caller) -> None:
        """Takes what a call costs; raises QUOTA_EXCEEDED."""
        ...

    def stream(self, endpoint: Endpoint, caller: Caller) -> AbstractContextManager[None]:
        """Counts an open stream; raises QUOTA_EXCEEDED."""
        ...

    async def told(
        self,
        endpoint: Endpoint,
        caller: Caller,
        metadata: Mapping[str, Sequence[str]],
        call: Callable[[Telling], Awaitable[Message]],
    ) -> Message:
        """Makes a call, and writes how it ends into the audit log, if it is one to be audited."""
        ...


class Untold:
    """Tells nobody."""

    def request(self, message: Message) -> None:
        """Not told."""

    def refused(self, parse: Callable[[], Message]) -> None:
        """Not told, and not parsed."""


UNTOLD: Final = Untold()


class Unguarded:
    """Lets all calls through."""

    def admit(self, endpoint: Endpoint, caller: Caller) -> None:
        """Costs nothing."""

    def stream(self, endpoint: Endpoint, caller: Caller) -> AbstractContextManager[None]:
        """Isn't counted."""
        del endpoint, caller
        return nullcontext()

    async def told(
        self,
        endpoint: Endpoint,
        caller: Caller,
        metadata: Mapping[str, Sequence[str]],
        call: Callable[[Telling], Awaitable[Message]],
    ) -> Message:
        """Makes a call that nobody is told of."""
        del endpoint, caller, metadata
        return await call(UNTOLD)
