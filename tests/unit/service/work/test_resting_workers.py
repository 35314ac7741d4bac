"""Workers that can't start runs are given none for a while."""

from __future__ import annotations

from typing import Any

from towpath_service.core.bus import Bus
from towpath_service.work.application.workers import AttachedWorker, Workers
from towpath_service.work.domain.dispatching import WorkerKey

KEY = WorkerKey("tenant", "default", "local", "w1")
NO_STREAM: Any = None


def attached() -> AttachedWorker:
    return AttachedWorker(KEY, "stream", NO_STREAM, slots=8, queues=(), leases=(), draining=False)


def test_a_resting_worker_bids_for_nothing_until_its_pause_is_over() -> None:
    now = 0.0
    workers = Workers(Bus(), lambda: now)
    assert workers.rest(KEY) == 0
    with workers.attached(attached()):
        assert len(workers.bidders()) == 1
        assert workers.rest(KEY) == 1
        assert workers.bidders() == []
        now = 0.5
        assert workers.rest(KEY) == 1
        now = 1.0
        assert len(workers.bidders()) == 1
        assert workers.rest(KEY) == 2
        now = 2.9
        assert workers.bidders() == []
        workers.started(KEY)
        now = 3.0
        assert workers.rest(KEY) == 1
