"""A submitted run ends, wherever an exception arrives amid its submission."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath.task_runners import InlineTaskRunner, TaskRunner, ThreadPoolTaskRunner

from tests.unit.sdk.delivery.breaking_in import broken_off

if TYPE_CHECKING:
    from towpath.tasks import Task
    from towpath.testing import Harness

pytestmark = [pytest.mark.subject("engine", "runners"), pytest.mark.timeout(60)]


@pytest.fixture
def recorded(towpath_harness: Harness) -> Harness:
    return towpath_harness


@task
def plain(*_: object) -> int:
    return 1


@task
async def awaited(*_: object) -> int:
    return 1


@pytest.mark.parametrize("within", ["_engine/submissions", "_runs/slots"])
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("submitted", [plain, awaited], ids=lambda each: each.name)
@pytest.mark.parametrize("runner", [InlineTaskRunner(), ThreadPoolTaskRunner(2)])
def test_a_submission_broken_off_anywhere_ends(
    runner: TaskRunner, submitted: Task[..., Any], waits: bool, within: str, recorded: Harness
) -> None:
    times = 0

    @flow(task_runner=runner, final_state="return_value")
    def breaks_off() -> None:
        nonlocal times
        arguments = [plain.submit()] if waits else []
        for broke in broken_off(
            lambda: submitted.submit(*arguments), within=within, places="steps"
        ):
            times += broke

    breaks_off()
    ends = [run.state for run in recorded.runs if run.name.startswith(submitted.name)]
    # The one that was broken off between the report of its creation and the next step.
    assert ends.count("PENDING") <= 1
    assert set(ends) <= {"PENDING", "COMPLETED", "CANCELLED", "CRASHED"}
    assert ends.count("COMPLETED") >= 1
    assert times > 0 or within != "_engine/submissions"
