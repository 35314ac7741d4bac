"""Inputs between runs, with a stand-in service; and without a server, on the local database."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from towpath import flow, task
from towpath._deploy import awaiting, receiving, sending
from towpath._state_type import StateType
from towpath.client import SentInput
from towpath.exceptions import (
    DefinitionError,
    MissingContextError,
    NotFound,
    ServerUnreachable,
)
from towpath.input import (
    AutomaticRunInput,
    InputReceiver,
    RunInput,
    asend_input,
    receive_input,
    send_input,
)
from towpath.runtime import flow_run

from tests.unit.sdk.deploy.pause_service import reporter

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["reporter"]

NOW = datetime(2026, 12, 1, tzinfo=UTC)
OTHER = "01900000-0000-7000-8000-000000000009"


@dataclass
class Service:
    """Keeps the inputs of runs, as the service does."""

    sent: list[SentInput] = field(default_factory=list[SentInput])
    state: StateType = StateType.RUNNING
    errors: list[Exception] = field(default_factory=list[Exception])
    waits: list[float] = field(default_factory=list[float])

    def send_input(self, run_id: str, content: str, **fields: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        position = len(self.sent) + 1
        self.sent.append(
            SentInput(run_id=run_id, content=content, position=position, created=NOW, **fields)
        )

    def receive_inputs(
        self, run_id: str, *, key_prefix: str, after_position: int, wait_seconds: float
    ) -> tuple[StateType, list[SentInput]]:
        self.waits.append(wait_seconds)
        if self.errors:
            raise self.errors.pop(0)
        found = [
            item
            for item in self.sent
            if item.run_id == run_id
            and item.key_prefix == key_prefix
            and item.position > after_position
        ]
        return self.state, found[:2]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    made = Service()

    @contextmanager
    def connect(*_: Any, **__: Any) -> Generator[Service]:
        yield made

    for module in (awaiting, receiving, sending):
        monkeypatch.setattr(module, "connect", connect)
    monkeypatch.setattr(awaiting, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(sending, "_AGAIN_SECONDS", (0.001, 0.001))
    return made


class Order(RunInput):
    item: str
    count: int = 1


class Model(BaseModel):
    number: int


def received(kind: Any, **options: Any) -> Any:
    given: dict[str, Any] = {"timeout": 0, "flow_run_id": OTHER, **options}
    return receive_input(kind, **given)


@pytest.mark.usefixtures("reporter")
def test_a_run_receives_what_was_sent_with_the_sender_who_gets_the_answer(service: Service):
    @flow
    def shop() -> list[Any]:
        assert flow_run.id is not None
        for item in ("tea", "cake", "milk"):
            Order(item=item).send_to(flow_run.id)
        found = list(Order.receive(timeout=0))
        found[1].respond("ready")
        return [found, flow_run.id, list(receive_input(str, timeout=0))]

    found, run_id, answers = shop()
    assert [(order.item, order.count) for order in found] == [("tea", 1), ("cake", 1), ("milk", 1)]
    assert found[0].metadata.sender == f"towpath.flow-run.{run_id}"
    assert found[0].metadata.receiver == run_id
    assert found[0].metadata.key == f"order-auto-{service.sent[0].input_id}"
    assert answers == ["ready"]
    assert [item.key_prefix for item in service.sent] == ["order-auto"] * 3 + ["str-auto"]


@pytest.mark.usefixtures("reporter")
def test_a_task_sends_and_receives_as_its_flow(service: Service):
    @task
    def both() -> str:
        assert flow_run.id is not None
        send_input(7, flow_run.id)
        return f"{receive_input(int, timeout=0).next()} {service.sent[0].sender}"

    @flow
    def around() -> tuple[str, str | None]:
        return both(), flow_run.id

    said, run_id = around()
    assert said == f"7 towpath.flow-run.{run_id}"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (3, int),
        (True, bool),
        ("a", str),
        (["a"], list[str]),
        ({"a": 1}, dict[str, int]),
        (NOW, datetime),
        (Model(number=4), Model),
    ],
)
def test_values_of_plain_types_come_as_they_were_sent(service: Service, value: Any, kind: Any):
    send_input(value, OTHER, sender="ada")
    assert received(kind).next() == value
    [found] = received(kind, with_metadata=True)
    assert isinstance(found, AutomaticRunInput)
    assert found.metadata is not None
    assert (found.value, found.metadata.sender) == (value, "ada")
    with pytest.raises(DefinitionError, match="'ada' is no flow run"):
        found.respond("x")


def test_keys_leave_out_inputs_and_prefixes_tell_kinds_apart(service: Service):
    for number in range(4):
        send_input(number, OTHER, key_prefix="even" if number % 2 == 0 else "odd")
    assert list(received(int, key_prefix="even")) == [0, 2]
    assert list(received(int)) == []
    first = f"odd-{service.sent[1].input_id}"
    assert list(received(int, key_prefix="odd", exclude_keys={first})) == [3]


def test_a_receiver_without_inputs_ends_or_raises(service: Service):
    assert list(received(int)) == []
    with pytest.raises(TimeoutError, match="within 0 s"):
        received(int, raise_timeout_error=True).next()
    with pytest.raises(TimeoutError):
        received(int).next()
    service.state = StateType.COMPLETED
    assert list(received(int, timeout=None, raise_timeout_error=True)) == []


def test_an_input_that_does_not_fit_is_passed_over(service: Service):
    send_input("x", OTHER, key_prefix="n")
    send_input(2, OTHER, key_prefix="n")
    numbers = received(int, key_prefix="n")
    with pytest.raises(DefinitionError, match="doesn't fit"):
        numbers.next()
    assert numbers.next() == 2
    send_input({"count": 1}, OTHER, key_prefix="order-auto")
    with pytest.raises(DefinitionError, match="order-auto-"):
        next(Order.receive(timeout=0, flow_run_id=OTHER))


async def test_the_calls_work_within_an_event_loop(service: Service):
    await send_input(1, OTHER)
    await asend_input(2, OTHER, sender="x")
    await Order(item="tea").asend_to(OTHER, sender=f"towpath.flow-run.{OTHER}")
    assert [number async for number in received(int)] == [1, 2]
    order = await Order.receive(timeout=0, flow_run_id=OTHER).anext()
    await order.arespond(3)
    assert service.sent[-1].run_id == OTHER
    numbers: InputReceiver[int] = received(int)
    assert [await numbers.next() for _ in range(3)] == [1, 2, 3]


def test_a_service_that_is_away_gets_the_input_later_under_the_same_id(service: Service):
    service.errors = [ServerUnreachable("away"), ServerUnreachable("away")]
    send_input(1, OTHER)
    assert len(service.sent) == 1
    service.errors = [ServerUnreachable("away")] * 3
    with pytest.raises(ServerUnreachable):
        send_input(1, OTHER)
    service.errors = [ServerUnreachable("away")]
    assert received(int, timeout=60).next() == 1


def test_a_run_that_there_is_not_is_an_error(service: Service):
    service.errors = [NotFound("no such run")]
    with pytest.raises(NotFound):
        send_input(1, OTHER)
    service.errors = [NotFound("no such run")]
    with pytest.raises(NotFound):
        received(int, timeout=None).next()


@pytest.mark.usefixtures("service")
def test_what_can_not_be_sent_or_received_says_why():
    with pytest.raises(DefinitionError, match="object can't be sent"):
        send_input(object(), OTHER)
    with pytest.raises(DefinitionError, match="give a key_prefix"):
        received(int | str)
    assert received(int | str, key_prefix="x") is not None
    with pytest.raises(DefinitionError, match="input_type"):
        received(asyncio.Event)
    with pytest.raises(MissingContextError, match="give flow_run_id"):
        receive_input(int)
    with pytest.raises(DefinitionError, match="was received"):
        Order(item="tea").respond(1)
