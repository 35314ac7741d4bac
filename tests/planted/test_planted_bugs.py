"""Every planted bug is caught by the tests that name themselves its guard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.planted.bugs import BUGS
from tests.planted.planting import (
    HANG_SECONDS,
    PlantedBug,
    copy_sources,
    is_swapped,
    planted,
    run_swapped,
    run_tests,
)

if TYPE_CHECKING:
    from tests.postgres.server import Databases

TESTS_FAILED = 1


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources."""
    return copy_sources(tmp_path_factory.mktemp("planted") / "sources")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught(bug: PlantedBug, sources: Path, postgres: Databases) -> None:
    options = [f"--timeout={HANG_SECONDS}"] if bug.hangs else []
    outcome = None
    if is_swapped(bug):
        outcome = run_swapped(bug, bug.caught_by, *options, postgres=postgres.dsn)
    if outcome is None or outcome.returncode != TESTS_FAILED:
        # Other processes, and what was made when the sources were imported, have no bug yet.
        with planted(bug, sources):
            outcome = run_tests(bug.caught_by, *options, sources=sources, postgres=postgres.dsn)
    assert outcome.returncode == TESTS_FAILED, (
        f"{bug.name} went unnoticed (pytest exit {outcome.returncode}):\n"
        f"{outcome.stdout[-4000:]}\n{outcome.stderr[-2000:]}"
    )
    assert " failed" in outcome.stdout


def _guards() -> list[str]:
    """One guard of each folder, without those that start processes, which take long."""
    found = [guard for bug in BUGS for guard in bug.caught_by]
    quick = [guard for guard in found if guard.startswith(("tests/unit/", "tests/contract/"))]
    return list({str(Path(guard.partition("::")[0]).parent): guard for guard in quick}.values())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("swapped", [True, False], ids=["swapped", "copied"])
def test_the_guards_pass_where_no_bug_is_planted(
    swapped: bool, sources: Path, postgres: Databases
) -> None:
    """The control of the others: guards fail by the bug, not by the way in which they are run."""
    guards = tuple(_guards())
    if swapped:
        outcome = run_swapped(None, guards, postgres=postgres.dsn)
    else:
        outcome = run_tests(guards, sources=sources, postgres=postgres.dsn)
    assert outcome.returncode == 0, f"{outcome.stdout[-4000:]}\n{outcome.stderr[-2000:]}"
    assert " passed" in outcome.stdout


def test_bugs_have_distinct_names_and_guards() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 8
    assert all(bug.caught_by for bug in BUGS)
