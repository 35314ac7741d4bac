"""The guide of approvals, walked command by command, with the example of its first part."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.examples.places import EXAMPLES
from tests.scenarios.guides import Terminal, commands_of
from tests.scenarios.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("work")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "home", tmp_path / "bin")
    yield made
    made.stops()


def only_run(terminal: Terminal, state: str) -> str:
    found = json.loads(terminal.runs(f"towpath run ls --state {state} -o json"))
    return found[0]["short_id"] if found else ""


def test_a_release_waits_until_it_is_approved(terminal: Terminal) -> None:
    (terminal.home / "examples").symlink_to(EXAMPLES)
    guide = commands_of("approvals")["Answer"]
    terminal.typed.append(guide[0])
    terminal.runs(f"{guide[0]} > release.log 2>&1 &")
    wait_until(lambda: bool(only_run(terminal, "PAUSED")), "it is paused")
    terminal.stands_for["RUN"] = only_run(terminal, "PAUSED")
    assert "Publish app-1.4.0.tar.gz?" in terminal.types(guide[1])
    shown = terminal.types(guide[2])
    assert "it waits for approve, for another " in shown
    assert "--input approve=VALUE" in shown
    terminal.types(guide[3])
    log = terminal.home / "release.log"
    wait_until(lambda: "published" in log.read_text(), "the release goes on")
    assert "app-1.4.0.tar.gz is published (no remarks)" in log.read_text()
    assert terminal.typed == guide


def test_a_run_is_kept_from_starting(terminal: Terminal) -> None:
    (terminal.home / "etl.py").write_text(
        "from towpath import flow\n\n@flow\ndef etl() -> int:\n    return 1\n"
    )
    guide = commands_of("approvals")["Pause a run from outside"]
    terminal.runs("towpath pool create local")
    terminal.runs("towpath deploy etl.py:etl --name nightly --pool local")
    terminal.runs("towpath deployment run etl/nightly")
    terminal.stands_for["RUN"] = only_run(terminal, "SCHEDULED")
    assert "not before Monday" in terminal.types(guide[0])
    assert terminal.stands_for["RUN"] == only_run(terminal, "PAUSED")
    assert "SCHEDULED" in terminal.types(guide[1])
    assert terminal.typed == guide


def test_two_runs_of_a_process_talk_without_a_server(terminal: Terminal) -> None:
    (terminal.home / "examples").symlink_to(EXAMPLES)
    assert "[9, 16]" in terminal.runs("python examples/conversation.py")
    assert only_run(terminal, "COMPLETED")
