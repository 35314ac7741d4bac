"""Fixtures of the engine's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from towpath._delivery.session import use_reporter
from towpath.task_runners import InlineTaskRunner, TaskRunner, ThreadPoolTaskRunner

from tests.unit.sdk.recording import RecordingReporter

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def reporter() -> Iterator[RecordingReporter]:
    recording = RecordingReporter()
    with use_reporter(recording):
        yield recording


@pytest.fixture(params=[InlineTaskRunner, ThreadPoolTaskRunner], ids=["inline", "threads"])
def runner(request: pytest.FixtureRequest) -> TaskRunner:
    return request.param()
