"""Every test reports to a harness of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from towpath.testing import Harness


@pytest.fixture(autouse=True)
def recorded(towpath_harness: Harness) -> Harness:
    return towpath_harness
