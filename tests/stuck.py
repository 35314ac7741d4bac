"""An end to tests that outlive their time limit.

pytest-timeout raises in the main thread. A test can catch that, its teardown can hang after it, and
Python code can't run at all while something holds the interpreter's lock. So another process waits
beside: it has the stacks written and ends the process. The test has failed then, and the run goes
on in a new process.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

SHORT_SECONDS: Final = 600
"""No test has a longer limit, but with `--soak`."""
GRACE_SECONDS: Final = 120
"""For the teardown of a test that ran into its limit."""

# A line has the seconds that a test may take, or nothing when none runs.
_WATCHER: Final = """
import os, select, signal, sys, time
watched, left, rest = int(sys.argv[1]), None, b""
while select.select([0], [], [], left)[0]:
    read = os.read(0, 65536)
    if not read:
        sys.exit()
    *whole, rest = (rest + read).split(b"\\n")
    if whole:
        left = float(whole[-1]) if whole[-1] else None
os.kill(watched, signal.SIGABRT)  # pytest has faulthandler write the stacks.
time.sleep(5)
os.kill(watched, signal.SIGKILL)
"""


class StuckTests:
    """A plugin that has this process ended when a test outlives its limit."""

    def __init__(self, config: pytest.Config, grace_seconds: float = GRACE_SECONDS) -> None:
        """Watches nothing yet.

        Args:
            config: Of the test run.
            grace_seconds: How long after its limit a test may still run.
        """
        self._config = config
        self._grace_seconds = grace_seconds
        self._watcher: subprocess.Popen[bytes] | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leaves limits above `SHORT_SECONDS` to soaks."""
        if any(self._config.getoption(long, default=False) for long in ("--soak", "--phoenix")):
            return
        for item in items:
            if _limit_seconds(item) > SHORT_SECONDS:
                item.add_marker(pytest.mark.timeout(SHORT_SECONDS), append=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Has a process wait beside."""
        command = [sys.executable, "-I", "-S", "-c", _WATCHER, str(os.getpid())]
        self._watcher = subprocess.Popen(command, stdin=subprocess.PIPE)
        try:
            return (yield)
        finally:
            assert self._watcher.stdin is not None
            self._watcher.stdin.close()
            self._watcher.wait()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Tells it how long a test may take, then that none runs."""
        self._tell(str(_limit_seconds(item) + self._grace_seconds))
        try:
            return (yield)
        finally:
            self._tell("")

    def _tell(self, line: str) -> None:
        assert self._watcher is not None
        assert self._watcher.stdin is not None
        with contextlib.suppress(OSError):  # A test may end it.
            os.write(self._watcher.stdin.fileno(), f"{line}\n".encode())


def _limit_seconds(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0] if marker else item.config.getini("timeout"))
