"""Tokens of issuers of which some don't answer: whose tokens wait, and for how long."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from towpath_auth.foreign import ClaimRule, ToServiceAccount, Trust
from towpath_service.core.errors import ServiceError
from towpath_service.identity.issuers import FetchedKeys, Issuers, issuer_tokens

from tests.issuer.server import Issuer

if TYPE_CHECKING:
    from collections.abc import Iterator


class Network:
    """Issuers by URL; those that are slow answer when they are let."""

    def __init__(self) -> None:
        self.issuers: dict[str, Issuer] = {}
        self.slow: set[str] = set()
        self.let = threading.Event()
        self.calls: list[str] = []
        self.called = threading.Condition()

    def issuer(self, name: str, *, slow: bool = False) -> Issuer:
        made = Issuer(url=f"https://{name}.example")
        self.issuers[made.url] = made
        if slow:
            self.slow.add(made.url)
        return made

    def call(self, url: str) -> None:
        with self.called:
            self.calls.append(url)
            self.called.notify_all()

    def get(self, url: str, *, private: bool, seconds: float) -> bytes:
        assert 0 < seconds <= 10
        home = "/".join(url.split("/")[:3])
        self.call(url)
        if home in self.slow:
            assert self.let.wait(30)
        issuer = self.issuers[home]
        found = json.dumps(issuer.discovery()) if "well-known" in url else issuer.jwks()
        return found.encode()


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.let.set()


def trust(issuer: Issuer) -> Trust:
    return Trust(
        issuer=issuer.url,
        maps_to=ToServiceAccount(name="serviceAccounts/ci"),
        audiences=("towpath",),
        rules=(ClaimRule(path="sub", value="subject-1"),),
    )


async def verified(issuers: Issuers, issuer: Issuer, tenant_id: str = "t-1") -> str:
    token = issuer.token(audience="towpath")
    try:
        await issuers.verify(token, trust(issuer), time.time(), tenant_id=tenant_id)
    except ServiceError as error:
        return error.reason
    return "good"


def begun(issuers: Issuers, issuer: Issuer, tenant_id: str = "t-1") -> asyncio.Task[str]:
    return asyncio.ensure_future(verified(issuers, issuer, tenant_id))


async def until_asked(network: Network, calls: int) -> None:
    def wait() -> None:
        with network.called:
            assert network.called.wait_for(lambda: len(network.calls) >= calls, 30)

    await asyncio.to_thread(wait)


async def test_an_issuer_that_does_not_answer_keeps_no_other_waiting(network: Network) -> None:
    slow, good = network.issuer("slow", slow=True), network.issuer("good")
    issuers = Issuers(FetchedKeys(network.get))
    waiting = [begun(issuers, slow) for _ in range(20)]
    await until_asked(network, 1)
    assert await verified(issuers, good) == "good"
    assert not any(task.done() for task in waiting)
    # It is asked once, and its own tokens are good once it has answered.
    assert len([url for url in network.calls if url.startswith(slow.url)]) == 1
    network.let.set()
    assert await asyncio.gather(*waiting) == ["good"] * 20


async def test_known_keys_are_used_while_an_issuer_takes_its_time(network: Network) -> None:
    issuer, now = network.issuer("first"), [1000.0]
    issuers = Issuers(FetchedKeys(network.get, lambda: now[0]))
    assert await verified(issuers, issuer) == "good"
    now[0] += 301
    network.slow.add(issuer.url)
    first = begun(issuers, issuer)
    await until_asked(network, 3)
    assert await verified(issuers, issuer) == "good"
    assert not first.done()
    network.let.set()
    assert await first == "good"


async def test_one_tenants_issuers_take_few_of_the_fetches(network: Network) -> None:
    issuers = Issuers(FetchedKeys(network.get))
    slow = [network.issuer(f"slow-{number}", slow=True) for number in range(4)]
    waiting = [begun(issuers, issuer) for issuer in slow[:2]]
    await until_asked(network, 2)
    assert await verified(issuers, slow[2]) == "OVERLOADED"
    another = begun(issuers, slow[3], "t-2")
    await until_asked(network, 3)
    network.let.set()
    assert await asyncio.gather(*waiting, another) == ["good"] * 3
    assert await verified(issuers, slow[2]) == "good"


async def test_all_tenants_together_take_so_many_fetches(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_tokens, "MOST_FETCHES", 1)
    slow, other = network.issuer("slow", slow=True), network.issuer("other")
    issuers = Issuers(FetchedKeys(network.get))
    waiting = begun(issuers, slow)
    await until_asked(network, 1)
    assert await verified(issuers, other, "t-2") == "OVERLOADED"
    network.let.set()
    assert await waiting == "good"


async def test_whoever_gives_up_waiting_ends_no_fetch(network: Network) -> None:
    slow = network.issuer("slow", slow=True)
    issuers = Issuers(FetchedKeys(network.get))
    first, second = begun(issuers, slow), begun(issuers, slow)
    await until_asked(network, 1)
    first.cancel()
    network.let.set()
    assert await second == "good"
    assert len(network.calls) == 2


async def test_nobody_waits_longer_than_a_fetch_may_take(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_tokens, "_WAIT_SECONDS", 0.05)
    issuers = Issuers(FetchedKeys(network.get))
    assert await verified(issuers, network.issuer("slow", slow=True)) == "OVERLOADED"


STOPPED = """
import asyncio, threading
from towpath_service.identity.issuers import Issuers
from tests.unit.service.identity.test_issuers import FetchedKeys, Network, begun, until_asked

async def main():
    network = Network()
    network.get = lambda *_, **__: (network.call(""), threading.Event().wait())
    waiting = begun(Issuers(FetchedKeys(network.get)), network.issuer("slow"))
    await until_asked(network, 1)
    waiting.cancel()

asyncio.run(main())
print("stopped")
"""


def test_a_fetch_under_way_keeps_no_server_from_stopping() -> None:
    done: Any = subprocess.run(
        [sys.executable, "-c", STOPPED], capture_output=True, text=True, timeout=240, check=True
    )
    assert done.stdout == "stopped\n"
