"""Tests flows and tasks in process, without a server, a port or a wait.

    from towpath.testing import harness

    def test_the_retry_waits_a_minute():
        with harness() as towpath:
            my_flow()
        assert towpath.run("fetch").states == ["RUNNING", "RETRYING", "RUNNING", "COMPLETED"]
        assert towpath.clock.elapsed == 60

With pytest, the fixture `towpath_harness` gives each test a harness. Time is virtual: delays
between attempts pass at once and are counted. Nothing is written outside of a temporary folder.
Harnesses are independent of each other, in parallel tests too.
"""

from __future__ import annotations

from towpath.testing._clock import VirtualClock
from towpath.testing._harness import Artifact, Harness, LogLine, Run, harness

__all__ = ["Artifact", "Harness", "LogLine", "Run", "VirtualClock", "harness"]
