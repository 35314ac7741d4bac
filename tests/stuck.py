"""An end to tests that outlive their time limit.

pytest-timeout raises in the main thread. A test can catch that, and its teardown can hang after
it. Then the process writes what its threads do and ends. The test has failed, and the run goes on
in a new process.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

SHORT_SECONDS: Final = 600
"""No test has a longer limit, but with `--soak`."""
GRACE_SECONDS: Final = 120
"""For the teardown of a test that ran into its limit."""
STDERR: Final = 2


class StuckTests:
    """A plugin that watches the test which this process runs."""

    def __init__(self, config: pytest.Config, grace_seconds: float = GRACE_SECONDS) -> None:
        """Begins to watch.

        Args:
            config: Of the test run.
            grace_seconds: How long after its limit a test may still run.
        """
        self._config = config
        self._grace_seconds = grace_seconds
        self._changed = threading.Condition()
        self._running: tuple[str, float] | None = None
        threading.Thread(target=self._watch, name="stuck-tests", daemon=True).start()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leaves limits above `SHORT_SECONDS` to soaks."""
        if any(self._config.getoption(long, default=False) for long in ("--soak", "--phoenix")):
            return
        for item in items:
            if _limit_seconds(item) > SHORT_SECONDS:
                item.add_marker(pytest.mark.timeout(SHORT_SECONDS), append=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Tells the watching thread which test runs until when."""
        self._tell((item.nodeid, time.monotonic() + _limit_seconds(item) + self._grace_seconds))
        try:
            return (yield)
        finally:
            self._tell(None)

    def _tell(self, running: tuple[str, float] | None) -> None:
        with self._changed:
            self._running = running
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while True:
                running = self._running
                left = None if running is None else running[1] - time.monotonic()
                if running is not None and left is not None and left <= 0:
                    self._end(running[0])
                self._changed.wait(left)

    def _end(self, nodeid: str) -> None:
        """Ends the process; exit handlers would wait for what hangs."""
        capture = self._config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            capture.suspend_global_capture(in_=False)
        os.write(STDERR, f"\n{nodeid} outlived its limit. What its process does:\n".encode())
        faulthandler.dump_traceback(STDERR, all_threads=True)
        os._exit(1)


def _limit_seconds(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0] if marker else item.config.getini("timeout"))
