"""`towpath open` finds the page of the server on the home, or of a named one."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from towpath._transport.discovery import ServerAddresses
from towpath.api.v1 import run_service_pb2
from towpath.cli.local import open as opening
from towpath.cli.shared.errors import UNREACHABLE, CommandError
from towpath.client import Client

from tests.unit.sdk.cli.answering import AnsweringTransport
from tests.unit.sdk.cli.test_run_control import RUN_ID, run

if TYPE_CHECKING:
    from collections.abc import Generator

HERE = ServerAddresses(grpc="127.0.0.1:4200", web="http://127.0.0.1:4201")


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    opened: list[str] = []
    monkeypatch.setattr(opening.click, "launch", opened.append)
    return opened


def invoke(
    monkeypatch: pytest.MonkeyPatch, found: ServerAddresses | None, address: str, *words: str
) -> Any:
    @contextmanager
    def connected() -> Generator[Client]:
        yield Client(AnsweringTransport(lambda *_: run_service_pb2.GetRunResponse(run=run(7))))

    monkeypatch.setattr(opening, "connected", connected)
    monkeypatch.setattr(opening, "find_server", lambda _: found)
    monkeypatch.setattr(opening, "server_address", lambda _: address)
    monkeypatch.setattr(opening, "get_settings", lambda: SimpleNamespace(home=None))
    return CliRunner().invoke(opening.open_page, words)


def test_the_page_of_the_server_on_the_home_is_opened(
    monkeypatch: pytest.MonkeyPatch, launched: list[str]
) -> None:
    ended = invoke(monkeypatch, HERE, HERE.grpc)
    assert (ended.exit_code, ended.output) == (0, "http://127.0.0.1:4201\n")
    assert launched == ["http://127.0.0.1:4201"]


def test_a_run_is_opened_by_its_id(monkeypatch: pytest.MonkeyPatch, launched: list[str]) -> None:
    ended = invoke(monkeypatch, HERE, "", RUN_ID, "--print")
    assert ended.output == f"http://127.0.0.1:4201/runs/{RUN_ID}\n"
    assert launched == []


def test_another_server_needs_its_address(
    monkeypatch: pytest.MonkeyPatch, launched: list[str]
) -> None:
    ended = invoke(monkeypatch, HERE, "towpath.example.com:4200")
    assert isinstance(ended.exception, CommandError)
    assert ended.exception.exit_code == UNREACHABLE
    url = "https://towpath.example.com/"
    assert invoke(monkeypatch, None, "x:1", "--url", url).output == f"{url[:-1]}\n"
    assert launched == [url[:-1]]


def test_without_a_server_the_way_to_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = invoke(monkeypatch, None, "")
    assert isinstance(ended.exception, CommandError)
    assert "towpath server start" in str(ended.exception.hint)
