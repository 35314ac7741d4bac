from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from towpath._delivery.backoff import Backoff
from towpath._delivery.directives import ignore_directive
from towpath._delivery.outbox import Outbox
from towpath._delivery.refusals import noted_refusal
from towpath._delivery.reports import StateReport
from towpath._delivery.sender import Sender
from towpath._state_type import StateType
from towpath._transport import opening
from towpath.exceptions import (
    ConfigurationError,
    InvalidRequest,
    NotATowpathServer,
    NotFound,
    NotSignedIn,
    RpcError,
    ServerUnreachable,
    TowpathError,
)
from towpath.settings import Settings

from tests.unit.sdk.delivery.fake_ingest import FakeService, FakeUnaryTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from towpath._transport.base import Transport

ADDRESS = "192.0.2.1:4200"
DEADLINE_SECONDS = 120.0


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path, target=ADDRESS, workspace="default")
    yield made
    made.close(remove=True)


@pytest.fixture
def start(outbox: Outbox, tmp_path: Path) -> Iterator[Callable[..., Sender]]:
    """Starts senders of a forked child, whose calls a fake can answer; stops them in the end."""
    started: list[Sender] = []

    def begin(**changed: Any) -> Sender:
        web = changed.pop("server_web_address", f"http://{ADDRESS}")
        settings = Settings(
            home=tmp_path, server_address=ADDRESS, server_web_address=web, **changed
        )
        started.append(Sender(settings, outbox, forked=True, on_directive=ignore_directive))
        return started[-1]

    yield begin
    for sender in started:
        sender.stop()


def report(outbox: Outbox, number: int) -> None:
    """Reports something of the run that the fake service knows by a number."""
    outbox.transition(str(number), StateReport(state=StateType.RUNNING, time=1.0, attempt=1))


def test_what_is_wrong_for_a_while_only_delays_delivery_and_is_told_once(
    outbox: Outbox,
    start: Callable[..., Sender],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    service = FakeService()
    wrong: list[TowpathError] = [
        *(ConfigurationError("no key"), ConfigurationError("no key")),
        *(ServerUnreachable("away"), NotSignedIn("revoked"), ConfigurationError("no key")),
    ]

    def connect(settings: Settings, address: str) -> Transport:
        if wrong:
            raise wrong.pop(0)
        return FakeUnaryTransport(service)

    monkeypatch.setattr(opening, "open_connect", connect)
    sender = start()
    for number in (1, 2, 3):
        report(outbox, number)
    while wrong:
        sender.flush(DEADLINE_SECONDS)
    assert sender.flush(DEADLINE_SECONDS)
    assert service.applied == [1, 2, 3]
    told = capfd.readouterr().err.splitlines()
    assert [line.split(": ")[2].split(".")[0] for line in told] == ["no key", "revoked"]


@pytest.mark.parametrize(
    ("scheme", "setting", "value", "said"),
    [
        ("http", "api_key", "twpu_x", "in plain text"),
        ("https", "sign_in_file", "login.json", "login at elsewhere"),
        ("https", "api_key_file", "nowhere", "TOWPATH_API_KEY_FILE"),
        ("https", "token_file", "nowhere", "TOWPATH_TOKEN_FILE"),
        ("https", "server_ca_file", "nowhere", "server.ca_file"),
        ("https", "server_ca_file", "empty", "is empty"),
        ("https", "server_client_key", "key", "belong together"),
    ],
)
def test_whatever_is_wrong_the_thread_lives_and_says_so(
    outbox: Outbox,
    start: Callable[..., Sender],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    scheme: str,
    setting: str,
    value: str,
    said: str,
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "key").write_text("a key")
    (tmp_path / "login.json").write_text('{"server": "elsewhere", "refresh_token": "twpr_x"}')
    given = value if setting == "api_key" else tmp_path / value
    sender = start(server_web_address=f"{scheme}://{ADDRESS}", **{setting: given})
    report(outbox, 1)
    assert not sender.flush(DEADLINE_SECONDS)
    assert "towpath-sender" in {thread.name for thread in threading.enumerate()}
    told = capfd.readouterr().err
    assert said in told
    assert told.count("reports can't be delivered") == 1
    assert "twpu_x" not in told
    assert "twpr_x" not in told
    assert sender.waiting == 1


def no_workspace() -> NotFound:
    resource = {"resource": "workspaces/typo"}
    return NotFound("workspaces/typo was not found", code="NOT_FOUND", metadata=resource)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (no_workspace, 1),
        (lambda: NotATowpathServer("something else answers", code="UNIMPLEMENTED"), 1),
        (lambda: NotSignedIn("you may not", code="PERMISSION_DENIED"), 1),
        (lambda: InvalidRequest("a broken rule", code="INVALID_ARGUMENT"), 1),
        (lambda: RpcError("internal error", code="INTERNAL"), 1),
        (lambda: ServerUnreachable("away", code="UNAVAILABLE"), 0),
        (lambda: RpcError("too large", code="RESOURCE_EXHAUSTED"), 1),
        (lambda: RpcError("slower", code="RESOURCE_EXHAUSTED", retry_after_seconds=1e-3), 0),
        (lambda: RpcError("full", code="RESOURCE_EXHAUSTED", metadata={"quota": "runs"}), 0),
    ],
    ids=[
        "workspace",
        "address",
        "permission",
        "request",
        "internal",
        "away",
        "size",
        "rate",
        "full",
    ],
)
def test_a_refusal_that_lasts_is_told_once_and_ends_when_its_cause_does(
    outbox: Outbox,
    start: Callable[..., Sender],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    error: Callable[[], RpcError],
    told: int,
) -> None:
    service, refusals, cured = FakeService(), threading.Semaphore(0), threading.Event()

    class Refusing(FakeUnaryTransport):
        def unary(self, method: str, request: Any, *, timeout_seconds: float = 10.0) -> Any:
            if not cured.is_set():
                refusals.release()
                raise error()
            return super().unary(method, request, timeout_seconds=timeout_seconds)

    monkeypatch.setattr(opening, "open_connect", lambda *_: Refusing(service))
    monkeypatch.setattr(Backoff, "pause", lambda *_: 0.0)
    sender = start()
    report(outbox, 1)
    for _ in range(5):
        assert refusals.acquire(timeout=DEADLINE_SECONDS)
    assert sender.refused == bool(told)
    assert (noted_refusal(outbox.folder) is not None) == bool(told)
    cured.set()
    while not sender.flush(DEADLINE_SECONDS):
        pass
    assert service.applied == [1]
    while sender.refused:  # The thread notes it after the answer.
        time.sleep(0.001)
    while noted_refusal(outbox.folder) is not None:
        time.sleep(0.001)
    assert capfd.readouterr().err.count("reports can't be delivered") == told
