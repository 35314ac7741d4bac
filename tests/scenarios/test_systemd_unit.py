"""The unit for systemd of the guide: its command, ended as systemd ends it."""

from __future__ import annotations

import shlex
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from towpath._state_type import StateType

from tests.examples.places import EXAMPLES
from tests.scenarios.servers import wait_until
from tests.scenarios.work_sites import Site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("work")


def value_of(key: str) -> str:
    """The value of a key of the unit that stands there once."""
    unit = (EXAMPLES / "towpath-worker.service").read_text(encoding="utf-8")
    [line] = [line for line in unit.splitlines() if line.startswith(f"{key}=")]
    return line.removeprefix(f"{key}=")


def test_the_command_of_the_unit_drains_at_sigterm_and_ends_so_that_it_is_started_again(
    make_server: Callable[..., Server], tmp_path: Path
) -> None:
    _, worker, verb, *options = shlex.split(value_of("ExecStart"))
    assert (worker, verb) == ("worker", "start")
    server = make_server()
    server.start()
    with closing(Site(server)) as site:
        site.start_worker(*options)
        site.deploy("waits")
        run_id = site.begin("waits", place=str(tmp_path))
        wait_until((tmp_path / "begun").exists, "the run has begun")
        # KillMode=process: SIGTERM to the worker alone, and no other signal before the timeout.
        site.workers[-1].terminate()
        wait_until(lambda: "told to stop" in site.log, "the worker drains")
        (tmp_path / "go").touch()
        code = site.workers[-1].wait(float(value_of("TimeoutStopSec")))
        assert code == 0
        assert str(code) not in value_of("RestartPreventExitStatus").split()
        assert site.ended(run_id).state is StateType.COMPLETED
