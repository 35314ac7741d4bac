"""The end of a process waits long for a server that is slow, and briefly for one that is away."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest
from towpath._delivery import patience
from towpath._delivery.directives import ignore_directive
from towpath._delivery.outbox import Outbox
from towpath._delivery.patience import Patience, listens
from towpath._delivery.reports import StateReport
from towpath._delivery.sender import Sender
from towpath._state_type import StateType
from towpath._transport import opening
from towpath.exceptions import ServerUnreachable
from towpath.settings import Settings

from tests.unit.sdk.delivery.fake_ingest import FakeService, FakeUnaryTransport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towpath._transport.base import Transport

DEADLINE_SECONDS = 120.0


@pytest.fixture
def listening() -> Iterator[str]:
    """The address of something that takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("form", ["{}", "http://{}", "https://{}/"])
def test_it_is_seen_whether_something_listens(form: str, listening: str, nobody: str) -> None:
    assert listens(form.format(listening), 10.0)
    assert not listens(form.format(nobody), 10.0)


@pytest.mark.parametrize("address", ["", "nonsense", "127.0.0.1:99999", "dns:///x:1", "http://"])
def test_an_odd_address_is_one_where_nothing_listens(address: str) -> None:
    assert not listens(address, 0.01)


@pytest.mark.parametrize(
    ("now", "reachable", "failing", "is_there", "ends"),
    [
        (0.5, False, True, False, False),  # within the first second
        (1.0, True, False, False, False),  # it has answered
        (9.9, True, True, False, False),
        (10.0, True, False, True, True),  # the time is over
        (1.0, False, True, True, True),  # the last attempt has failed
        (1.0, False, False, True, False),  # the first attempt is under way
        (9.9, False, False, True, False),
        (1.0, False, False, False, True),  # under way, to nobody
    ],
)
def test_what_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
    now: float,
    reachable: bool,
    failing: bool,
    is_there: bool,
    ends: bool,
) -> None:
    monkeypatch.setattr(patience, "listens", lambda *_: is_there)
    waiting = Patience("somewhere:1", 0.0, 10.0, clock=lambda: now)
    assert waiting.ends(reachable=reachable, failing=failing) == ends


class Slow(FakeUnaryTransport):
    """A connection whose first call is answered when the test says so."""

    def __init__(self, service: FakeService) -> None:
        super().__init__(service)
        self.answering = threading.Event()

    def unary(self, method: str, request: object, *, timeout_seconds: float = 10.0) -> object:
        assert self.answering.wait(DEADLINE_SECONDS)
        return super().unary(method, request, timeout_seconds=timeout_seconds)


def forked_sender(home: Path, address: str) -> tuple[Outbox, Sender]:
    """The sender of a forked child that has reported something."""
    outbox = Outbox(home, target=address)
    settings = Settings(home=home, server_address=address, server_web_address=f"http://{address}")
    sender = Sender(settings, outbox, forked=True, on_directive=ignore_directive)
    outbox.transition("1", StateReport(state=StateType.RUNNING, time=1.0, attempt=1))
    return outbox, sender


def test_a_child_whose_first_call_is_slow_ends_with_its_reports_delivered(
    tmp_path: Path, listening: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = Slow(FakeService())
    looked = threading.Event()

    def look(address: str, _: float) -> bool:
        looked.set()
        return listens(address, DEADLINE_SECONDS)

    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.0)
    monkeypatch.setattr(patience, "listens", look)
    monkeypatch.setattr(opening, "open_connect", lambda *_: transport)
    outbox, sender = forked_sender(tmp_path, listening)
    done: list[bool] = []
    ending = threading.Thread(target=lambda: done.append(sender.flush(DEADLINE_SECONDS)))
    ending.start()
    assert looked.wait(DEADLINE_SECONDS)
    transport.answering.set()
    ending.join()
    assert done == [True]
    sender.stop()
    outbox.close(remove=True)


def test_a_server_that_is_away_is_not_waited_for(
    tmp_path: Path, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Transport:
        raise ServerUnreachable("away", code="UNAVAILABLE")

    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.0)
    monkeypatch.setattr(opening, "open_connect", refuse)
    outbox, sender = forked_sender(tmp_path, nobody)
    assert not sender.flush(float("inf"))
    sender.stop()
    outbox.close(remove=True)
