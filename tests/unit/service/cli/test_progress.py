"""Commands of the service that say how far they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from towpath.cli import _main
from towpath_service.app import database_upkeep
from towpath_service.database.upgrade import HEAD, revisions

if TYPE_CHECKING:
    from pathlib import Path


def test_an_upgrade_counts_its_migrations(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    database = tmp_path / "towpath.db"
    first = revisions()[0]
    database_upkeep.upgrade(database, first, lambda *each: told.append(each))
    assert told == [(0, 1), (1, 1)]
    told.clear()
    database_upkeep.upgrade(database, "head", lambda *each: told.append(each))
    left = len(revisions()) - 1
    assert told == [(done, left) for done in range(left + 1)]
    told.clear()
    done = database_upkeep.upgrade(database, "head", lambda *each: told.append(each))
    assert (done.before, done.after, told) == (HEAD, HEAD, [(0, 0)])


@pytest.mark.parametrize("options", [[], ["--quiet"]])
def test_a_quick_upgrade_prints_its_result_alone(options: list[str], tmp_path: Path) -> None:
    words = [*options, "server", "db", "upgrade", "--database", str(tmp_path / "towpath.db")]
    result = CliRunner().invoke(_main.cli, words)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"The schema was empty and is {HEAD} now.\n"
