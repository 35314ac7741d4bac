"""The project file of the examples: its deployment, run on request and by a schedule."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.examples.places import EXAMPLES
from tests.scenarios.guide_workers import worker
from tests.scenarios.guides import Terminal
from tests.scenarios.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("work", "deploy")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "home", tmp_path / "bin")
    yield made
    made.stops()


def test_the_deployment_of_the_examples_runs_on_request_and_by_a_schedule(
    terminal: Terminal,
) -> None:
    (terminal.home / "examples").symlink_to(EXAMPLES)
    text = (EXAMPLES / "towpath.yaml").read_text(encoding="utf-8")
    pool, deploy, work = re.findall(r"^# +(towpath .*)$", text, re.MULTILINE)
    terminal.serves("towpath server start", typed=False)
    terminal.types(pool)
    assert "report/lima   created" in terminal.types(deploy)
    with worker(terminal, work):
        told = terminal.runs("towpath deployment run report/lima --watch")
        assert "COMPLETED" in told.splitlines()[-1]
        terminal.runs(
            "towpath schedule create report/lima --interval 5s --overlap skip --slug soon"
        )
        scheduled = "towpath run ls --kind flow --state COMPLETED -o json"
        wait_until(lambda: len(json.loads(terminal.runs(scheduled))) > 1, "a scheduled run ends")
        terminal.runs("towpath schedule delete report/lima/soon --yes")
    newest = json.loads(terminal.runs(scheduled))[0]["short_id"]
    found = json.loads(terminal.runs(f"towpath run inspect {newest} -o json"))
    assert (found["deployment"], found["schedule"]) == ("report/lima", "soon")
    assert found["late_seconds"] >= 0
    assert found["slot_time"] == found["scheduled"]
    assert found["creator"] == "users/local"
