"""Every test has a home and a harness of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from towpath.testing import Harness


@pytest.fixture(autouse=True)
def recorded(towpath_harness: Harness) -> Harness:
    return towpath_harness


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
