"""Any order of pauses, answers, deadlines, cancellations and ends of processes: nothing is lost.

On SQLite in memory: what concurrent answers do to each other is tested on both databases by
`test_pausing.py`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from towpath_service.app.stores import database_at, stores_on
from towpath_service.core.errors import ServiceError
from towpath_service.runs.domain.reports import StateReport
from towpath_service.runs.domain.states import TERMINAL_STATES, RunState
from towpath_service.runs.storage.tables import run_pause
from towpath_service.work.storage import tables
from towpath_service.work.storage.control import SqlControlStore
from towpath_service.work.storage.dispatching import SqlDispatchStore

from tests.budgets import examples
from tests.contract.work.desk import YES, Desk, paused, running
from tests.contract.work.site import SECOND, Site, new_id, request

if TYPE_CHECKING:
    from collections.abc import Coroutine

DEADLINE = 60


class PauseMachine(RuleBasedStateMachine):
    """A few runs of one deployment."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.runs: list[str] = []
        self.pauses = 0
        self.answered: dict[str, str] = {}
        """The request that has answered the last pause of a run."""

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        async def ready() -> Desk:
            database = database_at(None)
            await database.open()
            stores = stores_on(database)
            site = Site(
                stores,
                SqlControlStore(database, stores.runs),
                SqlDispatchStore(database, stores.runs),
            )
            return Desk(site)

        self.desk = self.do(ready())
        self.site = self.desk.site

    def refusal(self, work: Coroutine[Any, Any, Any]) -> str:
        """The reason of a refusal; empty for none."""
        try:
            self.do(work)
        except ServiceError as error:
            return error.reason
        return ""

    def state(self, run_id: str) -> Any:
        return self.do(self.site.run(run_id))

    def leased(self) -> set[str]:
        return {row.run_id for row in self.do(self.site.rows(tables.work_lease))}

    def one(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self.runs))

    @rule()
    def enqueue(self) -> None:
        asked = request()
        self.do(self.site.enqueue(asked))
        self.runs.append(asked.run_id)

    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        waiting = self.do(self.site.queued())
        if waiting:
            run_id = data.draw(st.sampled_from(sorted(waiting)))
            fence = self.do(self.site.lease(run_id, now_us=self.desk.clock.us))
            assert self.do(self.site.report(run_id, running(fence))) == []

    @rule(data=st.data(), suspended=st.booleans())
    def enter(self, data: st.DataObject, *, suspended: bool) -> None:
        """The process of a run pauses; of any run, under the fence of its last lease."""
        if not self.runs:
            return
        run_id = self.one(data)
        run = self.state(run_id)
        self.pauses += 1
        report = paused(str(self.pauses), seconds=DEADLINE, suspended=suspended, fence=run.fence)
        refused = self.do(self.site.report(run_id, report, now_us=self.desk.clock.us))
        if not refused and run.state is RunState.RUNNING:
            self.answered.pop(run_id, None)

    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """A process that waits takes its answer."""
        if not self.runs:
            return
        run = self.state(run_id := self.one(data))
        if run.state is RunState.PAUSED and run.reason == "BLOCKED":
            found = self.do(self.desk.wait(run_id, key=""))
            if found.pause is not None and found.pause.answered_us is not None:
                report = StateReport(state=RunState.RUNNING, fence=run.fence)
                assert self.do(self.site.report(run_id, report)) == []

    @rule(data=st.data())
    def exit(self, data: st.DataObject) -> None:
        """The process of a run that has suspended itself or has ended is gone."""
        leased = sorted(self.leased())
        if not leased:
            return
        run_id = data.draw(st.sampled_from(leased))
        run = self.state(run_id)
        if run.reason == "SUSPENDED" or run.state in TERMINAL_STATES:
            self.do(self.desk.end_lease(run_id))

    @rule(data=st.data(), repeats=st.booleans())
    def resume(self, data: st.DataObject, *, repeats: bool) -> None:
        if not self.runs:
            return
        run_id = self.one(data)
        before = self.state(run_id)
        asked = self.answered.get(run_id, new_id()) if repeats else new_id()
        known = asked == self.answered.get(run_id)
        text = YES if self.takes_input(run_id) else None
        reason = self.refusal(self.desk.resume(run_id, text, request_id=asked))
        if reason:
            assert not known or reason == "TRANSITION_NOT_ALLOWED"
            if reason == "TRANSITION_NOT_ALLOWED":
                assert before.state is not RunState.PAUSED
            return
        assert known or run_id not in self.answered or before.state is RunState.PAUSED
        if not known:
            assert before.state is RunState.PAUSED
            self.answered[run_id] = asked

    def takes_input(self, run_id: str) -> bool:
        found = self.do(self.desk.wait(run_id, key="")).pause
        return found is not None and bool(found.input_schema)

    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        if not self.runs:
            return
        run_id = self.one(data)
        before = self.state(run_id).state
        reason = self.refusal(self.desk.pause(run_id))
        if reason:
            assert reason == "TRANSITION_NOT_ALLOWED"
            assert before not in {RunState.SCHEDULED, RunState.PAUSED}
            return
        if before is RunState.SCHEDULED:
            self.answered.pop(run_id, None)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if not self.runs:
            return
        run_id = self.one(data)
        if self.state(run_id).state not in TERMINAL_STATES:
            self.do(self.site.cancel(run_id))

    @rule(seconds=st.sampled_from((1, 30, DEADLINE)))
    def time_goes_by(self, seconds: int) -> None:
        self.desk.clock.us += seconds * SECOND
        self.do(self.desk.sweep())

    @invariant()
    def each_run_is_in_one_place(self) -> None:
        if not hasattr(self, "desk"):
            return
        queued, leased = set(self.do(self.site.queued())), self.leased()
        assert not queued & leased
        pauses: dict[str, list[Any]] = {}
        for row in self.do(self.site.rows(run_pause)):
            pauses.setdefault(row.run_id, []).append(row)
        for run_id in self.runs:
            run = self.state(run_id)
            assert (run.state is RunState.SCHEDULED) == (run_id in queued)
            of_run = pauses.get(run_id, [])
            answers = [row for row in of_run if row.answered_us is not None]
            history = self.do(self.site.history(run_id))
            resumed = history.count(("SCHEDULED", "RESUMED"))
            assert resumed <= len([row for row in answers if row.suspended])
            if run.reason == "PAUSE_TIMEOUT":
                last = max(of_run, key=lambda row: row.created_us)
                assert last.answered_us is None
                assert last.deadline_us <= self.desk.clock.us
            if run.state is RunState.PAUSED and run.reason == "SUSPENDED":
                [*_, last] = sorted(of_run, key=lambda row: (row.created_us, not row.answered_us))
                # One that was answered waits for nothing but the end of its process.
                assert last.answered_us is None or run_id in leased
                assert last.deadline_us is None or not (
                    last.answered_us is None and last.deadline_us <= self.desk.clock.us
                )

    def teardown(self) -> None:
        """Each paused run goes on or ends."""
        try:
            if hasattr(self, "desk"):
                self.finish()
                self.site.stores.database.close()
        finally:
            self.runner.close()

    def finish(self) -> None:
        for run_id in self.leased():
            if self.state(run_id).reason == "SUSPENDED":
                self.do(self.desk.end_lease(run_id))
        self.desk.clock.us += (DEADLINE + 1) * SECOND
        self.do(self.desk.sweep())
        for run_id in self.runs:
            run = self.state(run_id)
            if run.state is RunState.PAUSED and run.reason == "SUSPENDED":
                # Kept from starting, without a deadline.
                self.do(self.desk.resume(run_id))
                assert self.state(run_id).state is RunState.SCHEDULED


TestPauseMachine = PauseMachine.TestCase
TestPauseMachine.settings = settings(
    max_examples=examples(10), stateful_step_count=30, deadline=None
)
