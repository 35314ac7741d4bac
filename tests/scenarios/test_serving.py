"""A script that serves on a machine without a server, with a real run in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.examples.places import EXAMPLES
from tests.forkserver.processes import ran, started
from tests.scenarios.servers import environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.forkserver.client import Forked

pytestmark = pytest.mark.subject("work", "deploy")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def script(home: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes] | Forked]:
    """The example, once it serves."""
    told = tmp_path / "told"
    with told.open("wb") as output:
        process = started(
            str(EXAMPLES / "scheduled_report.py"),
            (),
            environment=environment(home),
            files=(subprocess.DEVNULL, output, output),
        )
    wait_until(lambda: b"Start a run" in told.read_bytes() or process.poll() is not None, "serving")
    assert process.poll() is None, told.read_text("utf-8")
    yield process
    process.kill()
    process.wait()


def towpath(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return ran("towpath", words, environment=environment(home), folder=".", timeout=240)


def test_a_script_serves_without_a_server_and_ends_at_ctrl_c(
    home: Path, script: subprocess.Popen[bytes] | Forked
) -> None:
    ended = towpath(home, "deployment", "run", "report/hourly", "-p", "city=Lima", "--watch")
    assert ended.returncode == 0, ended.stderr
    assert "COMPLETED" in ended.stdout.splitlines()[-1]
    [run] = json.loads(towpath(home, "run", "ls", "--kind", "flow", "-o", "json").stdout)
    logs = towpath(home, "run", "logs", run["short_id"]).stdout
    assert "Lima: 22.03 °C" in logs
    refused = towpath(home, "deployment", "run", "report/hourly", "-p", "city=Lima", "-p", "n=1")
    assert refused.returncode == 2
    script.send_signal(signal.SIGINT)
    assert script.wait(60) == 0
