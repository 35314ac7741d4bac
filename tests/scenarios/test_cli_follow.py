from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.commands import GATED, Following, listed, pipeline
from tests.scenarios.servers import DEADLINE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("cli", "runs")


@pytest.fixture(params=["without a server", "with a server"])
def home(
    request: pytest.FixtureRequest, tmp_path: Path, make_server: Callable[..., Server]
) -> Path:
    """A home, on which a server runs or none."""
    if request.param == "with a server":
        made = make_server()
        made.start()
        return made.home
    return tmp_path / "home"


@pytest.fixture
def gated(home: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts a pipeline that waits at a gate; returns its flow run's short id."""
    started = []

    def start(*arguments: str) -> str:
        started.append(pipeline(home, GATED, str(tmp_path / "gate"), *arguments))
        wait_until(
            lambda: len(listed(home, "--kind", "task", "--state", "RUNNING")) == 1,
            "the pipeline waits at its gate",
        )
        return str(listed(home, "--kind", "flow")[0]["short_id"])

    yield start
    (tmp_path / "gate").touch()
    for process in started:
        process.wait(DEADLINE_SECONDS)


def test_a_watch_shows_each_change_and_ends_with_the_run(
    home: Path, tmp_path: Path, gated: Callable[..., str]
) -> None:
    run = gated()
    with Following(home, ("run", "watch", run)) as watch:
        watch.sees("RUNNING", "gated")
        (tmp_path / "gate").touch()
        assert watch.end() == 0
    watch.sees("COMPLETED", "second")
    assert "COMPLETED  gated" in watch.lines[-1]


def test_a_watch_ends_with_1_when_the_run_fails(
    home: Path, tmp_path: Path, gated: Callable[..., str]
) -> None:
    run = gated("fail")
    with Following(home, ("run", "watch", run)) as watch:
        watch.sees("RUNNING", "gated")
        (tmp_path / "gate").touch()
        assert watch.end() == 1
    watch.sees("FAILED", "gated")
    watch.sees("towpath run inspect", run)


def test_log_lines_come_as_they_are_logged_until_the_run_ends(
    home: Path, tmp_path: Path, gated: Callable[..., str]
) -> None:
    run = gated()
    with Following(home, ("run", "logs", "--follow", run)) as logs:
        logs.sees("first", "at the gate")
        assert not any("through" in line for line in logs.lines)
        (tmp_path / "gate").touch()
        assert logs.end() == 0
    logs.sees("second", "through the gate")
    assert len(logs.lines) == 2


def test_a_list_that_follows_prints_an_object_a_line_until_ctrl_c(
    home: Path, tmp_path: Path, gated: Callable[..., str]
) -> None:
    gated()
    with Following(home, ("run", "ls", "--follow", "--kind", "task", "-o", "json")) as following:
        following.sees('"second"', "RUNNING")
        (tmp_path / "gate").touch()
        following.sees('"second"', "COMPLETED")
        following.process.send_signal(signal.SIGINT)
        assert following.end() == 130
    told = [json.loads(line) for line in following.lines if line]
    assert {run["name"] for run in told} == {"first", "second"}
