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
    # Test runs that don't use the fixture don't load what it takes.
    from towpath.testing import harness  # noqa: PLC0415 - see above

    with harness() as recording:
        yield recording
