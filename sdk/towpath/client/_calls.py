"""Calls of a service's rpcs over a transport: what the client's subjects share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from towpath._runs.context import current_run
from towpath._runs.time_left import remaining_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from towpath._transport.base import Transport

Answer = TypeVar("Answer", bound="Message")

PACKAGE: Final = "towpath.api.v1"
PAGE: Final = 500
"""Items of a page, the most that the service gives of most lists."""
USUAL_SECONDS: Final = 10.0
"""Timeout of a call where none is given, as transports have it."""
_LEAST_SECONDS: Final = 0.05


class Calls:
    """Calls the rpcs of a service, and types their answers."""

    def __init__(self, transport: Transport) -> None:
        """Calls nothing yet.

        Args:
            transport: The connection; its owner closes it.
        """
        self.transport = transport

    def unary(
        self,
        method: str,
        request: Message,
        answer: type[Answer],
        *,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Calls a unary rpc.

        Args:
            method: "RunService/GetRun".
            request: Its request.
            answer: The type of its answer.
            timeout_seconds: Longest wait; None for the transport's own. Within a run it is at most
                the time that the run has left.

        Raises:
            RpcError: The call failed.
        """
        timeout_seconds = within_run(timeout_seconds)
        del answer  # The method's name implies it; the argument types the result.
        name = f"{PACKAGE}.{method}"
        if timeout_seconds is None:
            return cast("Answer", self.transport.unary(name, request))
        return cast("Answer", self.transport.unary(name, request, timeout_seconds=timeout_seconds))

    def pages(self, method: str, request: Any, answer: type[Answer]) -> Iterator[Answer]:
        """Calls an rpc that lists, page by page, as the pages are asked for.

        Args:
            method: "RunService/ListRuns".
            request: Its request, with the page's size; its page token moves on.
            answer: The type of its answer.
        """
        while True:
            page: Any = self.unary(method, request, answer)
            yield page
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return

    def stream(self, method: str, request: Message, answer: type[Answer]) -> Iterator[Answer]:
        """Calls a server-streaming rpc; closing the iterator cancels it."""
        del answer
        for message in self.transport.server_stream(f"{PACKAGE}.{method}", request):
            yield cast("Answer", message)


def within_run(seconds: float | None) -> float | None:
    """A timeout within the time that the current run has left."""
    left = remaining_of(current_run.get())
    if left is None or (seconds is None and left >= USUAL_SECONDS):
        return seconds
    return max(_LEAST_SECONDS, left if seconds is None else min(seconds, left))


class Subject:
    """The calls about one kind of thing, over the connection of a client."""

    def __init__(self, transport: Transport, *, workspace: str = "default") -> None:
        """Calls nothing yet.

        Args:
            transport: The connection to the service; its owner closes it.
            workspace: Id of the workspace that it works with, where its subject is of one.
        """
        self.transport = transport
        self.workspace = workspace
        self._calls = Calls(transport)
        self._parent = f"workspaces/{workspace}"
