"""`towpath limit`, against a service, with the commands of the guide."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from towpath._limits.calls import LimitCalls, Wanted
from towpath.cli.work import limits

from tests.unit.sdk.client.identified import Callers, open_callers
from website.places import DOCS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from towpath.client import Client

GUIDE = (DOCS / "guides" / "limits.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^towpath limit (.*?) *(?:#.*)?$", GUIDE, re.MULTILINE)


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    with open_callers(tmp_path_factory.mktemp("limits") / "towpath.db") as opened:
        yield opened


@pytest.fixture(autouse=True)
def client(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The client that the commands call with."""

    @contextmanager
    def service_client() -> Generator[Client]:
        yield callers.owner

    monkeypatch.setattr(limits, "service_client", service_client)
    return callers.owner


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(limits.group, arguments, catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result.output


def acquire(client: Client, *names: str, **fields: Any) -> str:
    """Acquires a slot of each limit, or begins to wait; returns the id of the acquisition."""
    id_ = str(uuid4())
    calls = LimitCalls(client.transport, "default")
    calls.acquire(id_, Wanted(needs=dict.fromkeys(names, 1), **fields), 0.001)
    return id_


def test_the_commands_of_the_guide_work(client: Client) -> None:
    assert len(COMMANDS) == 9
    for command in COMMANDS:
        arguments = shlex.split(command)
        if arguments[0] == "release":
            arguments[2] = acquire(client, "db")[:13]
        if arguments[0] in {"release", "rm"}:
            arguments.append("--yes")
        run(*arguments)
    assert [limit.name for limit in client.limits.list()] == ["api", "customer:*", "tag:warehouse"]


def test_a_rate_is_set_by_its_time_and_its_burst(client: Client) -> None:
    run("set", "calls", "30", "--per", "1m", "--burst", "3")
    limit = client.limits.get("calls")
    assert (limit.slots, limit.refill_per_second) == (3, 0.5)
    [line] = [line for line in run("ls").splitlines() if line.startswith("calls ")]
    assert "30/min, 3 at once" in line


def test_holders_and_waiters_are_shown_with_what_they_are(client: Client) -> None:
    run("set", "narrow", "1")
    first = acquire(client, "narrow", holder="load, w-7")
    second = acquire(client, "narrow", holder="load, w-8")
    shown = json.loads(run("show", "narrow", "-o", "json"))
    assert (shown["held"], shown["waiting"]) == (1, 1)
    assert [(it["id"], it["state"], it["holder"]) for it in shown["holders"]] == [
        (first, "holds", "load, w-7"),
        (second, "waits", "load, w-8"),
    ]
    text = run("show", "narrow")
    assert re.search(rf"{first} +holds +1 .* load, w-7", text)
    assert re.search(rf"{second} +waits +1 .* load, w-8", text)


def test_a_released_slot_goes_to_the_next_in_line(client: Client) -> None:
    run("set", "single", "1")
    first, second = acquire(client, "single"), acquire(client, "single")
    run("release", "single", first, "--yes")
    assert [(it.id, it.waiting) for it in client.limits.holders("single")] == [(second, False)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("set", "x", "3", "--burst", "2"), "--per"),
        (("set", "x", "3", "--per", "soon"), "--per soon"),
        (("set", "x", "0", "--per", "1s"), "1 slot or more"),
        (("release", "x", "--yes"), "--all"),
    ],
)
def test_wrong_options_are_refused_with_advice(arguments: tuple[str, ...], message: str) -> None:
    assert message in run(*arguments, exit_code=2)
