"""The pytest plugin: the fixture `towpath_harness`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath.testing import Harness


@pytest.fixture
def towpath_harness() -> Iterator[Harness]:
    """A harness for this test: flows and tasks report to it, and time is virtual."""
    # pytest loads this plugin for every project in whose environment Towpath is.
    from towpath.testing import harness  # noqa: PLC0415 - loads the engine

    with harness() as recording:
        yield recording
