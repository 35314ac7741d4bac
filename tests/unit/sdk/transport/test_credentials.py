from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from towpath._transport.credentials import Credentials, with_token
from towpath.exceptions import ConfigurationError, RpcError, ServerUnreachable, TowpathError

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

LIFE_SECONDS = 100.0
THREADS = 16


def no_call(method: str, request: Message) -> Message:
    raise NotImplementedError


@dataclass
class Service:
    """Makes tokens "1", "2", ... that live for 100 s by the clock that a test turns."""

    now: float = 1000.0
    takes_seconds: float = 0.0
    failure: TowpathError | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    dropped: list[str] = field(default_factory=list[str])
    """What each exchange was told of, in order."""

    def __post_init__(self) -> None:
        self.gate.set()
        self.credentials = Credentials(self, no_call, clock=lambda: self.now)

    def exchange(self, call: Callable[[str, Message], Message], dropped: str) -> tuple[str, float]:
        self.dropped.append(dropped)
        number = len(self.dropped)
        assert self.gate.wait(30)
        self.now += self.takes_seconds
        if self.failure is not None:
            raise self.failure
        return str(number), LIFE_SECONDS

    @property
    def exchanges(self) -> int:
        return len(self.dropped)

    def token_at(self, now: float) -> str:
        """The token of a call, and what that call set off is over."""
        self.now = now
        token = self.credentials.token()
        renewed()
        return token


def renewed() -> None:
    """Waits for the end of renewals."""
    for thread in threading.enumerate():
        if thread.name == "towpath-token":
            thread.join(30)


@pytest.fixture
def service() -> Service:
    return Service()


def test_nothing_is_exchanged_before_the_first_call_and_one_token_serves_many(
    service: Service,
) -> None:
    assert service.exchanges == 0
    assert {service.token_at(1000.0 + second) for second in range(50)} == {"1"}
    assert service.exchanges == 1
    assert service.credentials.metadata() == {"authorization": "Bearer 1"}


def test_a_token_is_renewed_once_half_to_seven_tenths_of_its_life_are_over() -> None:
    renewals: list[int] = []
    for _ in range(100):
        service = Service()
        assert service.token_at(1000.0) == "1"
        for second in range(48, 73):
            service.token_at(1000.0 + second)
            if service.exchanges == 2:
                renewals.append(second)
                break
    assert len(renewals) == 100
    assert min(renewals) >= 50
    assert max(renewals) <= 70
    # Processes that were started together don't all come at once.
    assert len(set(renewals)) > 5


def test_what_the_wall_clock_says_doesnt_matter(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.token_at(1000.0)
    for wall in (0.0, 4e9):
        monkeypatch.setattr(time, "time", lambda wall=wall: wall)
        assert service.token_at(1049.0) == "1"
    assert service.exchanges == 1


def test_the_life_of_a_token_counts_from_before_the_exchange(service: Service) -> None:
    service.takes_seconds = 60.0
    assert service.token_at(1000.0) == "1"
    service.takes_seconds = 0.0
    service.failure = ServerUnreachable("away")
    assert service.token_at(1099.0) == "1"
    with pytest.raises(ServerUnreachable):
        service.token_at(1101.0)


def test_calls_go_on_with_the_present_token_while_one_thread_gets_the_next(
    service: Service,
) -> None:
    service.token_at(1000.0)
    service.gate.clear()
    service.now = 1071.0
    with ThreadPoolExecutor(THREADS) as pool:
        asked = [pool.submit(service.credentials.token) for _ in range(200)]
        assert {future.result(30) for future in asked} == {"1"}
    service.gate.set()
    renewed()
    assert service.exchanges == 2
    assert service.token_at(1072.0) == "2"


@pytest.mark.parametrize("now", [1000.0, 1100.0])
def test_threads_without_a_token_wait_for_one_exchange(service: Service, now: float) -> None:
    if now > 1000.0:
        service.token_at(1000.0)
    before = service.exchanges
    service.now = now
    service.gate.clear()
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = [pool.submit(service.credentials.token) for _ in range(THREADS)]
        while service.exchanges == before:
            time.sleep(0.001)
        service.gate.set()
        tokens = {future.result(30) for future in waiting}
    assert tokens == {str(before + 1)}
    assert service.exchanges == before + 1


@pytest.mark.parametrize("failure", [ServerUnreachable("away"), ConfigurationError("no file")])
def test_a_failed_renewal_keeps_the_token_to_its_end_and_is_tried_again(
    service: Service, failure: TowpathError
) -> None:
    service.token_at(1000.0)
    service.failure = failure
    assert service.token_at(1071.0) == "1"
    assert service.exchanges == 2
    assert service.token_at(1075.0) == "1"
    assert service.exchanges == 2  # not at each call
    assert service.token_at(1076.5) == "1"
    assert service.exchanges == 3
    assert service.token_at(1099.9) == "1"
    with pytest.raises(type(failure)):
        service.token_at(1100.0)
    service.failure = None
    assert service.token_at(1101.0) == str(service.exchanges)


def test_a_token_that_was_let_go_of_doesnt_come_back_by_a_renewal_that_fails(
    service: Service,
) -> None:
    service.token_at(1000.0)
    service.gate.clear()
    service.failure = ServerUnreachable("away")
    service.now = 1071.0
    carried = service.credentials.metadata()
    service.credentials.drop(carried)
    service.gate.set()
    renewed()
    service.failure = None
    assert service.token_at(1072.0) == "3"


def refusing(*reasons: str) -> Callable[[dict[str, str]], str]:
    """A call that is refused for these reasons in turn, and then answers with its token."""
    left = list(reasons)

    def call(metadata: dict[str, str]) -> str:
        if left:
            raise RpcError("refused", code="UNAUTHENTICATED", reason=left.pop(0))
        return metadata["authorization"]

    return call


USED_UP = ["CREDENTIAL_EXPIRED", "CREDENTIAL_REVOKED", "CREDENTIAL_INVALID"]


@pytest.mark.parametrize("reason", USED_UP)
def test_a_call_whose_token_is_used_up_is_made_once_more_with_the_next(
    service: Service, reason: str
) -> None:
    assert with_token(service.credentials, refusing(reason)) == "Bearer 2"
    assert service.dropped == ["", "1"]
    assert with_token(service.credentials, refusing()) == "Bearer 2"


@pytest.mark.parametrize("reason", USED_UP)
def test_a_call_that_is_refused_again_is_not_made_a_third_time(
    service: Service, reason: str
) -> None:
    with pytest.raises(RpcError) as caught:
        with_token(service.credentials, refusing(reason, reason))
    assert caught.value.reason == reason
    assert service.exchanges == 2


@pytest.mark.parametrize("reason", ["PERMISSION_MISSING", "TENANT_SUSPENDED", "OVERLOADED"])
def test_what_no_other_token_would_help_against_is_told_at_once(
    service: Service, reason: str
) -> None:
    with pytest.raises(RpcError) as caught:
        with_token(service.credentials, refusing(reason))
    assert caught.value.reason == reason
    assert service.exchanges == 1


def test_a_late_refusal_of_an_old_token_leaves_the_new_one(service: Service) -> None:
    old = service.credentials.metadata()
    service.token_at(1071.0)
    assert service.token_at(1072.0) == "2"
    service.credentials.drop(old)
    assert service.token_at(1073.0) == "2"
    assert service.exchanges == 2


def test_a_call_that_needs_no_token_carries_none() -> None:
    assert with_token(None, lambda metadata: metadata) == {}
