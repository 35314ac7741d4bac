"""The single path of every call, over gRPC and HTTP alike.

Its steps: authenticate; check that the caller may call the method at all; parse; validate; check
the permission in the requested workspace; call the handler under a deadline; convert every failure
into a ServiceError that is safe to return.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol

from towpath_auth import LOCAL_CALLER, Caller

from towpath_service.core.errors import ServiceError
from towpath_service.rpc.endpoints import Endpoint, Handler, endpoints_of
from towpath_service.rpc.errors import to_service_error, unimplemented
from towpath_service.rpc.guard import UNRECORDED, CallRecord, Guard, Unguarded
from towpath_service.rpc.rules import check_method, check_request
from towpath_service.rpc.slow_consumers import SLOW_CONSUMER_SECONDS, while_read
from towpath_service.rpc.validation import check

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Iterable,
        Mapping,
        Sequence,
    )
    from contextlib import AbstractContextManager

    from google.protobuf.message import Message

    from towpath_service.rpc.endpoints import Request

    Metadata = Mapping[str, Sequence[str]]

DEADLINE_SECONDS: Final = 30.0
"""Longest time of a unary call, also if its caller allows more. Streams end themselves."""


class Authenticator(Protocol):
    """Authenticates callers."""

    async def authenticate(self, metadata: Metadata) -> Caller:
        """The caller that the metadata authenticate; raises ServiceError when there is none."""
        ...

    def anonymous(self, metadata: Metadata) -> Caller:
        """The caller of a public method, without authentication."""
        ...

    def follow(
        self,
        caller: Caller,
        check: Callable[[Caller], None],
        end: Callable[[ServiceError], None],
    ) -> AbstractContextManager[None]:
        """Checks a stream's caller whenever its rights change, and calls `end` when it fails."""
        ...


class LocalAuthenticator:
    """Treats every caller as the one implicit principal: for services on loopback only."""

    async def authenticate(self, metadata: Metadata) -> Caller:
        """The implicit principal."""
        del metadata
        return LOCAL_CALLER

    def anonymous(self, metadata: Metadata) -> Caller:
        """The implicit principal."""
        del metadata
        return LOCAL_CALLER

    def follow(
        self,
        caller: Caller,
        check: Callable[[Caller], None],
        end: Callable[[ServiceError], None],
    ) -> AbstractContextManager[None]:
        """Does nothing: the implicit principal's rights never change."""
        del caller, check, end
        return nullcontext()


class Dispatching(Protocol):
    """The dispatcher as transports use it."""

    endpoints: Mapping[str, Endpoint]
    """By name, "towpath.api.v1.RunService/GetRun"."""

    @property
    def services(self) -> list[str]:
        """Full names of the services."""
        ...

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint with a name; raises ServiceError when there is none."""
        ...

    async def unary(self, endpoint: Endpoint, request: Request, metadata: Metadata) -> Message:
        """Calls a unary rpc; raises a ServiceError that is safe to return."""
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
        guard: Guard | None = None,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        slow_consumer_seconds: float = SLOW_CONSUMER_SECONDS,
    ) -> None:
        self.endpoints: Mapping[str, Endpoint] = endpoints_of(handlers)
        self._authenticator = authenticator
        self._guard = guard or Unguarded()
        self._deadline_seconds = deadline_seconds
        self._slow_consumer_seconds = slow_consumer_seconds

    @property
    def services(self) -> list[str]:
        """Full names of the services."""
        return sorted({name.partition("/")[0] for name in self.endpoints})

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint with a name.

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
            ServiceError: Any failure, with a text that is safe to return.
        """
        try:
            async with asyncio.timeout(self._deadline_seconds):
                caller = await self._caller(endpoint, metadata)
                # Before the audit: a caller over its limit must not fill the audit log.
                self._guard.admit(endpoint, caller)

                async def call(record: CallRecord) -> Message:
                    message = self._permitted(endpoint, request, caller, record)
                    answer: Message = await endpoint.call(message, caller)
                    return answer

                return await self._guard.audited(endpoint, caller, metadata, call)
        except Exception as error:
            raise to_service_error(error) from error

    def server_stream(
        self, endpoint: Endpoint, request: Request, metadata: Metadata
    ) -> AsyncGenerator[Message, None]:
        """Calls a server-streaming rpc; raises as `unary` does, and SLOW_CONSUMER."""
        answers = self._server_stream(endpoint, request, metadata)
        return while_read(answers, self._slow_consumer_seconds)

    async def _server_stream(
        self, endpoint: Endpoint, request: Request, metadata: Metadata
    ) -> AsyncGenerator[Message, None]:
        try:
            caller = await self._caller(endpoint, metadata)
            self._guard.admit(endpoint, caller)
            message = self._permitted(endpoint, request, caller)
            async with (
                self._while_permitted(endpoint, caller, [message]),
                aclosing(endpoint.call(message, caller)) as answers,
            ):
                async for answer in answers:
                    yield answer
        except Exception as error:
            raise to_service_error(error) from error

    async def bidi_stream(
        self, endpoint: Endpoint, requests: AsyncIterator[Request], metadata: Metadata
    ) -> AsyncGenerator[Message, None]:
        """Calls a bidirectional rpc; raises as `unary` does."""
        first: list[Message] = []

        async def parsed(caller: Caller) -> AsyncGenerator[Message, None]:
            async for request in requests:
                message = endpoint.parse(request)
                if not first:
                    check_request(endpoint.rule, caller, message)
                    first.append(message)
                yield message

        try:
            caller = await self._caller(endpoint, metadata)
            self._guard.admit(endpoint, caller)
            check_method(endpoint.rule, caller)
            async with (
                self._while_permitted(endpoint, caller, first),
                aclosing(parsed(caller)) as messages,
                aclosing(endpoint.call(messages, caller)) as answers,
            ):
                async for answer in answers:
                    yield answer
        except Exception as error:
            raise to_service_error(error) from error

    async def _caller(self, endpoint: Endpoint, metadata: Metadata) -> Caller:
        if endpoint.rule.level == "public":
            return self._authenticator.anonymous(metadata)
        return await self._authenticator.authenticate(metadata)

    def _permitted(
        self,
        endpoint: Endpoint,
        request: Request,
        caller: Caller,
        record: CallRecord = UNRECORDED,
    ) -> Message:
        """The request as a message, if the caller may make it."""
        try:
            check_method(endpoint.rule, caller)
        except ServiceError:
            record.refused(lambda: endpoint.parse(request))
            raise
        message = endpoint.parse(request)
        record.request(message)
        if not endpoint.takes_batches:
            check(message)
        check_request(endpoint.rule, caller, message)
        return message

    @asynccontextmanager
    async def _while_permitted(
        self, endpoint: Endpoint, caller: Caller, first: Sequence[Message]
    ) -> AsyncGenerator[None]:
        """Ends a stream when its token does, or its caller's right to it.

        Args:
            endpoint: The called endpoint.
            caller: The caller.
            first: Holds the first message, once it has come.
        """
        if caller.expires_at is None:
            yield
            return
        with self._guard.stream(endpoint, caller):
            async with self._until_refused(endpoint, caller, first):
                yield

    @asynccontextmanager
    async def _until_refused(
        self, endpoint: Endpoint, caller: Caller, first: Sequence[Message]
    ) -> AsyncGenerator[None]:
        loop = asyncio.get_running_loop()
        why: list[ServiceError] = []

        def check(as_it_is: Caller) -> None:
            check_method(endpoint.rule, as_it_is)
            for message in first:
                check_request(endpoint.rule, as_it_is, message)

        def end(error: ServiceError) -> None:
            if not why:
                why.append(error)
                until.reschedule(loop.time())

        assert caller.expires_at is not None
        until = asyncio.timeout(max(0.0, caller.expires_at - time.time()))
        try:
            async with until:
                with self._authenticator.follow(caller, check, end):
                    yield
        except TimeoutError:
            if not until.expired():
                raise
            raise (why[0] if why else _expired()) from None


def _expired() -> ServiceError:
    return ServiceError(
        reason="CREDENTIAL_EXPIRED",
        message="the access token has expired: open the stream anew with a new one",
    )
