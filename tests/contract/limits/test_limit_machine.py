"""Any order of requests, releases, silence and changed limits: as the model, on each database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from towpath_service.core.errors import ServiceError
from towpath_service.core.names import Scope
from towpath_service.limits.application.settling import Release

from tests.budgets import examples
from tests.contract.limits.model import Model
from tests.contract.limits.slots import TENANT, Slots, number, open_slots

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

LIMITS = ("a", "b", "c", "k:*")
NEEDED = ("a", "b", "c", "k:1", "k:2", "none")
needs_of = st.dictionaries(st.sampled_from(NEEDED), st.integers(1, 2), min_size=1, max_size=3)


class Runner:
    """An open database, for the examples of one test."""

    def __init__(self, location: Any) -> None:
        self._runner = asyncio.Runner()
        self._opened = open_slots(location)
        self.slots = self.do(self._opened.__aenter__())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def close(self) -> None:
        self.do(self._opened.__aexit__(None, None, None))
        self._runner.close()


class LimitMachine(RuleBasedStateMachine):
    """Acquisitions 1 to 12 of the limits a, b, c and of a template."""

    runner: Runner

    @initialize(slots=st.tuples(*[st.integers(0, 3)] * 3))
    def begin(self, slots: tuple[int, ...]) -> None:
        shared: Slots = self.runner.slots
        scope = Scope(TENANT, f"w-{uuid4()}")
        self.slots = Slots(shared.stores, shared.limiter, shared.bus, shared.clock, scope)
        self.model = Model()
        self.over: dict[str, int] = {}
        for limit, count in zip("abc", slots, strict=True):
            self.set(limit, count, disabled=False)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.do(work)

    @property
    def now_us(self) -> int:
        return self.slots.clock.us

    @rule(limit=st.sampled_from(LIMITS), slots=st.integers(0, 3), disabled=st.booleans())
    def set(self, limit: str, slots: int, *, disabled: bool) -> None:
        self.do(self.slots.set(limit, slots, disabled=disabled))
        self.model.set(limit, slots, disabled=disabled)
        self.model.serve(self.now_us)

    @rule(limit=st.sampled_from(LIMITS))
    def delete(self, limit: str) -> None:
        if limit in self.model.slots:
            self.do(self.slots.limits.delete(self.slots.key(limit), ""))
            self.model.delete(limit)
            self.model.serve(self.now_us)

    @rule(
        asked=st.dictionaries(st.integers(1, 12), needs_of, min_size=1, max_size=3),
        priority=st.sampled_from((1, 50, 52, 100)),
        wait=st.sampled_from((0, 5, 60)),
        released=st.sets(st.integers(1, 12), max_size=2),
    )
    def come_at_once(
        self, asked: dict[int, dict[str, int]], priority: int, wait: int, released: set[int]
    ) -> None:
        """Releases and requests that one transaction settles."""
        requests = [
            self.slots.request(
                *(f"{limit}={slots}" for limit, slots in needs.items()),
                id_=number(id_),
                wait=wait,
                priority=priority,
                ignore_missing=True,
            )
            for id_, needs in asked.items()
        ]
        items = [*(Release(self.slots.acquisition(number(id_))) for id_ in released), *requests]
        new = {number(id_) for id_ in asked} - (
            self.model.acquisitions.keys() - {number(id_) for id_ in released}
        )
        answers = self.do(self.slots.limiter._settle(items))[len(released) :]
        for id_ in released:
            self.model.acquisitions.pop(number(id_), None)
        kinds = {
            number(id_): self.model.ask(number(id_), needs, priority, wait * 1_000_000, self.now_us)
            for id_, needs in asked.items()
        }
        self.model.serve(self.now_us)
        for id_ in new if not wait else ():
            if (one := self.model.acquisitions.get(id_)) is not None and not one.held:
                del self.model.acquisitions[id_]
        self.model.serve(self.now_us)
        for (id_, kind), answer in zip(kinds.items(), answers, strict=True):
            if kind == "refused":
                assert isinstance(answer, ServiceError)
                continue
            one = self.model.acquisitions.get(id_)
            assert answer.acquired == (kind == "free" or (one is not None and one.held))

    @rule(seconds=st.sampled_from((1, 9, 31, 60)), renewed=st.sets(st.integers(1, 12)))
    def pass_time(self, seconds: int, renewed: set[int]) -> None:
        keys = [self.slots.acquisition(number(id_)) for id_ in renewed]
        lost = {key.acquisition_id for key in self.do(self.slots.limiter.renew(keys))}
        for id_ in map(number, renewed):
            one = self.model.acquisitions.get(id_)
            assert (id_ in lost) == (one is None or not one.held)
            if one is not None and one.held:
                one.expires_us = self.now_us + one.hold_us
        self.do(self.slots.pass_time(seconds))
        self.model.expire(self.now_us)
        self.model.serve(self.now_us)

    @invariant()
    def as_the_model(self) -> None:
        found = self.do(self.slots.holds())
        assert {
            id_: ({limit: hold.slots for limit, hold in parts.items()}, states(parts))
            for id_, parts in found.items()
        } == {id_: (one.needs, {not one.held}) for id_, one in self.model.acquisitions.items()}

    @invariant()
    def never_more_than_the_limit(self) -> None:
        for limit, slots in self.model.slots.items():
            used = self.model.used(limit)
            # A lowered limit takes no slot from its holder, but nothing is added.
            assert limit in self.model.disabled or used <= max(slots, self.over.get(limit, 0))
            self.over[limit] = used

    def teardown(self) -> None:
        if hasattr(self, "slots"):
            self.do(self.slots.release(*self.model.acquisitions))
            assert not self.do(self.slots.holds())


def states(parts: dict[str, Any]) -> set[bool]:
    return {hold.waiting for hold in parts.values()}


@pytest.fixture
def runner(either: Any) -> Iterator[Runner]:
    opened = Runner(either)
    yield opened
    opened.close()


def test_any_order_of_events_is_as_the_model_says(runner: Runner) -> None:
    machine = type("Machine", (LimitMachine,), {"runner": runner})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples(20), stateful_step_count=15, deadline=None)
    )
