"""Any order of what workers, processes, silence and callers do: leases, queue and limits hold.

On SQLite in memory: what concurrent transactions do to each other is tested on both databases by
`test_claims.py` and `test_lease_work.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from towpath_service.app.stores import database_at, stores_on
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.reports import StateReport
from towpath_service.runs.domain.states import TERMINAL_STATES, RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.crash_retries import retry_after_crash
from towpath_service.work.application.lease_expiry import expire, unpark_where_room
from towpath_service.work.application.moving import move
from towpath_service.work.domain.leases import Lease, Outcome, Phase

from tests.budgets import examples
from tests.contract.work.pools import SCOPE, SECOND, TENANT, Hand, Pools

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from towpath_service.work.ports.dispatching import Dispatch

SLOTS = {"w1": 2, "w2": 3}
LIMITS = {"deployment/etl/limited": 2, "queue/local/narrow": 1, "pool/local": 4}
SILENCE_US = 30 * SECOND


class DispatchMachine(RuleBasedStateMachine):
    """Two workers of one pool, each with any number of lives."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.hands: dict[str, Hand] = {}
        self.instances: dict[str, str] = {}
        self.granted: list[tuple[str, Lease]] = []
        self.fences: dict[str, int] = {}
        self.came_back: set[str] = set()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        async def ready() -> Pools:
            database = database_at(None)
            await database.open()
            pools = Pools(stores_on(database))
            await pools.pool(limit=LIMITS["pool/local"], narrow=LIMITS["queue/local/narrow"])
            await pools.deployment()
            await pools.deployment("limited", limit=LIMITS["deployment/etl/limited"])
            return pools

        self.pools = self.do(ready())
        for worker_id in SLOTS:
            self.attach(worker_id, anew=True, remembers=False)

    @rule(
        count=st.integers(1, 3),
        limited=st.booleans(),
        narrow=st.booleans(),
        priority=st.sampled_from((1, 50, 100)),
    )
    def enqueue(self, count: int, priority: int, *, limited: bool, narrow: bool) -> None:
        self.do(
            self.pools.enqueue(
                count,
                deployment_id="limited" if limited else "nightly",
                queue_id="narrow" if narrow else "default",
                priority=priority,
            )
        )

    @rule(worker_id=st.sampled_from(sorted(SLOTS)), anew=st.booleans(), remembers=st.booleans())
    def attach(self, worker_id: str, *, anew: bool, remembers: bool) -> None:
        before = self.hands.get(worker_id)
        held = dict.fromkeys(before.leases, 7) if before is not None and remembers else {}
        fields = {} if anew or before is None else {"instance_id": self.instances[worker_id]}
        hand, attached = self.do(
            self.pools.worker(worker_id, SLOTS[worker_id], held=held, **fields)
        )
        assert attached.lost == set(held) - attached.leases
        self.hands[worker_id] = hand
        self.instances[worker_id] = attached.worker.instance_id

    @rule(most=st.integers(1, 4))
    def claim(self, most: int) -> None:
        for lease in self.do(self.pools.claim(*self.hands.values(), most=most)):
            self.granted.append((lease.worker_id, lease))

    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        self.word(data, self.pools.accept)

    @rule(data=st.data(), pid=st.integers(1, 9))
    def start(self, data: st.DataObject, pid: int) -> None:
        self.word(data, lambda hand, lease: self.pools.say(hand, started=((lease.lease_id, pid),)))

    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        self.word(data, self.pools.renew)

    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def end(self, data: st.DataObject, outcome: Outcome) -> None:
        self.word(data, lambda hand, lease: self.pools.end(hand, lease, outcome))

    def word(self, data: st.DataObject, say: Any) -> None:
        """A worker's word about any lease that there ever was."""
        if not self.granted:
            return
        worker_id, lease = data.draw(st.sampled_from(self.granted[-12:]))
        self.do(say(self.hands[worker_id], lease))

    @rule(
        data=st.data(),
        state=st.sampled_from(
            (RunState.RUNNING, RunState.PAUSED, RunState.COMPLETED, RunState.FAILED)
        ),
    )
    def report(self, data: st.DataObject, state: RunState) -> None:
        """The process of any lease that there ever was reports a state."""
        if not self.granted:
            return
        _, lease = data.draw(st.sampled_from(self.granted[-12:]))
        before = self.do(self.pools.runs())[lease.run_id]
        refused = self.do(self.pools.state_of(lease.run_id, state, lease.fence))
        if lease.fence < before.fence:
            assert refused
        elif not refused and before.state == RunState.CRASHED:
            self.came_back.add(lease.run_id)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        runs = self.do(self.pools.runs())
        if not runs:
            return
        run_id = data.draw(st.sampled_from(sorted(runs)))
        key, now_us = RunKey(TENANT, run_id), self.pools.clock.at_us

        def work(dispatch: Dispatch) -> None:
            run = dispatch.runs.standing([key], ())[0][key]
            waits = run.state is RunState.SCHEDULED
            state = RunState.CANCELLED if waits else RunState.CANCELLING
            batch = Batch(dispatch.runs, now_us)
            move(batch, SCOPE, run, StateReport(state=state), now_us, actor="users/ada")
            if waits:
                dispatch.queue.remove([key])
            batch.commit([])

        self.do(self.pools.stores.dispatch.write({TENANT}, work))

    @rule(seconds=st.sampled_from((1, 6, 31, 130)))
    def silence(self, seconds: int) -> None:
        self.pools.clock.move(seconds)
        self.expire()

    @rule()
    def sweep(self) -> None:
        self.do(self.pools.within(unpark_where_room))

    def expire(self) -> None:
        since_us = self.pools.clock.at_us - SILENCE_US
        self.do(
            self.pools.within(expire, silent_since_us=since_us, retry_after_crash=retry_after_crash)
        )

    @invariant()
    def what_waits_has_no_lease_and_what_executes_has_one(self) -> None:
        if not hasattr(self, "pools"):
            return
        runs, leases = self.do(self.pools.runs()), self.do(self.pools.leases())
        queued = set(self.do(self.pools.queued()))
        for run_id, run in runs.items():
            lease = leases.get(run_id)
            counts = lease is not None and lease.counts
            assert not (run_id in queued and counts)
            if run.state in TERMINAL_STATES:
                assert not counts
            elif run.state == RunState.SCHEDULED:
                assert run_id in queued
            elif run_id not in self.came_back:
                assert lease is not None or self.is_suspended(run)
            if counts:
                assert lease.fence == run.fence
                assert lease.phase != Phase.ENDING
            assert run.fence >= self.fences.get(run_id, 0)
            self.fences[run_id] = run.fence

    @staticmethod
    def is_suspended(run: Any) -> bool:
        return bool(run.state == RunState.PAUSED)

    @invariant()
    def no_limit_and_no_worker_is_overfilled(self) -> None:
        if not hasattr(self, "pools"):
            return
        leases = list(self.do(self.pools.leases()).values())
        used: Counter[str] = Counter()
        for lease in leases:
            if lease.counts:
                used["pool/local"] += 1
                used[f"queue/local/{lease.queue_id}"] += 1
                used[f"deployment/etl/{lease.deployment_id}"] += 1
        for name, limit in LIMITS.items():
            assert used[name] <= limit
        for worker_id, count in Counter(lease.worker_id for lease in leases).items():
            assert count <= SLOTS[worker_id]

    def teardown(self) -> None:
        """Each run ends at last."""
        try:
            if hasattr(self, "pools"):
                self.finish()
                self.do(self.close())
        finally:
            self.runner.close()

    def finish(self) -> None:
        for _ in range(100):
            self.pools.clock.move(300)
            self.expire()
            for worker_id in SLOTS:
                self.attach(worker_id, anew=True, remembers=False)
            self.sweep()
            if not self.do(self.pools.queued()):
                break
            leases = self.do(self.pools.claim(*self.hands.values()))
            for lease in leases:
                self.do(self.pools.state_of(lease.run_id, RunState.RUNNING, lease.fence))
                self.do(self.pools.state_of(lease.run_id, RunState.COMPLETED, lease.fence))
                self.do(self.pools.end(self.hands[lease.worker_id], lease))
        runs = self.do(self.pools.runs())
        for run_id, run in runs.items():
            if run_id not in self.came_back and not self.is_suspended(run):
                assert run.state in TERMINAL_STATES
        assert self.do(self.pools.leases()) == {}

    async def close(self) -> None:
        self.pools.stores.database.close()


TestDispatchMachine = DispatchMachine.TestCase
TestDispatchMachine.settings = settings(
    max_examples=examples(10), stateful_step_count=30, deadline=None
)
