"""The guide of workers, walked command by command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scenarios.clients import init_auth
from tests.scenarios.guide_workers import worker
from tests.scenarios.guides import Terminal, commands_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("work")

ETL = """
from towpath import flow

@flow
def etl() -> int:
    return 1
"""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "home", tmp_path / "bin")
    yield made
    made.stops()


def test_a_deployed_flow_is_run_by_a_worker(terminal: Terminal) -> None:
    (terminal.home / "etl.py").write_text(ETL)
    guide = commands_of("workers")["Start"]
    terminal.typed.append(guide[0])
    terminal.serves(guide[0].removesuffix(" &"), typed=False)
    terminal.types("towpath pool create local")
    with worker(terminal, "towpath worker start --pool local --limit 8"):
        terminal.types("towpath deploy etl.py:etl --name nightly --pool local")
        assert "COMPLETED" in terminal.types("towpath deployment run etl/nightly --watch")
    assert terminal.typed == guide


def test_a_worker_of_a_server_with_identity_attaches_by_its_key(terminal: Terminal) -> None:
    key = init_auth(terminal.home)
    terminal.serves("towpath server start", typed=False)
    terminal.settings["TOWPATH_API_KEY"] = key
    terminal.runs("towpath pool create local")
    terminal.types("towpath service-account create w --role worker")
    terminal.types("towpath key create --for w > key")
    del terminal.settings["TOWPATH_API_KEY"]
    with worker(terminal, "TOWPATH_API_KEY_FILE=key towpath worker start --pool local"):
        pass
    assert terminal.typed == commands_of("workers")["With identity"]
