import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.subject("house")

ROOT = Path(__file__).parents[2]
CONFTEST = """
from tests.stuck import StuckTests

def pytest_configure(config):
    config.pluginmanager.register(StuckTests(config, grace_seconds=0.1), "stuck-tests")
"""
HEEDLESS = """
import ctypes
import pytest

@pytest.mark.timeout(0.1)
def test_that_catches_its_limit_and_lets_no_thread_run():
    while True:
        try:
            ctypes.PyDLL(None).sleep(1000)
        except BaseException:
            pass
"""
LONG = """
import pytest

@pytest.mark.timeout(3600)
def test_of_hours(request):
    assert request.node.get_closest_marker("timeout").args == (600,)
"""


def _pytest(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_one.py").write_text(test)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", folder, folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
    )


def test_a_test_that_nothing_stops_ends_with_the_stacks_of_its_process(tmp_path: Path):
    ended = _pytest(tmp_path, HEEDLESS)

    assert ended.returncode == -signal.SIGABRT
    assert "in test_that_catches_its_limit_and_lets_no_thread_run" in ended.stderr


def test_limits_of_hours_are_left_to_soaks(tmp_path: Path):
    ended = _pytest(tmp_path, LONG)

    assert ended.returncode == 0, ended.stdout
