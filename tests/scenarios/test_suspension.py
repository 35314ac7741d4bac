"""A run that suspends itself, survives the restart of everything, and ends once it is resumed."""

from __future__ import annotations

import json
import os
import signal
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from towpath._state_type import StateType
from towpath.exceptions import NotPausedError

from tests.scenarios.conftest import on_both_databases
from tests.scenarios.servers import wait_until
from tests.scenarios.work_sites import Site

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.subject("work")

FLOW = """
import os
from pathlib import Path
from towpath import flow, suspend_flow_run, task
from towpath.input import RunInput

class Approval(RunInput):
    approve: bool
    note: str = ""

@task(persist_result=True)
def build(place: str) -> int:
    with (Path(place) / "built").open("a") as file:
        file.write("x")
    return 41

@flow
def release(place: str) -> str:
    number = build(place)
    with (Path(place) / "pids").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    answer = suspend_flow_run(Approval.with_initial_data("Ship it?", note="as always"))
    (Path(place) / "answer").write_text(f"{answer.approve} {answer.note}")
    return f"{number + 1}"
"""


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@on_both_databases
def test_a_suspended_run_has_no_process_and_survives_the_restart_of_everything(
    make_server: Any, tmp_path: Path
) -> None:
    server = make_server()
    server.start()
    with closing(Site(server)) as site:
        (site.folder / "approving.py").write_text(FLOW)
        site.deploy("release", file="approving.py")
        site.start_worker("--limit", "1")
        run_id = site.begin("release", place=str(tmp_path))
        wait_until(lambda: site.client.run(run_id).reason == "SUSPENDED", "it is suspended")
        [pid] = map(int, (tmp_path / "pids").read_text().split())
        wait_until(lambda: is_gone(pid), "its process is gone")
        # Its slot is free: the only one of the only worker.
        site.deploy("completes")
        assert site.ended(site.begin("completes", number=1)).state is StateType.COMPLETED
        run = site.client.run(run_id)
        assert (run.state, run.message, run.worker) == (StateType.PAUSED, "Ship it?", "")
        assert run.pause is not None
        assert json.loads(run.pause.input_schema)["required"] == ["approve"]

        site.workers[-1].send_signal(signal.SIGTERM)
        site.workers[-1].wait()
        server.stop()
        server.start()
        site.reconnect()
        site.client.resume(run_id, {"approve": True})
        with pytest.raises(NotPausedError):
            site.client.resume(run_id, {"approve": False})
        site.start_worker()
        ended = site.ended(run_id)
        assert (ended.state, ended.attempt) == (StateType.COMPLETED, 1)
        assert (tmp_path / "answer").read_text() == "True as always"
        # The step before came back from its stored result.
        assert (tmp_path / "built").read_text() == "x"
        states = [str(item.after) for item in site.client.transitions(run_id)]
        assert states == [
            *("SCHEDULED", "PENDING", "RUNNING", "PAUSED"),
            *("SCHEDULED", "PENDING", "RUNNING", "COMPLETED"),
        ]
