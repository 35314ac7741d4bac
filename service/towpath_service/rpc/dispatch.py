"""One way through for every call, whatever transport it came by.

Authenticate, parse, validate, call the handler under a deadline, turn every failure into a
ServiceError fit for the caller.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, Protocol

from towpath_auth import LOCAL_CALLER, Caller

from towpath_service.rpc.endpoints import Endpoint, Handler, endpoints_of
from towpath_service.rpc.errors import to_service_error, unimplemented
from towpath_service.rpc.validation import check

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence

    from google.protobuf.message import Message

    Metadata = Mapping[str, Sequence[str]]
    Request = bytes | Message

DEADLINE_SECONDS: Final = 30.0
"""Longest a unary call takes, whatever the caller allows. Streams end themselves."""


class Authenticator(Protocol):
    """Establishes who calls."""

    async def authenticate(self, metadata: Metadata) -> Caller:
        """The caller of a call with this metadata; CREDENTIAL_INVALID when there is none."""
        ...


class LocalAuthenticator:
    """Takes every caller for the one implicit principal: for services on loopback only."""

    async def authenticate(self, metadata: Metadata) -> Caller:
        """The implicit principal."""
        del metadata
        return LOCAL_CALLER


class Dispatching(Protocol):
    """What transports need of a dispatcher."""

    endpoints: Mapping[str, Endpoint]
    """By name, "towpath.api.v1.RunService/GetRun"."""

    @property
    def services(self) -> list[str]:
        """Full names of the services."""
        ...

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of a name; raises ServiceError when there is none."""
        ...

    async def unary(self, endpoint: Endpoint, request: Request, metadata: Metadata) -> Message:
        """Calls a unary rpc; raises ServiceError, fit for the caller."""
        ...

    def server_stream(
        self, endpoint: Endpoint, request: Request, metadata: Metadata
    ) -> AsyncGenerator[Message, None]:
        """Calls a server-streaming rpc."""
        ...

    def bidi_stream(
        self, endpoint: Endpoint, requests: AsyncIterator[Request], metadata: Metadata
    ) -> AsyncGenerator[Message, None]:
        """Calls a bidirectional rpc."""
        ...


class Dispatcher:
    """Calls endpoints."""

    def __init__(
        self,
        handlers: Iterable[Handler],
        authenticator: Authenticator,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self.endpoints: Mapping[str, Endpoint] = endpoints_of(handlers)
        self._authenticator = authenticator
        self._deadline_seconds = deadline_seconds

    @property
    def services(self) -> list[str]:
        """Full names of the services."""
        return sorted({name.partition("/")[0] for name in self.endpoints})

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of a name.

        Raises:
            ServiceError: FEATURE_DISABLED when there is none.
        """
        found = self.endpoints.get(name)
        if found is None:
            raise unimplemented(name)
        return found

    async def unary(self, endpoint: Endpoint, request: Request, metadata: Metadata) -> Message:
        """Calls a unary rpc.

        Raises:
            ServiceError: Whatever went wrong, fit for the caller.
        """
        try:
            async with asyncio.timeout(self._deadline_seconds):
                caller = await self._authenticator.authenticate(metadata)
                answer: Message = await endpoint.call(_checked(endpoint, request), caller)
                return answer
        except Exception as error:
            raise to_service_error(error) from error

    async def server_stream(
        self, endpoint: Endpoint, request: Request, metadata: Metadata
    ) -> AsyncGenerator[Message, None]:
        """Calls a server-streaming rpc; raises as `unary` does."""
        try:
            caller = await self._authenticator.authenticate(metadata)
            async with aclosing(endpoint.call(_checked(endpoint, request), caller)) as answers:
                async for answer in answers:
                    yield answer
        except Exception as error:
            raise to_service_error(error) from error

    async def bidi_stream(
        self, endpoint: Endpoint, requests: AsyncIterator[Request], metadata: Metadata
    ) -> AsyncGenerator[Message, None]:
        """Calls a bidirectional rpc; raises as `unary` does."""

        async def parsed() -> AsyncGenerator[Message, None]:
            async for request in requests:
                yield endpoint.parse(request)

        try:
            caller = await self._authenticator.authenticate(metadata)
            async with (
                aclosing(parsed()) as messages,
                aclosing(endpoint.call(messages, caller)) as answers,
            ):
                async for answer in answers:
                    yield answer
        except Exception as error:
            raise to_service_error(error) from error


def _checked(endpoint: Endpoint, request: Request) -> Message:
    message = endpoint.parse(request)
    if not endpoint.takes_batches:
        check(message)
    return message
