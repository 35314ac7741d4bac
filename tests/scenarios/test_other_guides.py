"""The guides with few commands, walked as the long ones are in tests of their own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.examples.places import EXAMPLES
from tests.scenarios.commands import FAN_OUT
from tests.scenarios.guides import GUIDES, Terminal, commands_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("cli")

ALONE = {"approvals", "cloud", "identity", "retrying", "secrets", "tls", "workers"}
"""They have tests of their own."""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "home", tmp_path / "bin")
    yield made
    made.stops()


def test_what_waits_without_a_server_is_delivered(terminal: Terminal) -> None:
    (terminal.home / "examples").symlink_to(EXAMPLES)
    terminal.types('export TOWPATH_HOME="$PWD/.venv/towpath-home"')
    terminal.types("python examples/air_quality.py")
    assert "1 wait for delivery" in terminal.types("towpath doctor")
    shown = terminal.types("towpath sync")
    told = re.search(r"\d+ updates and \d+ log lines of 1 processes delivered to", shown)
    assert told is not None
    assert f"# {told[0]} ..." in (GUIDES / "delivery.md").read_text(encoding="utf-8")
    assert terminal.typed == commands_of("delivery")["Without a server"]


def test_why_a_run_ended_so_is_found(terminal: Terminal) -> None:
    (terminal.home / "pipeline.py").write_text(FAN_OUT)
    terminal.runs("python pipeline.py")
    assert "fan_out" in terminal.types("towpath run ls --state FAILED --since 12h")
    (failed,) = json.loads(terminal.runs("towpath run ls --state FAILED --kind task -o json"))
    terminal.stands_for["RUN"] = failed["short_id"]
    assert "part 1 is broken" in terminal.types("towpath run inspect RUN")
    assert "part 1 looks odd" in terminal.types("towpath run logs RUN")
    assert "FAILED" in terminal.types("towpath run why RUN")
    assert terminal.typed == commands_of("troubleshooting")["Why did that run end so?"]


def test_a_database_of_postgresql_is_set_up(terminal: Terminal, empty_postgres_dsn: str) -> None:
    url = "postgresql://towpath:secret@db.internal/towpath"
    terminal.stands_for[url] = f"'{empty_postgres_dsn}'"
    terminal.types(f"towpath server db upgrade --database {url}")
    terminal.serves(f"towpath server start      --database {url}")
    assert "doesn't authenticate callers" in terminal.runs("towpath whoami")
    assert terminal.typed == commands_of("database")["The database"]


def test_the_address_of_the_page_is_shown(terminal: Terminal) -> None:
    terminal.serves("towpath server start")
    assert "http://" in terminal.runs("towpath open --print")


def test_no_guide_has_commands_that_nobody_walks() -> None:
    sections = {
        (file.stem, heading)
        for file in GUIDES.glob("*.md")
        for heading in commands_of(file.stem)
        if file.stem not in ALONE
    }
    assert sections == {
        ("artifacts", "Look at them"),  # unit/sdk/cli/test_artifacts.py has it.
        # They need a run that waits or executes: unit/sdk/cli/test_run_control.py.
        ("control", "Cancel"),
        ("control", "Explain"),
        ("database", "The database"),
        ("database", "Behind PgBouncer"),  # tests/contract/database/test_bouncer.py has one.
        ("delivery", "Without a server"),
        # unit/sdk/cli/test_limits.py has them.
        ("limits", "Limits"),
        ("limits", "Who holds the slots"),
        ("troubleshooting", "Why did that run end so?"),
        ("variables", "Variables"),  # unit/sdk/cli/test_variables.py has it.
        ("web", "The web page"),
    }
