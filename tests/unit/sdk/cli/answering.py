"""A service for commands: a function answers each call, and nothing is connected."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from towpath.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest
    from google.protobuf.message import Message


@dataclass
class AnsweringTransport:
    """Answers each call by a function of the rpc's last name, "CreateUser", and the request."""

    answer: Callable[[str, Any], Any]
    address: str = "answering"

    def unary(self, method: str, request: Message, *, timeout_seconds: float = 10.0) -> Message:
        answer: Message = self.answer(method.rpartition("/")[2], request)
        return answer

    def server_stream(
        self, method: str, request: Message, *, timeout_seconds: float | None = None
    ) -> Iterator[Message]:
        raise NotImplementedError

    def bidi_stream(self, method: str, requests: Iterator[bytes]) -> Iterator[Message]:
        raise NotImplementedError

    def close(self) -> None:
        pass


def answered(
    monkeypatch: pytest.MonkeyPatch, module: Any, answer: Callable[[str, Any], Any]
) -> None:
    """Has the commands of a module call what a function answers."""

    @contextmanager
    def service_client() -> Iterator[Client]:
        yield Client(AnsweringTransport(answer))

    monkeypatch.setattr(module, "service_client", service_client)
