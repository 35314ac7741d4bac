"""Roles: which loops go with calls, and which work for the whole installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from towpath_service.app.options import ProcessOptions
from towpath_service.app.wiring import open_service
from towpath_service.cli.server import start

if TYPE_CHECKING:
    from pathlib import Path


async def test_what_works_for_all_is_apart_from_what_serves_callers() -> None:
    async with open_service(None) as service:
        assert set(service.background) == {
            "scheduler",
            "backfills",
            "slot-retention",
            "retention",
            "followed directives",
        }
        assert not service.background.keys() & service.loops.keys()


async def test_silence_is_judged_only_by_processes_that_can_be_told_otherwise() -> None:
    # Were they in the background, a stop of all api processes would have runs taken for lost.
    async with open_service(None) as service:
        assert {"reaper", "leases", "limits"} < service.loops.keys()


@pytest.mark.parametrize(
    ("role", "calls", "background"),
    [("all", True, True), ("api", True, False), ("background", False, True)],
)
def test_each_part_of_the_service_has_a_role(role: str, calls: bool, background: bool) -> None:
    process = ProcessOptions(role=role)  # type: ignore[arg-type]
    assert (process.answers_calls, process.works_in_background) == (calls, background)


@pytest.mark.parametrize("role", ["api", "background"])
def test_a_part_of_the_service_needs_a_database_that_processes_share(
    role: str, tmp_path: Path
) -> None:
    ended = CliRunner().invoke(start, ["--role", role], env={"TOWPATH_HOME": str(tmp_path)})
    assert ended.exit_code == 2
    assert "--database postgresql://" in ended.output
    assert not (tmp_path / "towpath.db").exists()
