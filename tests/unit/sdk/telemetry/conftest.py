"""Flows traced in this process, without a provider for the whole of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from towpath._telemetry import switch
from towpath.testing import harness

from tests.unit.sdk.telemetry.recorded import Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """What is recorded when everything is sampled."""
    made = Recorded()
    monkeypatch.setattr(switch, "current_tracer", lambda: made.tracer)
    with harness():
        yield made


@pytest.fixture
def left_out(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """What is recorded although the sampler wants nothing."""
    made = Recorded(ratio=0.0)
    monkeypatch.setattr(switch, "current_tracer", lambda: made.tracer)
    with harness():
        yield made
