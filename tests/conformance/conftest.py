from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from towpath.task_runners import (
    InlineTaskRunner,
    ProcessPoolTaskRunner,
    TaskRunner,
    ThreadPoolTaskRunner,
)
from towpath.testing import Harness, harness

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNNERS = {
    "inline": InlineTaskRunner(),
    "threads": ThreadPoolTaskRunner(max_workers=4),
    "processes": ProcessPoolTaskRunner(max_workers=2),
}


@pytest.fixture(params=list(RUNNERS))
def runner(request: pytest.FixtureRequest) -> TaskRunner:
    return RUNNERS[request.param]


@pytest.fixture
def recorded() -> Iterator[Harness]:
    with harness() as recording:
        yield recording
