"""`flow.serve` and `towpath.serve`, up to the worker that executes the runs."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import towpath
from towpath._deploy import serving
from towpath._transport.discovery import find_server
from towpath.exceptions import ConfigurationError, DefinitionError

from tests.unit.sdk.deploy.sample_flows import hello, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from towpath.client import Client


@dataclass
class FakeWorker:
    """A worker that notes what it is to do, and then does what a test wants."""

    meanwhile: Callable[[], object] = lambda: None
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def __call__(self, settings: Any, **options: Any) -> None:
        self.calls.append(options)
        self.meanwhile()


def address(_: object) -> str:
    return "127.0.0.1:4200"


@pytest.fixture
def worker(client: Client, monkeypatch: pytest.MonkeyPatch) -> FakeWorker:
    fake = FakeWorker()
    monkeypatch.setattr("towpath._work.serving.run_worker", fake)
    monkeypatch.setattr(serving, "server_address", address)
    return fake


def test_what_is_served_has_a_queue_of_its_own_in_the_reserved_pool(
    client: Client, worker: FakeWorker, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"day": "2026-12-01"}
    towpath.serve(
        hello.to_deployment("a", cron="0 2 1 1 *"), load.to_deployment("b", parameters=given)
    )
    queues = [client.deployments.get(name).spec.queue for name in ("hello/a", "load/b")]
    [call] = worker.calls
    assert (call["pool"], call["limit"], call["queues"]) == ("served", 8, queues)
    assert len(set(queues)) == 2
    assert client.deployments.get("hello/a").spec.pool == "served"
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "Serving by 127.0.0.1:4200; Ctrl-C ends it."
    assert told[1].startswith("  hello/a   created, revision 1   next: ")
    assert told[-1] == "Start a run with `towpath deployment run hello/a`."


def test_a_flow_serves_itself_under_its_own_name(
    client: Client, worker: FakeWorker, capsys: pytest.CaptureFixture[str]
) -> None:
    hello.serve(limit=2, print_starting_message=False)
    assert client.deployments.get("hello/hello").spec.entrypoint.endswith(":hello")
    assert worker.calls[0]["limit"] == 2
    assert capsys.readouterr().out == ""


def test_serving_again_changes_nothing(client: Client, worker: FakeWorker) -> None:
    hello.serve("x", interval=60)
    before = client.deployments.get("hello/x")
    hello.serve("x", interval=60)
    assert client.deployments.get("hello/x").revision == before.revision


def test_a_deployment_is_paused_at_the_end_only_if_that_is_wanted(
    client: Client, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    hello.serve("x", interval=60)
    assert not client.deployments.get("hello/x").paused
    hello.serve("x", interval=60, pause_on_shutdown=True)
    assert client.deployments.get("hello/x").paused
    states: list[bool] = []
    worker.meanwhile = lambda: states.append(client.deployments.get("hello/x").paused)
    monkeypatch.setenv("TOWPATH_SERVE_PAUSE_ON_SHUTDOWN", "true")
    hello.serve("x", interval=60)
    assert states == [False]
    assert client.deployments.get("hello/x").paused


def test_a_pause_by_hand_lasts_when_the_script_begins_again(
    client: Client, worker: FakeWorker
) -> None:
    hello.serve("x", interval=60)
    client.deployments.set_paused("hello/x", paused=True)
    hello.serve("x", interval=60)
    assert client.deployments.get("hello/x").paused


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_drains_and_the_second_ends_the_runs(
    worker: FakeWorker, number: signal.Signals
) -> None:
    seen: list[tuple[bool, bool]] = []

    def interrupted() -> None:
        stops = worker.calls[0]["stops"]
        for _ in "12":
            os.kill(os.getpid(), number)
            seen.append((stops.drain.is_set(), stops.stop_runs.is_set()))

    worker.meanwhile = interrupted
    before = signal.getsignal(number)
    hello.serve("x")
    assert seen == [(True, False), (True, True)]
    assert signal.getsignal(number) is before


def test_another_thread_can_serve(worker: FakeWorker) -> None:
    thread = threading.Thread(target=hello.serve, args=["x"])
    thread.start()
    thread.join()
    assert len(worker.calls) == 1


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (towpath.serve, r"serve\(\) takes deployments"),
        (lambda: hello.serve("x", limit=0), "limit is a number of runs, at least 1, not 0"),
        (lambda: towpath.serve(*[hello.to_deployment("x")] * 2), "two deployments are named"),
        (
            lambda: towpath.serve(hello.to_deployment("x", work_pool_name="local")),
            "names the work pool 'local'",
        ),
    ],
)
def test_wrong_calls_are_refused(
    worker: FakeWorker, call: Callable[[], None], problem: str
) -> None:
    with pytest.raises(DefinitionError, match=problem):
        call()
    assert worker.calls == []


def test_the_process_of_a_run_serves_nothing(
    worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWPATH_WORK_LEASE_ID", "lease-1")
    with pytest.raises(DefinitionError, match="below `if __name__"):
        hello.serve("x")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_without_a_server_one_runs_in_the_process(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Any] = []
    fake = FakeWorker(lambda: found.append(find_server(home)))
    monkeypatch.setattr("towpath._work.serving.run_worker", fake)
    hello.serve("x", cron="@daily")
    assert found[0] is not None
    assert find_server(home) is None
    assert f"Serving by {found[0].web}, a server in this process" in capsys.readouterr().out
    assert (home / "towpath.db").exists()


def test_without_the_service_the_message_says_how_to_get_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from towpath._transport import embedded  # noqa: PLC0415 - of this test alone

    def none(**_: str) -> list[Any]:
        return []

    monkeypatch.setattr("towpath._work.serving.run_worker", FakeWorker())
    monkeypatch.setattr(embedded, "entry_points", none)
    with pytest.raises(ConfigurationError, match=r"pip install 'towpath\[service\]'"):
        hello.serve("x")


async def test_async_code_goes_on_while_it_serves(client: Client, worker: FakeWorker) -> None:
    went_on = threading.Event()
    worker.meanwhile = lambda: went_on.wait(60)
    serving = asyncio.create_task(towpath.aserve(hello.to_deployment("x"), limit=2))
    await asyncio.to_thread(went_on.set)
    await serving
    assert went_on.is_set()
    assert worker.calls[0]["limit"] == 2
    assert client.deployments.get("hello/x").spec.pool == "served"


async def test_a_cancelled_aserve_waits_for_its_runs_until_it_is_cancelled_again(
    worker: FakeWorker,
) -> None:
    began, drained, seen = threading.Event(), threading.Event(), list[bool]()

    def work() -> None:
        stops = worker.calls[0]["stops"]
        began.set()
        assert stops.drain.wait(60)
        seen.append(stops.stop_runs.is_set())
        drained.set()
        assert stops.stop_runs.wait(60)

    worker.meanwhile = work
    serving = asyncio.create_task(towpath.aserve(hello.to_deployment("x")))
    await asyncio.to_thread(began.wait)
    serving.cancel()
    await asyncio.to_thread(drained.wait)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert seen == [False]


async def test_aserve_refuses_what_serve_refuses() -> None:
    with pytest.raises(DefinitionError, match="takes deployments"):
        await towpath.aserve()
